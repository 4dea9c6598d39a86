//! The heartbeat of a worker, for `holdfast worker list`.
//!
//! It decides nothing: only a lease says which worker holds a saga.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use holdfast_saga::engine::definition::Definition;
use holdfast_saga::engine::registry::Registry;
use holdfast_saga::ports::{Store, StoreError};
use holdfast_saga::records::saga::DefinitionId;
use holdfast_saga::records::view::Heartbeat;
use holdfast_shared::{Queue, Time};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::config::WorkerConfig;
use crate::credentials::Credentials;
use crate::stats::WorkerStats;

/// A worker that misses four of these counts as silent.
const INTERVAL: Duration = Duration::from_secs(5);
/// How long a worker tries to deregister. If it fails, the worker counts as silent soon.
const DEREGISTER_WITHIN: Duration = Duration::from_secs(2);

/// What does not change while a worker runs.
#[derive(Debug)]
pub(crate) struct WorkerInfo {
    name: String,
    pools: std::collections::BTreeMap<Queue, usize>,
    definitions: Vec<DefinitionId>,
    credentials: Arc<Credentials>,
}

impl WorkerInfo {
    pub(crate) fn new(config: &WorkerConfig, registry: &Registry, credentials: Arc<Credentials>) -> Self {
        let definitions = registry.all().map(Definition::id).collect();
        Self { name: config.name.clone(), pools: config.pools.clone(), definitions, credentials }
    }

    fn heartbeat(&self, started_at: Time, in_flight: u64) -> Heartbeat {
        Heartbeat {
            name: self.name.clone(),
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pools: self.pools.clone(),
            definitions: self.definitions.clone(),
            providers: Some(self.credentials.own()),
            in_flight,
            started_at,
        }
    }
}

/// Sends heartbeats until `ended`, then deregisters, and hears what the other workers say. While the database does not
/// answer, it skips them.
pub(crate) async fn run(
    store: Arc<dyn Store>,
    worker: WorkerInfo,
    stats: Arc<WorkerStats>,
    mut ended: watch::Receiver<bool>,
) {
    let mut started_at = None;
    loop {
        let in_flight = stats.in_flight.load(Ordering::Relaxed);
        if let Err(error) = heartbeat(&*store, &worker, &mut started_at, in_flight).await {
            tracing::debug!("worker {} could not send a heartbeat: {error}", worker.name);
        }
        tokio::select! {
            () = sleep(INTERVAL) => {}
            () = worker.credentials.changed.notified() => {}
            _ = ended.wait_for(|ended| *ended) => break,
        }
    }
    if !matches!(timeout(DEREGISTER_WITHIN, store.deregister(&worker.name)).await, Ok(Ok(()))) {
        tracing::debug!("worker {} could not deregister", worker.name);
    }
}

/// The worker started, by the database's clock, at its first heartbeat.
async fn heartbeat(
    store: &dyn Store,
    worker: &WorkerInfo,
    started_at: &mut Option<Time>,
    in_flight: u64,
) -> Result<(), StoreError> {
    let started = match *started_at {
        Some(started) => started,
        None => *started_at.insert(store.now().await?),
    };
    store.heartbeat(&worker.heartbeat(started, in_flight)).await?;
    let (workers, now) = (store.workers().await?, store.now().await?);
    let others = workers.iter().filter(|other| other.heartbeat.name != worker.name);
    worker.credentials.heard(others, now);
    Ok(())
}
