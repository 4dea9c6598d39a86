//! Orders.
//!
//! They never contain anything that grants access: the payment token, the cart's id, the provider's references.

use holdfast_saga::records::view::{OrderView, Pending};
use holdfast_saga::records::{Order, Payment};
use holdfast_saga::timeline;
use holdfast_shared::{
    Actor, Address, CancelReason, Contact, Line, Money, OrderId, OrderStatus, PaymentMethod, PaymentStatus,
    Sku, Time,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::input::{At, Faults, Read as _};
use crate::json::Json;
use crate::problem::Code;
use crate::text::Text;

/// An order, as buyers and admins see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = Order, example = example::order))]
pub struct OrderBody {
    /// The public id of the order.
    pub id: Uuid,
    /// The order number, for people.
    pub number: OrderId,
    /// The status of the order.
    pub status: OrderStatus,
    /// How the order is paid.
    pub payment_method: PaymentMethod,
    /// The order lines, at the prices of the checkout.
    pub lines: Vec<LineBody>,
    /// The price of the order.
    pub totals: Totals,
    /// The payment of the order; `null` for an order that costs nothing.
    #[cfg_attr(feature = "openapi", schema(required = true))]
    pub payment: Option<PaymentBody>,
    /// Why the order was cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancel_reason: Option<CancelReason>,
    /// Present and true while the order waits for an operator.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub needs_attention: bool,
    /// What was accepted and is not done yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending: Option<PendingBody>,
    /// When the order was accepted.
    pub accepted_at: Time,
    /// When the order last changed.
    pub updated_at: Time,
}

/// Something that was asked of an order and accepted, and is not done yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = Pending))]
pub struct PendingBody {
    /// What: `confirm`, `reject`, `cancel` or `refund`.
    #[cfg_attr(feature = "openapi", schema(example = "cancel"))]
    pub verb: String,
    /// Who asked for it: `customer` or `shop`.
    #[cfg_attr(feature = "openapi", schema(example = "customer"))]
    pub by: String,
    /// When it was accepted.
    pub at: Time,
}

/// An order with the data of its buyer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = OrderDetails, example = example::details))]
pub struct OrderDetails {
    /// The current state of the order.
    #[serde(flatten)]
    pub order: OrderBody,
    /// The buyer's contact details.
    #[cfg_attr(feature = "openapi", schema(value_type = crate::checkout::ContactBody))]
    pub contact: Contact,
    /// The address to deliver to.
    #[cfg_attr(feature = "openapi", schema(value_type = crate::checkout::AddressBody))]
    pub shipping_address: Address,
    /// A message from the buyer to the shop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    /// A guest's token for this order, sent in the header `X-Order-Token`. Only the answer to the checkout contains it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_token: Option<String>,
}

/// One line of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = OrderLine))]
pub struct LineBody {
    /// The SKU of the product.
    pub sku: Sku,
    /// The number of pieces.
    pub quantity: u32,
    /// The price of one piece at the checkout.
    pub unit_price: Money,
    /// The price of all pieces.
    pub total: Money,
}

/// The price of an order or a cart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Totals {
    /// The price of all lines together.
    pub total: Money,
}

/// The payment of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = Payment))]
pub struct PaymentBody {
    /// The status of the payment.
    pub status: PaymentStatus,
    /// The amount to pay.
    pub amount: Money,
    /// The amount that was captured so far.
    pub captured: Money,
    /// The amount that was refunded so far.
    pub refunded: Money,
    /// The amount that the shop settled with the buyer outside Holdfast.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settled_manually: Option<Money>,
    /// What the buyer must do to complete the payment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_action: Option<NextAction>,
}

/// An action of the buyer that completes the payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NextAction {
    /// The page to open.
    pub url: String,
}

/// The data of an event: an order that changed.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OrderMoved {
    /// The order as it is now.
    pub order: OrderBody,
    /// What happened since the previous event.
    pub happened: Vec<TimelineEntry>,
}

/// An entry of an order's timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = TimelineEntry))]
pub struct TimelineEntry {
    /// The time at which it happened.
    pub at: Time,
    /// What happened, for people.
    #[cfg_attr(feature = "openapi", schema(example = "took 39.98 EUR"))]
    pub text: String,
    /// The saga: `<order number>.<slot>`.
    #[cfg_attr(feature = "openapi", schema(example = "1042.0"))]
    pub saga: String,
}

/// A refund of an order, in full or in part.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = Refund, example = json!({"amount": {"amount_minor": 500, "currency": "EUR"}, "reason": "damaged box"})))]
pub struct RefundBody {
    /// The amount, above 0; without it, everything that is left.
    pub amount: Option<Money>,
    /// The reason; it is kept for ever.
    pub reason: Text<500>,
}

/// Why somebody decides about an order.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = Reason, example = json!({"reason": "the customer called"})))]
pub struct ReasonBody {
    /// The reason; it is kept for ever, and the shop sees it in the order's timeline.
    pub reason: Option<Text<500>>,
}

read_fields!(ReasonBody { reason });

read_fields!(RefundBody { amount by above_zero, reason });

#[expect(clippy::option_option, reason = "absent, or not read")]
fn above_zero(value: Json, at: &At<'_>, faults: &mut Faults) -> Option<Option<Money>> {
    let amount = Option::<Money>::read(value, at, faults)?;
    if amount.is_some_and(|amount| amount.amount_minor <= 0) {
        faults.note(&at.field("amount_minor"), Code::InvalidAmount, "an amount above 0 is expected");
        return None;
    }
    Some(amount)
}

impl OrderBody {
    /// The order as it is now.
    pub fn new(view: &OrderView) -> Self {
        let order = &view.order;
        let mut body = Self::accepted(order);
        body.status = order.status;
        body.cancel_reason = order.cancel_reason;
        body.needs_attention = view.needs_attention;
        body.pending = view.pending.as_ref().map(PendingBody::from);
        body.updated_at = order.updated_at;
        if let Some(payment) = &view.payment {
            body.payment = Some(PaymentBody::new(payment, order.status));
        }
        body
    }

    /// The order as it was accepted, whatever happened since: every answer to a checkout is the same.
    pub fn accepted(order: &Order) -> Self {
        Self {
            id: order.id.public(order.accepted_at),
            number: order.id,
            status: order.method.first_status(),
            payment_method: order.method,
            lines: order.lines.iter().map(|line| LineBody::new(line, order.total)).collect(),
            totals: Totals { total: order.total },
            payment: PaymentBody::first(order),
            cancel_reason: None,
            needs_attention: false,
            pending: None,
            accepted_at: order.accepted_at,
            updated_at: order.accepted_at,
        }
    }
}

impl PendingBody {
    /// `verb`, asked by `by`. Who of the shop asked is the shop's business, and in the timeline.
    pub fn new(verb: &str, by: &Actor, at: Time) -> Self {
        let by = match by {
            Actor::Customer => "customer",
            Actor::Admin(_) | Actor::Operator(_) => "shop",
        };
        Self { verb: verb.to_owned(), by: by.to_owned(), at }
    }
}

impl From<&Pending> for PendingBody {
    fn from(pending: &Pending) -> Self {
        Self::new(pending.verb, &pending.by, pending.at)
    }
}

impl OrderDetails {
    /// The order as it is now, for callers who may see all of it.
    pub fn new(view: &OrderView) -> Self {
        Self::with(OrderBody::new(view), &view.order, None)
    }

    /// The answer to a checkout. It depends on nothing that changes later.
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
    /// As it is before there is a payment: what the order owes, and nothing once it is cancelled.
    fn first(order: &Order) -> Option<Self> {
        let status = match order.method {
            PaymentMethod::Card | PaymentMethod::Paypal | PaymentMethod::Cod
                if order.status == OrderStatus::Cancelled =>
            {
                PaymentStatus::Cancelled
            }
            PaymentMethod::Card | PaymentMethod::Paypal => PaymentStatus::Pending,
            PaymentMethod::Cod => PaymentStatus::DueOnDelivery,
            PaymentMethod::None => return None,
        };
        let zero = Money::new(0, order.total.currency);
        Some(Self {
            status,
            amount: order.total,
            captured: zero,
            refunded: zero,
            settled_manually: None,
            next_action: None,
        })
    }

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
            next_action: payment.details.next_action.clone().filter(|_| acts).map(|url| NextAction { url }),
        }
    }
}

impl From<&timeline::Line> for TimelineEntry {
    fn from(line: &timeline::Line) -> Self {
        Self { at: line.at, text: line.text.clone(), saga: line.saga.to_string() }
    }
}

/// The examples of the `OpenAPI` document.
#[cfg(feature = "openapi")]
mod example {
    use serde_json::{Value, json};

    pub(super) fn order() -> Value {
        json!({
            "id": "01890a5d-ac96-774b-bcce-b302099a8057", "number": 1042, "status": "CONFIRMED", "payment_method": "card",
            "lines": [
                {"sku": "mug-01", "quantity": 2, "unit_price": {"amount_minor": 1299, "currency": "EUR"},
                    "total": {"amount_minor": 2598, "currency": "EUR"}},
                {"sku": "tee-01", "quantity": 1, "unit_price": {"amount_minor": 2490, "currency": "EUR"},
                    "total": {"amount_minor": 2490, "currency": "EUR"}}
            ],
            "totals": {"total": {"amount_minor": 5088, "currency": "EUR"}},
            "payment": {
                "status": "CAPTURED", "amount": {"amount_minor": 5088, "currency": "EUR"},
                "captured": {"amount_minor": 5088, "currency": "EUR"}, "refunded": {"amount_minor": 0, "currency": "EUR"}
            },
            "accepted_at": "2026-01-31T09:30:00Z", "updated_at": "2026-01-31T09:30:01.25Z"
        })
    }

    pub(super) fn details() -> Value {
        let mut order = order();
        order["contact"] = json!({"email": "ada@example.com"});
        order["shipping_address"] = json!({
            "name": "Ada Buyer", "line1": "1 High Street", "city": "Springfield", "postal_code": "12345", "country": "US"
        });
        order
    }
}
