//! What the ledger holds: charges and refunds, each under the key it was asked for with.

use std::time::Duration;

use holdfast_saga::ports::{Movement, NamedRefund, RefundState};
use holdfast_shared::{Money, StepKey, Time};

/// One charge, or the promise that there will never be one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// When its key was last taken for a new one: the key is forgotten some time after that.
    pub keyed_at: Time,
    /// Where it stands.
    pub standing: Standing,
}

/// Where a charge stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Waits for the buyer; nothing has moved.
    RequiresAction {
        /// What will be taken.
        amount: Money,
    },
    /// Money was taken.
    Captured(Capture),
    /// Refused; nothing moved.
    Declined {
        /// What was asked for.
        amount: Money,
        /// Why it was refused.
        reason: String,
    },
    /// Nothing moved and nothing will.
    Voided,
}

/// Money that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capture {
    /// What was asked for.
    pub amount: Money,
    /// What was taken: more than was asked for, if the key was sent again after it was forgotten.
    pub captured_minor: i64,
    /// What went back. Nothing keeps it below what was taken.
    pub refunded_minor: i64,
    /// Whether more can go back.
    pub refunds: Refunds,
}

/// Where a charge stands, as the sandbox says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChargeState {
    /// Waits for the buyer.
    RequiresAction {
        /// Where they must go.
        url: Option<String>,
    },
    /// The money was taken; some or all of it may be back already.
    Captured {
        /// How much was taken.
        amount: Money,
        /// How much is back.
        refunded_minor: i64,
        /// The sandbox's own name for it.
        provider_ref: String,
    },
    /// Refused; nothing moved.
    Declined {
        /// The reason.
        reason: String,
    },
    /// Nothing moved and nothing will.
    Voided,
}

/// Whether a charge gives money back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refunds {
    /// It does.
    Open,
    /// It does not, until an operator allows it.
    Refused,
}

/// Money that went back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    /// From which charge.
    pub charge: StepKey,
    /// What was asked for.
    pub amount_minor: i64,
    /// What went back: more than was asked for, if the key was sent again after it was forgotten.
    pub moved_minor: i64,
    /// When its key was last taken for a new one.
    pub keyed_at: Time,
}

impl Charge {
    /// The charge as its provider tells of it.
    pub fn state(&self, key: &StepKey) -> ChargeState {
        match &self.standing {
            Standing::RequiresAction { amount: _ } => {
                ChargeState::RequiresAction { url: Some(format!("https://sandbox.invalid/act/{key}")) }
            }
            Standing::Captured(capture) => ChargeState::Captured {
                amount: Money { amount_minor: capture.captured_minor, ..capture.amount },
                refunded_minor: capture.refunded_minor,
                provider_ref: format!("sbx_{key}"),
            },
            Standing::Declined { amount: _, reason } => ChargeState::Declined { reason: reason.clone() },
            Standing::Voided => ChargeState::Voided,
        }
    }

    /// Its line on the statement. A void has none: there is nothing to tell, not even a currency.
    pub fn line(&self, key: &StepKey) -> Option<Movement> {
        let (captured_minor, refunded_minor) = match self.standing {
            Standing::Captured(capture) => (capture.captured_minor, capture.refunded_minor),
            Standing::RequiresAction { .. } | Standing::Declined { .. } | Standing::Voided => (0, 0),
        };
        let currency = self.amount()?.currency;
        Some(Movement { charge: key.clone(), currency, captured_minor, refunded_minor })
    }

    /// What was asked for under its key.
    pub fn amount(&self) -> Option<Money> {
        match self.standing {
            Standing::Captured(capture) => Some(capture.amount),
            Standing::RequiresAction { amount } | Standing::Declined { amount, .. } => Some(amount),
            Standing::Voided => None,
        }
    }

    /// Whether its key is still recognised.
    pub fn is_remembered(&self, now: Time, key_ttl: Duration) -> bool {
        now.since(self.keyed_at) < key_ttl
    }
}

impl Refund {
    /// The refund as its provider lists it.
    pub fn named(&self, key: &StepKey) -> NamedRefund {
        NamedRefund { key: Some(key.clone()), amount_minor: self.moved_minor, state: RefundState::Done }
    }

    /// Whether its key is still recognised.
    pub fn is_remembered(&self, now: Time, key_ttl: Duration) -> bool {
        now.since(self.keyed_at) < key_ttl
    }
}
