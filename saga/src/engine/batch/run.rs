//! Running a batch: claim, plan, save; halved where the database refuses a row, looked for where a commit's answer is lost.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use holdfast_shared::{OrderId, SagaId};

use super::failures::{CommitFailures, Failed, halves, unclaimed};
use super::input::{BatchInput, Engine, Locking};
use super::planning::Planning;
use super::report::{BatchOutcome, Committed};
use crate::engine::definition::Definition;
use crate::ports::{Claim, ErrorClass, StoreError, Tx};
use crate::records::batch_rows::{Footprint, World, Writes};

impl Engine {
    /// Runs one batch. If the database refuses a row of it, the batch is halved until the suspect
    /// is alone; everybody else goes on. What could not be done comes back, to be given again.
    pub async fn run(&self, work: BatchInput, commit_failures: &CommitFailures) -> BatchOutcome {
        let mut ran = BatchOutcome::default();
        let mut todo = vec![(work, Locking::Optimistic)];
        while let Some((work, locking)) = todo.pop() {
            let failed = match self.run_once(&work, locking).await {
                Ok(done) => {
                    ran.committed.push(done);
                    continue;
                }
                Err(failed) => failed,
            };
            if failed.optimistic && failed.error.class() == ErrorClass::Halve {
                todo.push((work, Locking::Locked));
                continue;
            }
            match failed.claimed.as_slice() {
                many @ [_, _, ..] if failed.error.class() == ErrorClass::Halve => {
                    todo.extend(halves(&work, many).map(|half| (half, locking)));
                }
                [suspect] if failed.error.class() == ErrorClass::Halve => {
                    ran.not_committed.push(BatchInput { due_max: 0, ..work });
                    if let Err(error) = self.record_failure(*suspect, &failed.error, commit_failures).await {
                        ran.error = Some(error);
                    }
                }
                _ => {
                    ran.error = Some(failed.error);
                    ran.not_committed.push(work);
                    ran.not_committed.extend(todo.drain(..).map(|(work, _)| work));
                }
            }
        }
        ran
    }

    async fn run_once(&self, work: &BatchInput, locking: Locking) -> Result<Committed, Failed> {
        let leased_at = Instant::now();
        let definitions: Vec<_> = self.registry.all().map(Definition::id).collect();
        let outcomes: BTreeSet<_> = work.outcomes.iter().map(|outcome| outcome.saga).collect();
        let outcome_ids: Vec<_> = outcomes.iter().copied().collect();
        let contexts = work.outcomes.iter().map(|outcome| (outcome.saga, Arc::clone(&outcome.context)));
        let contexts: Vec<_> = contexts.collect();
        let hints: BTreeSet<_> = work.hints.iter().copied().filter(|id| !outcomes.contains(id)).collect();
        let hint_ids: Vec<_> = hints.into_iter().collect();
        let keys = self.store.keys().await.map_err(unclaimed)?;
        let mut tx = self.store.begin().await.map_err(unclaimed)?;
        let claim = Claim {
            outcomes: &outcome_ids,
            contexts: &contexts,
            hints: &hint_ids,
            due_max: work.due_max,
            queues: &self.queues,
            definitions: &definitions,
        };
        let claimed = tx.claim(&claim).await.map_err(unclaimed)?;
        let ids: Vec<_> = claimed.sagas.iter().map(|(saga, _)| saga.id).collect();
        let mut batch = Planning::new(self, keys, work, claimed);
        let footprint = batch.footprint(locking);
        let failed = |error| Failed { error, claimed: ids.clone(), optimistic: !footprint.levels.is_empty() };
        if footprint != Footprint::default() {
            let mut world = World::default();
            tx.load(&footprint, &mut world).await.map_err(failed)?;
            batch.world.stock = world.stock;
        }
        batch.apply_all();

        let Planning { world, slots, done, poisoned, .. } = batch;
        // Before anything dies below: this very transaction has its row locked.
        self.save(tx, &world.writes).await.map_err(failed)?;
        for (saga, reason) in poisoned {
            self.poison(saga, reason).await.map_err(unclaimed)?;
        }
        slots.keep();
        Ok(Committed { leased_at, ..done })
    }

    /// Commits, unless there is nothing to commit. A lost answer is looked for, never guessed.
    async fn save(&self, tx: Box<dyn Tx>, writes: &Writes) -> Result<(), StoreError> {
        if writes.is_empty() {
            return Ok(());
        }
        match tx.save(writes).await {
            Err(StoreError::CommitUnknown(message)) => {
                if self.was_committed(writes).await? {
                    return Ok(());
                }
                Err(StoreError::Unavailable(format!(
                    "the connection to the database broke before a batch was saved: {message}; it is made again"
                )))
            }
            answered => answered,
        }
    }

    /// Whether a commit whose answer was lost happened: all of its sagas moved, or none did. Reading under
    /// the lock waits for a commit that is still under way. A row that has moved on since says "no", and
    /// being planned again as it is now does no harm; what is lost is the time until the lease runs out.
    async fn was_committed(&self, writes: &Writes) -> Result<bool, StoreError> {
        let Some((id, (_, moved))) = writes.sagas.first_key_value() else { return Ok(false) };
        let mut tx = self.store.begin().await?;
        let mut world = World::default();
        tx.load(&Footprint { sagas: vec![*id], ..Footprint::default() }, &mut world).await?;
        Ok(world.sagas.get(id).is_some_and(|(found, _)| found == moved))
    }

    /// A row that alone makes a batch fail is left for a while, then dies in a transaction of its own.
    async fn record_failure(
        &self,
        suspect: SagaId,
        error: &StoreError,
        commit_failures: &CommitFailures,
    ) -> Result<(), StoreError> {
        let count = commit_failures.count(suspect);
        tracing::warn!(
            target: "holdfast::saga",
            {
                order.id = suspect.order().map(OrderId::number),
                saga.id = %suspect,
                failures = count,
                why = error.to_string()
            },
            "cannot be saved"
        );
        if count < CommitFailures::MAX {
            return Ok(());
        }
        commit_failures.forget(suspect);
        self.poison(suspect, format!("its commit is refused: {error}")).await
    }

    async fn poison(&self, saga: SagaId, reason: String) -> Result<(), StoreError> {
        let mut tx = self.store.begin().await?;
        let mut world = World::default();
        // Nothing of the saga is read, only what time it is.
        tx.load(&Footprint::default(), &mut world).await?;
        world.writes.at = world.now;
        world.writes.poisoned.insert(saga, reason.clone());
        tx.save(&world.writes).await?;
        tracing::error!(
            target: "holdfast::saga",
            {
                order.id = saga.order().map(OrderId::number),
                saga.id = %saga,
                why = reason,
                next = %format_args!("holdfast dead show {saga}")
            },
            "dead, an operator must act"
        );
        Ok(())
    }
}
