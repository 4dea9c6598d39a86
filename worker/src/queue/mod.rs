//! How hints travel: from whoever committed something to a worker that serves the saga's pool.
//!
//! A hint says that a saga may be due, and nothing else. It may be dropped, doubled, late or lost: what is due
//! stands in the database, and the sweep finds it. So nothing in here waits for a queue on behalf of a caller,
//! and nothing is done twice to save a hint.
//!
//! Every pool has an apalis worker ([`serve`]), fed by a [`Delivery`] at a time, whatever queue is behind it.

mod dependency_health;
mod embedded;
mod redis;

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll as Polled};
use std::time::Duration;

use apalis::layers::WorkerBuilderExt;
use apalis::prelude::{Backend, BoxDynError, Data, Task, TaskBuilder, WorkerBuilder, WorkerContext};
use apalis_core::backend::BackendConfig;
use apalis_core::backend::finalize::Ephemeral;
use apalis_core::layers::Identity;
use apalis_core::task::task_id::RandomId;
use holdfast_saga::ports::Dispatch;
use holdfast_shared::{Queue, SagaId};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

pub(crate) use self::dependency_health::Poll;
pub use self::dependency_health::{Asked, DependencyHealth};
pub(crate) use self::redis::millis;
pub use self::redis::{BadRedisUrl, Redis, RedisBackend, RedisDispatch, RedisDown};
use crate::config::WorkerConfig;
use crate::metrics::{Jobs, Metrics};

/// Handlers do nothing but wait for room in the intake: a few hide the hop, more only wait together.
const HANDLERS: usize = 16;

/// Where a worker's hints come from.
#[derive(Debug, Clone)]
pub enum Source {
    /// From this very process: nobody else hears of them.
    Embedded,
    /// From Redis: workers of any number of processes share them.
    Redis(Arc<Redis>, RedisBackend),
}

impl Source {
    /// Whom a worker of these pools asks for work.
    fn asked(&self, pools: &[Queue]) -> Vec<Asked> {
        let queues: &[Queue] = match self {
            Self::Embedded => &[],
            Self::Redis(..) => pools,
        };
        std::iter::once(Asked::Database).chain(queues.iter().copied().map(Asked::Queue)).collect()
    }
}

/// The queues of one worker: what is sent to its pools comes out of `hints`, as long as somebody takes it.
#[derive(Debug)]
pub struct Queues {
    /// Sends hints to these pools, and, through Redis, to those of other workers.
    pub dispatch: Arc<dyn Dispatch>,
    /// What arrives, from all pools. It holds no more than the configured intake.
    pub hints: mpsc::Receiver<SagaId>,
    /// Who answers, and who has not for long.
    pub dependency_health: DependencyHealth,
    /// Ends when the queues have stopped.
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
        let place = ConsumerContext {
            worker: config.name.clone(),
            lease: config.lease,
            metrics: metrics.clone(),
            intake,
            stop: stop.clone(),
        };
        let dependency_health = DependencyHealth::new(source.asked(&served), metrics.last_poll());
        let (dispatch, serving): (Arc<dyn Dispatch>, _) = match source {
            Source::Embedded => {
                let (dispatch, queues) = embedded::open(&served, metrics);
                (
                    Arc::new(dispatch),
                    queues.into_iter().map(|queue| tokio::spawn(serve(queue, place.clone()))).collect(),
                )
            }
            Source::Redis(redis, backend) => {
                let dispatch = RedisDispatch::start(Arc::clone(redis), *backend, metrics);
                let serve = |queue: &Queue| {
                    backend.serve(redis, *queue, &place, dependency_health.of(Asked::Queue(*queue)))
                };
                (Arc::new(dispatch), served.iter().map(serve).collect())
            }
        };
        Self { dispatch, hints, dependency_health, serving }
    }
}

/// What a queue needs to know of the worker it is served for.
#[derive(Clone)]
struct ConsumerContext {
    /// Its name, unique among all workers that ever were.
    worker: String,
    /// A hint that was taken and not passed on for this long is somebody else's.
    lease: Duration,
    metrics: Metrics,
    /// Where hints go.
    intake: mpsc::Sender<SagaId>,
    stop: watch::Receiver<bool>,
}

impl ConsumerContext {
    fn intake(&self, queue: Queue) -> Intake {
        Intake { hints: self.intake.clone(), jobs: self.metrics.jobs(queue) }
    }

    /// Ends when the worker shall stop.
    async fn stopped(&self) -> Result<(), std::io::Error> {
        let mut stop = self.stop.clone();
        let _ = stop.wait_for(|stop| *stop).await;
        Ok(())
    }
}

/// One hint on its way to the executor.
#[derive(Debug)]
struct Delivery {
    saga: SagaId,
    /// Whoever wants to know that it arrived.
    receipt: Option<redis::Receipt>,
}

/// One pool's queue as apalis sees it.
#[derive(Debug)]
struct QueueBackend {
    queue: Queue,
    hints: mpsc::Receiver<Delivery>,
}

impl Backend for QueueBackend {
    type Task = Task<Delivery>;
    type Error = Infallible;

    fn poll_ready(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Polled<Result<(), Infallible>> {
        Polled::Ready(Ok(()))
    }

    fn poll_next(
        &mut self,
        context: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Polled<Option<Result<Task<Delivery>, Infallible>>> {
        self.hints.poll_recv(context).map(|hint| hint.map(|delivery| Ok(TaskBuilder::new(delivery).build())))
    }

    fn poll_close(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Polled<Result<(), Infallible>> {
        self.hints.close();
        Polled::Ready(Ok(()))
    }
}

impl BackendConfig for QueueBackend {
    type Args = Delivery;
    type Id = RandomId;
    type Kind = Ephemeral;
    type Config = ();
    type Layer = Identity;

    fn config(&self) -> &() {
        &()
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> Identity {
        Identity::new()
    }
}

/// The executor's bounded intake, as a handler sees it.
#[derive(Debug, Clone)]
struct Intake {
    hints: mpsc::Sender<SagaId>,
    jobs: Jobs,
}

impl Intake {
    /// Ends as soon as the intake has the hint. A full intake holds the queue back, nothing else.
    async fn take(&self, saga: SagaId) {
        // A closed intake means that the executor is stopping; the saga is due in the database.
        if self.hints.send(saga).await.is_ok() {
            self.jobs.taken(1);
        }
    }

    /// What was given names no saga.
    fn poisoned(&self) {
        self.jobs.poisoned(1);
    }
}

/// Runs one apalis worker until `stop` says so. Its handler only passes the hint on: how a saga fares is
/// the database's business, never the queue's.
async fn serve(backend: QueueBackend, place: ConsumerContext) {
    let queue = backend.queue;
    let worker = WorkerBuilder::new(queue.to_string())
        .backend(backend)
        .data(place.intake(queue))
        .concurrency(HANDLERS)
        .build(pass_on);
    let stopped = async move { place.stopped().await };
    if let Err(error) = worker.run_until(stopped).await {
        tracing::error!(%queue, "the worker of queue {queue} ended: {error}; the sweep goes on without it");
    }
}

async fn pass_on(delivery: Delivery, intake: Data<Intake>) -> Result<(), BoxDynError> {
    intake.take(delivery.saga).await;
    if let Some(receipt) = delivery.receipt {
        receipt.sign();
    }
    Ok(())
}
