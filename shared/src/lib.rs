//! Holdfast's vocabulary: the words every other room speaks.
//!
//! Ids, money, time, and the states of orders, carts, payments, reservations and sagas, each with
//! one total function that moves it. Nothing here performs I/O or knows SQL.

mod cart;
mod catalog;
mod ids;
mod money;
mod order;
mod payment;
mod redact;
mod reservation;
mod retry;
mod saga_state;
mod time;

pub use cart::{CartEvent, CartStatus, Line};
pub use catalog::{InvalidSku, MAX_SKU_LEN, Sku};
pub use ids::{
    CartId, Ids, InvalidId, KeyPrefix, KeySource, OrderId, SagaId, SeededIds, ShopId, StepKey, SystemIds,
};
pub use money::{Currency, InvalidCurrency, Money, Overflow};
pub use order::{Actor, Address, CancelReason, Contact, OrderEvent, OrderStatus, PaymentMethod};
pub use payment::{PaymentEvent, PaymentStatus, RefundStatus};
pub use redact::redact;
pub use reservation::{ReservationEvent, ReservationStatus};
pub use retry::RetryPolicy;
pub use saga_state::{Queue, SagaEvent, SagaState};
pub use time::{Clock, ManualClock, SystemClock, Time};

/// A state was asked to make a move it must never make.
///
/// Nothing has changed when this is returned. It is a rule of the house saying no, so retrying
/// the same move gives the same answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {from} cannot {event}")]
pub struct IllegalTransition {
    /// What kind of thing was moved: `order`, `cart`, `payment`, …
    pub what: &'static str,
    /// The state it is in and stays in.
    pub from: &'static str,
    /// The move that was refused.
    pub event: &'static str,
}

impl IllegalTransition {
    fn new(what: &'static str, from: impl Into<&'static str>, event: impl Into<&'static str>) -> Self {
        Self { what, from: from.into(), event: event.into() }
    }
}
