//! Group commit for checkouts: requests that arrive during a commit share the next one.
//!
//! A request whose key or cart is locked by another transaction moves to a side lane, where it has a
//! commit of its own. The rest of its batch, and the batches after it, do not wait for that lock.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use holdfast_saga::ports::{Dispatch, ErrorClass, Hint, Store, StoreError};
use holdfast_saga::records::slot;
use holdfast_saga::records::view::WorkerView;
use holdfast_saga::shop::checkout::{AcceptPolicy, Accepted, CheckoutRequest, Refused, accept};
use holdfast_shared::{Queue, Time};
use holdfast_telemetry::Metrics;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::Instant;

/// Requests in one commit: as many as one batch of the executor.
const BATCH_MAX: usize = 512;
/// Requests in the queue: some 100 ms of work. Further ones are refused.
const WAITING_MAX: usize = 4_096;
/// How long a request waits for another one with the same key, or for a database that does not answer.
const MAX_WAIT: Duration = Duration::from_secs(5);
/// Requests in the side lane: as many as one batch. When it is full, the main lane waits as well.
const SIDE_LANE_MAX: usize = BATCH_MAX;
/// How often the workers are asked what they can do.
const WORKERS_EVERY: Duration = Duration::from_secs(5);
/// The pause between two attempts.
const RETRY_DELAY: Duration = Duration::from_millis(20);

/// Accepts checkouts. Clones share one queue; the committing task stops when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct CheckoutIntake {
    requests: mpsc::Sender<Waiting>,
}

/// Why a checkout got no answer. You may send the same request again: its key makes that safe.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AcceptError {
    /// The database refused it, or did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The process is stopping.
    #[error("holdfast is stopping; send the request again")]
    Stopping,
    /// Too many others wait.
    #[error(
        "more checkouts are waiting than can be saved in time; send the request again, with the same key"
    )]
    Overloaded,
}

type Answer = Result<Result<Accepted, Refused>, StoreError>;

#[derive(Debug)]
struct Waiting {
    request: CheckoutRequest,
    since: Instant,
    answer: oneshot::Sender<Answer>,
}

impl CheckoutIntake {
    /// Starts the task that commits.
    pub fn start(
        store: Arc<dyn Store>,
        policy: AcceptPolicy,
        dispatch: Arc<dyn Dispatch>,
        metrics: Metrics,
    ) -> Self {
        let (requests, waiting) = mpsc::channel(WAITING_MAX);
        let side_lane = Arc::new(Semaphore::new(SIDE_LANE_MAX));
        tokio::spawn(Arc::new(Committer { store, policy, dispatch, metrics, side_lane }).run(waiting));
        Self { requests }
    }

    /// Whether requests are accepted. False once the committing task has ended.
    pub fn is_running(&self) -> bool {
        !self.requests.is_closed()
    }

    /// Checks one cart out. `Ok(Ok(_))` means that the order is committed and cannot be lost.
    ///
    /// Dropping the future does not cancel the request. Send it again with the same key to get its answer.
    pub async fn accept(&self, request: CheckoutRequest) -> Result<Result<Accepted, Refused>, AcceptError> {
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting { request, since: Instant::now(), answer };
        self.requests.try_send(waiting).map_err(|error| match error {
            TrySendError::Full(_) => AcceptError::Overloaded,
            TrySendError::Closed(_) => AcceptError::Stopping,
        })?;
        Ok(answered.await.map_err(|_| AcceptError::Stopping)??)
    }
}

/// Hears from the workers which providers they can ask for money.
async fn watch_providers(store: Arc<dyn Store>, policy: AcceptPolicy) {
    let providers: BTreeSet<&str> = policy.payments.values().map(|route| &*route.provider).collect();
    loop {
        match workers(&*store).await {
            Ok((workers, now)) => policy.unusable.learn(providers.iter().copied(), &workers, now),
            // While the database does not answer, no checkout is accepted anyway.
            Err(error) => tracing::debug!("the workers could not be read: {error}"),
        }
        tokio::time::sleep(WORKERS_EVERY).await;
    }
}

async fn workers(store: &dyn Store) -> Result<(Vec<WorkerView>, Time), StoreError> {
    Ok((store.workers().await?, store.now().await?))
}

struct Committer {
    store: Arc<dyn Store>,
    policy: AcceptPolicy,
    dispatch: Arc<dyn Dispatch>,
    metrics: Metrics,
    side_lane: Arc<Semaphore>,
}

/// How the commit of a part of a batch ended.
enum PartOutcome {
    /// Every request in it has an answer.
    Answered,
    /// One request in it makes the commit fail: commit it in halves to find that request.
    Halved(Vec<Waiting>, Vec<Waiting>),
    /// Another transaction holds a lock that one of them needs; it is not known which one.
    Contended(Vec<Waiting>),
}

impl Committer {
    async fn run(self: Arc<Self>, mut waiting: mpsc::Receiver<Waiting>) {
        let watching = tokio::spawn(watch_providers(Arc::clone(&self.store), self.policy.clone()));
        let mut batch = Vec::with_capacity(BATCH_MAX);
        while waiting.recv_many(&mut batch, BATCH_MAX).await > 0 {
            let mut parts = VecDeque::from([std::mem::take(&mut batch)]);
            while let Some(part) = parts.pop_front() {
                match self.commit(part).await {
                    PartOutcome::Answered => {}
                    PartOutcome::Halved(left, right) => parts.extend([left, right]),
                    PartOutcome::Contended(part) => self.move_to_side_lane(part).await,
                }
            }
        }
        watching.abort();
    }

    /// Commits each request by itself, so that only the blocked one waits.
    async fn move_to_side_lane(self: &Arc<Self>, part: Vec<Waiting>) {
        for waiting in part {
            // The semaphore is never closed.
            let Ok(permit) = Arc::clone(&self.side_lane).acquire_owned().await else { return };
            let committer = Arc::clone(self);
            tokio::spawn(async move {
                committer.commit(vec![waiting]).await;
                drop(permit);
            });
        }
    }

    /// Commits a part. A part of one request always gets an answer.
    async fn commit(&self, part: Vec<Waiting>) -> PartOutcome {
        let requests: Vec<_> = part.iter().map(|waiting| waiting.request.clone()).collect();
        let started = Instant::now();
        let oldest = part.iter().map(|waiting| waiting.since).min().unwrap_or(started);
        // Once a commit's answer was lost, an order that is found by its key may be one of ours.
        let mut is_repeated = false;
        let error = loop {
            let error = match accept(&*self.store, &self.policy, &requests).await {
                Ok(answers) => {
                    self.wake(&answers);
                    for (request, answer) in requests.iter().zip(&answers) {
                        log(request, answer, is_repeated);
                    }
                    for (waiting, answer) in part.into_iter().zip(answers) {
                        let _ = waiting.answer.send(Ok(answer));
                    }
                    return PartOutcome::Answered;
                }
                Err(error) => error,
            };
            // A lock that outlasts the whole wait blocks every request: splitting would not help.
            let is_blocked = matches!(error, StoreError::Contention(_)) && started.elapsed() < MAX_WAIT;
            if is_blocked && part.len() > 1 {
                return PartOutcome::Contended(part);
            }
            // A retry finds a lost answer by its key, and most locks are released within moments.
            let retry = error.class() != ErrorClass::Halve && !matches!(error, StoreError::Refused(_));
            if !retry || oldest.elapsed() > MAX_WAIT {
                break error;
            }
            is_repeated = true;
            tokio::time::sleep(RETRY_DELAY).await;
        };
        if error.class() == ErrorClass::Halve && part.len() > 1 {
            let mut left = part;
            let right = left.split_off(left.len() / 2);
            return PartOutcome::Halved(left, right);
        }
        for waiting in part {
            let answer = match &error {
                StoreError::Contention(_) => Ok(Err(Refused::InProgress)),
                error => Err(error.clone()),
            };
            let _ = waiting.answer.send(answer);
        }
        PartOutcome::Answered
    }

    fn wake(&self, answers: &[Result<Accepted, Refused>]) {
        let fresh = answers.iter().flatten().filter(|accepted| !accepted.replayed);
        let hints: Vec<Hint> = fresh
            .inspect(|accepted| self.count(accepted))
            .map(|accepted| Hint { saga: accepted.order.saga(slot::CHECKOUT), queue: Queue::Checkout })
            .collect();
        self.dispatch.wake(&hints);
    }

    fn count(&self, accepted: &Accepted) {
        if let Some(order) = &accepted.placed {
            self.metrics.accepted(order.status, order.method);
        }
    }
}

/// Logs an order that was accepted, whether or not its caller still waits for the answer.
fn log(request: &CheckoutRequest, answer: &Result<Accepted, Refused>, is_repeated: bool) {
    let Ok(accepted) = answer else { return };
    if accepted.replayed && !is_repeated {
        return;
    }
    let order = accepted.placed.as_deref();
    let CheckoutRequest { origin, method, .. } = request;
    tracing::info!(
        target: "holdfast::order",
        {
            order.id = accepted.order.number(),
            saga.id = %accepted.order.saga(slot::CHECKOUT),
            method = %method,
            total = order.map(|order| display(order.total)),
            lines = order.map(|order| order.lines.len()),
            request_id = origin.request_id.as_deref().map(display),
            trace_id = origin.trace_id.as_deref().map(display)
        },
        "accepted"
    );
}
