//! From the rows of a database to the records of [`holdfast_saga`], the same for every driver.
//!
//! A driver implements [`Row`] for its rows. There is one function for each record; it reads the columns by position,
//! in the order in which the statement lists them. Nothing here runs a statement.

mod audit;
mod columns;
pub mod migration;
mod notification;
mod operations;
mod order;
pub mod personal_data;
mod saga;
mod storefront;

pub use audit::{Readable, Reading, fact_of, last_logged, loose_row, notification_row, stock_fact};
pub use columns::{Cause, Columns, Reason, Row, unreadable};
pub use notification::{action, admin_action, notification};
pub use operations::{
    dead_row, order_version, paused_queue, queue_depth, retrying_group, saga_count, worker,
};
pub use order::{line, lines_by_order, order, payment, pending_by_order, refund, reservation};
pub use saga::{Decoded, SagaInbox, log_row, saga, saga_id, signal, with_inboxes};
pub use storefront::{Issuer, cart, customer, product, request_key, shop, stock, taken_key, versions};
