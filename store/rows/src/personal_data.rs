//! Where personal data stands: every column that can hold text or a document, and whose data is in it.
//!
//! Who the buyer is and how to reach them stands in few places, so that it can be erased and corrected there. Everything
//! else holds ids. `docs/personal-data.md` shows this table to people; a test holds both against the schema, and another
//! one looks for a buyer in the rows of a demo.

/// Whose data a column may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// The buyer's: name, address, e-mail, phone, account, or what they wrote.
    Buyer,
    /// Of those who run the shop: who did something, and the reason that they gave.
    Staff,
    /// Nobody's.
    Nothing,
}

use Holds::{Buyer, Nothing, Staff};

/// Each column, as `table.column`.
pub const COLUMNS: &[(&str, Holds)] = &[
    ("admin_actions.action", Nothing),
    ("admin_actions.actor", Staff),
    ("admin_actions.detail", Buyer),
    ("admin_actions.subject", Nothing),
    ("carts.id", Nothing),
    ("carts.items", Nothing),
    ("carts.owner", Nothing),
    ("carts.status", Nothing),
    ("customers.id", Nothing),
    ("customers.issuer", Nothing),
    ("customers.sub", Buyer),
    ("idempotency_keys.body", Nothing),
    ("idempotency_keys.key", Nothing),
    ("notifications.channel", Nothing),
    ("notifications.notice", Nothing),
    ("notifications.status", Nothing),
    ("order_lines.sku", Nothing),
    ("orders.cancel_reason", Nothing),
    ("orders.cart_id", Nothing),
    ("orders.contact", Buyer),
    ("orders.currency", Nothing),
    ("orders.customer", Nothing),
    ("orders.method", Nothing),
    ("orders.notes", Buyer),
    ("orders.shipping_address", Buyer),
    ("orders.status", Nothing),
    ("payments.charge_key", Nothing),
    ("payments.currency", Nothing),
    ("payments.details", Nothing),
    ("payments.provider", Nothing),
    ("payments.status", Nothing),
    ("products.currency", Nothing),
    ("products.name", Nothing),
    ("products.sku", Nothing),
    ("queues.paused_by", Staff),
    ("queues.queue", Nothing),
    ("queues.reason", Staff),
    ("refunds.charge_key", Nothing),
    ("refunds.currency", Nothing),
    ("refunds.status", Nothing),
    ("request_keys.body", Nothing),
    ("request_keys.key", Nothing),
    ("reservations.status", Nothing),
    ("saga_log.entries", Staff),
    ("sagas.context", Staff),
    ("sagas.definition", Nothing),
    ("sagas.key_prefix", Nothing),
    ("sagas.poison", Nothing),
    ("sagas.progress", Nothing),
    ("sagas.queue", Nothing),
    ("sagas.state", Nothing),
    ("secrets.name", Nothing),
    ("shop.forked_from", Nothing),
    ("shop.home", Nothing),
    ("shop.id", Nothing),
    ("signals.body", Staff),
    ("signals.dedupe", Nothing),
    ("stock.sku", Nothing),
    ("stock_adjustments.actor", Staff),
    ("stock_adjustments.reason", Staff),
    ("stock_adjustments.sku", Nothing),
    ("workers.definitions", Nothing),
    ("workers.host", Nothing),
    ("workers.name", Nothing),
    ("workers.pools", Nothing),
    ("workers.providers", Nothing),
    ("workers.version", Nothing),
];
