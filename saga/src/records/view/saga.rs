//! Sagas as they are listed and counted.

use holdfast_shared::{Queue, SagaId, SagaState, Time};
use strum::{Display, EnumIter, EnumString, IntoStaticStr};

use crate::records::saga::{DefinitionId, Phase, Progress};

/// A state as people see it: the stored one, or that the saga is trying again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, EnumString, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum ShownState {
    /// Going forward.
    Running,
    /// Waiting for a signal or its deadline.
    Waiting,
    /// Undoing what it did, in reverse.
    Compensating,
    /// Alive; its current step failed or is held back, and will be retried automatically.
    Retrying,
    /// Ended, fully done.
    Completed,
    /// Ended, fully undone.
    Compensated,
    /// Stuck until an operator acts.
    Dead,
}

impl ShownState {
    /// The state that is stored; `None` for [`Retrying`](Self::Retrying), which no row says.
    pub const fn stored(self) -> Option<SagaState> {
        match self {
            Self::Running => Some(SagaState::Running),
            Self::Waiting => Some(SagaState::Waiting),
            Self::Compensating => Some(SagaState::Compensating),
            Self::Retrying => None,
            Self::Completed => Some(SagaState::Completed),
            Self::Compensated => Some(SagaState::Compensated),
            Self::Dead => Some(SagaState::Dead),
        }
    }
}

/// Which sagas to list, newest first.
#[derive(Debug, Clone, Default)]
pub struct SagaFilter {
    /// Of this definition.
    pub definition: Option<String>,
    /// In this state. Those that are retrying are among the running, waiting and compensating ones, too.
    pub state: Option<ShownState>,
    /// Older than this one: the cursor.
    pub before: Option<SagaId>,
    /// At most.
    pub limit: u32,
}

/// A dead saga, as far as lists need to know it: its context stays where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadRow {
    /// The saga's id.
    pub id: SagaId,
    /// What it runs.
    pub definition: DefinitionId,
    /// Where it stopped and why, or why that cannot be read.
    pub progress: Result<Progress, String>,
    /// Since when.
    pub since: Time,
    /// Set while a signal for it is unread.
    pub wake_at: Option<Time>,
    /// The payment token of its order, so that it can be kept out of the reason.
    pub token: Option<String>,
}

/// How many sagas of a definition stand where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SagaCount {
    /// Such as `checkout_online`.
    pub definition: String,
    /// The state.
    pub state: SagaState,
    /// How many sagas are in it.
    pub sagas: u64,
}

/// Sagas that try again at the same place of the same definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryingGroup {
    /// The queue that they are in.
    pub queue: Queue,
    /// What they run.
    pub definition: DefinitionId,
    /// Which way they go.
    pub phase: Phase,
    /// Where they stand.
    pub stage: usize,
    /// How many they are.
    pub sagas: u64,
    /// How many tries of the worst of them failed.
    pub tries_max: u32,
    /// The worst of them; of several the oldest.
    pub worst: SagaId,
    /// When the first of them is due again.
    pub next_try: Time,
}
