//! Somebody says that money moved. Nobody is believed without being asked back.

use holdfast_shared::{PaymentStatus, StepKey};

use super::Planner;
use crate::records::change::Change;
use crate::records::history::Entry;
use crate::records::saga::{CallState, Charge};
use crate::records::signal::Signal;

impl Planner<'_> {
    /// Somebody says that money moved under `charge`. Nobody is believed without being asked back.
    pub(super) fn on_charge_event(&mut self, signal: &Signal, charge: &StepKey, captured: bool) {
        use PaymentStatus::{
            Cancelled, Captured, Collected, Declined, DueOnDelivery, PartiallyRefunded, Pending, Processing,
            Refunded, RequiresAction, Unknown,
        };
        let ours = self.saga.progress.data.charge.as_ref().filter(|known| known.key == *charge);
        match ours.map(|known| known.status) {
            // We know of this money, or it is ours to keep.
            Some(Captured | PartiallyRefunded | Refunded | DueOnDelivery | Collected) => self.ignore(signal),
            // A generation that was proven to have moved nothing, before the next one has begun.
            Some(Pending | Unknown | RequiresAction | Processing) if self.is_given_up(charge) => {
                self.refund_late(signal, charge, captured);
            }
            Some(status @ (Pending | Unknown | RequiresAction | Processing)) => {
                let waiting = self.may_unwind() && self.saga.progress.call != CallState::Fresh;
                // An undo on its way looks the charge up by itself, unless it waits for the provider's word.
                if !waiting && status != Processing {
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
        let is_opened = |charge: &Charge| charge.details.object.is_some();
        // What the provider opened stands for all attempts.
        let by_key = !self.saga.progress.data.charge.as_ref().is_some_and(is_opened);
        by_key && self.may_unwind() && self.call_at().is_some_and(|at| self.key(at) != *charge)
    }

    fn refund_late(&mut self, signal: &Signal, charge: &StepKey, captured: bool) {
        let data = &self.saga.progress.data;
        // Money can only be late under a key that was begun; anything else is not ours to touch.
        let was_begun = data.charge.as_ref().is_some_and(|latest| charge.is_up_to(&latest.key));
        let is_news = captured && was_begun && !data.late.contains(charge);
        let hook = self.definition.late_capture.filter(|_| is_news);
        let Some(child) = hook.and_then(|start| start(&self.saga, charge, data.late.len())) else {
            return self.ignore(signal);
        };
        self.saga.progress.data.late.push(charge.clone());
        self.entries.push(Entry::LateCapture(child.id));
        self.changes.push(("late_refund", Change::StartSaga(Box::new(child))));
    }
}
