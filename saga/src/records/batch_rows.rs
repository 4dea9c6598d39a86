//! The rows one transaction holds, and what it will write: the batch as the rules see it.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_shared::{
    CancelReason, CartId, CartStatus, OrderId, OrderStatus, PaymentStatus, Queue, RefundStatus,
    ReservationStatus, SagaId, Sku, Time,
};

use crate::records::context::Dedupe;
use crate::records::history::LogRow;
use crate::records::saga::Saga;
use crate::records::signal::NewSignal;
use crate::records::view::Paused;
use crate::records::{
    AdminAction, Cart, KeyClaim, Notification, NotificationStatus, Order, Payment, Product, Refund, Shop,
    Stock, StockAdjustment, StockMove, Versions,
};

/// Rows to lock and read, besides sagas. Stores lock them in one order, each table sorted by key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Footprint {
    /// Sagas to lock, waiting for whoever holds them.
    pub sagas: Vec<SagaId>,
    /// Orders.
    pub orders: Vec<OrderId>,
    /// Payments, by order.
    pub payments: Vec<OrderId>,
    /// Refunds, by order; read after the payments were locked, not locked themselves: whoever moves one
    /// moves its payment with it.
    pub refunds: Vec<OrderId>,
    /// Carts.
    pub carts: Vec<CartId>,
    /// Idempotency keys; read after the carts were locked, not locked themselves: whoever waited for a cart sees what
    /// it was checked out under.
    pub keys: Vec<uuid::Uuid>,
    /// Products; read, not locked: a price change that commits later is later.
    pub products: Vec<Sku>,
    /// Whether the products in the carts are read as well.
    pub products_of_carts: bool,
    /// Stock levels.
    pub stock: Vec<Sku>,
    /// Stock levels to read without a lock: by the time of the save they may be others, and only the save's own
    /// check says whether what was decided on them still holds.
    pub levels: Vec<Sku>,
    /// The versions of stock levels and products; read, not locked.
    pub versions: Vec<Sku>,
    /// Keys of requests to look up; read, not locked.
    pub request_keys: Vec<uuid::Uuid>,
    /// Which queues are paused. Whoever holds this, holds all of them; claims do not wait for it.
    pub pauses: bool,
}

/// What was locked and read.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// The database's present, read with the first statement.
    pub now: Time,
    /// Those of the idempotency keys that led to an order before.
    pub taken: BTreeMap<uuid::Uuid, KeyClaim>,
    /// Sagas asked for by id, with their unread signals.
    pub sagas: BTreeMap<SagaId, (Box<Saga>, Vec<crate::records::signal::Signal>)>,
    /// Orders.
    pub orders: BTreeMap<OrderId, Order>,
    /// Payments.
    pub payments: BTreeMap<OrderId, Payment>,
    /// Refunds, by the saga that owns each.
    pub refunds: BTreeMap<SagaId, Refund>,
    /// Carts.
    pub carts: BTreeMap<CartId, Cart>,
    /// Products.
    pub products: BTreeMap<Sku, Product>,
    /// Stock levels.
    pub stock: BTreeMap<Sku, Stock>,
    /// The versions of stock levels and products.
    pub versions: BTreeMap<Sku, Versions>,
    /// Keys that a request was done under before, with the digest of its body.
    pub request_keys: BTreeMap<uuid::Uuid, uuid::Uuid>,
    /// The queues that are paused.
    pub paused: BTreeMap<Queue, Paused>,
    /// What will be written.
    pub writes: Writes,
}

/// Everything one commit writes. `save` writes all of it or nothing.
///
/// A row that moves names the state it moves from; if it is not there, the save fails with
/// `StoreError::Mismatch` and nothing is written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Writes {
    /// The instant written as `updated_at`, and into the history.
    pub at: Time,
    /// Sagas that moved, with the fence they had.
    pub sagas: BTreeMap<SagaId, (i64, Box<Saga>)>,
    /// Sagas that are born.
    pub new_sagas: BTreeMap<SagaId, Box<Saga>>,
    /// Sagas whose row could not be read or planned, and why: they die, and only that is written.
    pub poisoned: BTreeMap<SagaId, String>,
    /// History, at most one row a saga.
    pub log: Vec<LogRow>,
    /// Signals that were folded, by sequence number.
    pub consumed: Vec<i64>,
    /// Signals to add. One whose dedupe id is known already is dropped. Each sets its saga's
    /// `wake_at` to now, and never touches its fence.
    pub signals: Vec<NewSignal>,
    /// Orders that are accepted.
    pub new_orders: BTreeMap<OrderId, Order>,
    /// The idempotency keys of their requests. If one leads to an order already, the save fails with
    /// `StoreError::Contention`, and nothing is written.
    pub keys: Vec<KeyClaim>,
    /// Orders that moved.
    pub orders: BTreeMap<OrderId, OrderMove>,
    /// Payments.
    pub payments: BTreeMap<OrderId, (Option<PaymentStatus>, Payment)>,
    /// Refunds.
    pub refunds: BTreeMap<SagaId, (Option<RefundStatus>, Refund)>,
    /// Reservations.
    pub reservations: BTreeMap<OrderId, (Option<ReservationStatus>, ReservationStatus)>,
    /// Messages.
    pub notifications: BTreeMap<SagaId, (Option<NotificationStatus>, Notification)>,
    /// Carts that moved.
    pub carts: BTreeMap<CartId, CartMove>,
    /// Carts, whole: created or edited while open.
    pub put_carts: BTreeMap<CartId, Cart>,
    /// Open carts to forget. Their rows are locked.
    pub discarded_carts: BTreeSet<CartId>,
    /// Products, whole.
    pub put_products: BTreeMap<Sku, Product>,
    /// SKUs that get an empty stock level, unless they have one already.
    pub shelves: BTreeSet<Sku>,
    /// By how much stock levels move; one that is not there yet moves from zero. Orders share these rows,
    /// so they are written last of all and need not have been read: whatever they are by then, a move after
    /// which `0 ≤ reserved ≤ on_hand` does not hold is refused.
    pub stock: BTreeMap<Sku, StockMove>,
    /// The reasons of levels that moved by hand.
    pub adjustments: Vec<StockAdjustment>,
    /// Keys that this commit does a request under; a key that is there already is refused.
    pub request_keys: Vec<Dedupe>,
    /// Queues to pause, or to resume.
    pub pauses: BTreeMap<Queue, Option<Paused>>,
    /// The audit trail.
    pub admin_actions: Vec<AdminAction>,
    /// The shop's row, with the epoch that it must have. No order gets a number up to its last one any more.
    pub shop: Option<(i64, Shop)>,
}

/// An order that moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderMove {
    /// The status that the order must have.
    pub from: OrderStatus,
    /// The status that it gets.
    pub to: OrderStatus,
    /// Why it was cancelled, exactly when `to` is cancelled.
    pub reason: Option<CancelReason>,
}

/// A cart that moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CartMove {
    /// The status that the cart must have.
    pub from: CartStatus,
    /// The status that it gets.
    pub to: CartStatus,
    /// The order that takes, holds or held it.
    pub order: OrderId,
}

impl Writes {
    /// Whether there is anything to write. Nothing to write means nothing to commit.
    pub fn is_empty(&self) -> bool {
        *self == Self { at: self.at, ..Self::default() }
    }
}
