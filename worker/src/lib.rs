//! Holdfast's workers: they run batches when something is due, and execute the calls that the batches
//! plan. `holdfast-saga` decides what a saga does next; no policy about orders lives here.

mod calls;
mod circuit_breaker;
mod config;
mod credentials;
mod executor;
mod heartbeat;
mod incident;
mod last_order;
mod live_keys;
mod pruner;
mod queue;
mod redis;
mod runtime;
mod saga_counts;
mod saga_log;
mod shop_watch;
mod stats;

pub use self::circuit_breaker::{CircuitBreaker, CircuitBreakerConfig, Gateway};
pub use self::config::{ConfigError, WorkerConfig};
pub use self::live_keys::{UnnamedShop, refuse_unnamed_shop};
pub use self::queue::{Dependency, DependencyHealth, Down, Queues, RedisBackend, RedisDispatch, Source};
pub use self::redis::{BadRedisUrl, Redis, RedisAddress, RedisDown};
pub use self::runtime::{Runtime, ShopHold, Stopped};
pub use self::stats::WorkerStats;
