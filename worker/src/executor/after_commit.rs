//! What follows a commit: its calls are started, and what could not be begun here is hinted elsewhere.

use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast_saga::engine::batch::{BatchInput, BatchOutcome, Committed};
use holdfast_saga::ports::{Hint, StoreError};
use holdfast_saga::records::call::Answer;
use tokio::time::sleep;

use super::Executor;
use crate::saga_log;

/// When to retry a saga that another transaction has locked.
const LOCKED_RETRY_DELAY: Duration = Duration::from_millis(10);
/// When to retry a saga whose commit failed although it was alone in its batch.
const REFUSED_RETRY_DELAY: Duration = Duration::from_millis(500);
/// When other workers are hinted at calls that this one leaves to them. The hint may come back here.
const ELSEWHERE_DELAY: Duration = Duration::from_millis(25);
/// The sweep of a worker that leaves calls to others: it would only find those again.
const ELSEWHERE_SWEEP: Duration = Duration::from_secs(1);
/// Each sweep that finds nothing doubles the wait for the next one, up to so many times the usual one. Hints announce
/// new work, and a timer may be late by that much.
const SWEEP_SLOWDOWN_MAX: u32 = 5;

impl Executor {
    /// Takes the result of a batch, and starts its calls.
    pub(super) fn settle(&mut self, ran: BatchOutcome) -> Option<StoreError> {
        for done in ran.committed {
            self.start_calls(done);
        }
        let again = Instant::now() + REFUSED_RETRY_DELAY;
        // Without an error of the whole batch, one saga is at fault: it waits, and the others continue.
        for work in ran.not_committed {
            if ran.error.is_some() {
                self.take_back(work);
            } else {
                self.retry_later.push_back((again, work));
            }
        }
        ran.error
    }

    fn start_calls(&mut self, done: Committed) {
        self.deps.metrics.committed(&done);
        saga_log::log(&done);
        self.deps.stats.committed(&done);
        let again = Instant::now() + LOCKED_RETRY_DELAY;
        if !done.locked.is_empty() {
            self.retry_later.push_front((again, BatchInput { hints: done.locked, ..BatchInput::default() }));
        }
        let mut elsewhere = Vec::new();
        for (saga, queue) in done.awaiting_permit {
            match self.config.pools.get(&queue) {
                Some(0) => {}
                Some(_) => {
                    self.awaiting_permit.entry(queue).or_default().insert(saga);
                }
                None => elsewhere.push(Hint { saga, queue }),
            }
        }
        let left_to_others = !done.elsewhere.is_empty();
        elsewhere.extend(done.elsewhere.into_iter().map(|(saga, queue)| Hint { saga, queue }));
        self.hint_elsewhere(elsewhere, left_to_others);
        let now = tokio::time::Instant::now();
        if done.claimed == 0 {
            self.sweep_interval = (self.sweep_interval * 2).min(self.config.sweep_every * SWEEP_SLOWDOWN_MAX);
        } else {
            // Only the same sagas would be found again.
            self.sweep_interval = if left_to_others { ELSEWHERE_SWEEP } else { self.config.sweep_every };
            self.next_sweep = self.next_sweep.min(now + self.sweep_interval);
        }
        // A full sweep may have left some sagas: the next one follows at once.
        if done.claimed >= self.config.batch_max && !left_to_others {
            self.next_sweep = now;
        }
        for call in done.calls {
            let queue = call.queue;
            self.in_flight += 1;
            let answers = self.outcomes_out.clone();
            let (metrics, since) = (self.deps.metrics.clone(), Instant::now());
            let (definition, caller) = (call.definition, Arc::clone(&self.caller));
            tokio::spawn(async move {
                let outcome = caller.execute(call, done.leased_at).await;
                // A call that was not sent has no duration.
                if !matches!(
                    outcome.answer,
                    Answer::NotSent | Answer::NotNow { .. } | Answer::NotHere { .. } | Answer::Parked { .. }
                ) {
                    metrics.call_ended(definition, outcome.step, since.elapsed());
                }
                // The executor outlives its calls; if it does not, their leases expire.
                let _ = answers.send((queue, outcome));
            });
        }
    }

    /// Hints other workers, in a moment where this one would read its own hints.
    fn hint_elsewhere(&self, hints: Vec<Hint>, in_a_moment: bool) {
        let dispatch = Arc::clone(&self.deps.dispatch);
        if !in_a_moment {
            return dispatch.wake(&hints);
        }
        tokio::spawn(async move {
            sleep(ELSEWHERE_DELAY).await;
            dispatch.wake(&hints);
        });
    }
}
