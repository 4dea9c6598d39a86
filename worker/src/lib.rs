//! Holdfast's workers: they run batches when something is due, and carry out the calls that come
//! out of them. What a saga does next is decided in `holdfast-saga`; nothing here holds policy
//! about orders.

mod acceptor;
mod calls;
mod census;
mod config;
mod embedded;
mod executor;
mod metrics;
mod notifier;
mod pruner;
mod registry;
mod runtime;

pub use acceptor::{AcceptError, Acceptor};
pub use config::{ConfigError, Tally, WorkerConfig};
pub use embedded::EmbeddedDispatch;
pub use metrics::Metrics;
pub use notifier::LogNotifier;
pub use runtime::{Runtime, Stopped};
