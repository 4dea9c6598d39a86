//! `holdfast worker list`: the workers, and whether they are alive.

use std::collections::BTreeSet;

use holdfast_contract::List;
use holdfast_contract::worker::WorkerBody;
use holdfast_saga::ports::Store;
use holdfast_saga::records::request::Operation;
use holdfast_shared::Time;

use crate::exit::Exit;
use crate::output::{Format, age};

pub(super) async fn run(store: &dyn Store, output: Format) -> anyhow::Result<Exit> {
    let now = store.now().await?;
    let workers = store.workers().await?.into_iter().map(|view| WorkerBody::new(view, now));
    let workers = List::whole(workers.collect());
    let header = ["WORKER", "STATE", "SEEN", "CALLS", "VERSION", "PROVIDERS", "QUEUES"];
    output.list(&workers, "no workers", &header, |worker| row(worker, now))?;
    Ok(Exit::Ok)
}

fn row(worker: &WorkerBody, now: Time) -> Vec<String> {
    let pools = worker.pools.iter().map(|(queue, calls)| format!("{queue} {calls}"));
    vec![
        worker.name.clone(),
        worker.state.as_str().to_owned(),
        age(worker.left_at.unwrap_or(worker.heartbeat_at), now),
        worker.in_flight.to_string(),
        worker.version.clone(),
        worker.providers.iter().map(provider).collect::<Vec<_>>().join(", "),
        pools.collect::<Vec<_>>().join(", "),
    ]
}

/// A provider, with what its credentials do not allow.
fn provider((name, allowed): (&String, &BTreeSet<Operation>)) -> String {
    let refused = Operation::ALL.into_iter().filter(|operation| !allowed.contains(operation));
    let refused: Vec<&str> = refused.map(Into::into).collect();
    if refused.is_empty() { name.clone() } else { format!("{name} (not {})", refused.join(", ")) }
}
