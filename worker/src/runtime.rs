//! A worker, assembled: apalis pools, the executor, the sweep and the pruner, started and stopped together.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use holdfast_saga::engine::batch::Engine;
use holdfast_saga::engine::registry::Registry;
use holdfast_saga::ports::{Dispatch, Gateways, Store};
use holdfast_telemetry::Metrics;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::calls::Caller;
use crate::config::{ConfigError, WorkerConfig};
use crate::credentials::Credentials;
use crate::executor::{Executor, ExecutorDeps};
use crate::live_keys::LiveKeys;
use crate::queue::{Dependency, DependencyHealth, Queues, Source};
use crate::shop_watch::ShopWatch;
use crate::stats::WorkerStats;
use crate::{heartbeat, pruner, saga_counts};

/// A running worker. Dropping it without [`Runtime::stop`] leaves its leases to expire.
#[derive(Debug)]
pub struct Runtime {
    dispatch: Arc<dyn Dispatch>,
    dependency_health: DependencyHealth,
    stats: Arc<WorkerStats>,
    shop_watch: Arc<ShopWatch>,
    stop: watch::Sender<bool>,
    /// Set once its last outcome is committed.
    ended: watch::Sender<bool>,
    executor: JoinHandle<usize>,
    others: Vec<JoinHandle<()>>,
}

/// Whether the calls of a worker are held because its database may not be the one that its shop goes by.
#[derive(Debug, Clone)]
pub struct ShopHold(Arc<ShopWatch>);

impl ShopHold {
    /// Why, and what to do about it; `None`: they are not.
    pub fn why(&self) -> Option<String> {
        self.0.held()
    }
}

/// How a worker stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped {
    /// Calls that the drain timeout cut off. Their sagas are taken over when their leases expire.
    pub cut_off: usize,
}

impl Runtime {
    /// Starts a worker whose hints stay in this process. Refuses a configuration that contradicts itself.
    pub fn start(
        store: Arc<dyn Store>,
        registry: Registry,
        gateways: Gateways,
        config: WorkerConfig,
        metrics: Metrics,
    ) -> Result<Self, ConfigError> {
        Self::start_on(&Source::Embedded, store, registry, gateways, config, metrics)
    }

    /// Starts a worker that gets its hints from `source`.
    pub fn start_on(
        source: &Source,
        store: Arc<dyn Store>,
        registry: Registry,
        gateways: Gateways,
        config: WorkerConfig,
        metrics: Metrics,
    ) -> Result<Self, ConfigError> {
        config.check()?;
        let stats = Arc::new(WorkerStats::default());
        let (stop, stopped) = watch::channel(false);
        let Queues { dispatch, hints, dependency_health, serving: mut others } =
            Queues::open(source, &config, &metrics, &stopped);
        let (ended, is_ended) = watch::channel(false);
        let configured = gateways.payments.names().map(str::to_owned);
        let credentials = Arc::new(Credentials::new(configured, &config.pools, metrics.clone()));
        let heartbeats = heartbeat::run(
            Arc::clone(&store),
            heartbeat::WorkerInfo::new(&config, &registry, Arc::clone(&credentials)),
            Arc::clone(&stats),
            is_ended.clone(),
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
        others.push(tokio::spawn(saga_counts::run(
            Arc::clone(&store),
            registry,
            metrics.clone(),
            stopped.clone(),
        )));
        let redis = match source {
            Source::Redis(redis, _) => Some(Arc::clone(redis)),
            Source::Embedded => None,
        };
        let shop_watch = ShopWatch::new();
        others.push(tokio::spawn(Arc::clone(&shop_watch).run(store, redis, metrics.clone(), is_ended)));
        let caller = Caller {
            gateways,
            circuit_breakers: Arc::clone(&config.circuit_breakers),
            channel_breakers: Arc::clone(&config.channel_breakers),
            shop: Arc::clone(&shop_watch),
            live_keys: LiveKeys::new(config.shop_id),
            credentials,
            lease: config.lease,
            timeout_max: config.call_timeout,
        };
        let deps = ExecutorDeps {
            stats: Arc::clone(&stats),
            metrics,
            dispatch: Arc::clone(&dispatch),
            database: dependency_health.of(Dependency::Database),
        };
        let executor = Executor::new(engine, caller, config, deps, hints, stopped);
        Ok(Self {
            dispatch,
            dependency_health,
            stats,
            shop_watch,
            stop,
            ended,
            executor: tokio::spawn(executor.run()),
            others,
        })
    }

    /// Sends hints to this worker.
    pub fn dispatch(&self) -> Arc<dyn Dispatch> {
        Arc::clone(&self.dispatch)
    }

    /// When the database and each queue last answered it.
    pub fn dependency_health(&self) -> DependencyHealth {
        self.dependency_health.clone()
    }

    /// What it has done so far.
    pub fn stats(&self) -> Arc<WorkerStats> {
        Arc::clone(&self.stats)
    }

    /// Whether its calls are held, and why.
    pub fn shop_hold(&self) -> ShopHold {
        ShopHold(Arc::clone(&self.shop_watch))
    }

    /// Stops it: no new work starts, calls in flight may end within the drain timeout, and their outcomes are committed.
    pub fn stop(self) -> BoxFuture<'static, Stopped> {
        Box::pin(async move {
            let _ = self.stop.send(true);
            let cut_off = self.executor.await.unwrap_or_else(|error| {
                tracing::error!("the executor failed: {error}");
                0
            });
            let _ = self.ended.send(true);
            for other in self.others {
                let _ = other.await;
            }
            Stopped { cut_off }
        })
    }
}
