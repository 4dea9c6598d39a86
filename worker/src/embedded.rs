//! The queue without Redis: hints stay in this process and reach it through apalis workers.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use apalis::layers::WorkerBuilderExt;
use apalis::prelude::{Backend, BoxDynError, Data, Task, TaskBuilder, WorkerBuilder, WorkerContext};
use apalis_core::backend::BackendConfig;
use apalis_core::backend::finalize::Ephemeral;
use apalis_core::layers::Identity;
use apalis_core::task::task_id::RandomId;
use holdfast_saga::ports::{Dispatch, Hint};
use holdfast_shared::{Queue, SagaId};
use tokio::sync::{mpsc, watch};

use crate::config::Tally;

/// Hints that may wait in one queue; the next ones are dropped, and the sweep finds their sagas.
const QUEUE_MAX: usize = 65_536;

/// Sends hints to the apalis workers of this process.
#[derive(Debug, Clone)]
pub struct EmbeddedDispatch {
    queues: BTreeMap<Queue, mpsc::Sender<SagaId>>,
    tally: Arc<Tally>,
}

impl Dispatch for EmbeddedDispatch {
    fn wake(&self, hints: &[Hint]) {
        for hint in hints {
            // A queue that is not served here belongs to another process.
            let Some(queue) = self.queues.get(&hint.queue) else {
                continue;
            };
            if queue.try_send(hint.saga).is_err() {
                Tally::add(&self.tally.dropped, 1);
            }
        }
    }
}

/// Opens one queue a pool. The backends are what [`serve`] runs workers on.
pub(crate) fn open(
    pools: impl Iterator<Item = Queue>,
    tally: &Arc<Tally>,
) -> (EmbeddedDispatch, Vec<EmbeddedBackend>) {
    let mut queues = BTreeMap::new();
    let mut backends = Vec::new();
    for queue in pools {
        let (sender, hints) = mpsc::channel(QUEUE_MAX);
        queues.insert(queue, sender);
        backends.push(EmbeddedBackend { queue, hints });
    }
    (EmbeddedDispatch { queues, tally: Arc::clone(tally) }, backends)
}

/// One queue as apalis sees it.
#[derive(Debug)]
pub(crate) struct EmbeddedBackend {
    queue: Queue,
    hints: mpsc::Receiver<SagaId>,
}

impl Backend for EmbeddedBackend {
    type Task = Task<SagaId>;
    type Error = Infallible;

    fn poll_ready(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(
        &mut self,
        context: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Option<Result<Task<SagaId>, Infallible>>> {
        self.hints.poll_recv(context).map(|hint| hint.map(|saga| Ok(TaskBuilder::new(saga).build())))
    }

    fn poll_close(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        self.hints.close();
        Poll::Ready(Ok(()))
    }
}

impl BackendConfig for EmbeddedBackend {
    type Args = SagaId;
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
struct Intake(mpsc::Sender<SagaId>);

/// Runs one apalis worker until `stop` says so. Its handler only passes the hint on: how a saga fares is
/// the database's business, never the queue's.
pub(crate) async fn serve(
    backend: EmbeddedBackend,
    intake: mpsc::Sender<SagaId>,
    mut stop: watch::Receiver<bool>,
) {
    let queue = backend.queue;
    let stopped = async move {
        let _ = stop.wait_for(|stop| *stop).await;
        Ok::<_, std::io::Error>(())
    };
    let worker = WorkerBuilder::new(queue.to_string())
        .backend(backend)
        .data(Intake(intake))
        // Handlers do nothing but wait for room: a few hide the hop, more only wait together.
        .concurrency(16)
        .build(pass_on);
    if let Err(error) = worker.run_until(stopped).await {
        tracing::error!(%queue, "the worker of queue {queue} ended: {error}; the sweep goes on without it");
    }
}

/// Ends as soon as the intake has the hint. A full intake holds the queue back, nothing else.
async fn pass_on(saga: SagaId, intake: Data<Intake>) -> Result<(), BoxDynError> {
    // A closed intake means that the executor is stopping; the saga is due in the database.
    let Intake(executor) = &*intake;
    let _ = executor.send(saga).await;
    Ok(())
}
