//! What a worker has done since it started.

use std::sync::atomic::{AtomicU64, Ordering};

use holdfast_saga::engine::batch::Committed;

/// The counters of one worker.
#[derive(Debug, Default)]
pub struct WorkerStats {
    /// Batches that committed something or found nothing to do.
    pub batches: AtomicU64,
    /// Sagas that batches claimed.
    pub claimed: AtomicU64,
    /// Sagas that batches moved.
    pub moved: AtomicU64,
    /// Calls started since the start.
    pub calls: AtomicU64,
    /// Calls without an answer now.
    pub in_flight: AtomicU64,
    /// Outcomes that came after their saga's fence had moved on.
    pub late: AtomicU64,
    /// Batches that failed as a whole.
    pub failed: AtomicU64,
    /// Sagas that ended for good: checkouts, notifications and all others.
    pub settled: AtomicU64,
    /// Sagas in the largest batch.
    pub batch_largest: AtomicU64,
}

impl WorkerStats {
    /// Counts what a batch did.
    pub(crate) fn committed(&self, done: &Committed) {
        let add = |counter: &AtomicU64, count: usize| counter.fetch_add(count as u64, Ordering::Relaxed);
        add(&self.batches, 1);
        add(&self.claimed, done.claimed);
        add(&self.moved, done.moved.len());
        add(&self.settled, done.moved.iter().filter(|moved| moved.state.is_settled()).count());
        add(&self.late, done.late);
        add(&self.calls, done.calls.len());
        add(&self.in_flight, done.calls.len());
        self.batch_largest.fetch_max(done.claimed as u64, Ordering::Relaxed);
    }
}
