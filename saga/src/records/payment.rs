//! Our own ledger rows: an order's payment, and each refund of it.

use holdfast_shared::{Money, OrderId, PaymentStatus, RefundStatus, SagaId, StepKey};

/// Our own ledger row for an order's payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// The order paid for; one payment an order.
    pub order: OrderId,
    /// Who takes the money.
    pub provider: String,
    /// Where it stands.
    pub status: PaymentStatus,
    /// How much is owed.
    pub amount: Money,
    /// How much was taken.
    pub captured_minor: i64,
    /// How much went back.
    pub refunded_minor: i64,
    /// How much a person saw to outside Holdfast: it is neither held nor sent any more.
    pub settled_manually_minor: i64,
    /// The stable key of the charge that counts.
    pub charge: Option<StepKey>,
    /// The provider's own name for it.
    pub provider_ref: Option<String>,
    /// Where the buyer must act, if they must.
    pub next_action: Option<String>,
}

/// Our own ledger row for a refund. One per saga that refunds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    /// The saga that owns it; also its key.
    pub saga: SagaId,
    /// Where it stands.
    pub status: RefundStatus,
    /// How much.
    pub amount: Money,
    /// The charge given back.
    pub charge: StepKey,
    /// Whether the money arrived after its saga had given it up; then `payments` never counted it.
    pub late: bool,
    /// Whether a person saw to it outside Holdfast. Then it stays FAILED and nothing more is sent for it.
    pub settled_manually: bool,
}
