//! Batches that fail: halved until the suspect is alone, which dies after a few lonely failures.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use holdfast_shared::SagaId;

use super::input::BatchInput;
use crate::ports::StoreError;

/// A batch that failed, with the sagas it had claimed.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) error: StoreError,
    pub(super) claimed: Vec<SagaId>,
    /// It decided on stock levels that somebody else may have moved since.
    pub(super) optimistic: bool,
}

/// Sagas whose commit was refused while they were alone in it. Kept by the worker between batches.
#[derive(Debug, Default)]
pub struct CommitFailures(Mutex<BTreeMap<SagaId, u32>>);

impl CommitFailures {
    /// The third lonely failure is the last: a row that is refused thrice is refused for ever.
    pub const MAX: u32 = 3;

    pub(super) fn count(&self, saga: SagaId) -> u32 {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(saga).or_default();
        *count += 1;
        *count
    }

    pub(super) fn forget(&self, saga: SagaId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&saga);
    }
}

pub(super) fn unclaimed(error: StoreError) -> Failed {
    Failed { error, claimed: Vec::new(), optimistic: false }
}

/// The same work, in two parts.
pub(super) fn halves(work: &BatchInput, claimed: &[SagaId]) -> [BatchInput; 2] {
    let (left, right) = claimed.split_at(claimed.len() / 2);
    let part = |ids: &[SagaId], is_mine: &dyn Fn(SagaId) -> bool| BatchInput {
        outcomes: work.outcomes.iter().filter(|outcome| is_mine(outcome.saga)).cloned().collect(),
        hints: ids.to_vec(),
        due_max: 0,
        slots: work.slots.clone(),
    };
    // Outcomes of sagas that could not be claimed go along on the left: they are stored as late ones.
    [part(left, &|id| !right.contains(&id)), part(right, &|id| right.contains(&id))]
}
