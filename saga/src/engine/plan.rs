//! `plan`: what a saga does next. Pure and total; whoever carries it out holds no policy.
//!
//! The order of folding is a promise: first the outcome of the saga's own call, then signals as
//! they were committed, then timers. So a confirmation that was committed before the expiry was
//! planned wins, and a cancel that was committed before the pivot was planned blocks it.

mod charge_event;
mod outcome;
mod signal;
mod stages;

use std::time::Duration;

use holdfast_shared::{CancelReason, Queue, SagaEvent, SagaState, StepKey, Time};

use crate::engine::definition::{CallSpec, Definition, Event, Refusal};
use crate::records::call::{Call, Outcome};
use crate::records::change::Change;
use crate::records::history::Entry;
use crate::records::saga::{CallState, Phase, Saga};
use crate::records::signal::Signal;

/// A call begun this often without an outcome kills its worker: the saga stops here instead of taking worker after worker
/// down. A worker that lives reports an outcome, if only that it heard nothing.
pub const UNRETURNED_ATTEMPTS_MAX: u32 = 30;

/// By this long after it was sent, a request has arrived, and what it did can be looked up (M4, M11).
pub const SETTLE_AFTER: Duration = Duration::from_mins(10);
/// A lost attempt is repeated under its own key for no longer than this (M6). After that it is only looked up.
pub const REPEATED_FOR: Duration = Duration::from_mins(5);
/// How often a call is tried for which settings must change first.
const PARKED_TRY_EVERY: Duration = Duration::from_mins(10);
/// The longest wait between two tries to reach the other side (M15).
const UNANSWERED_WAIT_MAX: Duration = Duration::from_mins(1);
/// No call is held back for longer, whatever the other side asks for: it is sent again, and may be held back again.
pub const HELD_MAX: Duration = Duration::from_hours(1);
/// How often a payment that is processing is looked up: its provider reports the end by itself (M10).
const PROCESSING_LOOK_UP_EVERY: Duration = Duration::from_hours(1);

/// All that a plan takes into account besides the saga itself.
#[derive(Debug, Clone, Default)]
pub struct Inbox {
    /// The outcome of the saga's call, its fence already checked.
    pub outcome: Option<Outcome>,
    /// Unread signals, in order.
    pub signals: Vec<Signal>,
    /// What `apply` refused when this plan was tried before, by stage.
    pub refused: Vec<(String, Refusal)>,
}

/// What should happen. The saga in it is the next row, its fence not raised yet.
#[derive(Debug, Clone)]
pub struct Advance {
    /// The saga afterwards.
    pub saga: Box<Saga>,
    /// What to write besides it, each with the stage that asked for it.
    pub changes: Vec<(&'static str, Change)>,
    /// What to log.
    pub entries: Vec<Entry>,
    /// Signals that are done with.
    pub consumed: Vec<i64>,
    /// How it goes on.
    pub next: Next,
}

/// How a saga goes on after a commit.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Something outside is asked. The batch claims it for a worker, or leaves the saga due.
    Call(Box<Call>),
    /// Nothing until a signal or this instant.
    Wait {
        /// The deadline.
        until: Time,
    },
    /// The same step again.
    Retry {
        /// When it is tried again.
        at: Time,
    },
    /// Ended.
    Done,
    /// Stuck, visibly.
    Dead {
        /// Why, as a sentence.
        reason: String,
    },
}

impl Advance {
    /// Whether committing it would change anything: a wake with nothing due writes nothing.
    pub fn is_idle(&self, before: &Saga) -> bool {
        self.entries.is_empty()
            && self.consumed.is_empty()
            && *self.saga == *before
            && !matches!(self.next, Next::Call(_))
    }
}

/// Plans the next advance of `saga`.
///
/// Holds before: nobody else has the saga leased at `now`, or `inbox.outcome` is the lease
/// holder's own. Holds after: `saga` itself is untouched; committing the advance is the caller's.
pub fn plan(saga: &Saga, definition: &Definition, inbox: &Inbox, now: Time) -> Advance {
    let mut planner = Planner {
        saga: Box::new(saga.clone()),
        definition,
        refused: &inbox.refused,
        now,
        changes: Vec::new(),
        entries: Vec::new(),
        consumed: Vec::new(),
    };
    planner.expire_lease(inbox.outcome.is_some());
    if planner.saga.state == SagaState::Waiting {
        planner.enter(SagaEvent::Resume);
    }
    if let Some(outcome) = &inbox.outcome {
        planner.fold_outcome(outcome);
    }
    let mut decisions = Vec::new();
    for signal in &inbox.signals {
        planner.fold_signal(signal, &mut decisions);
    }
    let next = planner.run_stages(&mut decisions);
    planner.schedule(&next);
    let Planner { saga, changes, entries, consumed, .. } = planner;
    Advance { saga, changes, entries, consumed, next }
}

struct Planner<'a> {
    saga: Box<Saga>,
    definition: &'a Definition,
    refused: &'a [(String, Refusal)],
    now: Time,
    changes: Vec<(&'static str, Change)>,
    entries: Vec<Entry>,
    consumed: Vec<i64>,
}

/// How much is undone when a stage fails.
#[derive(Clone, Copy, PartialEq, Eq)]
enum UnwindFrom {
    /// What came before; the stage itself provably moved nothing.
    Previous,
    /// The stage as well, because it may have moved something.
    Current,
}

/// Where a call stands in its definition.
#[derive(Clone, Copy)]
struct CallAt<'a> {
    step: &'static str,
    spec: &'a CallSpec,
}

impl<'a> Planner<'a> {
    /// A lease that ran out without an outcome means that its worker is gone.
    fn expire_lease(&mut self, has_outcome: bool) {
        if self.saga.leased_until.take().is_none() {
            return;
        }
        let from = self.saga.progress.worker.take();
        if !has_outcome && let Some(at) = self.call_at() {
            self.entries.push(Entry::TakenOver { step: at.step.to_owned(), from });
            self.was_lost();
        }
    }

    /// The answer to the call that the last commit began was lost.
    fn was_lost(&mut self) {
        let sent_at = self.saga.updated_at;
        self.saga.progress.unclear_since.get_or_insert(sent_at);
        self.settles_by(sent_at + SETTLE_AFTER);
    }

    /// Something that was sent may still arrive, up to that instant.
    fn settles_by(&mut self, at: Time) {
        let progress = &mut self.saga.progress;
        progress.settles_at = progress.settles_at.max(Some(at));
    }

    /// Leaves the present stage behind, and all that was counted for it.
    fn step_done(&mut self) {
        let progress = &mut self.saga.progress;
        match progress.phase {
            Phase::Forward | Phase::AfterUndo => progress.stage += 1,
            Phase::Undo => progress.stage -= 1,
        }
        self.reset_stage();
    }

    fn reset_stage(&mut self) {
        let progress = &mut self.saga.progress;
        progress.call = CallState::Fresh;
        progress.generation = 0;
        progress.attempts = 0;
        progress.returned = 0;
        progress.failures = 0;
        progress.unanswered = 0;
        progress.unclear_since = None;
        progress.accepted = false;
        progress.parked = false;
        progress.not_before = None;
        progress.deadline = None;
        let forward = progress.phase == Phase::Forward;
        self.saga.queue = if forward { self.definition.queue } else { Queue::Compensation };
    }

    /// A stage failed for good: before the pivot everything is undone, after it the saga stops, visibly.
    fn fail(&mut self, from: UnwindFrom, reason: CancelReason, message: String) {
        if self.may_unwind() {
            self.saga.progress.error = Some(message);
            self.unwind(from, reason);
        } else {
            let step = self.step_name();
            self.mark_dead(step, message);
        }
    }

    fn unwind(&mut self, from: UnwindFrom, reason: CancelReason) {
        if from == UnwindFrom::Previous {
            self.finalize_ledger(Event::GaveUp);
        }
        self.enter(SagaEvent::Unwind);
        self.entries.push(Entry::Unwinding(reason));
        let progress = &mut self.saga.progress;
        progress.phase = Phase::Undo;
        progress.cause = Some(reason);
        progress.stage += usize::from(from == UnwindFrom::Current);
        self.reset_stage();
        if from == UnwindFrom::Current {
            self.settles_by(self.now + SETTLE_AFTER);
        }
    }

    fn mark_dead(&mut self, step: &str, why: String) {
        self.finalize_ledger(Event::Died);
        self.entries.push(Entry::Dead { step: step.to_owned(), why: why.clone() });
        self.saga.progress.error = Some(why);
        self.enter(SagaEvent::Die);
    }

    /// Records in our own ledger that the saga's current call, if any, will not go on by itself.
    fn finalize_ledger(&mut self, event: Event<'_>) {
        let Some(at) = self.call_at() else { return };
        let key = self.key(at);
        // A ledger row that cannot be closed must not keep a saga from stopping; the audit would show it.
        let _ = self.record(at, &key, event);
    }

    fn record(&mut self, at: CallAt<'a>, key: &StepKey, event: Event<'_>) -> Result<(), Refusal> {
        let changes = (at.spec.record)(&mut self.saga, key, event)?;
        self.changes.extend(changes.into_iter().map(|change| (at.step, change)));
        Ok(())
    }

    /// The saga's own transition table decides. A move it forbids is a fault of this file.
    fn enter(&mut self, event: SagaEvent) {
        self.saga.state = match self.saga.state.after(event) {
            Ok(state) => state,
            Err(illegal) => panic!("saga {}: {illegal}", self.saga.id),
        };
    }

    fn schedule(&mut self, next: &Next) {
        self.saga.wake_at = match next {
            // Due it is already; the batch that claims the call knows by when at the latest.
            Next::Call(_) => Some(self.saga.wake_at.unwrap_or(self.now)),
            Next::Wait { until } => Some(*until),
            Next::Retry { at } => Some(*at),
            Next::Done | Next::Dead { .. } => None,
        };
    }

    fn may_unwind(&self) -> bool {
        self.saga.progress.phase == Phase::Forward
            && !self.saga.progress.pivoted
            && !self.saga.state.is_settled()
    }

    fn call_at(&self) -> Option<CallAt<'a>> {
        let position = self.definition.position(&self.saga.progress);
        Some(CallAt { step: position.step, spec: position.call? })
    }

    /// The key that the call counts under now.
    fn key(&self, at: CallAt<'_>) -> StepKey {
        self.saga.key_at(at.step)
    }

    fn step_name(&self) -> &'static str {
        self.definition.position(&self.saga.progress).step
    }

    /// The end of the window in which somebody has to decide; most sagas have none.
    fn window_end(&self) -> Time {
        self.saga.context.decide_by().unwrap_or(Time::from_micros(i64::MAX))
    }
}
