//! Orders, products and messages as they are listed.

use holdfast_shared::{
    CancelReason, CustomerId, OrderId, OrderStatus, PaymentMethod, ReservationStatus, SagaId, Sku, Time,
};
use uuid::Uuid;

use super::Pending;
use crate::records::history::LogRow;
use crate::records::saga::Saga;
use crate::records::signal::Signal;
use crate::records::{AdminAction, Notification, Order, Payment};

/// An order with what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderView {
    /// The order.
    pub order: Order,
    /// Its payment, once there is one.
    pub payment: Option<Payment>,
    /// Its hold on stock, once there was one.
    pub reservation: Option<ReservationStatus>,
    /// Whether one of its sagas is dead and waits for an operator.
    pub needs_attention: bool,
    /// What was asked of it and accepted, and is not done yet.
    pub pending: Option<Pending>,
}

/// An order with everything that happened to it.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderRecords {
    /// The order: never older than the rest.
    pub order: OrderView,
    /// Its sagas, by slot. Pruned ones are gone, with their history.
    pub sagas: Vec<Saga>,
    /// Their histories, each oldest first.
    pub log: Vec<LogRow>,
    /// Their unread signals, in the order in which they were sent.
    pub inbox: Vec<Signal>,
    /// What admins and operators did to it, oldest first.
    pub actions: Vec<AdminAction>,
}

impl OrderView {
    /// The id the world outside sees.
    pub fn public_id(&self) -> Uuid {
        self.order.id.public(self.order.accepted_at)
    }
}

/// Which orders to list, newest first.
#[derive(Debug, Clone, Default)]
pub struct OrderFilter {
    /// In one of these states; empty: in any.
    pub statuses: Vec<OrderStatus>,
    /// Paid this way.
    pub method: Option<PaymentMethod>,
    /// Cancelled for this.
    pub reason: Option<CancelReason>,
    /// With a dead saga.
    pub needs_attention: Option<bool>,
    /// Only this customer's.
    pub customer: Option<CustomerId>,
    /// Of the buyer with this e-mail address, in upper or lower case.
    pub email: Option<String>,
    /// Of the buyer with this telephone number, however it is grouped.
    pub phone: Option<String>,
    /// Accepted at this instant or later.
    pub since: Option<Time>,
    /// Accepted before this instant.
    pub until: Option<Time>,
    /// Of this total or more, in minor units of whatever currency.
    pub total_min: Option<i64>,
    /// Of this total or less.
    pub total_max: Option<i64>,
    /// Older than this one: the cursor.
    pub before: Option<OrderId>,
    /// At most.
    pub limit: u32,
}

/// What people put between the digits of a telephone number. The statements of the stores leave the same out.
const GROUPING: [char; 6] = [' ', '-', '(', ')', '.', '/'];

/// A telephone number without what groups its digits.
pub(crate) fn ungrouped(phone: &str) -> String {
    phone.replace(GROUPING, "")
}

impl OrderFilter {
    /// The telephone number as it is compared.
    pub fn phone_ungrouped(&self) -> Option<String> {
        self.phone.as_deref().map(ungrouped)
    }
}

/// Which products to list, by SKU, bytewise.
#[derive(Debug, Clone, Default)]
pub struct ProductFilter {
    /// Of these; empty: any.
    pub skus: Vec<Sku>,
    /// For sale, or not.
    pub active: Option<bool>,
    /// Behind this one: the cursor.
    pub after: Option<Sku>,
    /// At most.
    pub limit: u32,
}

/// Whether an order moved, without reading it: another version says that the order or one of its sagas did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderVersion {
    /// When the order last changed.
    pub updated_at: Time,
    /// The fences of its sagas, added up: each of their commits raises one.
    pub fences: i64,
    /// How many sagas it has: one is born, or pruned.
    pub sagas: i64,
}

/// Which messages to list, newest first.
#[derive(Debug, Clone, Default)]
pub struct NotificationFilter {
    /// About this customer's orders.
    pub customer: Option<CustomerId>,
    /// Not read yet, or read.
    pub unread: Option<bool>,
    /// Older than this one: the cursor.
    pub before: Option<SagaId>,
    /// At most.
    pub limit: u32,
}

/// A message with what its reader needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotificationView {
    /// The message.
    pub notification: Notification,
    /// The order it is about, as the world outside knows it.
    pub order_public: Uuid,
    /// Whose order that is; `None` for a guest's.
    pub customer: Option<CustomerId>,
    /// When it was saved.
    pub created_at: Time,
    /// When it was first read, if it was.
    pub read_at: Option<Time>,
}
