//! How a history ends, and whether every promise was kept.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::PoisonError;
use std::time::Duration;

use holdfast_saga::operations::audit::Statements;
use holdfast_saga::operations::audit_run;
use holdfast_saga::operations::dead_letter::resolve;
use holdfast_saga::records::history::Entry;
use holdfast_saga::records::saga::Saga;
use holdfast_saga::shop::order::Verb;
use holdfast_shared::{CancelReason, Clock as _, OrderId, OrderStatus, PaymentMethod, SagaState};

use super::History;
use crate::shop::{operator, work};

/// An end that takes longer never comes.
const ROUNDS_MAX: usize = 3_000;

impl History {
    /// Fair weather, an honest operator, and time: everything must come to rest.
    pub(super) async fn end(&mut self) {
        self.dice.make_fair();
        self.tell(|| "fair weather".to_owned());
        let mut revived = 0;
        for _ in 0..ROUNDS_MAX {
            for at in 0..self.workers.len() {
                while !self.workers[at].flights.is_empty() {
                    self.fly(at);
                }
            }
            let outcomes: Vec<_> =
                self.workers.iter_mut().flat_map(|w| std::mem::take(&mut w.outcomes)).collect();
            let quiet = outcomes.is_empty();
            self.run(0, work(outcomes)).await;
            self.hints.clear();
            if !self.wrong.is_empty() {
                return;
            }
            if !quiet || !self.workers[0].flights.is_empty() {
                continue;
            }
            if let Some(due) = self.shop.next_due().await {
                // Only what is on its way at the bank is looked at so seldom.
                if due.since(self.shop.clock.now()) > Duration::from_mins(30) {
                    self.settle_at_the_bank();
                }
                self.move_clock(|now| now.max(due));
            } else if self.shop.sagas().await.iter().any(|saga| saga.state == SagaState::Dead) {
                revived += 1;
                if revived > 20 {
                    self.wrong.push("the dead do not stay alive".to_owned());
                    return;
                }
                // Some refunds nobody can allow: those are settled in person, or tried in vain.
                let is_allowed = revived > 10 || self.dice.chance(70);
                if is_allowed {
                    self.allow_refunds().await;
                }
                for saga in self.shop.sagas().await {
                    if saga.state == SagaState::Dead && !is_allowed && self.dice.chance(60) {
                        self.discard(saga.id).await;
                    } else if saga.state == SagaState::Dead {
                        let answer = resolve::retry(&*self.shop.store, saga.id, None, &operator()).await;
                        self.tell(|| format!("operator retries {}: {answer:?}", saga.id));
                    }
                }
            } else if !self.hear_reports().await {
                return;
            }
        }
        let sagas = self.shop.sagas().await;
        self.wrong.push(format!("no rest: {sagas:#?}"));
    }

    /// Sooner or later the bank settles everything.
    fn settle_at_the_bank(&mut self) {
        let Some(wire) = &self.shop.bank else { return };
        let references: Vec<String> = wire.bank().sums().into_keys().collect();
        for reference in references {
            let arrives = self.dice.chance(80);
            wire.bank().settle(&reference, arrives);
        }
    }

    /// The provider reports on each charge that holds money, once. Whether there was any to report on.
    pub(super) async fn hear_reports(&mut self) -> bool {
        if !self.rules.reports {
            return false;
        }
        self.rules.reports = false;
        for line in self.shop.statement().await {
            if line.captured_minor > line.refunded_minor {
                self.report(&line.charge, "settlement").await;
            }
        }
        true
    }

    /// What must hold at every instant.
    pub(super) async fn look_around(&mut self) {
        let refused = std::mem::take(&mut *self.door.refused.lock().unwrap_or_else(PoisonError::into_inner));
        self.wrong.extend(refused.into_iter().map(|text| format!("the store refused a row: {text}")));
        if !self.dice.chance(20) {
            return;
        }
        let audit = audit_run::read(&self.shop.memory, self.shop.registry).await.expect("memory reads");
        let report = audit.finish(&Statements::default());
        self.wrong.extend(report.violations.iter().map(|violation| format!("on the way: {violation:?}")));
    }

    /// What must hold at the end.
    pub(super) async fn judge(&mut self) {
        let refused = std::mem::take(&mut *self.door.refused.lock().unwrap_or_else(PoisonError::into_inner));
        self.wrong.extend(refused.into_iter().map(|text| format!("the store refused a row: {text}")));
        let report = self.shop.audit().await;
        self.wrong.extend(report.violations.iter().map(|violation| format!("{violation:?}")));
        let unsettled = |saga: &&Saga| !saga.state.is_settled();
        let sagas = self.shop.sagas().await;
        self.wrong
            .extend(sagas.iter().filter(unsettled).map(|saga| format!("{} is {}", saga.id, saga.state)));
        let mut holding: BTreeMap<OrderId, Vec<i64>> = BTreeMap::new();
        for line in self.shop.statement().await {
            if let (Some((_, order)), true) = (line.charge.owner(), line.captured_minor > line.refunded_minor)
            {
                holding.entry(order).or_default().push(line.captured_minor - line.refunded_minor);
            }
        }
        let by_hand: BTreeMap<OrderId, i64> = report
            .settled_manually
            .iter()
            .map(|settled| (settled.order, settled.amount.amount_minor))
            .collect();
        for order in self.orders.clone() {
            let held = holding.remove(&order).unwrap_or_default();
            self.judge_order(order, &held, by_hand.get(&order).copied().unwrap_or(0)).await;
        }
    }

    /// `held`: what each charge of the order that holds money holds. `by_hand`: what somebody settled in person;
    /// the provider may still hold it.
    pub(super) async fn judge_order(&mut self, id: OrderId, held: &[i64], by_hand: i64) {
        let order = self.shop.view(id).await.order;
        let mut wrong = String::new();
        let given: i64 = self.gifts.iter().filter(|(to, _)| *to == id).map(|(_, minor)| minor).sum();
        let is_paid = order.status.stands() && order.method != PaymentMethod::Cod;
        let owed = if is_paid { order.total.amount_minor - given } else { 0 };
        let expected: &[i64] = if owed == 0 { &[] } else { &[owed] };
        let settled = by_hand > 0 && (owed..=owed + by_hand).contains(&held.iter().sum());
        if held != expected && !settled {
            let _ = write!(wrong, "{held:?} of its money is held, {expected:?} should be; ");
        }
        let report = self.shop.notices.sent().iter().any(|(saga, _)| saga.order() == Some(id));
        let given_up = |entry: &Entry| matches!(entry, Entry::Discarded { step, .. } if step == "send");
        if !report && !self.shop.history(id).await.iter().any(given_up) {
            let _ = write!(wrong, "its customer got no message; ");
        }
        if let Some(participant) = &self.participant {
            wrong.extend(participant.wrong(id, &self.shop.checkout(id).await));
        }
        let promised = |verb: &Verb| self.promises.contains(&(id, verb.clone()));
        let is_cancelled = order.status == OrderStatus::Cancelled;
        if (promised(&Verb::Cancel) || promised(&Verb::Reject)) && !is_cancelled {
            let _ = write!(wrong, "its cancellation was promised; ");
        }
        let for_want_of_a_yes = order.cancel_reason == Some(CancelReason::ConfirmationExpired);
        if promised(&Verb::Confirm) && for_want_of_a_yes {
            let _ = write!(wrong, "its confirmation was promised; ");
        }
        if !wrong.is_empty() {
            self.wrong.push(format!("order {id} is {} ({:?}): {wrong}", order.status, order.cancel_reason));
        }
    }
}
