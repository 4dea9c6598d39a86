//! Our own ledger rows: an order's payment, and each refund of it.

use holdfast_shared::{Money, OrderId, PaymentStatus, RefundStatus, SagaId, StepKey};
use serde::{Deserialize, Serialize};

/// Our own ledger row for an order's payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
    /// The rest of what the provider said.
    pub details: PaymentDetails,
}

/// What is kept of a payment and never looked for by it: stored as one document, so a field is no column.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PaymentDetails {
    /// The provider's own name for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider_ref: Option<String>,
    /// Where the buyer must act, for as long as they must.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_action: Option<String>,
    /// What the provider opened for it, before any money could move.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<Box<PaymentObject>>,
}

/// A payment that its provider opened: what it is known by there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentObject {
    /// The provider's name for it.
    pub reference: String,
    /// The account it was opened in. Another account's credentials cannot see it.
    pub account: String,
    /// Whether real money moves under it.
    pub live: bool,
    /// The version of the requests that it was opened with. Those that follow keep it, so that a request that is repeated
    /// after a deploy has the same body.
    pub wire: u32,
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
