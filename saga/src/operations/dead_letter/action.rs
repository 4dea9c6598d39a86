//! What an operator can do about a dead saga.

use holdfast_shared::Actor;

use crate::records::saga::Saga;
use crate::records::signal::{NewSignal, SignalBody};

/// What is done about a dead saga.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeadLetterAction {
    /// It goes on where it stopped.
    Retry {
        /// The reason, if one was given.
        reason: Option<String>,
    },
    /// Somebody takes responsibility for the step it stopped at.
    Discard {
        /// The reason, as it was given.
        reason: String,
    },
}

impl DeadLetterAction {
    pub(super) const fn action(&self) -> &'static str {
        match self {
            Self::Retry { .. } => "saga.retry",
            Self::Discard { .. } => "saga.discard",
        }
    }

    pub(super) fn signal(&self, saga: &Saga, by: &Actor) -> NewSignal {
        // Each death is answered once: the fence tells one from the next.
        let (dedupe, body) = match self {
            Self::Retry { reason: _ } => {
                (format!("retry:{}", saga.fence), SignalBody::Retry { by: by.clone() })
            }
            Self::Discard { reason } => {
                let body = SignalBody::Discard { by: by.clone(), reason: reason.clone() };
                (format!("discard:{}", saga.fence), body)
            }
        };
        NewSignal { saga: saga.id, dedupe, body }
    }
}
