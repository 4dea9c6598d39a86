//! Calls that may be begun: every pool has so many slots, and no call goes to a provider that is closed here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use holdfast_shared::Queue;

use crate::records::call::Call;
use crate::records::request::Operation;

/// Calls that may be begun now. Clones share them: a slot that one batch takes, no other has.
#[derive(Debug, Clone, Default)]
pub struct CallPermits(Arc<Mutex<Permitted>>);

#[derive(Debug, Default)]
struct Permitted {
    free: BTreeMap<Queue, usize>,
    closed: Arc<BTreeSet<(String, Operation)>>,
}

/// Whether a call may be begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// A slot of its pool is taken for it.
    Taken,
    /// Its pool has no free slot.
    NoSlot,
    /// That operation of its provider is closed here: another worker must begin it.
    Elsewhere,
}

impl FromIterator<(Queue, usize)> for CallPermits {
    fn from_iter<I: IntoIterator<Item = (Queue, usize)>>(slots: I) -> Self {
        let free = slots.into_iter().collect();
        Self(Arc::new(Mutex::new(Permitted { free, closed: Arc::default() })))
    }
}

impl CallPermits {
    /// How many are free, of all pools together.
    pub fn free(&self) -> usize {
        self.lock().free.values().sum()
    }

    /// Frees a slot again: the call it was taken for has ended, or was never begun.
    pub fn give_back(&self, queue: Queue) {
        *self.lock().free.entry(queue).or_default() += 1;
    }

    /// From now on no call for any of these operations of a provider is begun here, and for all others.
    pub fn close_providers(&self, closed: Arc<BTreeSet<(String, Operation)>>) {
        self.lock().closed = closed;
    }

    fn take(&self, call: &Call) -> Verdict {
        let mut permitted = self.lock();
        let asked = call.request.payment();
        if asked.is_some_and(|asked| permitted.closed.iter().any(|(at, of)| (at.as_str(), *of) == asked)) {
            return Verdict::Elsewhere;
        }
        match permitted.free.get_mut(&call.queue) {
            Some(free @ 1..) => {
                *free -= 1;
                Verdict::Taken
            }
            Some(0) | None => Verdict::NoSlot,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Permitted> {
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
    pub(super) fn take(&mut self, call: &Call) -> Verdict {
        let verdict = self.slots.take(call);
        if verdict == Verdict::Taken {
            self.queues.push(call.queue);
        }
        verdict
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
