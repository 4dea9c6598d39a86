//! What a saga is started with: everything it will ever need to know, frozen.
//!
//! A context holds ids, and nothing personal: who the buyer is and how to reach them stands in the order, and is read
//! when it is needed.

use holdfast_shared::{
    Actor, CancelReason, CartId, Currency, Line, Money, OrderId, PaymentMethod, StepKey, Time,
};
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr};
use uuid::Uuid;

use crate::records::PaymentObject;

/// The frozen input of a saga, by kind of flow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Context {
    /// A checkout, online or cash on delivery.
    Checkout(Checkout),
    /// A message to the customer.
    Notice(Notice),
    /// A cancellation after the pivot.
    Cancellation(Cancellation),
    /// Money that arrived after its saga had given it up.
    LateRefund(LateRefund),
    /// Money that the shop gives back although the order stands.
    PartialRefund(PartialRefund),
}

/// Which kind of context a document holds.
#[derive(Deserialize)]
struct Tagged {
    kind: Kind,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Checkout,
    Notice,
    Cancellation,
    LateRefund,
    #[serde(alias = "granted_refund")]
    PartialRefund,
}

impl Context {
    /// A context from its document. Each saga is read so when it is claimed: the kind is looked up first, because a reader
    /// that meets it on the way has to keep all that came before in memory.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        let Tagged { kind } = serde_json::from_str(text)?;
        match kind {
            Kind::Checkout => serde_json::from_str(text).map(Self::Checkout),
            Kind::Notice => serde_json::from_str(text).map(Self::Notice),
            Kind::Cancellation => serde_json::from_str(text).map(Self::Cancellation),
            Kind::LateRefund => serde_json::from_str(text).map(Self::LateRefund),
            Kind::PartialRefund => serde_json::from_str(text).map(Self::PartialRefund),
        }
    }

    /// How the order is paid, where the flow needs to know.
    pub const fn method(&self) -> Option<PaymentMethod> {
        match self {
            Self::Checkout(checkout) => Some(checkout.method),
            Self::Cancellation(cancellation) => Some(cancellation.method),
            Self::Notice(_) | Self::LateRefund(_) | Self::PartialRefund(_) => None,
        }
    }

    /// The buyer's payment token, which never appears in a text.
    pub fn token(&self) -> Option<&str> {
        match self {
            Self::Checkout(checkout) => checkout.token.as_deref(),
            Self::Cancellation(_) | Self::Notice(_) | Self::LateRefund(_) | Self::PartialRefund(_) => None,
        }
    }

    /// `text` without the payment token, should somebody have put it there.
    pub fn without_token(&self, text: &str) -> String {
        without_token(self.token(), text)
    }

    /// The end of the window in which a buyer must pay or an admin decide; a checkout alone has one.
    pub const fn decide_by(&self) -> Option<Time> {
        match self {
            Self::Checkout(checkout) => Some(checkout.decide_by),
            Self::Cancellation(_) | Self::Notice(_) | Self::LateRefund(_) | Self::PartialRefund(_) => None,
        }
    }

    /// The request that began it, where one did.
    pub fn origin(&self) -> Option<&Origin> {
        match self {
            Self::Checkout(checkout) => Some(&checkout.origin),
            Self::Cancellation(_) | Self::Notice(_) | Self::LateRefund(_) | Self::PartialRefund(_) => None,
        }
    }

    /// The cart it may clear or hand back.
    pub const fn cart(&self) -> Option<CartId> {
        match self {
            Self::Checkout(checkout) => Some(checkout.cart),
            Self::Cancellation(_) | Self::Notice(_) | Self::LateRefund(_) | Self::PartialRefund(_) => None,
        }
    }
}

/// What a payment token is replaced with.
const HIDDEN: &str = "(the payment token)";

/// `text` without `token`, should somebody have put it there.
pub(crate) fn without_token(token: Option<&str>, text: &str) -> String {
    let token = token.filter(|token| !token.is_empty());
    token.map_or_else(|| text.to_owned(), |token| text.replace(token, HIDDEN))
}

/// What a checkout needs. Prices and lines are as frozen at accept; later edits change nothing here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkout {
    /// The cart it holds.
    pub cart: CartId,
    /// How it is paid.
    pub method: PaymentMethod,
    /// Who takes the money; unused for cash on delivery.
    pub provider: String,
    /// Whether that provider opens a payment before its money is taken.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub opens: bool,
    /// The provider's token for the buyer's means of payment. Never a card number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// What is bought.
    pub lines: Vec<Line>,
    /// What all of it costs: the sum of the lines.
    pub total_minor: i64,
    /// In which currency.
    pub currency: Currency,
    /// The end of the payment or confirmation window.
    pub decide_by: Time,
    /// The request that placed the order.
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
}

/// The request that began a saga, by the ids under which logs and traces know it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Origin {
    /// Of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Of the trace that the request belongs to, as its `traceparent` said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
}

impl Origin {
    /// Whether nothing is known of it.
    pub const fn is_unknown(&self) -> bool {
        self.request_id.is_none() && self.trace_id.is_none()
    }
}

impl Checkout {
    /// The order's total.
    pub const fn total(&self) -> Money {
        Money::new(self.total_minor, self.currency)
    }
}

/// What a message is about.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    Display,
    EnumString,
    IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum NoticeKind {
    /// The order stands.
    OrderConfirmed,
    /// The order was undone.
    OrderCancelled,
}

/// A message to a customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// About what.
    pub notice: NoticeKind,
    /// The name of the channel that sends it.
    #[serde(default = "log_channel", skip_serializing_if = "is_log_channel")]
    pub channel: String,
    /// The order's total, for the text.
    pub total: Money,
    /// Why it was cancelled, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<CancelReason>,
}

/// The channel of every notification that names none: it costs no space.
fn log_channel() -> String {
    "log".to_owned()
}

fn is_log_channel(channel: &str) -> bool {
    channel == "log"
}

/// A cancellation after the pivot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancellation {
    /// The reason of the cancellation.
    pub reason: CancelReason,
    /// What goes back to the shelf.
    pub lines: Vec<Line>,
    /// The charge to give back; `None` when nothing was taken yet, as with cash on delivery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charge: Option<StepKey>,
    /// Who took it.
    pub provider: String,
    /// How the order was paid.
    pub method: PaymentMethod,
    /// The order's total.
    pub total: Money,
    /// What was granted before and is back already; only the rest is given back now.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub refunded_minor: i64,
    /// What was granted before and settled by hand: it is not given back again.
    #[serde(default, alias = "settled_by_hand_minor", skip_serializing_if = "is_zero")]
    pub settled_manually_minor: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_zero(amount_minor: &i64) -> bool {
    *amount_minor == 0
}

/// Money that arrived after its saga had given it up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LateRefund {
    /// The order it was meant for.
    pub order: OrderId,
    /// The charge it arrived under.
    pub charge: StepKey,
    /// Who took it.
    pub provider: String,
    /// The order's total: the most that can have been taken.
    pub total: Money,
    /// What the provider opened for it, if it opens payments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<Box<PaymentObject>>,
}

/// Money that the shop gives back although the order stands: for goodwill, or for a part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartialRefund {
    /// How much goes back.
    pub amount: Money,
    /// The charge it goes back from.
    pub charge: StepKey,
    /// Who took it.
    pub provider: String,
    /// What our ledger said was captured when the refund was granted.
    pub captured_minor: i64,
    /// What our ledger said was refunded when this refund was granted. The provider has to say the same before more is sent.
    pub refunded_minor: i64,
    /// The order's total.
    pub total: Money,
    /// The reason that the admin gave.
    pub reason: String,
    /// Who granted it.
    pub by: Actor,
    /// Digest of the key it was asked for under, if it had one: asked again, it is the same refund.
    #[serde(default, rename = "asked", skip_serializing_if = "Option::is_none")]
    pub dedupe: Option<Dedupe>,
}

/// What tells a repeated request from another one under the same key: digests of both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dedupe {
    /// Of the caller's key.
    pub key: Uuid,
    /// Of what was asked.
    pub body: Uuid,
}
