//! What readers see: orders and sagas as lists and pages, never locked.

use holdfast_shared::{CancelReason, OrderId, OrderStatus, PaymentMethod, ReservationStatus, SagaState};
use uuid::Uuid;

use crate::rows::{Order, Payment};

/// An order with what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderView {
    /// The order.
    pub order: Order,
    /// Our book on its payment, once one was opened.
    pub payment: Option<Payment>,
    /// Its hold on stock, once there was one.
    pub reservation: Option<ReservationStatus>,
    /// Whether one of its sagas is dead and waits for an operator.
    pub needs_attention: bool,
}

impl OrderView {
    /// The id the world outside sees.
    pub fn public_id(&self) -> Uuid {
        self.order.id.public(self.order.accepted_at)
    }
}

/// Which orders to list, newest first.
#[derive(Debug, Clone, Copy, Default)]
pub struct OrderFilter {
    /// In this state.
    pub status: Option<OrderStatus>,
    /// Paid this way.
    pub method: Option<PaymentMethod>,
    /// Cancelled for this.
    pub reason: Option<CancelReason>,
    /// With a dead saga.
    pub needs_attention: Option<bool>,
    /// Older than this one: the cursor.
    pub before: Option<OrderId>,
    /// At most.
    pub limit: u32,
}

/// Which sagas to list, newest first.
#[derive(Debug, Clone, Default)]
pub struct SagaFilter {
    /// Of this definition.
    pub definition: Option<String>,
    /// In this state.
    pub state: Option<SagaState>,
    /// Older than this one: the cursor.
    pub before: Option<holdfast_shared::SagaId>,
    /// At most.
    pub limit: u32,
}

/// How many sagas of a definition stand where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Census {
    /// Such as `checkout_online`.
    pub definition: String,
    /// Where.
    pub state: SagaState,
    /// How many.
    pub sagas: u64,
}
