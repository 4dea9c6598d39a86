//! The outcome of the saga's own call.

use std::time::Duration;

use holdfast_shared::{PaymentStatus, Time};

use super::{
    CallAt, HELD_MAX, PARKED_TRY_EVERY, PROCESSING_LOOK_UP_EVERY, Planner, REPEATED_FOR, SETTLE_AFTER,
    UNANSWERED_WAIT_MAX, UnwindFrom,
};
use crate::engine::definition::{Event, Unclear};
use crate::records::call::{Answer, Mode, Outcome};
use crate::records::history::Entry;
use crate::records::saga::CallState;

impl<'a> Planner<'a> {
    pub(super) fn fold_outcome(&mut self, outcome: &Outcome) {
        let Some(at) = self.call_at().filter(|at| at.step == outcome.step) else {
            return;
        };
        let step = at.step.to_owned();
        if let Err(refusal) = self.record(at, &outcome.key, Event::Answered(&outcome.answer)) {
            self.entries.push(Entry::Rejected { step, why: refusal.message.clone() });
            // The answer contradicts what was asked, so money may be held: this stage is undone too.
            self.fail(UnwindFrom::Current, refusal.reason, refusal.message);
            return;
        }
        self.saga.progress.returned = self.saga.progress.attempts;
        self.saga.progress.parked = false;
        match &outcome.answer {
            Answer::Succeeded(_) => {
                self.entries.push(Entry::Succeeded(step));
                self.step_done();
            }
            Answer::Pending { next_action: _, declined } => self.pending(at, declined.as_deref()),
            Answer::Processing => self.in_its_own_time(step, true),
            Answer::GivingBack => self.in_its_own_time(step, false),
            Answer::Rejected { reason } => {
                self.entries.push(Entry::Rejected { step, why: reason.clone() });
                self.fail(UnwindFrom::Previous, at.spec.rejected_as, reason.clone());
            }
            Answer::Failed { error } => self.moved_nothing(at, error),
            Answer::Unknown { error } => self.unknown(at, error),
            Answer::NotFound { error } => {
                self.was_lost();
                // By now the last repetition has arrived, too, and could be seen.
                if self.unclear_for() >= REPEATED_FOR + SETTLE_AFTER {
                    return self.moved_nothing(at, error);
                }
                self.unknown(at, error);
            }
            Answer::Refused { error } => {
                self.saga.progress.call = CallState::Sent;
                self.saga.progress.unanswered = 0;
                self.entries.push(Entry::Unknown { step, why: error.clone() });
                self.try_again(at, error, UnwindFrom::Current);
            }
            Answer::NotSent => {
                self.rollback_attempt(outcome.mode);
                self.entries.push(Entry::NotSent(step));
            }
            Answer::NotNow { retry_in, why } => {
                self.rollback_attempt(outcome.mode);
                let wait = retry_in.unwrap_or_else(|| self.next_unanswered_wait(at));
                self.hold(at, wait, why);
            }
            Answer::NotHere { why } | Answer::Parked { why } => {
                self.rollback_attempt(outcome.mode);
                self.saga.progress.parked = true;
                self.saga.progress.error = Some(why.clone());
                self.hold(at, PARKED_TRY_EVERY, why);
            }
        }
    }

    /// Waits for the buyer, or for the end of their window.
    fn pending(&mut self, at: CallAt<'a>, declined: Option<&str>) {
        let step = at.step.to_owned();
        self.answered();
        if let Some(reason) = declined {
            // The attempt is over; the payment is not.
            self.saga.progress.generation += 1;
            self.entries.push(Entry::AttemptDeclined { step: step.clone(), why: reason.to_owned() });
        }
        let until = self.window_end();
        if !self.may_unwind() {
            // Only a charge is waited for. Whatever else is still under way is asked about again.
            let error = "the other side has not finished it yet";
            self.saga.progress.call = CallState::Sent;
            self.entries.push(Entry::Unknown { step, why: error.to_owned() });
            self.try_again(at, error, UnwindFrom::Current);
        } else if self.now >= until {
            self.entries.push(Entry::Expired(step));
            let message = format!("{} was not completed in time", at.step);
            self.fail(UnwindFrom::Current, at.spec.gives_up_as, message);
        } else {
            self.saga.progress.call = CallState::Pending;
            self.saga.progress.deadline = Some(until);
            self.entries.push(Entry::Pending { step, until });
        }
    }

    /// Waits for the provider's word, past the end of every window (M10).
    fn in_its_own_time(&mut self, step: String, is_payment: bool) {
        self.answered();
        let until = self.now + PROCESSING_LOOK_UP_EVERY;
        let progress = &mut self.saga.progress;
        progress.call = CallState::Sent;
        progress.accepted = !is_payment;
        progress.failures = 0;
        progress.not_before = Some(until);
        self.entries.push(if is_payment {
            Entry::Processing { step, until }
        } else {
            Entry::GivingBack { step, until }
        });
    }

    /// The attempt is over and provably moved nothing: the next one has a key of its own.
    fn moved_nothing(&mut self, at: CallAt<'a>, error: &str) {
        self.answered();
        self.saga.progress.call = CallState::Fresh;
        self.saga.progress.accepted = false;
        self.saga.progress.generation += 1;
        self.entries.push(Entry::Failed { step: at.step.to_owned(), why: error.to_owned() });
        self.try_again(at, error, UnwindFrom::Previous);
    }

    fn unknown(&mut self, at: CallAt<'a>, error: &str) {
        let from = match at.spec.unclear {
            Unclear::AskAgain | Unclear::Fails => {
                self.was_lost();
                self.saga.progress.call = CallState::Sent;
                UnwindFrom::Current
            }
            Unclear::SendAnew => {
                self.saga.progress.call = CallState::Fresh;
                self.saga.progress.generation += 1;
                UnwindFrom::Previous
            }
        };
        self.entries.push(Entry::Unknown { step: at.step.to_owned(), why: error.to_owned() });
        if at.spec.unclear == Unclear::Fails {
            return self.try_again(at, error, from);
        }
        self.saga.progress.error = Some(error.to_owned());
        let wait = self.next_unanswered_wait(at);
        if self.is_past_window() {
            self.entries.push(Entry::Expired(at.step.to_owned()));
            let message = format!("{} was not answered in time, last: {error}", at.step);
            return self.fail(from, at.spec.gives_up_as, message);
        }
        let retry_at = self.within_window(self.now + wait);
        self.saga.progress.not_before = Some(retry_at);
        self.entries.push(Entry::RetryAt { step: at.step.to_owned(), at: retry_at });
    }

    /// The other side said something about the attempt.
    fn answered(&mut self) {
        self.saga.progress.unanswered = 0;
        self.saga.progress.unclear_since = None;
    }

    fn unclear_for(&self) -> Duration {
        self.saga.progress.unclear_since.map_or(Duration::ZERO, |since| self.now.since(since))
    }

    /// Longer each time, up to a minute (M15).
    fn next_unanswered_wait(&mut self, at: CallAt<'a>) -> Duration {
        self.saga.progress.unanswered += 1;
        let seed = self.saga.id.key().cast_unsigned();
        at.spec.retry.wait_after(self.saga.progress.unanswered, seed).min(UNANSWERED_WAIT_MAX)
    }

    /// A call that was never sent costs nothing.
    pub(super) fn rollback_attempt(&mut self, mode: Mode) {
        let progress = &mut self.saga.progress;
        // What was only asked about may still have been sent by an earlier start.
        progress.call = if mode == Mode::Send { CallState::Fresh } else { CallState::Sent };
        progress.attempts = progress.attempts.saturating_sub(1);
        progress.returned = progress.attempts;
    }

    /// Parks the saga before its call. It is no failure, however often; but a buyer's window ends all the same.
    pub(super) fn hold(&mut self, at: CallAt<'a>, retry_in: Duration, why: &str) {
        if self.is_past_window() {
            self.entries.push(Entry::Expired(at.step.to_owned()));
            let message = format!("{} could not be sent in time: {why}", at.step);
            return self.fail(self.unwind_from(), at.spec.gives_up_as, message);
        }
        let until = self.within_window(self.now + retry_in.min(HELD_MAX));
        self.saga.progress.not_before = Some(until);
        self.entries.push(Entry::Held { step: at.step.to_owned(), why: why.to_owned(), until });
    }

    pub(super) fn try_again(&mut self, at: CallAt<'a>, error: &str, from: UnwindFrom) {
        let progress = &mut self.saga.progress;
        progress.failures += 1;
        progress.error = Some(error.to_owned());
        let failures = progress.failures;
        let seed = self.saga.id.key().cast_unsigned();
        let (wait, is_exhausted) = if self.is_processing() {
            (PROCESSING_LOOK_UP_EVERY, false)
        } else {
            (at.spec.retry.wait_after(failures, seed), at.spec.retry.is_exhausted(failures))
        };
        let retry_at = self.now + wait;
        let too_late = self.has_window() && retry_at >= self.window_end();
        if is_exhausted || too_late {
            self.fail(
                from,
                at.spec.gives_up_as,
                format!("{} failed {failures} times, last: {error}", at.step),
            );
            return;
        }
        self.saga.progress.not_before = Some(retry_at);
        self.entries.push(Entry::RetryAt { step: at.step.to_owned(), at: retry_at });
    }

    /// Whether a window binds the saga: that of a buyer ends what can still be undone, unless the money is on its way.
    fn has_window(&self) -> bool {
        self.may_unwind() && !self.is_processing()
    }

    fn is_processing(&self) -> bool {
        self.saga.payment_status() == Some(PaymentStatus::Processing)
    }

    fn is_past_window(&self) -> bool {
        self.has_window() && self.now >= self.window_end()
    }

    /// That instant, or the end of the window.
    fn within_window(&self, at: Time) -> Time {
        if self.has_window() { at.min(self.window_end()) } else { at }
    }
}
