//! The outcome of the saga's own call.

use std::time::Duration;

use super::{CallAt, Planner, UnwindFrom};
use crate::engine::definition::Event;
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
                let message = format!("{} was not completed in time", at.step);
                self.fail(UnwindFrom::Current, at.spec.gives_up_as, message);
            }
            Answer::Pending { .. } if may_wait => {
                let until = self.window_end();
                self.saga.progress.call = CallState::Pending;
                self.saga.progress.deadline = Some(until);
                // It was answered; however often the provider is asked meanwhile, it always answers.
                self.saga.progress.attempts = 0;
                self.entries.push(Entry::Pending { step, until });
            }
            // Only a charge is waited for. Whatever else is still under way is asked about again.
            Answer::Pending { .. } => {
                let error = "the other side has not finished it yet";
                progress.call = CallState::Sent;
                self.entries.push(Entry::Unknown { step, why: error.to_owned() });
                self.try_again(at, error, UnwindFrom::Current);
            }
            Answer::Rejected { reason } => {
                self.entries.push(Entry::Rejected { step, why: reason.clone() });
                self.fail(UnwindFrom::Previous, at.spec.rejected_as, reason.clone());
            }
            Answer::Failed { error } => {
                progress.call = CallState::Fresh;
                progress.generation += 1;
                self.entries.push(Entry::Failed { step, why: error.clone() });
                self.try_again(at, error, UnwindFrom::Previous);
            }
            Answer::Unknown { error } => {
                progress.call = CallState::Sent;
                self.entries.push(Entry::Unknown { step, why: error.clone() });
                self.try_again(at, error, UnwindFrom::Current);
            }
            Answer::NotSent => {
                self.rollback_attempt(outcome.mode);
                self.entries.push(Entry::NotSent(step));
            }
            Answer::NotNow { retry_in, why } => {
                self.rollback_attempt(outcome.mode);
                self.hold(at, *retry_in, why);
            }
        }
    }

    /// A call that was never sent costs nothing.
    pub(super) fn rollback_attempt(&mut self, mode: Mode) {
        let progress = &mut self.saga.progress;
        // What was only asked about may still have been sent by an earlier start.
        progress.call = if mode == Mode::Send { CallState::Fresh } else { CallState::Sent };
        progress.attempts = progress.attempts.saturating_sub(1);
    }

    /// Parks the saga before its call. It is no failure, however often; but a buyer's window ends all the same.
    pub(super) fn hold(&mut self, at: CallAt<'a>, retry_in: Duration, why: &str) {
        let (may_wait, end) = (self.may_unwind(), self.window_end());
        if may_wait && self.now >= end {
            self.entries.push(Entry::Expired(at.step.to_owned()));
            let message = format!("{} could not be sent in time: {why}", at.step);
            return self.fail(self.unwind_from(), at.spec.gives_up_as, message);
        }
        let until = self.now + retry_in;
        let until = if may_wait { until.min(end) } else { until };
        self.saga.progress.not_before = Some(until);
        self.entries.push(Entry::Held { step: at.step.to_owned(), why: why.to_owned(), until });
    }

    pub(super) fn try_again(&mut self, at: CallAt<'a>, error: &str, from: UnwindFrom) {
        let progress = &mut self.saga.progress;
        progress.failures += 1;
        progress.error = Some(error.to_owned());
        let failures = progress.failures;
        let seed = self.saga.id.key().cast_unsigned();
        let retry_at = self.now + at.spec.retry.wait_after(failures, seed);
        let too_late = self.may_unwind() && retry_at >= self.window_end();
        if at.spec.retry.is_exhausted(failures) || too_late {
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
}
