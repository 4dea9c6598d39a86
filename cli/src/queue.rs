//! `holdfast queue`: listing, pausing and resuming queues.

use holdfast_contract::List;
use holdfast_contract::queue::{QueueBody, QueueResult};
use holdfast_saga::operations::queue;
use holdfast_saga::ports::Store;
use holdfast_saga::shop::answer::Answered;
use holdfast_shared::{Actor, Queue};

use crate::database::Database;
use crate::exit::{Exit, say};
use crate::operator::Operator;
use crate::output::Format;
use crate::values::{one_of, reason};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// List the queues, each with its due, in-flight and dead sagas and with who paused it
    List,
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
        Command::List => list(store, output).await,
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
    let now = store.now().await?;
    let queues = store.queues().await?.into_iter().map(|view| QueueBody::new(view, now));
    let queues = List::whole(queues.collect());
    output.list(&queues, "no queues", &["QUEUE", "DUE", "OLDEST", "IN FLIGHT", "DEAD", "PAUSED"], row)?;
    Ok(Exit::Ok)
}

fn row(queue: &QueueBody) -> Vec<String> {
    let oldest = queue.oldest_due.map(|_| format!("{:.1} s", queue.oldest_seconds)).unwrap_or_default();
    let paused = queue.paused.as_ref().map(|paused| {
        let reason = paused.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        format!("since {} by {}{reason}", paused.at, paused.by)
    });
    vec![
        queue.queue.to_string(),
        queue.depth.to_string(),
        oldest,
        queue.in_flight.to_string(),
        queue.dead.to_string(),
        paused.unwrap_or_default(),
    ]
}

fn report(queue: Queue, answered: Answered, output: Format) -> anyhow::Result<Exit> {
    let result = QueueResult::new(queue, answered);
    say(&result.detail);
    output.one(&result, String::new)?;
    Ok(Exit::Ok)
}
