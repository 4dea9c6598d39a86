//! Queues as they are shown.

use holdfast_saga::records::view::QueueView;
use holdfast_saga::shop::answer::Answered;
use holdfast_shared::{Queue, Time};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::body::Text;

/// How a pool stands.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Queue)]
pub struct QueueBody {
    /// Its name.
    #[schema(value_type = String, example = "checkout")]
    pub queue: Queue,
    /// Sagas that a worker could take now.
    #[schema(example = 3)]
    pub depth: u64,
    /// Since when the longest due of them is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest_due: Option<Time>,
    /// For how long, in seconds.
    #[schema(example = 0.25)]
    pub oldest_seconds: f64,
    /// Sagas whose call is under way.
    pub in_flight: u64,
    /// Sagas that gave up.
    pub dead: u64,
    /// Since when, by whom and why nobody takes any, if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<PausedBody>,
}

/// An operator's set_paused.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Paused)]
pub struct PausedBody {
    /// Since when.
    pub at: Time,
    /// By whom.
    pub by: String,
    /// Why, if they said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Why a queue is paused.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Pause, example = json!({"reason": "the bank is down"}))]
pub struct PauseBody {
    /// For whoever wonders why nothing moves.
    #[serde(default)]
    pub reason: Option<Text<500>>,
}

/// What came of a set_paused.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Braked)]
pub struct QueueResult {
    /// Which queue.
    #[schema(value_type = String, example = "checkout")]
    pub queue: Queue,
    /// `done`, or `already`.
    #[schema(value_type = String, example = "done")]
    pub answer: &'static str,
    /// In words.
    #[schema(example = "queue checkout is paused; calls under way may end")]
    pub detail: String,
}

impl QueueBody {
    /// `view` at `now`.
    pub fn new(view: QueueView, now: Time) -> Self {
        let QueueView { queue, due, oldest_due, in_flight, dead, paused } = view;
        Self {
            queue,
            depth: due,
            oldest_due,
            oldest_seconds: oldest_due.map_or(0.0, |since| now.since(since).as_secs_f64()),
            in_flight,
            dead,
            paused: paused.map(|paused| PausedBody { at: paused.at, by: paused.by, reason: paused.reason }),
        }
    }
}

impl QueueResult {
    /// What came of pausing or resuming `queue`.
    pub fn new(queue: Queue, answered: Answered) -> Self {
        let (answer, detail) = match answered {
            Answered::Already(words) => ("already", format!("{words}; nothing was changed")),
            Answered::Done(words) => ("done", words),
            Answered::Accepted(_) => ("done", String::new()),
        };
        Self { queue, answer, detail }
    }
}
