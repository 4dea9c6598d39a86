//! What happens often is said seldom.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lets one message through, and no other for a while.
#[derive(Debug)]
pub(crate) struct LogLimit {
    every: Duration,
    said_at: Mutex<Option<Instant>>,
}

impl LogLimit {
    pub(crate) const fn new(every: Duration) -> Self {
        Self { every, said_at: Mutex::new(None) }
    }

    /// Whether this one may be said.
    pub(crate) fn permits(&self) -> bool {
        let mut said_at = self.said_at.lock().unwrap_or_else(PoisonError::into_inner);
        let permits = said_at.is_none_or(|at| at.elapsed() >= self.every);
        if permits {
            *said_at = Some(Instant::now());
        }
        permits
    }
}
