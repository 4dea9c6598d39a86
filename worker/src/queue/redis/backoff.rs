//! How long to wait before Redis is tried again.

use std::time::Duration;

/// The shortest and the longest wait.
const WAITS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// A wait that doubles with every failure in a row, up to a bound.
#[derive(Debug)]
pub(super) struct Backoff(Duration);

impl Backoff {
    pub(super) const fn new() -> Self {
        Self(WAITS.0)
    }

    pub(super) fn next(&mut self) -> Duration {
        let now = self.0;
        self.0 = (now * 2).min(WAITS.1);
        now
    }
}
