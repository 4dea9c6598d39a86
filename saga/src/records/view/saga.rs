//! Sagas as they are listed and counted.

use holdfast_shared::{SagaId, SagaState, Time};

use crate::records::saga::{DefinitionId, Progress};

/// Which sagas to list, newest first.
#[derive(Debug, Clone, Default)]
pub struct SagaFilter {
    /// Of this definition.
    pub definition: Option<String>,
    /// In this state.
    pub state: Option<SagaState>,
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
