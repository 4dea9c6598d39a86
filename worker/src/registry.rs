//! Saying that this worker is there, so that others can tell when it is not.
//!
//! Nothing is decided by it: who holds a saga is told by its lease alone.

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

use crate::config::{WorkerConfig, WorkerStats};

/// Four of these missed, and it counts as silent.
const EVERY: Duration = Duration::from_secs(5);
/// A database that does not answer by then hears no deregister: the worker is silent soon enough.
const FAREWELL: Duration = Duration::from_secs(2);

/// What stays the same of a worker as long as it lives.
#[derive(Debug)]
pub(crate) struct WorkerInfo {
    name: String,
    pools: std::collections::BTreeMap<Queue, usize>,
    definitions: Vec<DefinitionId>,
}

impl WorkerInfo {
    pub(crate) fn new(config: &WorkerConfig, registry: &Registry) -> Self {
        let definitions = registry.all().map(Definition::id).collect();
        Self { name: config.name.clone(), pools: config.pools.clone(), definitions }
    }

    fn heartbeat(&self, started_at: Time, in_flight: u64) -> Heartbeat {
        Heartbeat {
            name: self.name.clone(),
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pools: self.pools.clone(),
            definitions: self.definitions.clone(),
            in_flight,
            started_at,
        }
    }
}

/// Beats until `gone` says so, then says deregister. While the database does not answer, it is silent.
pub(crate) async fn run(
    store: Arc<dyn Store>,
    life: WorkerInfo,
    stats: Arc<WorkerStats>,
    mut gone: watch::Receiver<bool>,
) {
    let mut started_at = None;
    loop {
        let in_flight = stats.in_flight.load(Ordering::Relaxed);
        if let Err(error) = heartbeat(&*store, &life, &mut started_at, in_flight).await {
            tracing::debug!("worker {} could not say that it is there: {error}", life.name);
        }
        tokio::select! {
            () = sleep(EVERY) => {}
            _ = gone.wait_for(|gone| *gone) => break,
        }
    }
    if !matches!(timeout(FAREWELL, store.deregister(&life.name)).await, Ok(Ok(()))) {
        tracing::debug!("worker {} left without a deregister", life.name);
    }
}

/// It began, by the clock that all go by, when it was first heard.
async fn heartbeat(
    store: &dyn Store,
    life: &WorkerInfo,
    started_at: &mut Option<Time>,
    in_flight: u64,
) -> Result<(), StoreError> {
    let started = match *started_at {
        Some(started) => started,
        None => *started_at.insert(store.now().await?),
    };
    store.heartbeat(&life.heartbeat(started, in_flight)).await
}
