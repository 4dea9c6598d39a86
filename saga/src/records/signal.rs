//! What the outside tells a saga: kept in an inbox, deduplicated, read under the saga's lock.

use holdfast_shared::{Actor, SagaId, StepKey, Time};
use serde::{Deserialize, Serialize};

/// A message for a saga, as committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signal {
    /// Given by the store; signals are folded in this order.
    pub seq: i64,
    /// The saga that reads it.
    pub saga: SagaId,
    /// Two signals of one saga with the same id are one signal.
    pub dedupe: String,
    /// What it says.
    pub body: SignalBody,
    /// When it was committed.
    pub created_at: Time,
}

/// A message for a saga, not committed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSignal {
    /// The saga that reads it.
    pub saga: SagaId,
    /// Two signals of one saga with the same id are one signal.
    pub dedupe: String,
    /// What it says.
    pub body: SignalBody,
}

/// What a signal says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "signal", rename_all = "snake_case")]
pub enum SignalBody {
    /// An admin decided about a cash-on-delivery order.
    Confirmation {
        /// Yes or no.
        confirmed: bool,
        /// Who decided.
        by: Actor,
    },
    /// Somebody wants the order undone.
    Cancel {
        /// Who asked for it.
        by: Actor,
    },
    /// The provider says that something happened to a charge. It is asked before it is believed.
    PaymentEvent {
        /// Which charge.
        charge: StepKey,
    },
    /// A worker heard the answer to a call after it had lost the saga.
    LateOutcome {
        /// Which call.
        key: StepKey,
        /// Whether the answer was that money was taken.
        captured: bool,
        /// The answer, as JSON.
        answer: String,
    },
    /// An operator wants a dead saga to go on.
    Retry {
        /// Who asked for it.
        by: Actor,
    },
    /// An operator takes responsibility for the step that a dead saga stopped at.
    Discard {
        /// Who asked for it.
        by: Actor,
        /// Why, for the timeline and the audit trail.
        reason: String,
    },
}

impl SignalBody {
    /// The name used in queries and timelines.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Confirmation { .. } => "confirmation",
            Self::Cancel { .. } => "cancel",
            Self::PaymentEvent { .. } => "payment_event",
            Self::LateOutcome { .. } => "late_outcome",
            Self::Retry { .. } => "retry",
            Self::Discard { .. } => "discard",
        }
    }
}
