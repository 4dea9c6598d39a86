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
    /// Something else happened.
    #[error("{0}")]
    Instead(String),
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

/// It is so already.
pub(crate) fn already(message: String) -> Answer {
    Ok(Answered::Already(message))
}
