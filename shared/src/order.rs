//! An order's life, from accepted to delivered or cancelled.

use serde::{Deserialize, Serialize};
use strum::{Display, EnumIter, EnumString, IntoStaticStr};

use crate::IllegalTransition;

/// How the customer pays.
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
    EnumIter,
    IntoStaticStr,
)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum PaymentMethod {
    /// A card, by the provider's token; we never see its number.
    Card,
    /// `PayPal`, by token.
    Paypal,
    /// Cash on delivery, after an admin's confirmation.
    Cod,
    /// Nothing: the order costs nothing. The server says so, whatever the buyer chose.
    None,
}

impl PaymentMethod {
    /// Whether money moves before the order is confirmed.
    pub const fn is_online(self) -> bool {
        match self {
            Self::Card | Self::Paypal => true,
            Self::Cod | Self::None => false,
        }
    }

    /// The state an order of this method is accepted in.
    pub const fn first_status(self) -> OrderStatus {
        match self {
            Self::Card | Self::Paypal | Self::None => OrderStatus::PendingPayment,
            Self::Cod => OrderStatus::PendingConfirmation,
        }
    }
}

/// Where an order stands.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    Display,
    EnumString,
    EnumIter,
    IntoStaticStr,
)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum OrderStatus {
    /// Accepted; stock and payment are being taken.
    PendingPayment,
    /// Accepted; an admin has not confirmed it yet.
    PendingConfirmation,
    /// Stands: stock is taken, money is taken or due on delivery.
    Confirmed,
    /// The shop prepares it.
    Processing,
    /// On its way.
    Shipped,
    /// Arrived.
    Delivered,
    /// Was confirmed, is being undone: refund, restock, cancel.
    Cancelling,
    /// Fully undone.
    Cancelled,
}

/// What can happen to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum OrderEvent {
    /// Its saga passed the pivot.
    Confirm,
    /// The shop starts preparing it.
    Process,
    /// It leaves the house.
    Ship,
    /// It arrived.
    Deliver,
    /// A cancellation after the pivot begins.
    BeginCancel,
    /// Everything is undone.
    Cancel,
}

impl OrderStatus {
    /// The state after `event`, or the refusal.
    pub fn after(self, event: OrderEvent) -> Result<Self, IllegalTransition> {
        use OrderEvent::{BeginCancel, Cancel, Confirm, Deliver, Process, Ship};
        match (self, event) {
            (Self::PendingPayment | Self::PendingConfirmation, Confirm) => Ok(Self::Confirmed),
            (Self::PendingPayment | Self::PendingConfirmation | Self::Cancelling, Cancel) => {
                Ok(Self::Cancelled)
            }
            (Self::Confirmed, Process) => Ok(Self::Processing),
            (Self::Processing, Ship) => Ok(Self::Shipped),
            (Self::Shipped, Deliver) => Ok(Self::Delivered),
            (Self::Confirmed | Self::Processing, BeginCancel) => Ok(Self::Cancelling),
            (Self::PendingPayment | Self::PendingConfirmation, Process | Ship | Deliver | BeginCancel)
            | (Self::Confirmed, Confirm | Ship | Deliver | Cancel)
            | (Self::Processing, Confirm | Process | Deliver | Cancel)
            | (Self::Shipped, Confirm | Process | Ship | BeginCancel | Cancel)
            | (
                Self::Delivered | Self::Cancelled,
                Confirm | Process | Ship | Deliver | BeginCancel | Cancel,
            )
            | (Self::Cancelling, Confirm | Process | Ship | Deliver | BeginCancel) => {
                Err(IllegalTransition::new("order", self, event))
            }
        }
    }

    /// Whether the shop owes the goods: stock is taken and money follows the order's total.
    pub const fn stands(self) -> bool {
        match self {
            Self::Confirmed | Self::Processing | Self::Shipped | Self::Delivered => true,
            Self::PendingPayment | Self::PendingConfirmation | Self::Cancelling | Self::Cancelled => false,
        }
    }

    /// Whether its checkout is still undecided: what the one-per-cart index and admission count.
    pub const fn is_pending(self) -> bool {
        match self {
            Self::PendingPayment | Self::PendingConfirmation => true,
            Self::Confirmed
            | Self::Processing
            | Self::Shipped
            | Self::Delivered
            | Self::Cancelling
            | Self::Cancelled => false,
        }
    }
}

/// Why an order was cancelled.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    Display,
    EnumString,
    EnumIter,
    IntoStaticStr,
)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum CancelReason {
    /// A line asked for more than was left.
    OutOfStock,
    /// The provider refused the charge.
    PaymentDeclined,
    /// The money could not be taken within its window.
    PaymentExpired,
    /// An admin said no to a cash-on-delivery order.
    RejectedByAdmin,
    /// No admin decided within the window.
    ConfirmationExpired,
    /// The customer cancelled.
    CustomerRequest,
    /// An admin cancelled.
    AdminRequest,
    /// The parcel came back.
    RefusedOnDelivery,
}

/// Who asks for a change, for the log and the audit trail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "role", content = "name", rename_all = "snake_case")]
pub enum Actor {
    /// The customer who owns the order, or the guest who holds its token.
    Customer,
    /// An admin of the shop, by name.
    Admin(String),
    /// An operator of Holdfast, by name.
    Operator(String),
}

impl Actor {
    /// The name by which the audit trail knows them.
    pub fn name(&self) -> &str {
        match self {
            Self::Customer => "the customer",
            Self::Admin(name) | Self::Operator(name) => name,
        }
    }

    /// The reason a cancellation by this actor is filed under.
    pub const fn cancel_reason(&self) -> CancelReason {
        match self {
            Self::Customer => CancelReason::CustomerRequest,
            Self::Admin(_) | Self::Operator(_) => CancelReason::AdminRequest,
        }
    }
}

impl std::fmt::Display for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Customer => f.write_str(self.name()),
            Self::Admin(name) => write!(f, "admin {name}"),
            Self::Operator(name) => write!(f, "operator {name}"),
        }
    }
}

/// How to reach the customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// An e-mail address.
    pub email: String,
    /// A telephone number, if given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
}

/// Where the goods go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// Who receives them.
    pub name: String,
    /// Street and number.
    pub line1: String,
    /// Anything more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line2: Option<String>,
    /// City.
    pub city: String,
    /// State or province.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Post code; empty where the country has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub postal_code: String,
    /// ISO 3166-1 alpha-2.
    pub country: String,
}
