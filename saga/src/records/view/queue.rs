//! Queues as they stand.

use std::collections::BTreeMap;

use holdfast_shared::{Queue, Time};
use strum::IntoEnumIterator;

/// How a pool stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueView {
    /// The queue.
    pub queue: Queue,
    /// Sagas that a worker could take now.
    pub due: u64,
    /// Since when the longest due of them is.
    pub oldest_due: Option<Time>,
    /// Sagas whose call is under way: leased.
    pub in_flight: u64,
    /// Sagas that gave up.
    pub dead: u64,
    /// Since when, by whom and why nobody takes any, if so.
    pub paused: Option<Paused>,
}

impl QueueView {
    /// An empty pool.
    pub const fn empty(queue: Queue) -> Self {
        Self { queue, due: 0, oldest_due: None, in_flight: 0, dead: 0, paused: None }
    }

    /// All pools, empty.
    pub fn all_empty() -> BTreeMap<Queue, Self> {
        Queue::iter().map(|queue| (queue, Self::empty(queue))).collect()
    }
}

/// That an operator paused a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paused {
    /// Since when.
    pub at: Time,
    /// Who paused it.
    pub by: String,
    /// Why, if they said so.
    pub reason: Option<String>,
}

impl std::fmt::Display for Paused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "paused by {} since {}", self.by, self.at)?;
        self.reason.as_ref().map_or(Ok(()), |reason| write!(f, " ({reason})"))
    }
}
