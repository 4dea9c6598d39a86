//! Orders as they are shown.
//!
//! What would open a door is left out: the payment token, the cart's id, the provider's references.

use holdfast_saga::records::view::OrderView;
use holdfast_saga::records::{Order, Payment};
use holdfast_saga::timeline;
use holdfast_shared::{
    Address, CancelReason, Contact, Line, Money, OrderId, OrderStatus, PaymentMethod, PaymentStatus, Sku,
    Time,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Text;
use super::checkout::{AddressBody, ContactBody};

/// An order.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Order)]
pub struct OrderBody {
    /// Its public id.
    pub id: Uuid,
    /// Its number, for people.
    pub number: OrderId,
    /// Where it stands.
    pub status: OrderStatus,
    /// How it is paid.
    pub payment_method: PaymentMethod,
    /// What was bought, at the prices of the checkout.
    pub lines: Vec<LineBody>,
    /// What it costs.
    pub totals: Totals,
    /// Our book on its money.
    pub payment: PaymentBody,
    /// Why it was cancelled, when it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancel_reason: Option<CancelReason>,
    /// Present and true while it is stuck and waits for an operator.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub needs_attention: bool,
    /// When it was accepted.
    pub accepted_at: Time,
    /// When it last changed.
    pub updated_at: Time,
}

/// An order with what its buyer told.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = OrderDetails)]
pub struct OrderDetails {
    /// The order itself.
    #[serde(flatten)]
    pub order: OrderBody,
    /// How to reach the buyer.
    #[schema(value_type = ContactBody)]
    pub contact: Contact,
    /// Where the goods go.
    #[schema(value_type = AddressBody)]
    pub shipping_address: Address,
    /// What the buyer wants the shop to know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    /// The key to this order, for a guest: the header `X-Order-Token`. Told once, in the answer to their checkout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_token: Option<String>,
}

/// One line of an order.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = OrderLine)]
pub struct LineBody {
    /// What.
    pub sku: Sku,
    /// How many.
    pub quantity: u32,
    /// What one cost at the checkout.
    pub unit_price: Money,
    /// What they cost together.
    pub total: Money,
}

/// Sums.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Totals {
    /// All of it.
    pub total: Money,
}

/// The money of an order.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Payment)]
pub struct PaymentBody {
    /// Where it stands.
    pub status: PaymentStatus,
    /// What is owed.
    pub amount: Money,
    /// What was taken.
    pub captured: Money,
    /// What went back.
    pub refunded: Money,
    /// What the shop settled with the buyer in person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settled_manually: Option<Money>,
    /// What the buyer must do for it to go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_action: Option<NextAction>,
}

/// What the buyer must do.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct NextAction {
    /// Where.
    pub url: String,
}

/// One thing that happened to an order.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = TimelineEntry)]
pub struct TimelineEntry {
    /// When.
    pub at: Time,
    /// What, in words.
    #[schema(example = "took 39.98 EUR")]
    pub text: String,
    /// The saga it happened in: `<order number>.<slot>`.
    #[schema(example = "1042.0")]
    pub saga: String,
}

/// Money to give back.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Refund, example = json!({"amount": {"amount_minor": 500, "currency": "EUR"}, "reason": "damaged box"}))]
pub struct RefundBody {
    /// How much; without it, all that is left.
    #[serde(default)]
    pub amount: Option<Money>,
    /// Why, kept for ever.
    pub reason: Text<500>,
}

impl OrderBody {
    /// The order as it stands.
    pub fn new(view: &OrderView) -> Self {
        let order = &view.order;
        let mut body = Self::accepted(order);
        body.status = order.status;
        body.cancel_reason = order.cancel_reason;
        body.needs_attention = view.needs_attention;
        body.updated_at = order.updated_at;
        if let Some(payment) = &view.payment {
            body.payment = PaymentBody::new(payment, order.status);
        }
        body
    }

    /// The order as it was accepted, whatever became of it since: what a checkout answers, and answers again.
    pub fn accepted(order: &Order) -> Self {
        let none = Money::new(0, order.total.currency);
        let payment =
            if order.method.is_online() { PaymentStatus::Pending } else { PaymentStatus::DueOnDelivery };
        Self {
            id: order.id.public(order.accepted_at),
            number: order.id,
            status: order.method.first_status(),
            payment_method: order.method,
            lines: order.lines.iter().map(|line| LineBody::new(line, order.total)).collect(),
            totals: Totals { total: order.total },
            payment: PaymentBody {
                status: payment,
                amount: order.total,
                captured: none,
                refunded: none,
                settled_manually: None,
                next_action: None,
            },
            cancel_reason: None,
            needs_attention: false,
            accepted_at: order.accepted_at,
            updated_at: order.accepted_at,
        }
    }
}

impl OrderDetails {
    /// The order as it stands, for those who may see all of it.
    pub fn new(view: &OrderView) -> Self {
        Self::with(OrderBody::new(view), &view.order, None)
    }

    /// The answer to a checkout. Depends on nothing that changes later.
    pub fn accepted(order: &Order, order_token: Option<String>) -> Self {
        Self::with(OrderBody::accepted(order), order, order_token)
    }

    fn with(body: OrderBody, order: &Order, order_token: Option<String>) -> Self {
        Self {
            order: body,
            contact: order.contact.clone(),
            shipping_address: order.shipping_address.clone(),
            notes: order.notes.clone(),
            order_token,
        }
    }
}

impl LineBody {
    fn new(line: &Line, order_total: Money) -> Self {
        let money = |minor| Money::new(minor, order_total.currency);
        Self {
            sku: line.sku.clone(),
            quantity: line.quantity,
            unit_price: money(line.unit_price_minor),
            // Checked at accept: the sum of all lines fits, so each of them does.
            total: money(line.unit_price_minor.saturating_mul(line.quantity.into())),
        }
    }
}

impl PaymentBody {
    fn new(payment: &Payment, order: OrderStatus) -> Self {
        let money = |minor| Money::new(minor, payment.amount.currency);
        let acts = order.is_pending() && payment.status == PaymentStatus::RequiresAction;
        Self {
            status: payment.status,
            amount: payment.amount,
            captured: money(payment.captured_minor),
            refunded: money(payment.refunded_minor),
            settled_manually: Some(money(payment.settled_manually_minor))
                .filter(|held| held.amount_minor > 0),
            next_action: payment.next_action.clone().filter(|_| acts).map(|url| NextAction { url }),
        }
    }
}

impl From<&timeline::Line> for TimelineEntry {
    fn from(line: &timeline::Line) -> Self {
        Self { at: line.at, text: line.words.clone(), saga: line.saga.to_string() }
    }
}
