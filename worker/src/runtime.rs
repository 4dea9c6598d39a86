//! A worker, assembled: apalis pools, the executor, the sweep and the pruner, started and stopped together.

use std::sync::Arc;

use holdfast_saga::engine::batch::Engine;
use holdfast_saga::engine::registry::Registry;
use holdfast_saga::ports::{Dispatch, Gateways, Store};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::{ConfigError, WorkerConfig, WorkerStats};
use crate::executor::{Executor, ExecutorDeps};
use crate::metrics::Metrics;
use crate::queue::{Asked, DependencyHealth, Queues, Source};
use crate::{pruner, registry, saga_counts};

/// A running worker. Dropping it without [`Runtime::stop`] leaves its leases to run out.
#[derive(Debug)]
pub struct Runtime {
    dispatch: Arc<dyn Dispatch>,
    dependency_health: DependencyHealth,
    stats: Arc<WorkerStats>,
    stop: watch::Sender<bool>,
    /// Told once its last outcome is committed.
    gone: watch::Sender<bool>,
    executor: JoinHandle<usize>,
    others: Vec<JoinHandle<()>>,
}

/// How a worker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped {
    /// Calls that were cut off by the drain timeout. Their sagas are taken over when their leases run out.
    pub cut_off: usize,
}

impl Runtime {
    /// Starts a worker whose hints stay in this process. A configuration that contradicts itself is refused.
    pub fn start(
        store: Arc<dyn Store>,
        registry: Registry,
        outside: Gateways,
        config: WorkerConfig,
        metrics: Metrics,
    ) -> Result<Self, ConfigError> {
        Self::start_on(&Source::Embedded, store, registry, outside, config, metrics)
    }

    /// Starts a worker that gets its hints from `source`.
    pub fn start_on(
        source: &Source,
        store: Arc<dyn Store>,
        registry: Registry,
        outside: Gateways,
        config: WorkerConfig,
        metrics: Metrics,
    ) -> Result<Self, ConfigError> {
        config.check()?;
        let stats = Arc::new(WorkerStats::default());
        let (stop, stopped) = watch::channel(false);
        let Queues { dispatch, hints, dependency_health, serving: mut others } =
            Queues::open(source, &config, &metrics, &stopped);
        let (gone, is_gone) = watch::channel(false);
        let heartbeats = registry::run(
            Arc::clone(&store),
            registry::WorkerInfo::new(&config, &registry),
            Arc::clone(&stats),
            is_gone,
        );
        let engine = Engine {
            store: Arc::clone(&store),
            registry,
            worker: config.name.clone(),
            lease: config.lease,
            queues: config.pools.keys().copied().collect(),
        };
        others.push(tokio::spawn(pruner::run(Arc::clone(&store), config.keep, stopped.clone())));
        others.push(tokio::spawn(heartbeats));
        others.push(tokio::spawn(saga_counts::run(store, metrics.clone(), stopped.clone())));
        let around = ExecutorDeps {
            stats: Arc::clone(&stats),
            metrics,
            dispatch: Arc::clone(&dispatch),
            database: dependency_health.of(Asked::Database),
        };
        let executor = Executor::new(engine, outside, config, around, hints, stopped);
        Ok(Self {
            dispatch,
            dependency_health,
            stats,
            stop,
            gone,
            executor: tokio::spawn(executor.run()),
            others,
        })
    }

    /// Where hints for this worker go.
    pub fn dispatch(&self) -> Arc<dyn Dispatch> {
        Arc::clone(&self.dispatch)
    }

    /// Who answers it, and who has not for long.
    pub fn dependency_health(&self) -> DependencyHealth {
        self.dependency_health.clone()
    }

    /// What it has done so far.
    pub fn stats(&self) -> Arc<WorkerStats> {
        Arc::clone(&self.stats)
    }

    /// Stops: no new work, calls in flight may end within the drain timeout, their outcomes are committed.
    pub async fn stop(self) -> Stopped {
        let _ = self.stop.send(true);
        let cut_off = self.executor.await.unwrap_or_else(|error| {
            tracing::error!("the executor ended badly: {error}");
            0
        });
        let _ = self.gone.send(true);
        for other in self.others {
            let _ = other.await;
        }
        Stopped { cut_off }
    }
}
