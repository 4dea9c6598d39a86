//! What can be asked of the ledger, and what it answers.

use holdfast_saga::ports::Fault;
use holdfast_shared::{Money, StepKey};

use crate::{ChargeState, Token};

/// One thing asked of the provider: by the shop, by the buyer, or by an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// The shop takes money.
    Charge {
        /// The charge.
        key: StepKey,
        /// How much.
        amount: Money,
        /// From whom, see [`Token`].
        token: String,
    },
    /// The shop asks where a charge stands.
    LookUp {
        /// The charge.
        key: StepKey,
    },
    /// The shop makes sure that nothing will ever move under a key.
    Void {
        /// The charge.
        key: StepKey,
    },
    /// The shop gives money back.
    Refund {
        /// The refund.
        key: StepKey,
        /// From which charge.
        charge: StepKey,
        /// How much, in the charge's currency.
        amount_minor: i64,
    },
    /// The buyer acts.
    CompleteAction {
        /// The charge that waits for them.
        key: StepKey,
        /// Whether they agree to pay.
        approved: bool,
    },
    /// An operator settles with the provider that a charge gives money back after all.
    AllowRefunds {
        /// The charge.
        charge: StepKey,
    },
}

impl Operation {
    /// The charge it is about.
    pub fn charge(&self) -> &StepKey {
        match self {
            Self::Charge { key, .. }
            | Self::LookUp { key }
            | Self::Void { key }
            | Self::CompleteAction { key, .. } => key,
            Self::Refund { charge, .. } | Self::AllowRefunds { charge } => charge,
        }
    }

    /// The refund it is about.
    pub fn refund(&self) -> Option<&StepKey> {
        match self {
            Self::Refund { key, .. } => Some(key),
            Self::Charge { .. }
            | Self::LookUp { .. }
            | Self::Void { .. }
            | Self::CompleteAction { .. }
            | Self::AllowRefunds { .. } => None,
        }
    }

    /// Whose failures decide it, if any do.
    pub(crate) fn counted_payer(&self) -> Option<String> {
        match self {
            Self::Charge { key, token, .. } if token == Token::Flaky.as_str() => Some(payer(key)),
            Self::Charge { .. }
            | Self::LookUp { .. }
            | Self::Void { .. }
            | Self::Refund { .. }
            | Self::CompleteAction { .. }
            | Self::AllowRefunds { .. } => None,
        }
    }
}

/// Failures are counted by order, so that another generation of the key does not begin anew.
pub(crate) fn payer(key: &StepKey) -> String {
    key.owner().map_or_else(|| key.to_string(), |(shop, order)| format!("{shop}-{order}"))
}

/// The ledger's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Where the charge stands.
    Stands(ChargeState),
    /// No charge is known by that key.
    NotKnown,
    /// It is done, now or before.
    Done,
    /// It is done, and the shop must not hear of it.
    AnswerLost,
    /// Nothing moved, and why; the same again is refused again.
    Refused(String),
    /// Nothing moved, and why; later it may.
    NotDone(String),
}

impl Reply {
    /// The answer to a charge, a void, or an action.
    pub(crate) fn into_state(self) -> Result<ChargeState, Fault> {
        match self {
            Self::Stands(state) => Ok(state),
            Self::NotKnown | Self::Done | Self::AnswerLost | Self::Refused(_) | Self::NotDone(_) => {
                Err(self.into_fault())
            }
        }
    }

    /// The answer to a look-up.
    pub(crate) fn into_found(self) -> Result<Option<ChargeState>, Fault> {
        match self {
            Self::Stands(state) => Ok(Some(state)),
            Self::NotKnown => Ok(None),
            Self::Done | Self::AnswerLost | Self::Refused(_) | Self::NotDone(_) => Err(self.into_fault()),
        }
    }

    /// The answer to a refund.
    pub(crate) fn into_done(self) -> Result<(), Fault> {
        match self {
            Self::Done => Ok(()),
            Self::Stands(_) | Self::NotKnown | Self::AnswerLost | Self::Refused(_) | Self::NotDone(_) => {
                Err(self.into_fault())
            }
        }
    }

    /// What it is to somebody who expected another answer.
    pub(crate) fn into_fault(self) -> Fault {
        match self {
            Self::Refused(message) | Self::NotDone(message) => Fault::Refused(message),
            Self::AnswerLost => Fault::Unclear("the sandbox lost its answer".to_owned()),
            Self::Stands(_) | Self::NotKnown | Self::Done => {
                Fault::Unclear(format!("the sandbox answered something else than was asked: {self:?}"))
            }
        }
    }
}
