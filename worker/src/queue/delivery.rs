//! One hint on its way from a queue to the executor, through an apalis worker.

use std::convert::Infallible;
use std::fmt;
use std::task::{Context, Poll as Polled};
use std::time::Duration;

use apalis::layers::WorkerBuilderExt;
use apalis::prelude::{Backend, BoxDynError, Data, Task, TaskBuilder, WorkerBuilder, WorkerContext};
use apalis_core::backend::BackendConfig;
use apalis_core::backend::finalize::Ephemeral;
use apalis_core::layers::Identity;
use apalis_core::task::task_id::RandomId;
use holdfast_shared::{Queue, SagaId};
use holdfast_telemetry::{HintCounters, Metrics};
use tokio::sync::{mpsc, watch};

/// Handlers only wait for room in the executor's intake: a few hide the hop, more would only wait together.
pub(super) const HANDLERS: usize = 16;

/// What a queue needs to know about the worker that it is served for.
#[derive(Clone)]
pub(super) struct ConsumerContext {
    /// The worker's name; no other worker ever has the same one.
    pub(super) worker: String,
    /// After this long, another worker may take a hint that was taken and not passed on.
    pub(super) lease: Duration,
    pub(super) metrics: Metrics,
    pub(super) intake: mpsc::Sender<SagaId>,
    pub(super) stop: watch::Receiver<bool>,
}

impl ConsumerContext {
    pub(super) fn intake(&self, queue: Queue) -> Intake {
        Intake { hints: self.intake.clone(), counters: self.metrics.hints(queue) }
    }

    /// Returns when the worker must stop.
    pub(super) async fn stopped(&self) -> Result<(), std::io::Error> {
        let mut stop = self.stop.clone();
        let _ = stop.wait_for(|stop| *stop).await;
        Ok(())
    }
}
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) saga: SagaId,
    /// Acknowledged once the executor has the hint.
    pub(super) receipt: Option<Receipt>,
}

/// Acknowledges a hint. Dropping it does not.
pub(super) struct Receipt(Box<dyn FnOnce() + Send + Sync>);

impl Receipt {
    pub(super) fn new(acknowledge: impl FnOnce() + Send + Sync + 'static) -> Self {
        Self(Box::new(acknowledge))
    }

    pub(super) fn acknowledge(self) {
        (self.0)();
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Receipt(..)")
    }
}

/// The queue of one pool, as apalis sees it.
#[derive(Debug)]
pub(super) struct QueueBackend {
    pub(super) queue: Queue,
    pub(super) hints: mpsc::Receiver<Delivery>,
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

/// The executor's bounded intake, with the counters of one queue.
#[derive(Debug, Clone)]
pub(super) struct Intake {
    hints: mpsc::Sender<SagaId>,
    counters: HintCounters,
}

impl Intake {
    /// Returns once the intake has the hint. A full intake holds this queue back, and nothing else.
    pub(super) async fn take(&self, saga: SagaId) {
        // A closed intake means that the executor is stopping; the database still knows that the saga is due.
        if self.hints.send(saga).await.is_ok() {
            self.counters.taken(1);
        }
    }

    /// Counts a hint that names no saga.
    pub(super) fn malformed(&self) {
        self.counters.malformed(1);
    }
}

/// Runs one apalis worker until `context.stop`. Its handler only passes the hint on: the state of a saga is in
/// the database, never in the queue.
pub(super) async fn serve(backend: QueueBackend, context: ConsumerContext) {
    let queue = backend.queue;
    let worker = WorkerBuilder::new(queue.to_string())
        .backend(backend)
        .data(context.intake(queue))
        .concurrency(HANDLERS)
        .build(pass_on);
    let stopped = async move { context.stopped().await };
    if let Err(error) = worker.run_until(stopped).await {
        tracing::error!(%queue, "the worker of queue {queue} ended: {error}; orders go on by the sweep");
    }
}

async fn pass_on(delivery: Delivery, intake: Data<Intake>) -> Result<(), BoxDynError> {
    intake.take(delivery.saga).await;
    if let Some(receipt) = delivery.receipt {
        receipt.acknowledge();
    }
    Ok(())
}
