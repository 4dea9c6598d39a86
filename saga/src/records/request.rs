//! What the outside is asked.

use holdfast_shared::{Money, SagaId, StepKey};
use serde::{Deserialize, Serialize};
use strum::{Display, IntoStaticStr};

use crate::records::PaymentObject;
use crate::records::context::Notice;

/// What is asked of the outside. Repeating one under the same key is always safe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// A payment provider is asked.
    Payment(PaymentRequest),
    /// Tell the customer.
    Notify {
        /// The stable key.
        key: StepKey,
        /// The notification.
        id: SagaId,
        /// What to tell.
        notice: Notice,
    },
    /// A service of the shop's takes part in the saga.
    Participate {
        /// The stable key.
        key: StepKey,
        /// Its name.
        participant: String,
        /// What it is asked for.
        part: Part,
    },
}

/// What a payment provider is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaymentRequest {
    /// Open a payment. Nothing moves by that.
    Open {
        /// The stable key; the provider's object refers to it.
        key: StepKey,
        /// Which provider.
        provider: String,
        /// How much it is for.
        amount: Money,
    },
    /// Take the money.
    Charge {
        /// The stable key of this attempt.
        key: StepKey,
        /// The payment.
        payment: PaymentAt,
        /// How much.
        amount: Money,
        /// The provider's token for the buyer's means of payment; `None` where the buyer pays at the provider.
        token: Option<String>,
    },
    /// Make sure that a charge holds no money that is owed: looked up first, then closed or refunded.
    UndoCharge {
        /// The payment.
        payment: PaymentAt,
        /// The stable key of the refund.
        key: StepKey,
        /// How much of it went back before, by our ledger.
        refunded_minor: i64,
        /// How much of it a person settled manually: that is not owed any more, whichever way it went.
        settled_manually_minor: i64,
    },
    /// Give some of a charge back: looked up first, so that money that is back already is not sent again.
    Refund {
        /// The payment.
        payment: PaymentAt,
        /// The stable key of the refund.
        key: StepKey,
        /// How much.
        amount: Money,
        /// What had been refunded before, by our ledger.
        refunded_minor: i64,
    },
}

/// A payment, as a call names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentAt {
    /// Which provider.
    pub provider: String,
    /// The key of the charge that counts.
    pub charge: StepKey,
    /// What the provider opened for it, if it opens payments.
    pub object: Option<Box<PaymentObject>>,
}

/// What a participant is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Its part in the saga.
    Act,
    /// That it is as if it had never acted, and never will under that key.
    Undo {
        /// The key under which it was asked to act.
        acted: StepKey,
    },
}

/// What the credentials at a provider must allow. Restricted ones may take money and give none back.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Display, IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Operation {
    /// Opening payments and taking their money.
    Take,
    /// Closing payments and giving money back.
    GiveBack,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Take, Self::GiveBack];
}

impl Request {
    /// The payment provider it goes to and what it needs the credentials there for, if it goes to one.
    pub fn payment(&self) -> Option<(&str, Operation)> {
        match self {
            Self::Payment(request) => Some((request.provider(), request.operation())),
            Self::Notify { .. } | Self::Participate { .. } => None,
        }
    }

    /// The keys that it names: its own, and that of the call it is about.
    pub fn keys(&self) -> impl Iterator<Item = &StepKey> {
        let (key, other) = match self {
            Self::Payment(PaymentRequest::Open { key, .. })
            | Self::Notify { key, .. }
            | Self::Participate { key, part: Part::Act, .. } => (key, None),
            Self::Payment(
                PaymentRequest::Charge { key, payment, .. }
                | PaymentRequest::UndoCharge { key, payment, .. }
                | PaymentRequest::Refund { key, payment, .. },
            ) => (key, Some(&payment.charge)),
            Self::Participate { key, part: Part::Undo { acted }, .. } => (key, Some(acted)),
        };
        [key].into_iter().chain(other)
    }
}

impl PaymentRequest {
    /// Which provider.
    pub fn provider(&self) -> &str {
        match self {
            Self::Open { provider, .. } => provider,
            Self::Charge { payment, .. }
            | Self::UndoCharge { payment, .. }
            | Self::Refund { payment, .. } => &payment.provider,
        }
    }

    /// What it needs the credentials there for.
    pub const fn operation(&self) -> Operation {
        match self {
            Self::Open { .. } | Self::Charge { .. } => Operation::Take,
            Self::UndoCharge { .. } | Self::Refund { .. } => Operation::GiveBack,
        }
    }
}
