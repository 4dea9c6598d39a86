//! `holdfast worker list`: who works, and who has fallen silent.

use holdfast_api::body::ops::worker::WorkerBody;
use holdfast_saga::ports::Store;

use crate::args::WorkerCommand;
use crate::database::Database;
use crate::exit::Exit;
use crate::output::{Format, Page};

pub(crate) async fn run(database: &Database, command: WorkerCommand, output: Format) -> anyhow::Result<Exit> {
    match command {
        WorkerCommand::List => list(database.store(), output).await,
    }
}

async fn list(store: &dyn Store, output: Format) -> anyhow::Result<Exit> {
    let now = store.now().await?;
    let workers = store.workers().await?.into_iter().map(|view| WorkerBody::new(view, now));
    let page = Page::whole(workers.collect());
    let header = ["WORKER", "STATE", "HEARD OF", "IN FLIGHT", "QUEUES", "HOST", "PID", "VERSION", "STARTED"];
    output.list(&page, &header, row)?;
    Ok(Exit::Ok)
}

fn row(worker: &WorkerBody) -> Vec<String> {
    let pools = worker.pools.iter().map(|(queue, calls)| format!("{queue} {calls}"));
    vec![
        worker.name.clone(),
        worker.state.to_owned(),
        worker.left_at.unwrap_or(worker.heartbeat_at).to_string(),
        worker.in_flight.to_string(),
        pools.collect::<Vec<_>>().join(", "),
        worker.host.clone(),
        worker.pid.to_string(),
        worker.version.clone(),
        worker.started_at.to_string(),
    ]
}
