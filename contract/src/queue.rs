//! Queues.

use holdfast_saga::operations::queue_list::{QueueState, Retrying};
use holdfast_saga::records::view::QueueView;
use holdfast_saga::shop::answer::Answered;
use holdfast_shared::{Queue, SagaId, Time, redact};
use serde::{Deserialize, Serialize};

use crate::result::{CommandOutcome, unchanged};
use crate::text::Text;

/// A queue, as it is now.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = Queue))]
pub struct QueueBody {
    /// The name of the queue.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "checkout"))]
    pub queue: Queue,
    /// Sagas that a worker could take now.
    #[cfg_attr(feature = "openapi", schema(example = 3))]
    pub depth: u64,
    /// Since when the oldest of them has been due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest_due: Option<Time>,
    /// For how long that is, in seconds.
    #[cfg_attr(feature = "openapi", schema(example = 0.25))]
    pub oldest_seconds: f64,
    /// Sagas with a call in flight.
    pub in_flight: u64,
    /// Sagas that will retry a failed step automatically, or whose step is held back; absent if there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retrying: Option<RetryingBody>,
    /// The number of dead sagas.
    pub dead: u64,
    /// Live workers that serve the queue. Without one, nothing in it moves.
    #[cfg_attr(feature = "openapi", schema(example = 2))]
    pub workers: usize,
    /// Who paused the queue, when and why, if it is paused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<PausedBody>,
}

/// The sagas of a queue that try again by themselves.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = Retrying))]
pub struct RetryingBody {
    /// How many they are.
    #[cfg_attr(feature = "openapi", schema(example = 13))]
    pub sagas: u64,
    /// How many tries of the worst of them failed.
    #[cfg_attr(feature = "openapi", schema(example = 5))]
    pub tries_max: u32,
    /// The id of the worst of them.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "1042.3"))]
    pub worst: SagaId,
    /// Why its last try failed.
    #[cfg_attr(feature = "openapi", schema(example = "the provider refused: no refunds today"))]
    pub error: String,
    /// When the first of them is due again.
    pub next_try: Time,
}

/// The pause of a queue.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = Paused))]
pub struct PausedBody {
    /// When the queue was paused.
    pub at: Time,
    /// The operator who paused it.
    pub by: String,
    /// The reason that the operator gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A request to pause a queue.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = Pause, example = json!({"reason": "the bank is down"})))]
pub struct PauseBody {
    /// The reason, shown with the queue.
    pub reason: Option<Text<500>>,
}

read_fields!(PauseBody { reason });

/// What came of pausing or resuming a queue.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = QueueResult))]
pub struct QueueResult {
    /// The name of the queue.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "checkout"))]
    pub queue: Queue,
    /// `done`, or `already` if nothing changed.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "done"))]
    pub answer: CommandOutcome,
    /// An explanation for people.
    #[cfg_attr(feature = "openapi", schema(example = "queue checkout is paused; calls in flight may end"))]
    pub detail: String,
}

impl QueueBody {
    /// The queue of `state`, at `now`.
    pub fn new(state: QueueState, now: Time) -> Self {
        let QueueState { view, retrying, workers } = state;
        let QueueView { queue, due, oldest_due, in_flight, dead, paused } = view;
        Self {
            queue,
            depth: due,
            oldest_due,
            oldest_seconds: oldest_due.map_or(0.0, |since| now.since(since).as_secs_f64()),
            in_flight,
            retrying: retrying.map(RetryingBody::from),
            dead,
            workers,
            paused: paused.map(|paused| PausedBody { at: paused.at, by: paused.by, reason: paused.reason }),
        }
    }
}

impl From<Retrying> for RetryingBody {
    fn from(retrying: Retrying) -> Self {
        let Retrying { sagas, tries_max, worst, error, next_try } = retrying;
        Self { sagas, tries_max, worst, error: redact(&error), next_try }
    }
}

impl QueueResult {
    /// What came of pausing or resuming `queue`.
    pub fn new(queue: Queue, answered: Answered) -> Self {
        let (answer, detail) = match answered {
            Answered::Already(detail) => (CommandOutcome::Already, unchanged(&detail)),
            Answered::Done(detail) => (CommandOutcome::Done, detail),
            Answered::Accepted(_) => (CommandOutcome::Done, String::new()),
        };
        Self { queue, answer, detail }
    }
}
