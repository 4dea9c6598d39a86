//! What a store tells the audit: rows of one snapshot, put together and judged by nobody yet.

use holdfast_shared::{ReservationStatus, Sku};
use strum::{Display, EnumIter, EnumString, IntoStaticStr};

use crate::records::saga::Saga;
use crate::records::signal::Signal;
use crate::records::{Cart, Notification, Order, Payment, Refund};

/// One thing a snapshot says.
#[derive(Debug, Clone, PartialEq)]
pub enum Fact {
    /// About a SKU.
    Stock(StockFact),
    /// About an order.
    Order(Box<OrderFact>),
    /// About a saga that serves no order.
    Saga(SagaFact),
    /// A row that refers to one that does not exist, or that does not refer to it.
    Loose(Loose),
    /// A row that cannot be read: which, and why.
    Unreadable(String),
}

/// What the rows say about one SKU.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StockFact {
    /// Which; `None` never occurs in a fact a store hands over.
    pub sku: Option<Sku>,
    /// The level.
    pub on_hand: i64,
    /// The promised part of it.
    pub reserved: i64,
    /// Sum of all adjustments.
    pub adjusted: i64,
    /// Pieces of reservations that stand confirmed or were restocked.
    pub confirmed: i64,
    /// Pieces of reservations that were restocked.
    pub restocked: i64,
    /// Pieces of reservations that are held.
    pub held: i64,
}

/// An order, and every row that belongs to it.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderFact {
    /// The order, with its lines.
    pub order: Order,
    /// Its payment.
    pub payment: Option<Payment>,
    /// Its refunds, by saga.
    pub refunds: Vec<Refund>,
    /// Its reservation.
    pub reservation: Option<ReservationStatus>,
    /// The cart it came from; `None` when that is gone.
    pub cart: Option<Cart>,
    /// Its sagas, by slot.
    pub sagas: Vec<SagaFact>,
    /// Its messages, by saga.
    pub notifications: Vec<Notification>,
}

/// A saga, and every row that belongs to it.
#[derive(Debug, Clone, PartialEq)]
pub struct SagaFact {
    /// The saga.
    pub saga: Box<Saga>,
    /// The signals it has not read yet.
    pub unread: Vec<Signal>,
    /// The fence of the last commit in its history.
    pub logged: Option<i64>,
}

/// A row without the one it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Loose {
    /// What is wrong.
    pub what: LooseRow,
    /// With what, such as `order 1042`.
    pub subject: String,
}

/// How a row can be without the one it belongs to.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Display, EnumString, EnumIter, IntoStaticStr,
)]
#[strum(serialize_all = "snake_case")]
pub enum LooseRow {
    /// A line of an order that does not exist.
    LineWithoutOrder,
    /// A payment of an order that does not exist.
    PaymentWithoutOrder,
    /// A refund of an order that does not exist.
    RefundWithoutOrder,
    /// A reservation of an order that does not exist.
    ReservationWithoutOrder,
    /// A saga of an order that does not exist.
    SagaWithoutOrder,
    /// A message about an order that does not exist.
    NotificationWithoutOrder,
    /// A history without its saga.
    HistoryWithoutSaga,
    /// An unread signal without its saga.
    SignalWithoutSaga,
    /// A cart that is held or cleared by an order that does not name it.
    CartOfAnotherOrder,
    /// A cart of a customer who does not exist.
    CartWithoutCustomer,
    /// An order of a customer who does not exist.
    OrderWithoutCustomer,
    /// An idempotency key of an order that does not exist.
    KeyWithoutOrder,
    /// A second idempotency key of an order.
    SecondKeyOfOrder,
    /// An act on an order that does not exist.
    ActWithoutOrder,
}
