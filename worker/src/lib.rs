//! Holdfast's workers: they run batches when something is due, and carry out the calls that come
//! out of them. What a saga does next is decided in `holdfast-saga`; nothing here holds policy
//! about orders.

mod calls;
mod checkout_intake;
mod circuit_breaker;
mod config;
mod executor;
mod metrics;
mod notifier;
mod pruner;
mod queue;
mod registry;
mod runtime;
mod saga_counts;

pub use checkout_intake::{AcceptError, CheckoutIntake};
pub use circuit_breaker::{CircuitBreaker, CircuitBreakerConfig};
pub use config::{ConfigError, WorkerConfig, WorkerStats};
pub use metrics::Metrics;
pub use notifier::LogNotifier;
pub use queue::{
    Asked, BadRedisUrl, DependencyHealth, Queues, Redis, RedisBackend, RedisDispatch, RedisDown, Source,
};
pub use runtime::{Runtime, Stopped};
