//! `holdfast queue`: listing, pausing and resuming queues.

use holdfast_contract::List;
use holdfast_contract::queue::{PausedBody, QueueBody, QueueResult, RetryingBody};
use holdfast_saga::operations::{queue, queue_list};
use holdfast_saga::ports::Store;
use holdfast_saga::shop::answer::Answered;
use holdfast_saga::timeline::span;
use holdfast_shared::{Actor, Queue, Time};

use crate::database::Database;
use crate::exit::{Exit, say};
use crate::operator::Operator;
use crate::output::{Format, Watch, age, dated, print};
use crate::values::{one_of, reason};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// List the queues: what is due, in flight, retrying and dead, who serves them and who paused them
    List(Watch),
    /// Pause a queue: workers take no more of its sagas; calls in flight may end
    Pause {
        /// The queue
        #[arg(value_parser = one_of::<Queue>())]
        queue: Queue,

        /// The reason, shown with the queue
        #[arg(long, value_name = "TEXT", value_parser = reason)]
        reason: Option<String>,

        #[command(flatten)]
        actor: Operator,
    },
    /// Resume a paused queue
    Resume {
        /// The queue
        #[arg(value_parser = one_of::<Queue>())]
        queue: Queue,

        #[command(flatten)]
        actor: Operator,
    },
}

pub(crate) async fn run(database: &Database, command: Command, output: Format) -> anyhow::Result<Exit> {
    let store = database.store();
    match command {
        Command::List(watch) => watch.repeat(async || list(store, output).await).await,
        Command::Pause { queue: name, reason, actor } => {
            let by = Actor::Operator(actor.actor);
            report(name, queue::pause(store, name, reason, &by).await?, output)
        }
        Command::Resume { queue: name, actor } => {
            report(name, queue::resume(store, name, &Actor::Operator(actor.actor)).await?, output)
        }
    }
}

async fn list(store: &dyn Store, output: Format) -> anyhow::Result<Exit> {
    let (queues, now) = queue_list::list(store).await?;
    let queues = List::whole(queues.into_iter().map(|state| QueueBody::new(state, now)).collect());
    let header = ["QUEUE", "DUE", "OLDEST", "IN FLIGHT", "RETRYING", "DEAD", "WORKERS"];
    output.list(&queues, "no queues", &header, |queue| row(queue, now))?;
    if output == Format::Table {
        let notes: String = queues.items.iter().flat_map(|queue| notes(queue, now)).collect();
        print(&if notes.is_empty() { notes } else { format!("\n{notes}") })?;
    }
    Ok(Exit::Ok)
}

fn row(queue: &QueueBody, now: Time) -> Vec<String> {
    let retrying = queue.retrying.as_ref().map_or(0, |retrying| retrying.sagas);
    vec![
        queue.queue.to_string(),
        queue.depth.to_string(),
        queue.oldest_due.map(|since| span(now.since(since))).unwrap_or_default(),
        queue.in_flight.to_string(),
        retrying.to_string(),
        queue.dead.to_string(),
        queue.workers.to_string(),
    ]
}

/// What a person should know of a queue or do about it, a line each.
fn notes(queue: &QueueBody, now: Time) -> Vec<String> {
    let QueueBody { queue: name, depth, retrying, dead, workers, paused, .. } = queue;
    let mut notes = Vec::new();
    if let Some(PausedBody { at, by, reason }) = paused {
        let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let since = dated(*at, now);
        notes.push(format!(
            "paused by {by} since {since}{reason}; `holdfast queue resume {name}` lets it go on"
        ));
    }
    let waiting = *depth > 0 || retrying.is_some();
    if *workers == 0 && waiting {
        notes.push("no live worker serves it; `holdfast worker` starts one".to_owned());
    }
    if let Some(RetryingBody { sagas, tries_max, worst, error, next_try }) = retrying {
        notes.push(format!(
            "{sagas} RETRYING, the next {}; the worst is {worst} after {tries_max} tries in vain: {error}; \
             `holdfast saga list --state RETRYING` lists them",
            age(*next_try, now)
        ));
    }
    if *dead > 0 {
        notes.push(format!("{dead} DEAD; `holdfast dead list --group` says why"));
    }
    notes.into_iter().map(|note| format!("{name}: {note}\n")).collect()
}

fn report(queue: Queue, answered: Answered, output: Format) -> anyhow::Result<Exit> {
    let result = QueueResult::new(queue, answered);
    say(&result.detail);
    output.one(&result, String::new)?;
    Ok(Exit::Ok)
}
