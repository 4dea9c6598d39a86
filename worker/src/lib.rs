//! Holdfast's workers: they run batches when something is due, and carry out the calls that come
//! out of them. What a saga does next is decided in `holdfast-saga`; nothing here holds policy
//! about orders.

mod acceptor;
mod calls;
mod census;
mod config;
mod executor;
mod guard;
mod metrics;
mod notifier;
mod pruner;
mod queue;
mod registry;
mod runtime;

pub use acceptor::{AcceptError, Acceptor};
pub use config::{ConfigError, Tally, WorkerConfig};
pub use guard::{Guard, GuardConfig};
pub use metrics::Metrics;
pub use notifier::LogNotifier;
pub use queue::{Asked, BadRedisUrl, Polls, Queues, Redis, RedisBackend, RedisDispatch, RedisDown, Source};
pub use runtime::{Runtime, Stopped};
