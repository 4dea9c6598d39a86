//! Where a saga stands, and the pool that carries it on.

use serde::{Deserialize, Serialize};
use strum::{Display, EnumIter, EnumString, IntoStaticStr};

use crate::IllegalTransition;

/// Where a saga stands.
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
pub enum SagaState {
    /// Going forward.
    Running,
    /// Waiting for a signal or its deadline.
    Waiting,
    /// Undoing what it did, in reverse.
    Compensating,
    /// Ended, fully done.
    Completed,
    /// Ended, fully undone.
    Compensated,
    /// Stuck, visibly; an operator has the next move.
    Dead,
}

/// What can happen to a saga.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum SagaEvent {
    /// It stops for a signal.
    Wait,
    /// The signal came, or an operator revived it on its way forward.
    Resume,
    /// A failure or a cancellation before the pivot, or an operator revived it on its way back.
    Unwind,
    /// The last forward stage is done.
    Complete,
    /// The last undo is done and the order is cancelled.
    FinishUnwind,
    /// It gave up.
    Die,
}

impl SagaState {
    /// The state after `event`, or the refusal.
    pub fn after(self, event: SagaEvent) -> Result<Self, IllegalTransition> {
        use SagaEvent::{Complete, Die, FinishUnwind, Resume, Unwind, Wait};
        match (self, event) {
            (Self::Running, Wait) => Ok(Self::Waiting),
            (Self::Waiting | Self::Dead, Resume) => Ok(Self::Running),
            (Self::Running | Self::Waiting | Self::Dead, Unwind) => Ok(Self::Compensating),
            (Self::Running, Complete) => Ok(Self::Completed),
            (Self::Compensating, FinishUnwind) => Ok(Self::Compensated),
            (Self::Running | Self::Waiting | Self::Compensating, Die) => Ok(Self::Dead),
            (Self::Running, Resume | FinishUnwind)
            | (Self::Waiting, Wait | Complete | FinishUnwind)
            | (Self::Compensating, Wait | Resume | Unwind | Complete)
            | (Self::Completed | Self::Compensated, Wait | Resume | Unwind | Complete | FinishUnwind | Die)
            | (Self::Dead, Wait | Complete | FinishUnwind | Die) => {
                Err(IllegalTransition::new("saga", self, event))
            }
        }
    }

    /// Whether it has ended for good. A dead saga has not: it waits for an operator.
    pub const fn is_settled(self) -> bool {
        match self {
            Self::Completed | Self::Compensated => true,
            Self::Running | Self::Waiting | Self::Compensating | Self::Dead => false,
        }
    }
}

/// A pool of workers. Each has its own bound on calls in flight and scales alone.
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
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Queue {
    /// Orders on their way forward.
    Checkout,
    /// Everything that is being undone, and late money.
    Compensation,
    /// Sagas woken by the payment provider's events.
    PaymentEvents,
    /// Telling the customer.
    Notifications,
}
