//! `plan`: what a saga does next. Pure and total; whoever carries it out holds no policy.
//!
//! The order of folding is a promise: first the outcome of the saga's own call, then signals as
//! they were committed, then timers. So a confirmation that was committed before the expiry was
//! planned wins, and a cancel that was committed before the pivot was planned blocks it.

use std::sync::Arc;
use std::time::Duration;

use holdfast_shared::{Actor, CancelReason, PaymentStatus, Queue, SagaEvent, SagaState, StepKey, Time};

use crate::call::{Answer, Call, Mode, Outcome};
use crate::change::Change;
use crate::context::Context;
use crate::dead::discardable;
use crate::definition::{CallSpec, Definition, Discard, Event, Kind, LocalFn, Refusal, Stage, Undo};
use crate::flows::{REGISTRY, late_refund};
use crate::log::Entry;
use crate::saga::{CallState, Phase, Saga};
use crate::signal::{Signal, SignalBody};

/// A call begun this often without an answer kills its worker, or the network to it is gone:
/// the saga stops here instead of taking worker after worker down.
pub const STARTS_MAX: u32 = 30;

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
    pub saga: Saga,
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
    Call(Call),
    /// Nothing until a signal or this instant.
    Wait {
        /// The deadline.
        until: Time,
    },
    /// The same step again.
    Retry {
        /// When.
        at: Time,
    },
    /// Ended.
    Done,
    /// Stuck, visibly.
    Dead {
        /// In words.
        reason: String,
    },
}

impl Advance {
    /// Whether committing it would change anything: a wake with nothing due writes nothing.
    pub fn is_idle(&self, before: &Saga) -> bool {
        self.entries.is_empty()
            && self.consumed.is_empty()
            && self.saga == *before
            && !matches!(self.next, Next::Call(_))
    }
}

/// Plans the next advance of `saga`.
///
/// Holds before: nobody else has the saga leased at `now`, or `inbox.outcome` is the lease
/// holder's own. Holds after: `saga` itself is untouched; committing the advance is the caller's.
pub fn plan(saga: &Saga, definition: &Definition, inbox: &Inbox, now: Time) -> Advance {
    let mut planner = Planner {
        saga: saga.clone(),
        definition,
        refused: &inbox.refused,
        now,
        changes: Vec::new(),
        entries: Vec::new(),
        consumed: Vec::new(),
    };
    planner.take_lease_back(inbox.outcome.is_some());
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
    let next = planner.go_on(&mut decisions);
    planner.schedule(&next);
    let Planner { saga, changes, entries, consumed, .. } = planner;
    Advance { saga, changes, entries, consumed, next }
}

/// What an operator can do about a dead saga, in a sentence.
pub fn next_move(saga: &Saga) -> String {
    let id = saga.id;
    let retry = match saga.progress.phase {
        Phase::Undo => format!(
            "settle it at the provider or wait until the provider answers, then `holdfast saga retry {id}`: \
             it looks the charge up first, so money that is already back is not sent twice"
        ),
        Phase::Forward | Phase::AfterUndo => {
            format!(
                "remove the cause named above, then `holdfast saga retry {id}`: it goes on where it stopped"
            )
        }
    };
    let discard = format!("`holdfast dead discard {id} --reason TEXT`");
    match REGISTRY.find(&saga.definition).map(|definition| discardable(saga, definition)) {
        Some(Ok(Discard::SettledByHand)) => {
            format!("{retry}; or see to the money yourself, then {discard}: nothing more is sent for it")
        }
        Some(Ok(Discard::GivenUp)) => format!("{retry}; or give it up: {discard}"),
        Some(Ok(Discard::Never(_)) | Err(_)) | None => retry,
    }
}

struct Planner<'a> {
    saga: Saga,
    definition: &'a Definition,
    refused: &'a [(String, Refusal)],
    now: Time,
    changes: Vec<(&'static str, Change)>,
    entries: Vec<Entry>,
    consumed: Vec<i64>,
}

/// How much is undone when a stage fails.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// What came before; the stage itself provably moved nothing.
    BeforeThis,
    /// The stage as well, because it may have moved something.
    ThisToo,
}

/// Where a call stands in its definition.
#[derive(Clone, Copy)]
struct CallAt<'a> {
    step: &'static str,
    spec: &'a CallSpec,
}

impl<'a> Planner<'a> {
    /// A lease that ran out without an outcome means that its worker is gone.
    fn take_lease_back(&mut self, has_outcome: bool) {
        if self.saga.leased_until.take().is_none() {
            return;
        }
        let from = self.saga.progress.worker.take();
        if !has_outcome && let Some(at) = self.call_at() {
            self.entries.push(Entry::TakenOver { step: at.step.to_owned(), from });
        }
    }

    // --- the outcome of its own call -------------------------------------------------------

    fn fold_outcome(&mut self, outcome: &Outcome) {
        let Some(at) = self.call_at().filter(|at| at.step == outcome.step) else {
            return;
        };
        let step = at.step.to_owned();
        if let Err(refusal) = self.record(at, &outcome.key, Event::Answered(&outcome.answer)) {
            self.entries.push(Entry::Rejected { step, why: refusal.words.clone() });
            // The answer contradicts what was asked, so money may be held: this stage is undone too.
            self.fail(Extent::ThisToo, refusal.reason, refusal.words);
            return;
        }
        let may_wait = self.may_unwind();
        let is_over = self.now >= self.window_end();
        let progress = &mut self.saga.progress;
        match &outcome.answer {
            Answer::Succeeded(_) => {
                self.entries.push(Entry::Succeeded(step));
                self.step_done();
            }
            Answer::Pending { .. } if may_wait && is_over => {
                self.entries.push(Entry::Expired(step));
                let words = format!("{} was not completed in time", at.step);
                self.fail(Extent::ThisToo, at.spec.gives_up_as, words);
            }
            Answer::Pending { .. } if may_wait => {
                let until = self.window_end();
                self.saga.progress.call = CallState::Pending;
                self.saga.progress.deadline = Some(until);
                // It was answered; however often the provider is asked meanwhile, it always answers.
                self.saga.progress.starts = 0;
                self.entries.push(Entry::Pending { step, until });
            }
            // Only a charge is waited for. Whatever else is still under way is asked about again.
            Answer::Pending { .. } => {
                let error = "the other side has not finished it yet";
                progress.call = CallState::Sent;
                self.entries.push(Entry::Unknown { step, why: error.to_owned() });
                self.try_again(at, error, Extent::ThisToo);
            }
            Answer::Rejected { reason } => {
                self.entries.push(Entry::Rejected { step, why: reason.clone() });
                self.fail(Extent::BeforeThis, at.spec.rejected_as, reason.clone());
            }
            Answer::Failed { error } => {
                progress.call = CallState::Fresh;
                progress.generation += 1;
                self.entries.push(Entry::Failed { step, why: error.clone() });
                self.try_again(at, error, Extent::BeforeThis);
            }
            Answer::Unknown { error } => {
                progress.call = CallState::Sent;
                self.entries.push(Entry::Unknown { step, why: error.clone() });
                self.try_again(at, error, Extent::ThisToo);
            }
            Answer::NotSent => {
                self.take_start_back(outcome.mode);
                self.entries.push(Entry::NotSent(step));
            }
            Answer::Held { retry_in, why } => {
                self.take_start_back(outcome.mode);
                self.hold(at, *retry_in, why);
            }
        }
    }

    /// A call that was never sent costs nothing.
    fn take_start_back(&mut self, mode: Mode) {
        let progress = &mut self.saga.progress;
        // What was only asked about may still have been sent by an earlier start.
        progress.call = if mode == Mode::Send { CallState::Fresh } else { CallState::Sent };
        progress.starts = progress.starts.saturating_sub(1);
    }

    /// Parks the saga before its call. It is no failure, however often; but a buyer's window ends all the same.
    fn hold(&mut self, at: CallAt<'a>, retry_in: Duration, why: &str) {
        let (may_wait, end) = (self.may_unwind(), self.window_end());
        if may_wait && self.now >= end {
            self.entries.push(Entry::Expired(at.step.to_owned()));
            let words = format!("{} could not be sent in time: {why}", at.step);
            return self.fail(self.extent(), at.spec.gives_up_as, words);
        }
        let until = self.now + retry_in;
        let until = if may_wait { until.min(end) } else { until };
        self.saga.progress.not_before = Some(until);
        self.entries.push(Entry::Held { step: at.step.to_owned(), why: why.to_owned(), until });
    }

    fn try_again(&mut self, at: CallAt<'a>, error: &str, extent: Extent) {
        let progress = &mut self.saga.progress;
        progress.failures += 1;
        progress.error = Some(error.to_owned());
        let failures = progress.failures;
        let seed = self.saga.id.key().cast_unsigned();
        let retry_at = self.now + at.spec.retry.wait_after(failures, seed);
        let too_late = self.may_unwind() && retry_at >= self.window_end();
        if at.spec.retry.is_exhausted(failures) || too_late {
            self.fail(
                extent,
                at.spec.gives_up_as,
                format!("{} failed {failures} times, last: {error}", at.step),
            );
            return;
        }
        self.saga.progress.not_before = Some(retry_at);
        self.entries.push(Entry::RetryAt { step: at.step.to_owned(), at: retry_at });
    }

    // --- signals ---------------------------------------------------------------------------

    /// Folds one signal. A decision is put into `decisions` and stays in the inbox until the saga asks for
    /// it, which may be in this very plan.
    fn fold_signal<'s>(&mut self, signal: &'s Signal, decisions: &mut Vec<&'s Signal>) {
        match &signal.body {
            SignalBody::Cancel { by } => self.fold_cancel(by),
            SignalBody::Confirmation { .. } if !self.will_ask_for_confirmation() => self.ignore(signal),
            // A no is as good as a cancel: it need not be asked for. But the first decision counts.
            SignalBody::Confirmation { confirmed: false, by } if decisions.is_empty() => {
                self.fold_confirmation(false, by);
            }
            // A dead saga keeps the decision for the day it is retried.
            SignalBody::Confirmation { .. } => return decisions.push(signal),
            SignalBody::PaymentEvent { charge } => self.hear_of_charge(signal, charge, true),
            SignalBody::LateOutcome { key, captured, .. } => self.hear_of_charge(signal, key, *captured),
            SignalBody::Retry { by } if self.saga.state == SagaState::Dead => self.revive(by),
            SignalBody::Retry { .. } => self.ignore(signal),
            SignalBody::Discard { by, reason } => self.fold_discard(signal, by, reason),
        }
        self.consumed.push(signal.seq);
    }

    fn fold_cancel(&mut self, by: &Actor) {
        if !self.may_unwind() {
            self.entries.push(Entry::Ignored("cancel".to_owned()));
            return;
        }
        self.entries.push(Entry::CancelAccepted(by.clone()));
        self.unwind(self.extent(), by.cancel_reason());
    }

    /// How much is undone when the saga is stopped where it stands.
    fn extent(&self) -> Extent {
        if self.saga.progress.call == CallState::Fresh { Extent::BeforeThis } else { Extent::ThisToo }
    }

    /// Whether the stage at which an admin decides is still to come, or is where the saga stands.
    fn will_ask_for_confirmation(&self) -> bool {
        let mut to_come = self.definition.forward.iter().skip(self.saga.progress.stage);
        self.may_unwind() && to_come.any(|stage| matches!(stage.kind, Kind::Confirmation))
    }

    fn fold_confirmation(&mut self, confirmed: bool, by: &Actor) {
        self.entries.push(Entry::Decided { confirmed, by: by.clone() });
        if confirmed {
            self.step_done();
        } else {
            self.unwind(self.extent(), CancelReason::RejectedByAdmin);
        }
    }

    /// Somebody says that money moved under `charge`. Nobody is believed without being asked back.
    fn hear_of_charge(&mut self, signal: &Signal, charge: &StepKey, captured: bool) {
        use PaymentStatus::{
            Cancelled, Captured, Collected, Declined, DueOnDelivery, PartiallyRefunded, Pending, Refunded,
            RequiresAction, Unknown,
        };
        let ours = self.saga.progress.memo.charge.as_ref().filter(|known| known.key == *charge);
        match ours.map(|known| known.status) {
            // We know of this money, or it is ours to keep.
            Some(Captured | PartiallyRefunded | Refunded | DueOnDelivery | Collected) => self.ignore(signal),
            // A generation that was proven to have moved nothing, before the next one has begun.
            Some(Pending | Unknown | RequiresAction) if self.is_given_up(charge) => {
                self.refund_late(signal, charge, captured);
            }
            Some(Pending | Unknown | RequiresAction) => {
                let waiting = self.may_unwind() && self.saga.progress.call != CallState::Fresh;
                if !waiting {
                    // An undo on its way looks the charge up by itself.
                    return self.ignore(signal);
                }
                self.saga.progress.call = CallState::Sent;
                self.saga.progress.not_before = None;
                self.entries.push(Entry::PaymentEvent);
            }
            // Given up, or proven to have moved nothing; and yet there is money.
            Some(Declined | Cancelled) | None => self.refund_late(signal, charge, captured),
        }
    }

    fn is_given_up(&self, charge: &StepKey) -> bool {
        self.may_unwind() && self.call_at().is_some_and(|at| self.key(at) != *charge)
    }

    fn refund_late(&mut self, signal: &Signal, charge: &StepKey, captured: bool) {
        let memo = &mut self.saga.progress.memo;
        // Money can only be late under a key that was begun; anything else is not ours to touch.
        let was_begun = memo.charge.as_ref().is_some_and(|latest| charge.is_up_to(&latest.key));
        if !captured
            || !was_begun
            || memo.late.contains(charge)
            || memo.late.len() >= late_refund::MAX_PER_ORDER
        {
            return self.ignore(signal);
        }
        let Context::Checkout(checkout) = &*self.saga.context else {
            return self.ignore(signal);
        };
        let child = late_refund::start(self.saga.id, checkout, charge, memo.late.len());
        memo.late.push(charge.clone());
        self.entries.push(Entry::LateMoney(child.id));
        self.changes.push(("late_refund", Change::StartSaga(Box::new(child))));
    }

    fn revive(&mut self, by: &Actor) {
        self.go_on_from_death();
        self.entries.push(Entry::Revived(by.clone()));
    }

    fn go_on_from_death(&mut self) {
        let progress = &mut self.saga.progress;
        progress.failures = 0;
        progress.starts = 0;
        progress.not_before = None;
        progress.error = None;
        let forward = progress.phase == Phase::Forward;
        self.enter(if forward { SagaEvent::Resume } else { SagaEvent::Unwind });
    }

    /// Takes the call that the saga died at off its hands, where that can be done.
    fn fold_discard(&mut self, signal: &Signal, by: &Actor, reason: &str) {
        let Ok(meaning) = discardable(&self.saga, self.definition) else {
            return self.ignore(signal);
        };
        if !self.saga.progress.pivoted {
            self.saga.progress = self.definition.past_pivot(&self.saga.progress);
            self.entries.extend(self.saga.progress.pivoted.then_some(Entry::Pivot));
        }
        let Some(at) = self.call_at() else { return self.ignore(signal) };
        let key = self.key(at);
        // It was tried just now.
        if self.record(at, &key, Event::Discarded).is_err() {
            return self.ignore(signal);
        }
        let (by, reason) = (by.clone(), reason.to_owned());
        self.entries.push(Entry::Discarded { step: at.step.to_owned(), by, reason });
        self.go_on_from_death();
        if meaning == Discard::GivenUp {
            // Whatever would follow tells of a call that succeeded.
            let progress = &mut self.saga.progress;
            progress.stage = match progress.phase {
                Phase::Forward => self.definition.forward.len(),
                Phase::AfterUndo => self.definition.after_undo.len(),
                Phase::Undo => progress.stage - 1,
            };
            self.fresh_stage();
        } else {
            self.step_done();
        }
    }

    fn ignore(&mut self, signal: &Signal) {
        self.entries.push(Entry::Ignored(signal.body.name().to_owned()));
    }

    // --- going on --------------------------------------------------------------------------

    /// Runs every local stage up to the next call, wait or end.
    fn go_on(&mut self, decisions: &mut Vec<&Signal>) -> Next {
        loop {
            if let Some(end) = self.ended() {
                let over = if self.saga.state.is_settled() { std::mem::take(decisions) } else { Vec::new() };
                for signal in over {
                    self.consumed.push(signal.seq);
                    self.ignore(signal);
                }
                return end;
            }
            let parked = match self.saga.progress.phase {
                Phase::Forward => self.forward(self.definition.forward, decisions),
                Phase::Undo => self.undo(),
                Phase::AfterUndo => self.forward(self.definition.after_undo, decisions),
            };
            if let Some(next) = parked {
                return next;
            }
        }
    }

    fn ended(&self) -> Option<Next> {
        match self.saga.state {
            SagaState::Completed | SagaState::Compensated => Some(Next::Done),
            SagaState::Dead => {
                Some(Next::Dead { reason: self.saga.progress.error.clone().unwrap_or_default() })
            }
            SagaState::Running | SagaState::Waiting | SagaState::Compensating => None,
        }
    }

    fn forward(&mut self, stages: &'a [Stage], decisions: &mut Vec<&Signal>) -> Option<Next> {
        let Some(stage) = stages.get(self.saga.progress.stage) else {
            let forward = self.saga.progress.phase == Phase::Forward;
            self.enter(if forward { SagaEvent::Complete } else { SagaEvent::FinishUnwind });
            self.entries.push(if forward { Entry::Completed } else { Entry::Compensated });
            return None;
        };
        match &stage.kind {
            Kind::Local(changes) => self.local(stage.name, *changes, Entry::Did),
            Kind::Pivot => {
                self.saga.progress.pivoted = true;
                self.entries.push(Entry::Pivot);
                self.step_done();
            }
            Kind::Spawn(child) => {
                let child = child(&self.saga);
                self.entries.push(Entry::Spawned { step: stage.name.to_owned(), saga: child.id });
                self.changes.push((stage.name, Change::StartSaga(Box::new(child))));
                self.step_done();
            }
            Kind::Confirmation => return self.confirmation(stage.name, decisions),
            Kind::Call(spec) => {
                return self.call(CallAt { step: stage.name, spec });
            }
        }
        None
    }

    fn undo(&mut self) -> Option<Next> {
        let Some(index) = self.saga.progress.stage.checked_sub(1) else {
            self.saga.progress.phase = Phase::AfterUndo;
            self.saga.progress.stage = 0;
            return None;
        };
        match &self.definition.forward[index].undo {
            None => self.step_done(),
            Some(Undo::Local { name, changes }) => self.local(name, *changes, Entry::Undid),
            Some(Undo::Call { name, call }) => {
                return self.call(CallAt { step: name, spec: call });
            }
        }
        None
    }

    fn local(&mut self, name: &'static str, changes: LocalFn, entry: fn(String) -> Entry) {
        let before = self.refused.iter().find(|(stage, _)| stage == name).map(|(_, refusal)| refusal.clone());
        match before.map_or_else(|| changes(&self.saga), Err) {
            Ok(changes) => {
                self.changes.extend(changes.into_iter().map(|change| (name, change)));
                self.entries.push(entry(name.to_owned()));
                self.step_done();
            }
            Err(refusal) => {
                self.entries.push(Entry::Refused { step: name.to_owned(), why: refusal.words.clone() });
                self.fail(Extent::BeforeThis, refusal.reason, refusal.words);
            }
        }
    }

    fn confirmation(&mut self, step: &'static str, decisions: &mut Vec<&Signal>) -> Option<Next> {
        if let Some(SignalBody::Confirmation { confirmed, by }) = decisions.first().map(|signal| &signal.body)
        {
            let signal = decisions.remove(0);
            self.consumed.push(signal.seq);
            self.fold_confirmation(*confirmed, by);
            return None;
        }
        let until = self.window_end();
        if self.now >= until {
            self.entries.push(Entry::Expired(step.to_owned()));
            self.unwind(Extent::BeforeThis, CancelReason::ConfirmationExpired);
            return None;
        }
        if self.saga.progress.deadline.replace(until).is_none() {
            self.entries.push(Entry::Waiting { step: step.to_owned(), until });
        }
        Some(self.wait(until))
    }

    fn call(&mut self, at: CallAt<'a>) -> Option<Next> {
        if let (CallState::Pending, Some(until)) = (self.saga.progress.call, self.saga.progress.deadline) {
            if self.now < until {
                self.saga.queue = Queue::PaymentEvents;
                return Some(self.wait(until));
            }
            // The window is over. The event that the buyer acted may have been lost, so the other side is asked once more.
            self.saga.progress.call = CallState::Sent;
            self.saga.progress.deadline = None;
        }
        if let Some(retry_at) = self.saga.progress.not_before.filter(|at| *at > self.now) {
            return Some(Next::Retry { at: retry_at });
        }
        if self.saga.progress.starts >= STARTS_MAX {
            self.die(at.step, format!("{} was begun {STARTS_MAX} times and never answered", at.step));
            return None;
        }
        let key = self.key(at);
        let Some(request) = (at.spec.request)(&self.saga, key.clone()) else {
            self.step_done();
            return None;
        };
        if let Err(refusal) = self.record(at, &key, Event::Intent) {
            self.fail(Extent::BeforeThis, refusal.reason, refusal.words);
            return None;
        }
        let mode = if self.saga.progress.call == CallState::Fresh { Mode::Send } else { Mode::Ask };
        Some(Next::Call(Call {
            definition: self.definition.name,
            saga: self.saga.id,
            queue: self.saga.queue,
            fence: self.saga.fence + 1,
            step: at.step,
            start: self.saga.progress.starts + 1,
            key,
            context: Arc::clone(&self.saga.context),
            mode,
            request,
            timeout: at.spec.timeout,
        }))
    }

    fn wait(&mut self, until: Time) -> Next {
        self.enter(SagaEvent::Wait);
        Next::Wait { until }
    }

    // --- moves -----------------------------------------------------------------------------

    /// Leaves the present stage behind, and all that was counted for it.
    fn step_done(&mut self) {
        let progress = &mut self.saga.progress;
        match progress.phase {
            Phase::Forward | Phase::AfterUndo => progress.stage += 1,
            Phase::Undo => progress.stage -= 1,
        }
        self.fresh_stage();
    }

    fn fresh_stage(&mut self) {
        let progress = &mut self.saga.progress;
        progress.call = CallState::Fresh;
        progress.generation = 0;
        progress.starts = 0;
        progress.failures = 0;
        progress.not_before = None;
        progress.deadline = None;
        let forward = progress.phase == Phase::Forward;
        self.saga.queue = if forward { self.definition.queue } else { Queue::Compensation };
    }

    /// A stage failed for good: before the pivot everything is undone, after it the saga stops, visibly.
    fn fail(&mut self, extent: Extent, reason: CancelReason, words: String) {
        if self.may_unwind() {
            self.saga.progress.error = Some(words);
            self.unwind(extent, reason);
        } else {
            let step = self.step_name();
            self.die(step, words);
        }
    }

    fn unwind(&mut self, extent: Extent, reason: CancelReason) {
        if extent == Extent::BeforeThis {
            self.close_books(Event::GaveUp);
        }
        self.enter(SagaEvent::Unwind);
        self.entries.push(Entry::Unwinding(reason));
        let progress = &mut self.saga.progress;
        progress.phase = Phase::Undo;
        progress.cause = Some(reason);
        progress.stage += usize::from(extent == Extent::ThisToo);
        self.fresh_stage();
    }

    fn die(&mut self, step: &str, why: String) {
        self.close_books(Event::Died);
        self.entries.push(Entry::Dead { step: step.to_owned(), why: why.clone() });
        self.saga.progress.error = Some(why);
        self.enter(SagaEvent::Die);
    }

    /// Lets our own books say that the call the saga stands at, if any, will not go on by itself.
    fn close_books(&mut self, event: Event<'_>) {
        let Some(at) = self.call_at() else { return };
        let key = self.key(at);
        // A book that cannot be closed must not keep a saga from stopping; the audit would show it.
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

    // --- questions -------------------------------------------------------------------------

    fn may_unwind(&self) -> bool {
        self.saga.progress.phase == Phase::Forward
            && !self.saga.progress.pivoted
            && !self.saga.state.is_settled()
    }

    fn call_at(&self) -> Option<CallAt<'a>> {
        let stand = self.definition.stand(&self.saga.progress);
        Some(CallAt { step: stand.step, spec: stand.call? })
    }

    /// The key that the call counts under now.
    fn key(&self, at: CallAt<'_>) -> StepKey {
        self.saga.key_at(at.step)
    }

    fn step_name(&self) -> &'static str {
        self.definition.stand(&self.saga.progress).step
    }

    /// The end of the payment or confirmation window; other sagas have none.
    fn window_end(&self) -> Time {
        match &*self.saga.context {
            Context::Checkout(checkout) => checkout.decide_by,
            Context::Notice(_)
            | Context::Cancellation(_)
            | Context::LateRefund(_)
            | Context::GrantedRefund(_) => Time::from_micros(i64::MAX),
        }
    }
}
