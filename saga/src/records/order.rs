//! An order, whole, and what holds it.

use holdfast_shared::{
    Address, CancelReason, CartId, Contact, CustomerId, Line, Money, OrderId, OrderStatus, PaymentMethod,
    ReservationStatus, Time,
};

/// An order, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Its number.
    pub id: OrderId,
    /// Where it stands.
    pub status: OrderStatus,
    /// Why it was cancelled, exactly when it was.
    pub cancel_reason: Option<CancelReason>,
    /// How it is paid.
    pub method: PaymentMethod,
    /// The cart it came from.
    pub cart: CartId,
    /// The customer; `None` for a guest.
    pub customer: Option<CustomerId>,
    /// How to reach them.
    pub contact: Contact,
    /// Where the goods go.
    pub shipping_address: Address,
    /// What the customer wants the shop to know.
    pub notes: Option<String>,
    /// What is bought, each SKU once, prices frozen at accept.
    pub lines: Vec<Line>,
    /// The sum of the lines.
    pub total: Money,
    /// The instant of acceptance; part of the public id.
    pub accepted_at: Time,
    /// When it last changed.
    pub updated_at: Time,
}

/// An order's hold on stock; its lines are the order's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reservation {
    /// The order.
    pub order: OrderId,
    /// Where it stands.
    pub status: ReservationStatus,
}

/// An `Idempotency-Key` that an order was accepted under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyClaim {
    /// Digest of caller, route and key.
    pub key: uuid::Uuid,
    /// Digest of the request's body.
    pub body: uuid::Uuid,
    /// The order it led to.
    pub order: OrderId,
}
