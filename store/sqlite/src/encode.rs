//! From the shop's records to rows: what a statement of `queries/` takes apart into columns.

use holdfast_saga::records::batch_rows::{CartMove, OrderMove};
use holdfast_saga::records::context::{Dedupe, NoticeKind};
use holdfast_saga::records::view::Paused;
use holdfast_saga::records::{
    AdminAction, Cart, CartItem, KeyClaim, Notification, NotificationStatus, Order, Payment, Product, Refund,
    StockAdjustment, StockMove,
};
use holdfast_shared::{
    Address, CancelReason, CartId, CartStatus, Contact, Currency, CustomerId, OrderId, OrderStatus,
    PaymentMethod, PaymentStatus, Queue, RefundStatus, ReservationStatus, Sku,
};
use serde::Serialize;
use uuid::Uuid;

#[derive(Serialize)]
pub(crate) struct OrderMoveRow {
    id: i64,
    from: OrderStatus,
    to: OrderStatus,
    reason: Option<CancelReason>,
}

impl OrderMoveRow {
    pub(crate) fn new((id, order): (&OrderId, &OrderMove)) -> Self {
        Self { id: id.number(), from: order.from, to: order.to, reason: order.reason }
    }
}

#[derive(Serialize)]
pub(crate) struct KeyRow {
    key: Uuid,
    body: Uuid,
    order: i64,
}

impl KeyRow {
    pub(crate) fn new(claim: &KeyClaim) -> Self {
        Self { key: claim.key, body: claim.body, order: claim.order.number() }
    }
}

#[derive(Serialize)]
pub(crate) struct OrderRow<'a> {
    id: i64,
    status: OrderStatus,
    cancel_reason: Option<CancelReason>,
    method: PaymentMethod,
    cart: Uuid,
    customer: Option<CustomerId>,
    contact: &'a Contact,
    shipping_address: &'a Address,
    notes: Option<&'a str>,
    total_minor: i64,
    currency: Currency,
    accepted_at: i64,
    updated_at: i64,
}

impl<'a> OrderRow<'a> {
    pub(crate) fn new(order: &'a Order) -> Self {
        Self {
            id: order.id.number(),
            status: order.status,
            cancel_reason: order.cancel_reason,
            method: order.method,
            cart: order.cart.0,
            customer: order.customer,
            contact: &order.contact,
            shipping_address: &order.shipping_address,
            notes: order.notes.as_deref(),
            total_minor: order.total.amount_minor,
            currency: order.total.currency,
            accepted_at: order.accepted_at.as_micros(),
            updated_at: order.updated_at.as_micros(),
        }
    }
}

#[derive(Serialize)]
pub(crate) struct LineRow<'a> {
    order: i64,
    sku: &'a Sku,
    quantity: u32,
    unit_price_minor: i64,
}

impl<'a> LineRow<'a> {
    pub(crate) fn of(order: &'a Order) -> impl Iterator<Item = Self> + 'a {
        order.lines.iter().map(|line| Self {
            order: order.id.number(),
            sku: &line.sku,
            quantity: line.quantity,
            unit_price_minor: line.unit_price_minor,
        })
    }
}

#[derive(Serialize)]
pub(crate) struct ReservationRow {
    order: i64,
    from: Option<ReservationStatus>,
    to: ReservationStatus,
}

impl ReservationRow {
    pub(crate) fn new(id: OrderId, from: Option<ReservationStatus>, to: ReservationStatus) -> Self {
        Self { order: id.number(), from, to }
    }
}

#[derive(Serialize)]
pub(crate) struct NotificationRow<'a> {
    saga: i64,
    from: Option<NotificationStatus>,
    notice: NoticeKind,
    channel: &'a str,
    status: NotificationStatus,
}

impl<'a> NotificationRow<'a> {
    pub(crate) fn new(from: Option<NotificationStatus>, row: &'a Notification) -> Self {
        Self { saga: row.saga.key(), from, notice: row.notice, channel: &row.channel, status: row.status }
    }
}

#[derive(Serialize)]
pub(crate) struct PaymentRow<'a> {
    from: Option<PaymentStatus>,
    #[serde(flatten)]
    payment: &'a Payment,
}

impl<'a> PaymentRow<'a> {
    pub(crate) const fn new(from: Option<PaymentStatus>, payment: &'a Payment) -> Self {
        Self { from, payment }
    }
}

#[derive(Serialize)]
pub(crate) struct RefundRow<'a> {
    saga: i64,
    from: Option<RefundStatus>,
    status: RefundStatus,
    amount_minor: i64,
    currency: Currency,
    charge: &'a str,
    late: bool,
    settled_manually: bool,
}

impl<'a> RefundRow<'a> {
    pub(crate) fn new(from: Option<RefundStatus>, refund: &'a Refund) -> Self {
        Self {
            saga: refund.saga.key(),
            from,
            status: refund.status,
            amount_minor: refund.amount.amount_minor,
            currency: refund.amount.currency,
            charge: refund.charge.as_str(),
            late: refund.late,
            settled_manually: refund.settled_manually,
        }
    }
}

#[derive(Serialize)]
pub(crate) struct CartMoveRow {
    id: Uuid,
    from: CartStatus,
    to: CartStatus,
    order: i64,
}

impl CartMoveRow {
    pub(crate) fn new((id, cart): (&CartId, &CartMove)) -> Self {
        Self { id: id.0, from: cart.from, to: cart.to, order: cart.order.number() }
    }
}

#[derive(Serialize)]
pub(crate) struct CartRow<'a> {
    id: Uuid,
    owner: Option<CustomerId>,
    status: CartStatus,
    order: Option<i64>,
    items: &'a [CartItem],
    updated_at: i64,
}

impl<'a> CartRow<'a> {
    pub(crate) fn new(cart: &'a Cart) -> Self {
        Self {
            id: cart.id.0,
            owner: cart.owner,
            status: cart.status,
            order: cart.order.map(OrderId::number),
            items: &cart.items,
            updated_at: cart.updated_at.as_micros(),
        }
    }
}

#[derive(Serialize)]
pub(crate) struct ProductRow<'a> {
    sku: &'a Sku,
    name: &'a str,
    price_minor: i64,
    currency: Currency,
    active: bool,
}

impl<'a> ProductRow<'a> {
    pub(crate) fn new(product: &'a Product) -> Self {
        Self {
            sku: &product.sku,
            name: &product.name,
            price_minor: product.price.amount_minor,
            currency: product.price.currency,
            active: product.active,
        }
    }
}

#[derive(Serialize)]
pub(crate) struct StockMoveRow<'a> {
    sku: &'a Sku,
    on_hand: i64,
    reserved: i64,
}

impl<'a> StockMoveRow<'a> {
    pub(crate) fn new((sku, step): (&'a Sku, &'a StockMove)) -> Self {
        Self { sku, on_hand: step.on_hand, reserved: step.reserved }
    }
}

#[derive(Serialize)]
pub(crate) struct AdjustmentRow<'a> {
    sku: &'a Sku,
    delta: i64,
    reason: &'a str,
    actor: &'a str,
    at: i64,
}

impl<'a> AdjustmentRow<'a> {
    pub(crate) fn new(row: &'a StockAdjustment) -> Self {
        Self {
            sku: &row.sku,
            delta: row.delta,
            reason: &row.reason,
            actor: &row.actor,
            at: row.at.as_micros(),
        }
    }
}

#[derive(Serialize)]
pub(crate) struct RequestKeyRow {
    key: Uuid,
    body: Uuid,
    at: i64,
}

impl RequestKeyRow {
    pub(crate) fn new(dedupe: &Dedupe, at: i64) -> Self {
        Self { key: dedupe.key, body: dedupe.body, at }
    }
}

#[derive(Serialize)]
pub(crate) struct ActionRow<'a> {
    at: i64,
    actor: &'a str,
    action: &'a str,
    subject: &'a str,
    detail: &'a str,
    order: Option<i64>,
}

impl<'a> ActionRow<'a> {
    pub(crate) fn new(row: &'a AdminAction) -> Self {
        Self {
            at: row.at.as_micros(),
            actor: &row.actor,
            action: &row.action,
            subject: &row.subject,
            detail: &row.detail,
            order: row.order.map(OrderId::number),
        }
    }
}

/// A queue to pause.
#[derive(Serialize)]
pub(crate) struct PauseRow<'a> {
    queue: Queue,
    at: i64,
    by: &'a str,
    reason: Option<&'a str>,
}

impl<'a> PauseRow<'a> {
    /// `None` for a queue that is resumed.
    pub(crate) fn new((queue, pause): (&Queue, &'a Option<Paused>)) -> Option<Self> {
        let Paused { at, by, reason } = pause.as_ref()?;
        Some(Self { queue: *queue, at: at.as_micros(), by, reason: reason.as_deref() })
    }
}
