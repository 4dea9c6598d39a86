//! The audit: every promise about stock, money, orders and sagas, recomputed from the rows.
//!
//! The store hands over facts of one snapshot, the providers their own statements; everything that is judged is judged
//! here, the same for every store. It is also the oracle of the simulation. `docs/audit.md` lists what is legal.

mod finding;
mod money;
mod order;
mod place;
mod provider;
mod report;
mod saga;
mod stock;

use std::collections::BTreeMap;

use holdfast_shared::{Money, OrderId, SagaState};

use self::finding::Findings;
use self::provider::LedgerRow;
pub use self::provider::Question;
pub use self::report::{InFlight, Invariant, Report, Scope, SettledManually, Statements, Violation};
pub use self::saga::LEASE_MAX;
use self::saga::Verdict;
use crate::records::audit_fact::{Fact, Loose, LooseRow, OrderFact, SagaFact};
use crate::records::slot;

/// Collects facts and judges them.
#[derive(Debug)]
pub struct Audit {
    scope: Scope,
    report: Report,
    /// Per order: what our ledger holds, what was settled manually, and whether they are still moving.
    ledger: BTreeMap<OrderId, LedgerRow>,
}

impl Audit {
    /// An audit that has seen nothing yet.
    pub fn new(scope: Scope) -> Self {
        let report = Report {
            shop: scope.shop.id,
            orders: 0,
            skus: 0,
            charges: None,
            unverifiable: 0,
            in_flight: Vec::new(),
            settled_manually: Vec::new(),
            violations: Vec::new(),
        };
        Self { scope, report, ledger: BTreeMap::new() }
    }

    /// Takes one fact into account.
    pub fn see(&mut self, fact: Fact) {
        match fact {
            Fact::Stock(stock) => {
                self.report.skus += 1;
                stock::judge(&stock, &mut self.report.violations);
            }
            Fact::Order(order) => self.see_order(&order),
            Fact::Saga(fact) => self.see_saga(&fact),
            Fact::Loose(Loose { what, subject }) => {
                let mut findings = Findings::about(subject, &mut self.report.violations);
                findings.broken(Invariant::Reference, without(what));
            }
            Fact::Unreadable(why) => {
                let mut findings = Findings::about("a row".to_owned(), &mut self.report.violations);
                findings.broken(Invariant::Readable, why);
            }
        }
    }

    /// Compares the last number that was given to an order with the orders there are. Read it after the snapshot: by then
    /// there may be more of them.
    pub fn see_last_number(&mut self, last_number: i64) {
        let Some(newest) = self.ledger.keys().next_back().filter(|order| order.number() > last_number) else {
            return;
        };
        let mut findings = Findings::about(format!("order {newest}"), &mut self.report.violations);
        findings.broken(
            Invariant::Reference,
            format!("the last number that was given out is {last_number}: its own will be given again"),
        );
    }

    /// The orders whose refunds are wanted by name: sums do not tell who gave back what of their money.
    pub fn in_question(&self) -> impl Iterator<Item = (OrderId, Question<'_>)> {
        self.ledger.iter().filter_map(|(order, row)| Some((*order, row.in_question()?)))
    }

    /// Compares our ledger with those of the providers, and returns what was found. An order whose provider keeps no
    /// statement, or is not among these, is not compared.
    ///
    /// Hold the statements against a snapshot that was taken before they were drawn up: an order that moved in
    /// between is then moving in the snapshot, too.
    pub fn finish(mut self, statements: &Statements) -> Report {
        let violations = &mut self.report.violations;
        for (provider, statement) in &statements.movements {
            let charges = provider::compare(provider, statement, &self.ledger, self.report.shop, violations);
            *self.report.charges.get_or_insert(0) += charges;
        }
        for (order, refunds) in &statements.refunds {
            if let Some(row) = self.ledger.get(order) {
                provider::refunds(row, refunds, &mut Findings::about(format!("order {order}"), violations));
            }
        }
        self.report
    }

    fn see_saga(&mut self, fact: &SagaFact) {
        let subject = format!("saga {}", fact.saga.id);
        let findings = &mut Findings::about(subject, &mut self.report.violations);
        if saga::judge(fact, &self.scope, findings) == Verdict::Unverifiable {
            self.report.unverifiable += 1;
        }
    }

    fn see_order(&mut self, fact: &OrderFact) {
        self.report.orders += 1;
        let order = &fact.order;
        let findings = &mut Findings::about(format!("order {}", order.id), &mut self.report.violations);
        order::judge(fact, &self.scope, findings);
        money::judge(fact, &self.scope, findings);
        for saga in &fact.sagas {
            self.see_saga(saga);
        }
        let held = fact.money(fact.held_minor());
        let moves = |saga: &SagaFact| saga.moves_its_order() && !saga.saga.state.is_settled();
        let moving = fact.sagas.iter().any(moves);
        let dead = fact.sagas.iter().any(|saga| saga.saga.state == SagaState::Dead);
        if moving || dead {
            self.report.in_flight.push(InFlight { order: order.id, status: order.status, dead, held });
        }
        let by_hand_minor = fact.settled_manually_minor();
        if by_hand_minor > 0 {
            let amount = fact.money(by_hand_minor);
            self.report.settled_manually.push(SettledManually {
                order: order.id,
                status: order.status,
                amount,
            });
        }
        self.ledger.insert(order.id, LedgerRow::of(fact));
    }
}

impl SagaFact {
    /// Whether it moves its order or the order's money: messages and late money do not.
    fn moves_its_order(&self) -> bool {
        let kind = slot::kind_of(self.saga.id);
        matches!(kind, Some(slot::CHECKOUT | slot::CANCELLATION | slot::PARTIAL_REFUND))
    }
}

impl OrderFact {
    /// The saga in this slot.
    fn saga_in(&self, slot: u32) -> Option<&SagaFact> {
        self.sagas.iter().find(|saga| saga.saga.id.slot() == Some(slot))
    }

    /// What the shop still holds of its money, by our own ledger.
    fn held_minor(&self) -> i64 {
        self.payment.as_ref().map_or(0, |payment| {
            payment.captured_minor - payment.refunded_minor - payment.settled_manually_minor
        })
    }

    /// So much of its currency.
    const fn money(&self, amount_minor: i64) -> Money {
        Money::new(amount_minor, self.order.total.currency)
    }

    /// What a person saw to outside Holdfast, late money included.
    fn settled_manually_minor(&self) -> i64 {
        let by_hand = self.refunds.iter().filter(|refund| refund.settled_manually);
        by_hand.map(|refund| refund.amount.amount_minor).sum()
    }
}

/// What is wrong with a row that belongs to none.
const fn without(what: LooseRow) -> &'static str {
    match what {
        LooseRow::LineWithoutOrder => "is a line, and its order does not exist",
        LooseRow::PaymentWithoutOrder => "has a payment, and does not exist",
        LooseRow::RefundWithoutOrder => "has a refund, and its order does not exist",
        LooseRow::ReservationWithoutOrder => "has a reservation, and does not exist",
        LooseRow::SagaWithoutOrder => "its order does not exist",
        LooseRow::NotificationWithoutOrder => "has a message, and its order does not exist",
        LooseRow::HistoryWithoutSaga => "has a history, and does not exist",
        LooseRow::SignalWithoutSaga => "was never read, and its saga does not exist",
        LooseRow::CartOfAnotherOrder => "names an order that does not name it",
        LooseRow::CartWithoutCustomer | LooseRow::OrderWithoutCustomer => {
            "belongs to a customer who does not exist"
        }
        LooseRow::KeyWithoutOrder => "has an idempotency key, and does not exist",
        LooseRow::SecondKeyOfOrder => "was accepted under two idempotency keys",
        LooseRow::ActWithoutOrder => "has an act in the audit trail, and does not exist",
    }
}
