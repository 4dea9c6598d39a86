//! What an operator can set, and what a worker counts.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use holdfast_shared::Queue;

use crate::circuit_breaker::CircuitBreaker;

/// How a worker works. Every bound is written here once, with its reason.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// The name its leases carry.
    pub name: String,
    /// The pools it serves, and how many calls of each may be in flight.
    pub pools: BTreeMap<Queue, usize>,
    /// Sagas in one batch: more of them share a commit, until waiting for it costs more than it saves.
    pub batch_max: usize,
    /// Hints that wait for a batch. A full intake holds the queue's own worker back.
    pub intake_max: usize,
    /// How long a call may keep its saga before somebody else takes it over.
    pub lease: Duration,
    /// A call without an answer for this long is unknown. At most half the lease.
    pub call_timeout: Duration,
    /// How often due sagas are looked for that nobody hinted at; while none are found, less and less, down to a fifth
    /// as often.
    pub sweep_every: Duration,
    /// How long calls in flight may take to end when the worker stops.
    pub drain_timeout: Duration,
    /// Settled sagas and idempotency keys older than this are deleted.
    pub keep: Duration,
    /// Who holds calls back while their payment provider is away; `None`: nobody.
    pub circuit_breaker: Option<CircuitBreaker>,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self {
            name: format!("worker-{}", std::process::id()),
            pools: BTreeMap::from([
                (Queue::Checkout, 256),
                (Queue::Compensation, 64),
                (Queue::PaymentEvents, 64),
                (Queue::Notifications, 256),
            ]),
            batch_max: 512,
            intake_max: 4096,
            lease: Duration::from_secs(30),
            call_timeout: Duration::from_secs(10),
            sweep_every: Duration::from_millis(200),
            drain_timeout: Duration::from_secs(15),
            keep: Duration::from_hours(30 * 24),
            circuit_breaker: None,
        }
    }
}

/// A configuration that contradicts itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A call could outlive its lease.
    #[error("the call timeout of {call_timeout:?} is more than half the lease of {lease:?}; raise the lease")]
    LeaseTooShort {
        /// As configured.
        call_timeout: Duration,
        /// As configured.
        lease: Duration,
    },
    /// Nothing would ever run.
    #[error("no pool has room for a call; give at least one of them a number above 0")]
    NoPools,
    /// A bound of zero.
    #[error("{0} must be above 0")]
    Zero(&'static str),
}

impl WorkerConfig {
    /// Refuses what contradicts itself, before anything is started.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.call_timeout * 2 > self.lease {
            return Err(ConfigError::LeaseTooShort { call_timeout: self.call_timeout, lease: self.lease });
        }
        if self.pools.values().all(|slots| *slots == 0) {
            return Err(ConfigError::NoPools);
        }
        if self.batch_max == 0 {
            return Err(ConfigError::Zero("the batch size"));
        }
        if self.intake_max == 0 {
            return Err(ConfigError::Zero("the intake"));
        }
        Ok(())
    }
}

/// What a worker has done since it started.
#[derive(Debug, Default)]
pub struct WorkerStats {
    /// Batches that committed something or found nothing to do.
    pub batches: AtomicU64,
    /// Sagas claimed by them.
    pub claimed: AtomicU64,
    /// Sagas moved by them.
    pub moved: AtomicU64,
    /// Calls begun.
    pub calls: AtomicU64,
    /// Calls begun now and not answered.
    pub in_flight: AtomicU64,
    /// Outcomes that came after their fence was gone.
    pub late: AtomicU64,
    /// Batches that failed as a whole.
    pub failed: AtomicU64,
    /// Sagas that ended for good: orders, messages and all.
    pub settled: AtomicU64,
    /// The largest batch.
    pub batch_largest: AtomicU64,
}

impl WorkerStats {
    pub(crate) fn add(counter: &AtomicU64, count: usize) {
        counter.fetch_add(count as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contradictions_are_refused_with_a_sentence() {
        assert_eq!(WorkerConfig::default().check(), Ok(()));
        let short = WorkerConfig { lease: Duration::from_secs(19), ..WorkerConfig::default() };
        let error = short.check().expect_err("10 s of call in 19 s of lease");
        assert!(error.to_string().contains("raise the lease"), "{error}");
        let idle = WorkerConfig { pools: BTreeMap::from([(Queue::Checkout, 0)]), ..WorkerConfig::default() };
        assert_eq!(idle.check(), Err(ConfigError::NoPools));
        assert!(WorkerConfig { batch_max: 0, ..WorkerConfig::default() }.check().is_err());
    }
}
