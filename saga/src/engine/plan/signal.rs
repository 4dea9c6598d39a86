//! Signals: what customers, admins, operators and the shop itself say.

use holdfast_shared::{Actor, CancelReason, SagaEvent, SagaState};

use super::{Planner, UnwindFrom};
use crate::engine::definition::{Discard, Event, Kind, Unclear};
use crate::engine::discard::discardable;
use crate::records::history::Entry;
use crate::records::saga::{CallState, Phase};
use crate::records::signal::{Signal, SignalBody};

impl Planner<'_> {
    /// Folds one signal. A decision is put into `decisions` and stays in the inbox until the saga asks for
    /// it, which may be in this very plan.
    pub(super) fn fold_signal<'s>(&mut self, signal: &'s Signal, decisions: &mut Vec<&'s Signal>) {
        match &signal.body {
            SignalBody::Cancel { by } => self.fold_cancel(by),
            SignalBody::Confirmation { .. } if !self.will_ask_for_confirmation() => self.ignore(signal),
            // A no is as good as a cancel: it need not be asked for. But the first decision counts.
            SignalBody::Confirmation { confirmed: false, by } if decisions.is_empty() => {
                self.fold_confirmation(false, by);
            }
            // A dead saga keeps the decision for the day it is retried.
            SignalBody::Confirmation { .. } => return decisions.push(signal),
            SignalBody::PaymentEvent { charge } => self.on_charge_event(signal, charge, true),
            SignalBody::LateOutcome { key, captured, .. } => {
                // What the provider opened stands for all attempts.
                let known = self.saga.progress.data.charge.as_ref();
                let opened = known.filter(|known| *captured && known.details.object.is_some());
                let charge = opened.map_or(key, |known| &known.key).clone();
                self.on_charge_event(signal, &charge, *captured);
            }
            SignalBody::Retry { by } if self.saga.state == SagaState::Dead => self.resume(by),
            // Tried at once: an operator says that the settings are right now.
            SignalBody::Retry { by } if self.saga.progress.parked => {
                self.unpark();
                self.entries.push(Entry::Revived(by.clone()));
            }
            SignalBody::Retry { .. } => self.ignore(signal),
            SignalBody::Discard { by, reason } => self.fold_discard(signal, by, reason),
        }
        self.consumed.push(signal.seq);
    }

    pub(super) fn fold_cancel(&mut self, by: &Actor) {
        if !self.may_unwind() {
            self.entries.push(Entry::Ignored("cancel".to_owned()));
            return;
        }
        self.entries.push(Entry::CancelAccepted(by.clone()));
        self.unwind(self.unwind_from(), by.cancel_reason());
    }

    /// How much is undone when the saga is stopped where it stands.
    pub(super) fn unwind_from(&self) -> UnwindFrom {
        let moves_nothing = self.call_at().is_some_and(|at| at.spec.unclear == Unclear::SendAnew);
        if self.saga.progress.call == CallState::Fresh || moves_nothing {
            UnwindFrom::Previous
        } else {
            UnwindFrom::Current
        }
    }

    /// Whether the stage at which an admin decides is still to come, or is where the saga stands.
    pub(super) fn will_ask_for_confirmation(&self) -> bool {
        let mut to_come = self.definition.forward.iter().skip(self.saga.progress.stage);
        self.may_unwind() && to_come.any(|stage| matches!(stage.kind, Kind::Confirmation))
    }

    pub(super) fn fold_confirmation(&mut self, confirmed: bool, by: &Actor) {
        self.entries.push(Entry::Decided { confirmed, by: by.clone() });
        if confirmed {
            self.step_done();
        } else {
            self.unwind(self.unwind_from(), CancelReason::RejectedByAdmin);
        }
    }

    pub(super) fn resume(&mut self, by: &Actor) {
        self.resume_from_dead();
        self.entries.push(Entry::Revived(by.clone()));
    }

    fn unpark(&mut self) {
        self.saga.progress.parked = false;
        self.saga.progress.not_before = None;
    }

    /// Goes on, dead or parked.
    fn resume_from_stop(&mut self) {
        if self.saga.state == SagaState::Dead {
            self.resume_from_dead();
        } else {
            self.unpark();
        }
    }

    fn resume_from_dead(&mut self) {
        let progress = &mut self.saga.progress;
        progress.failures = 0;
        progress.attempts = 0;
        progress.returned = 0;
        progress.unanswered = 0;
        progress.not_before = None;
        progress.worker = None;
        progress.error = None;
        let forward = progress.phase == Phase::Forward;
        self.enter(if forward { SagaEvent::Resume } else { SagaEvent::Unwind });
    }

    /// Takes the call that the saga stopped at off its hands, where that can be done.
    pub(super) fn fold_discard(&mut self, signal: &Signal, by: &Actor, reason: &str) {
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
        self.resume_from_stop();
        if meaning == Discard::GivenUp {
            // The entries that follow belong to a call that succeeded.
            let progress = &mut self.saga.progress;
            progress.stage = match progress.phase {
                Phase::Forward => self.definition.forward.len(),
                Phase::AfterUndo => self.definition.after_undo.len(),
                Phase::Undo => progress.stage - 1,
            };
            self.reset_stage();
        } else {
            self.step_done();
        }
    }

    pub(super) fn ignore(&mut self, signal: &Signal) {
        self.entries.push(Entry::Ignored(signal.body.name().to_owned()));
    }
}
