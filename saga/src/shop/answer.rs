//! What people are answered who ask for something to be done.

use holdfast_shared::{OrderId, SagaId};

use crate::ports::Hint;

/// The answer, when nothing stands against it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered {
    /// It will be done; nothing that happens later undoes the promise. Wake this saga.
    Accepted(Hint),
    /// It is done, in this very commit.
    Done(String),
    /// It is so already; nothing was changed.
    Already(String),
}

/// Why it cannot be done, with what happened instead. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// No such order.
    #[error("order {0} does not exist; `holdfast order list` shows those that do")]
    UnknownOrder(OrderId),
    /// No such saga.
    #[error("saga {0} does not exist; `holdfast saga list` shows those that do")]
    UnknownSaga(SagaId),
    /// The key was used for something else.
    #[error("{0}")]
    KeyReused(String),
    /// Something about the order stands against it.
    #[error("{1}")]
    Order(Against, String),
    /// Something else happened.
    #[error("{0}")]
    Instead(String),
}

/// What about an order stands against a verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Against {
    /// Nobody has to confirm or reject it.
    ConfirmsItself,
    /// It has not come far enough.
    NotReady,
    /// It was confirmed already.
    Confirmed,
    /// Somebody decided otherwise a moment ago.
    Decided,
    /// It is being prepared, and only the shop can cancel it now.
    InPreparation,
    /// Its parcel has left the house.
    Gone,
    /// It is being cancelled.
    BeingCancelled,
    /// It was cancelled.
    Cancelled,
    /// An operator has to act first.
    NeedsAttention,
    /// Its rows contradict each other.
    Inconsistent,
    /// Only the shop may do it.
    ShopOnly,
    /// No provider holds money of it.
    NothingToRefund,
    /// More is asked back than is left.
    RefundTooLarge,
    /// Nothing is asked back, or less than nothing.
    RefundOfNothing,
    /// Another refund of it is under way.
    RefundUnderWay,
    /// It was paid in another currency.
    RefundCurrency,
    /// Its provider cannot give that amount back.
    RefundNotPayable,
    /// A refund of it was settled by hand.
    SettledByHand,
    /// It was given as many refunds as an order can have.
    RefundsUsedUp,
    /// A refund without a reason, or with a long one.
    RefundReason,
}

impl Conflict {
    /// Whether the thing itself is missing.
    pub const fn is_not_found(&self) -> bool {
        matches!(self, Self::UnknownOrder(_) | Self::UnknownSaga(_))
    }
}

/// What was answered.
pub type Answer = Result<Answered, Conflict>;

/// It cannot be done, and what happened instead.
pub(crate) fn instead(message: String) -> Answer {
    Err(Conflict::Instead(message))
}

/// It cannot be done, because of what stands against it.
pub(crate) fn against(what: Against, message: String) -> Answer {
    Err(Conflict::Order(what, message))
}

/// It is so already.
pub(crate) fn already(message: String) -> Answer {
    Ok(Answered::Already(message))
}
