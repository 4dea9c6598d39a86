//! `holdfast queue`: how the pools stand, and the set_paused.

use holdfast_api::body::ops::queue::{QueueBody, QueueResult};
use holdfast_saga::operations::queue;
use holdfast_saga::ports::Store;
use holdfast_saga::shop::answer::Answered;
use holdfast_shared::{Actor, Queue};

use crate::args::QueueCommand;
use crate::database::Database;
use crate::exit::{Exit, say};
use crate::output::{Format, Page};

pub(crate) async fn run(database: &Database, command: QueueCommand, output: Format) -> anyhow::Result<Exit> {
    let store = database.store();
    match command {
        QueueCommand::List => list(store, output).await,
        QueueCommand::Pause { queue: name, reason, actor } => {
            let by = Actor::Operator(actor.actor);
            told(name, queue::pause(store, name, reason, &by).await?, output)
        }
        QueueCommand::Resume { queue: name, actor } => {
            told(name, queue::resume(store, name, &Actor::Operator(actor.actor)).await?, output)
        }
    }
}

async fn list(store: &dyn Store, output: Format) -> anyhow::Result<Exit> {
    let now = store.now().await?;
    let queues = store.queues().await?.into_iter().map(|view| QueueBody::new(view, now));
    let page = Page::whole(queues.collect());
    output.list(&page, &["QUEUE", "DUE", "OLDEST", "IN FLIGHT", "DEAD", "PAUSED"], row)?;
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

fn told(queue: Queue, answered: Answered, output: Format) -> anyhow::Result<Exit> {
    let braked = QueueResult::new(queue, answered);
    say(&braked.detail);
    output.one(&braked, String::new)?;
    Ok(Exit::Ok)
}
