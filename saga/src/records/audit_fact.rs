//! What a store tells the audit: facts of one snapshot, judged by nobody yet.

use holdfast_shared::{
    CancelReason, CartStatus, Currency, OrderId, OrderStatus, PaymentMethod, PaymentStatus, RefundStatus,
    ReservationStatus, SagaState, Sku, StepKey,
};
use serde::Deserialize;

use crate::records::slot;
use crate::records::{Payment, Refund};

/// One thing a snapshot says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// About a SKU.
    Stock(StockFact),
    /// About an order.
    Order(OrderFact),
    /// A saga whose order does not exist.
    Orphan(holdfast_shared::SagaId),
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

/// What the rows say about one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderFact {
    /// The order's number.
    pub id: OrderId,
    /// Where it stands.
    pub status: OrderStatus,
    /// Why it was cancelled.
    pub reason: Option<CancelReason>,
    /// How it is paid.
    pub method: PaymentMethod,
    /// The currency of all its money.
    pub currency: Currency,
    /// Its total.
    pub total_minor: i64,
    /// The sum of its lines.
    pub lines_minor: i64,
    /// Its payment.
    pub payment: Option<PaymentFact>,
    /// Its refunds, by slot.
    pub refunds: Vec<RefundFact>,
    /// Its reservation.
    pub reservation: Option<ReservationStatus>,
    /// Its cart: where it stands and which order it names; `None` when the cart is gone.
    pub cart: Option<(CartStatus, Option<OrderId>)>,
    /// Its sagas: slot and state.
    pub sagas: Vec<(u32, SagaState)>,
    /// Notifications saved, by slot.
    pub notifications: Vec<u32>,
}

/// What the rows say about one payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentFact {
    /// Who takes the money.
    pub provider: String,
    /// Where it stands.
    pub status: PaymentStatus,
    /// Taken.
    pub captured_minor: i64,
    /// Given back.
    pub refunded_minor: i64,
    /// Seen to by a person, outside Holdfast.
    pub settled_manually_minor: i64,
    /// The last charge it was asked for under.
    pub charge: Option<StepKey>,
}

/// What the rows say about one refund.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RefundFact {
    /// The slot of the saga that owns it.
    pub slot: u32,
    /// Where it stands.
    pub status: RefundStatus,
    /// How much.
    pub amount_minor: i64,
    /// Whether it is of money that the payment never counted.
    pub late: bool,
    /// Whether a person saw to it outside Holdfast.
    pub settled_manually: bool,
    /// The charge it goes back from.
    pub charge: StepKey,
}

impl PaymentFact {
    /// What the audit needs to know of `payment`.
    pub fn of(payment: &Payment) -> Self {
        Self {
            provider: payment.provider.clone(),
            status: payment.status,
            captured_minor: payment.captured_minor,
            refunded_minor: payment.refunded_minor,
            settled_manually_minor: payment.settled_manually_minor,
            charge: payment.charge.clone(),
        }
    }

    /// What the shop still holds.
    pub const fn held_minor(&self) -> i64 {
        self.captured_minor - self.refunded_minor - self.settled_manually_minor
    }
}

impl RefundFact {
    /// What the audit needs to know of `refund`.
    pub fn of(refund: &Refund) -> Self {
        Self {
            slot: refund.saga.slot().unwrap_or_default(),
            status: refund.status,
            amount_minor: refund.amount.amount_minor,
            late: refund.late,
            settled_manually: refund.settled_manually,
            charge: refund.charge.clone(),
        }
    }

    /// Whether nothing more is to be sent for it.
    pub fn is_over(&self) -> bool {
        self.status == RefundStatus::Succeeded || self.settled_manually
    }

    /// Whether it was granted while the order stood.
    pub fn is_granted(&self) -> bool {
        slot::kind(self.slot) == slot::PARTIAL_REFUND
    }
}
