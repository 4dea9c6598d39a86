//! A participant for tests: a warehouse of its own, with its own ledger.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use holdfast_saga::ports::{Decision, Fault, Participant, Task};
use holdfast_shared::{OrderId, StepKey};

/// The name that requests call it by.
pub const NAME: &str = "warehouse";

/// The warehouse. It puts goods aside, has none for some orders, and remembers each key for good.
#[derive(Debug, Default)]
pub struct Warehouse {
    /// What was asked under each key; `None`: it was undone, asked for or not.
    ledger: Mutex<BTreeMap<StepKey, Option<(OrderId, Decision)>>>,
    /// Every so many orders find its shelves empty; 0: none does.
    empty_every: i64,
}

impl Warehouse {
    /// One whose shelves are empty for every order whose number `every` divides.
    pub fn empty_every(every: i64) -> Self {
        Self { empty_every: every, ..Self::default() }
    }

    /// How often goods are put aside for this order now.
    pub fn aside_for(&self, order: OrderId) -> usize {
        let ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        ledger.values().flatten().filter(|(of, decision)| *of == order && *decision == Decision::Done).count()
    }
}

#[async_trait]
impl Participant for Warehouse {
    fn name(&self) -> &str {
        NAME
    }

    async fn act(&self, key: &StepKey, task: &Task<'_>) -> Result<Decision, Fault> {
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, order) = key.owner().ok_or_else(|| Fault::Refused(format!("{key} names no order")))?;
        let is_empty = self.empty_every > 0 && order.number() % self.empty_every == 0;
        let decision = if is_empty {
            Decision::Rejected { reason: format!("nothing is left of {} products", task.lines.len()) }
        } else {
            Decision::Done
        };
        match ledger.entry(key.clone()).or_insert(Some((order, decision))) {
            Some((_, decision)) => Ok(decision.clone()),
            None => Err(Fault::Refused(format!("{key} was undone"))),
        }
    }

    async fn look_up(&self, key: &StepKey) -> Result<Option<Decision>, Fault> {
        let ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        match ledger.get(key) {
            Some(Some((_, decision))) => Ok(Some(decision.clone())),
            Some(None) => Err(Fault::Refused(format!("{key} was undone"))),
            None => Ok(None),
        }
    }

    async fn undo(&self, key: &StepKey) -> Result<(), Fault> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), None);
        Ok(())
    }
}
