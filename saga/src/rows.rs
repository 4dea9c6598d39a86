//! The shop's rows as the rules see them.

use holdfast_shared::{
    Address, CancelReason, CartId, CartStatus, Contact, Line, Money, OrderId, OrderStatus, PaymentMethod,
    PaymentStatus, RefundStatus, ReservationStatus, SagaId, Sku, StepKey, Time,
};
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr};

use crate::context::NoticeKind;

/// What can be bought, and for how much.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// Its key.
    pub sku: Sku,
    /// For people.
    pub name: String,
    /// Of one.
    pub price: Money,
    /// Whether it may be bought now.
    pub active: bool,
}

/// What is on the shelf, and how much of it is promised. `0 ≤ reserved ≤ on_hand`, always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Stock {
    /// Pieces in the house.
    pub on_hand: i64,
    /// Of these, held for orders.
    pub reserved: i64,
}

/// By how much a level moves. Moves add up, so nobody need know the level to move it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StockMove {
    /// Pieces that come, or go when negative.
    pub on_hand: i64,
    /// Promises made, or taken back when negative.
    pub reserved: i64,
}

impl std::ops::AddAssign for StockMove {
    fn add_assign(&mut self, other: Self) {
        self.on_hand += other.on_hand;
        self.reserved += other.reserved;
    }
}

impl std::ops::AddAssign<StockMove> for Stock {
    fn add_assign(&mut self, step: StockMove) {
        self.on_hand += step.on_hand;
        self.reserved += step.reserved;
    }
}

/// One deliberate change of a stock level; append-only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockAdjustment {
    /// Of what.
    pub sku: Sku,
    /// Pieces added, or taken when negative.
    pub delta: i64,
    /// Why.
    pub reason: String,
    /// By whom.
    pub actor: String,
    /// When.
    pub at: Time,
}

/// What an admin or an operator did, for the audit trail; append-only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminAction {
    /// When.
    pub at: Time,
    /// By whom.
    pub actor: String,
    /// The verb, such as `order.confirm`.
    pub action: String,
    /// On what, such as `order 1042`.
    pub subject: String,
    /// What came of it, in words.
    pub detail: String,
    /// The order it was about, if it was about one.
    pub order: Option<OrderId>,
}

/// A cart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cart {
    /// Its unguessable id.
    pub id: CartId,
    /// The customer it belongs to; `None` for a guest's.
    pub owner: Option<String>,
    /// Where it stands.
    pub status: CartStatus,
    /// The order whose checkout holds or cleared it.
    pub order: Option<OrderId>,
    /// What is in it.
    pub items: Vec<CartItem>,
    /// When it was last touched.
    pub updated_at: Time,
}

/// One position of a cart. It has no price: the server's catalogue does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CartItem {
    /// What.
    pub sku: Sku,
    /// How many.
    pub quantity: u32,
}

/// An order, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Its number.
    pub id: OrderId,
    /// Where it stands.
    pub status: OrderStatus,
    /// Why it was cancelled, exactly when it was.
    pub cancel_reason: Option<CancelReason>,
    /// How it is paid.
    pub method: PaymentMethod,
    /// The cart it came from.
    pub cart: CartId,
    /// The customer; `None` for a guest.
    pub customer: Option<String>,
    /// How to reach them.
    pub contact: Contact,
    /// Where the goods go.
    pub shipping_address: Address,
    /// What the customer wants the shop to know.
    pub notes: Option<String>,
    /// What is bought, each SKU once, prices frozen at accept.
    pub lines: Vec<Line>,
    /// The sum of the lines.
    pub total: Money,
    /// The instant of acceptance; part of the public id.
    pub accepted_at: Time,
    /// When it last changed.
    pub updated_at: Time,
}

/// Our own book on an order's payment.
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
    pub settled_by_hand_minor: i64,
    /// The stable key of the charge that counts.
    pub charge: Option<StepKey>,
    /// The provider's own name for it.
    pub provider_ref: Option<String>,
    /// Where the buyer must act, if they must.
    pub next_action: Option<String>,
}

/// Our own book on money going back. One per saga that gives money back.
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
    pub settled_by_hand: bool,
}

/// Our own book on a message. It is saved before it is sent, and its status says what happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// The saga that sends it; also its key.
    pub saga: SagaId,
    /// About what.
    pub notice: NoticeKind,
    /// By which way.
    pub channel: Channel,
    /// To whom.
    pub recipient: String,
    /// Where it stands.
    pub status: NotificationStatus,
}

/// The way a message takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Display, EnumString, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Channel {
    /// A structured line in the log.
    Log,
}

/// Where a message stands.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Display, EnumString, IntoStaticStr,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum NotificationStatus {
    /// Saved, not sent yet.
    Pending,
    /// Out.
    Sent,
    /// Could not be sent; its saga is dead and can be retried.
    Failed,
}

/// An order's hold on stock; its lines are the order's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reservation {
    /// Whose.
    pub order: OrderId,
    /// Where it stands.
    pub status: ReservationStatus,
}

/// An `Idempotency-Key` that an order was accepted under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyClaim {
    /// Digest of caller, route and key.
    pub key: uuid::Uuid,
    /// Digest of the request's body.
    pub body: uuid::Uuid,
    /// The order it led to.
    pub order: OrderId,
}
