//! Group commit for checkouts: requests that arrive while one commit is under way share the next.
//!
//! One that somebody is in the way of, because they hold its key or its cart, waits aside: neither those
//! who came with it nor those who come next wait for that.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use holdfast_saga::ports::{Dispatch, ErrorClass, Hint, Store, StoreError};
use holdfast_saga::records::slot;
use holdfast_saga::shop::checkout::{AcceptPolicy, Accepted, CheckoutRequest, Refused, accept};
use holdfast_shared::Queue;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::Instant;

use crate::metrics::Metrics;

/// Requests in one commit: as many as a batch of the executor takes.
const BATCH_MAX: usize = 512;
/// Requests that wait; the next ones wait outside.
const WAITING_MAX: usize = 4_096;
/// How long a request waits for another one with its key, or for a database that does not answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Requests aside, each with a commit of its own: as many as came in one. Then the others wait, too.
const ASIDE_MAX: usize = BATCH_MAX;
/// Between two tries.
const AGAIN: Duration = Duration::from_millis(20);

/// Takes checkouts in. Clones share the queue; it stops when the last one is dropped.
#[derive(Debug, Clone)]
pub struct CheckoutIntake {
    requests: mpsc::Sender<Waiting>,
}

/// Why a checkout got no answer. The same request may be sent again: its key makes that safe.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AcceptError {
    /// The database did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The process is stopping.
    #[error("holdfast is stopping; send the request again")]
    Stopping,
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
        let aside = Arc::new(Semaphore::new(ASIDE_MAX));
        tokio::spawn(Arc::new(Committer { store, policy, dispatch, metrics, aside }).run(waiting));
        Self { requests }
    }

    /// Whether anybody takes requests. Nobody does any more once the task that commits has ended.
    pub fn is_running(&self) -> bool {
        !self.requests.is_closed()
    }

    /// Asks for one checkout. `Ok(Ok(_))` means that the order is committed and will never be lost.
    ///
    /// Dropping the future does not take the request back; asking again with the same key finds its answer.
    pub async fn accept(&self, request: CheckoutRequest) -> Result<Result<Accepted, Refused>, AcceptError> {
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting { request, since: Instant::now(), answer };
        self.requests.send(waiting).await.map_err(|_| AcceptError::Stopping)?;
        Ok(answered.await.map_err(|_| AcceptError::Stopping)??)
    }
}

struct Committer {
    store: Arc<dyn Store>,
    policy: AcceptPolicy,
    dispatch: Arc<dyn Dispatch>,
    metrics: Metrics,
    aside: Arc<Semaphore>,
}

/// What became of a part of a batch.
enum Part {
    /// Everybody in it has an answer.
    Answered,
    /// One request in it is at fault: find it, half by half.
    Halved(Vec<Waiting>, Vec<Waiting>),
    /// Somebody is in the way of one of them, who knows of which.
    Contended(Vec<Waiting>),
}

impl Committer {
    async fn run(self: Arc<Self>, mut waiting: mpsc::Receiver<Waiting>) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        while waiting.recv_many(&mut batch, BATCH_MAX).await > 0 {
            let mut parts = VecDeque::from([std::mem::take(&mut batch)]);
            while let Some(part) = parts.pop_front() {
                match self.commit(part).await {
                    Part::Answered => {}
                    Part::Halved(left, right) => parts.extend([left, right]),
                    Part::Contended(part) => self.set_aside(part).await,
                }
            }
        }
    }

    /// Lets each request go on by itself: the one that is held up waits alone.
    async fn set_aside(self: &Arc<Self>, part: Vec<Waiting>) {
        for waiting in part {
            // Nobody closes it.
            let Ok(room) = Arc::clone(&self.aside).acquire_owned().await else { return };
            let committer = Arc::clone(self);
            tokio::spawn(async move {
                committer.commit(vec![waiting]).await;
                drop(room);
            });
        }
    }

    /// Commits a part. One that holds a single request is answered.
    async fn commit(&self, part: Vec<Waiting>) -> Part {
        let requests: Vec<_> = part.iter().map(|waiting| waiting.request.clone()).collect();
        let begun = Instant::now();
        let oldest = part.iter().map(|waiting| waiting.since).min().unwrap_or(begun);
        let error = loop {
            let error = match accept(&*self.store, &self.policy, &requests).await {
                Ok(answers) => {
                    self.wake(&answers);
                    for (waiting, answer) in part.into_iter().zip(answers) {
                        let _ = waiting.answer.send(Ok(answer));
                    }
                    return Part::Answered;
                }
                Err(error) => error,
            };
            // A lock that was waited for this long is everybody's: apart they would fare no better.
            let is_held_up = matches!(error, StoreError::Contention(_)) && begun.elapsed() < PATIENCE;
            if is_held_up && part.len() > 1 {
                return Part::Contended(part);
            }
            // A lost answer is found again by its keys; somebody in the way will be gone in a moment.
            let again = error.class() != ErrorClass::Halve && !matches!(error, StoreError::Refused(_));
            if !again || oldest.elapsed() > PATIENCE {
                break error;
            }
            tokio::time::sleep(AGAIN).await;
        };
        if error.class() == ErrorClass::Halve && part.len() > 1 {
            let mut left = part;
            let right = left.split_off(left.len() / 2);
            return Part::Halved(left, right);
        }
        for waiting in part {
            let answer = match &error {
                StoreError::Contention(_) => Ok(Err(Refused::InProgress)),
                error => Err(error.clone()),
            };
            let _ = waiting.answer.send(answer);
        }
        Part::Answered
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
