//! The queues in Redis, shared by all processes.
//!
//! Redis holds hints and nothing else, so losing it only delays orders. A hint that was taken leaves
//! nothing behind, and hints that nobody takes are bounded.

mod backend;
mod backoff;
mod dispatch;
mod stock;
mod streams;

pub use self::backend::RedisBackend;
pub use self::dispatch::RedisDispatch;
