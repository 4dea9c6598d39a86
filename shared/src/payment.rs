//! What is known of an order's money at the provider, and of a refund.

use serde::{Deserialize, Serialize};
use strum::{Display, EnumIter, EnumString, IntoStaticStr};

use crate::IllegalTransition;

/// Where the payment of an order stands.
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
pub enum PaymentStatus {
    /// The intent is committed; the provider may or may not have been asked yet.
    Pending,
    /// The provider waits for the buyer.
    RequiresAction,
    /// The money is on its way; the provider alone ends this.
    Processing,
    /// The money is ours.
    Captured,
    /// The provider refused; nothing moved.
    Declined,
    /// The answer was lost; the provider is being asked.
    Unknown,
    /// Given up before any money moved.
    Cancelled,
    /// All of it went back.
    Refunded,
    /// Some of it went back.
    PartiallyRefunded,
    /// Cash on delivery: the courier will collect it.
    DueOnDelivery,
    /// Cash on delivery: the courier has collected it.
    Collected,
}

/// What can happen to a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum PaymentEvent {
    /// The provider needs the buyer to act.
    RequireAction,
    /// The provider began to move the money, and nobody can stop it.
    Process,
    /// The provider took the money.
    Capture,
    /// The provider refused.
    Decline,
    /// The answer was lost.
    LoseAnswer,
    /// The attempt provably moved nothing; another one follows.
    TryAgain,
    /// Given up; provably nothing is held.
    Cancel,
    /// Some of the money went back.
    RefundPart,
    /// All of it is back.
    RefundAll,
    /// The courier collected the cash.
    Collect,
    /// A person saw to the rest of it outside Holdfast. What nobody knows of is booked as taken, the most there can be.
    SettleManually,
}

impl PaymentStatus {
    /// The state after `event`, or the refusal.
    pub fn after(self, event: PaymentEvent) -> Result<Self, IllegalTransition> {
        use PaymentEvent::{
            Cancel, Capture, Collect, Decline, LoseAnswer, Process, RefundAll, RefundPart, RequireAction,
            SettleManually, TryAgain,
        };
        match (self, event) {
            (Self::Pending | Self::Unknown | Self::RequiresAction | Self::Processing, RequireAction) => {
                Ok(Self::RequiresAction)
            }
            (Self::Pending | Self::Unknown | Self::RequiresAction | Self::Processing, Capture) => {
                Ok(Self::Captured)
            }
            (Self::Pending | Self::Unknown | Self::RequiresAction | Self::Processing, Decline) => {
                Ok(Self::Declined)
            }
            (Self::Pending | Self::Unknown | Self::RequiresAction, LoseAnswer) => Ok(Self::Unknown),
            // That a look-up was lost does not make it unknown.
            (Self::Processing, LoseAnswer) => Ok(Self::Processing),
            (Self::Pending | Self::Unknown | Self::RequiresAction | Self::Processing, Process) => {
                Ok(Self::Processing)
            }
            (Self::Pending | Self::Unknown | Self::RequiresAction | Self::Processing, TryAgain) => {
                Ok(Self::Pending)
            }
            (
                Self::Pending | Self::Unknown | Self::RequiresAction | Self::Processing | Self::DueOnDelivery,
                Cancel,
            ) => Ok(Self::Cancelled),
            // An undo looks the charge up first, so it may learn of a capture and its refund in one go.
            (
                Self::Pending
                | Self::Unknown
                | Self::RequiresAction
                | Self::Processing
                | Self::Captured
                | Self::PartiallyRefunded,
                RefundAll,
            ) => Ok(Self::Refunded),
            (Self::Captured | Self::PartiallyRefunded, RefundPart)
            | (Self::PartiallyRefunded, SettleManually) => Ok(Self::PartiallyRefunded),
            (Self::DueOnDelivery, Collect) => Ok(Self::Collected),
            (
                Self::Pending | Self::Unknown | Self::RequiresAction | Self::Processing | Self::Captured,
                SettleManually,
            ) => Ok(Self::Captured),
            (
                Self::Pending | Self::Unknown | Self::RequiresAction | Self::Processing,
                RefundPart | Collect,
            )
            | (
                Self::Captured | Self::PartiallyRefunded,
                RequireAction | Process | Capture | Decline | LoseAnswer | TryAgain | Cancel | Collect,
            )
            | (
                Self::Declined | Self::Cancelled | Self::Refunded | Self::Collected,
                RequireAction | Process | Capture | Decline | LoseAnswer | TryAgain | Cancel | RefundPart
                | RefundAll | Collect | SettleManually,
            )
            | (
                Self::DueOnDelivery,
                RequireAction | Process | Capture | Decline | LoseAnswer | TryAgain | RefundPart | RefundAll
                | SettleManually,
            ) => Err(IllegalTransition::new("payment", self, event)),
        }
    }
}

/// Where a refund stands.
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
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum RefundStatus {
    /// Owed; the provider may or may not have been asked.
    Pending,
    /// The money is back, or there provably was none.
    Succeeded,
    /// The provider keeps refusing; an operator decides.
    Failed,
    /// The answer was lost; the provider is being asked.
    Unknown,
}
