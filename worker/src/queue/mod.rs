//! How hints travel from a commit to a worker that serves the saga's pool.
//!
//! A hint says that a saga may be due, and nothing else. Hints may be dropped, duplicated, late or lost: the
//! database knows what is due, and the sweep finds it. So no caller waits for a queue, and no hint is sent twice
//! to be safe.
//!
//! Every pool has an apalis worker ([`delivery::serve`]), whatever queue is behind it. apalis is only a pipe here:
//! its handler passes the hint on to the executor.

mod delivery;
mod dependency_health;
mod embedded;
mod redis;

use std::sync::Arc;

use holdfast_saga::ports::Dispatch;
use holdfast_shared::{Queue, SagaId};
use holdfast_telemetry::Metrics;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use self::delivery::{ConsumerContext, serve};
pub(crate) use self::dependency_health::Poll;
pub use self::dependency_health::{Dependency, DependencyHealth, Down};
pub use self::redis::{RedisBackend, RedisDispatch};
use crate::config::WorkerConfig;
use crate::redis::Redis;

/// Where the hints of a worker come from.
#[derive(Debug, Clone)]
pub enum Source {
    /// From this process alone.
    Embedded,
    /// From Redis: workers of any number of processes share them.
    Redis(Arc<Redis>, RedisBackend),
}

impl Source {
    /// What a worker of these pools depends on.
    fn dependencies(&self, pools: &[Queue]) -> Vec<Dependency> {
        let queues: &[Queue] = match self {
            Self::Embedded => &[],
            Self::Redis(..) => pools,
        };
        std::iter::once(Dependency::Database).chain(queues.iter().copied().map(Dependency::Queue)).collect()
    }
}

/// The queues of one worker. Hints for its pools come out of `hints`, until that receiver is dropped.
#[derive(Debug)]
pub struct Queues {
    /// Sends hints to these pools and, through Redis, to the pools of other workers.
    pub dispatch: Arc<dyn Dispatch>,
    /// The hints of all pools, bounded by the configured intake.
    pub hints: mpsc::Receiver<SagaId>,
    /// When the database and each queue last answered.
    pub dependency_health: DependencyHealth,
    /// The tasks that serve the queues; they end after `stop`.
    pub serving: Vec<JoinHandle<()>>,
}

impl Queues {
    /// Opens the queues of the worker that `config` describes, and serves them until `stop`.
    pub fn open(
        source: &Source,
        config: &WorkerConfig,
        metrics: &Metrics,
        stop: &watch::Receiver<bool>,
    ) -> Self {
        let (intake, hints) = mpsc::channel(config.intake_max);
        let served: Vec<_> = config.pools.keys().copied().collect();
        let context = ConsumerContext {
            worker: config.name.clone(),
            lease: config.lease,
            metrics: metrics.clone(),
            intake,
            stop: stop.clone(),
        };
        let dependency_health = DependencyHealth::new(source.dependencies(&served), metrics);
        let (dispatch, serving): (Arc<dyn Dispatch>, _) = match source {
            Source::Embedded => {
                let (dispatch, queues) = embedded::open(&served, metrics);
                (
                    Arc::new(dispatch),
                    queues.into_iter().map(|queue| tokio::spawn(serve(queue, context.clone()))).collect(),
                )
            }
            Source::Redis(redis, backend) => {
                let dispatch = RedisDispatch::start(Arc::clone(redis), *backend, metrics);
                let serve = |queue: &Queue| {
                    backend.serve(redis, *queue, &context, dependency_health.of(Dependency::Queue(*queue)))
                };
                (Arc::new(dispatch), served.iter().map(serve).collect())
            }
        };
        Self { dispatch, hints, dependency_health, serving }
    }
}
