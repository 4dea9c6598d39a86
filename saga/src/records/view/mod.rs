//! What readers see: orders and sagas as lists and pages, queues and workers, never locked.

mod order;
mod queue;
mod saga;
mod worker;

pub use order::{NotificationFilter, NotificationView, OrderFilter, OrderView, ProductFilter, Pulse};
pub use queue::{Paused, QueueView};
pub use saga::{Census, DeadRow, SagaFilter};
pub use worker::{WorkerBeat, WorkerView};
