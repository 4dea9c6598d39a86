//! Running stages: local ones up to the next call, wait or end, forward or undoing.

use std::sync::Arc;

use holdfast_shared::{CancelReason, PaymentStatus, Queue, SagaEvent, SagaState, Time};

use super::{CallAt, Next, Planner, UNRETURNED_ATTEMPTS_MAX, UnwindFrom};
use crate::engine::definition::{Event, Kind, LocalFn, Stage, Undo};
use crate::records::call::{Call, Mode, Urgency};
use crate::records::change::Change;
use crate::records::history::Entry;
use crate::records::saga::{CallState, Phase};
use crate::records::signal::{Signal, SignalBody};

impl<'a> Planner<'a> {
    /// Runs every local stage up to the next call, wait or end.
    pub(super) fn run_stages(&mut self, decisions: &mut Vec<&Signal>) -> Next {
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

    pub(super) fn ended(&self) -> Option<Next> {
        match self.saga.state {
            SagaState::Completed | SagaState::Compensated => Some(Next::Done),
            SagaState::Dead => {
                Some(Next::Dead { reason: self.saga.progress.error.clone().unwrap_or_default() })
            }
            SagaState::Running | SagaState::Waiting | SagaState::Compensating => None,
        }
    }

    pub(super) fn forward(&mut self, stages: &'a [Stage], decisions: &mut Vec<&Signal>) -> Option<Next> {
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

    pub(super) fn undo(&mut self) -> Option<Next> {
        let Some(index) = self.saga.progress.stage.checked_sub(1) else {
            self.saga.progress.phase = Phase::AfterUndo;
            self.saga.progress.stage = 0;
            return None;
        };
        match &self.definition.forward[index].undo {
            None => self.step_done(),
            Some(Undo::Local { name, changes, .. }) => self.local(name, *changes, Entry::Undid),
            Some(Undo::Call { name, call, .. }) => {
                return self.call(CallAt { step: name, spec: call });
            }
        }
        None
    }

    pub(super) fn local(&mut self, name: &'static str, changes: LocalFn, entry: fn(String) -> Entry) {
        let before = self.refused.iter().find(|(stage, _)| stage == name).map(|(_, refusal)| refusal.clone());
        match before.map_or_else(|| changes(&self.saga), Err) {
            Ok(changes) => {
                self.changes.extend(changes.into_iter().map(|change| (name, change)));
                self.entries.push(entry(name.to_owned()));
                self.step_done();
            }
            Err(refusal) => {
                self.entries.push(Entry::Refused {
                    step: name.to_owned(),
                    why: refusal.message.clone(),
                    short_of: refusal.short_of.clone(),
                });
                self.fail(UnwindFrom::Previous, refusal.reason, refusal.message);
            }
        }
    }

    pub(super) fn confirmation(&mut self, step: &'static str, decisions: &mut Vec<&Signal>) -> Option<Next> {
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
            self.unwind(UnwindFrom::Previous, CancelReason::ConfirmationExpired);
            return None;
        }
        if self.saga.progress.deadline.replace(until).is_none() {
            self.entries.push(Entry::Waiting { step: step.to_owned(), until });
        }
        Some(self.wait(until))
    }

    pub(super) fn call(&mut self, at: CallAt<'a>) -> Option<Next> {
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
        let progress = &self.saga.progress;
        if progress.attempts.saturating_sub(progress.returned) >= UNRETURNED_ATTEMPTS_MAX {
            self.mark_dead(
                at.step,
                format!(
                    "{} was begun {UNRETURNED_ATTEMPTS_MAX} times and no worker came back from it",
                    at.step
                ),
            );
            return None;
        }
        // A key costs more than the question whether there is anything to ask.
        if !(at.spec.concerns)(&self.saga) {
            self.step_done();
            return None;
        }
        let key = self.key(at);
        let Some(request) = (at.spec.request)(&self.saga, key.clone()) else {
            self.step_done();
            return None;
        };
        if let Err(refusal) = self.record(at, &key, Event::Intent) {
            self.fail(UnwindFrom::Previous, refusal.reason, refusal.message);
            return None;
        }
        let mode = if self.saga.progress.call == CallState::Fresh { Mode::Send } else { Mode::Query };
        Some(Next::Call(Box::new(Call {
            definition: self.definition.name,
            saga: self.saga.id,
            queue: self.saga.queue,
            fence: self.saga.fence + 1,
            step: at.step,
            start: self.saga.progress.attempts + 1,
            key,
            context: Arc::clone(&self.saga.context),
            mode,
            urgency: Urgency::of(&request, mode, self.waits_for_buyer()),
            request,
            timeout: at.spec.timeout,
            accepted: self.saga.progress.accepted,
            unclear_for: self.saga.progress.unclear_since.map(|since| self.now.since(since)),
            settles_in: self
                .saga
                .progress
                .settles_at
                .map(|at| at.since(self.now))
                .filter(|left| !left.is_zero()),
        })))
    }

    /// Whether a buyer has to act, and still may.
    fn waits_for_buyer(&self) -> bool {
        self.saga.payment_status() == Some(PaymentStatus::RequiresAction) && self.now < self.window_end()
    }

    pub(super) fn wait(&mut self, until: Time) -> Next {
        self.enter(SagaEvent::Wait);
        Next::Wait { until }
    }
}
