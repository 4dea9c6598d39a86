//! Calls that may be begun: every pool has so many slots.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use holdfast_shared::Queue;

/// Calls that may be begun now, by pool. Clones share them: a slot that one batch takes, no other has.
#[derive(Debug, Clone, Default)]
pub struct CallPermits(Arc<Mutex<BTreeMap<Queue, usize>>>);

impl FromIterator<(Queue, usize)> for CallPermits {
    fn from_iter<I: IntoIterator<Item = (Queue, usize)>>(slots: I) -> Self {
        Self(Arc::new(Mutex::new(slots.into_iter().collect())))
    }
}

impl CallPermits {
    /// How many are free, of all pools together.
    pub fn free(&self) -> usize {
        self.lock().values().sum()
    }

    /// Frees a slot again: the call it was taken for has ended, or was never begun.
    pub fn give_back(&self, queue: Queue) {
        *self.lock().entry(queue).or_default() += 1;
    }

    fn take(&self, queue: Queue) -> bool {
        match self.lock().get_mut(&queue) {
            Some(free @ 1..) => {
                *free -= 1;
                true
            }
            Some(0) | None => false,
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Queue, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The slots one batch took: kept for the calls that come out of it, given back if none do.
#[derive(Debug)]
pub(super) struct PermitGuard {
    pub(super) slots: CallPermits,
    pub(super) queues: Vec<Queue>,
}

impl PermitGuard {
    pub(super) fn take(&mut self, queue: Queue) -> bool {
        let taken = self.slots.take(queue);
        if taken {
            self.queues.push(queue);
        }
        taken
    }

    pub(super) fn keep(mut self) {
        self.queues.clear();
    }
}

impl Drop for PermitGuard {
    fn drop(&mut self) {
        for queue in self.queues.drain(..) {
            self.slots.give_back(queue);
        }
    }
}
