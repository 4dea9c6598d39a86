//! What readers see: orders and sagas as lists and pages, queues and workers, never locked.

mod action;
mod order;
mod pending;
mod queue;
mod saga;
mod worker;

pub use action::{ActionFilter, ActionView};
pub(crate) use order::ungrouped;
pub use order::{
    NotificationFilter, NotificationView, OrderFilter, OrderRecords, OrderVersion, OrderView, ProductFilter,
};
pub use pending::Pending;
pub use queue::{Paused, QueueView};
pub use saga::{DeadRow, RetryingGroup, SagaCount, SagaFilter, ShownState};
pub use worker::{Heartbeat, WorkerView};
