//! The settings of a worker.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use holdfast_saga::operations::audit::LEASE_MAX;
use holdfast_shared::{Queue, ShopId};

use crate::circuit_breaker::CircuitBreaker;

/// The settings of a worker. Every bound is written here once, with its reason.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// The name in its leases.
    pub name: String,
    /// The pools it serves, and how many calls of each may be in flight.
    pub pools: BTreeMap<Queue, usize>,
    /// Sagas in one batch. A larger batch shares one commit among more sagas, until waiting for it costs more.
    pub batch_max: usize,
    /// Hints that wait for a batch. A full intake holds the queue's own worker back.
    pub intake_max: usize,
    /// How long a call may hold its saga before another worker takes it over.
    pub lease: Duration,
    /// A call without an answer for this long is unknown. At most half the lease.
    pub call_timeout: Duration,
    /// How often the sweep looks for due sagas without a hint. While it finds none, it slows down to a fifth of that.
    pub sweep_every: Duration,
    /// How long calls in flight may take to end when the worker stops.
    pub drain_timeout: Duration,
    /// Settled sagas and idempotency keys older than this are deleted.
    pub keep: Duration,
    /// By the name of its payment provider: what holds its calls back while it is down. A provider without one is always
    /// called.
    pub circuit_breakers: Arc<BTreeMap<String, CircuitBreaker>>,
    /// The same for notification channels.
    pub channel_breakers: Arc<BTreeMap<String, CircuitBreaker>>,
    /// The shop that the settings name. Without it, no provider whose credentials move real money is asked for anything.
    pub shop_id: Option<ShopId>,
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
            circuit_breakers: Arc::default(),
            channel_breakers: Arc::default(),
            shop_id: None,
        }
    }
}

/// A configuration that contradicts itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A call could last longer than its lease.
    #[error("the call timeout of {call_timeout:?} is more than half the lease of {lease:?}; raise the lease")]
    LeaseTooShort {
        /// The timeout in the configuration.
        call_timeout: Duration,
        /// The lease in the configuration.
        lease: Duration,
    },
    /// A saga of a worker that died would wait for too long.
    #[error("a lease of {lease:?} is longer than {LEASE_MAX:?}; lower it, so that others take over in time")]
    LeaseTooLong {
        /// The lease in the configuration.
        lease: Duration,
    },
    /// No call could ever start.
    #[error("no pool has room for a call; give at least one of them a number above 0")]
    NoPools,
    /// A bound that is zero.
    #[error("{0} must be above 0")]
    Zero(&'static str),
}

impl WorkerConfig {
    /// Refuses what contradicts itself, before anything is started.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.call_timeout * 2 > self.lease {
            return Err(ConfigError::LeaseTooShort { call_timeout: self.call_timeout, lease: self.lease });
        }
        if self.lease > LEASE_MAX {
            return Err(ConfigError::LeaseTooLong { lease: self.lease });
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contradictions_are_refused_with_a_sentence() {
        assert_eq!(WorkerConfig::default().check(), Ok(()));
        let short = WorkerConfig { lease: Duration::from_secs(19), ..WorkerConfig::default() };
        let error = short.check().expect_err("10 s of call in 19 s of lease");
        assert!(error.to_string().contains("raise the lease"), "{error}");
        let long = WorkerConfig { lease: LEASE_MAX + Duration::from_secs(1), ..WorkerConfig::default() };
        let error = long.check().expect_err("an hour and a second");
        assert!(error.to_string().contains("lower it"), "{error}");
        let idle = WorkerConfig { pools: BTreeMap::from([(Queue::Checkout, 0)]), ..WorkerConfig::default() };
        assert_eq!(idle.check(), Err(ConfigError::NoPools));
        assert!(WorkerConfig { batch_max: 0, ..WorkerConfig::default() }.check().is_err());
    }
}
