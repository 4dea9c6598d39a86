//! Money, by the ledgers of the providers: they hold what our own says.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_shared::{Currency, KeyPrefix, Money, OrderId, RefundStatus, ShopId, StepKey};

use super::finding::Findings;
use super::report::{Invariant, Violation};
use crate::ports::{Movement, NamedRefund, RefundState};
use crate::records::audit_fact::{OrderFact, SagaFact};
use crate::records::{PaymentObject, Refund, slot};

/// What our own ledger says of an order.
#[derive(Debug)]
pub(super) struct LedgerRow {
    currency: Currency,
    /// Who took the money.
    provider: Option<String>,
    held_minor: i64,
    by_hand_minor: i64,
    moving: bool,
    /// The charge of its payment.
    charge: Option<StepKey>,
    /// What the provider opened for it.
    object: Option<Box<PaymentObject>>,
    refunds: Vec<Ours>,
}

/// A refund of ours.
#[derive(Debug)]
struct Ours {
    /// The charge that it goes back from.
    charge: StepKey,
    amount_minor: i64,
    /// Whether it went back, as far as we know.
    is_done: bool,
    /// What the keys of its saga begin with; `None`: the saga was pruned.
    prefix: Option<KeyPrefix>,
}

impl LedgerRow {
    pub(super) fn of(fact: &OrderFact) -> Self {
        let is_late = |saga: &SagaFact| slot::kind_of(saga.saga.id) == Some(slot::LATE_REFUND);
        let moves = |saga: &&SagaFact| saga.moves_its_order() || is_late(saga);
        let moving = fact.sagas.iter().filter(moves).any(|saga| !saga.saga.state.is_settled());
        let refund = |refund: &Refund| {
            let saga = refund.saga.slot().and_then(|slot| fact.saga_in(slot));
            let prefix = saga.map(|saga| saga.saga.key_prefix.clone());
            let prefix = prefix.filter(|prefix| !prefix.as_str().is_empty());
            let is_done = refund.status == RefundStatus::Succeeded;
            Ours { charge: refund.charge.clone(), amount_minor: refund.amount.amount_minor, is_done, prefix }
        };
        Self {
            currency: fact.order.total.currency,
            provider: fact.payment.as_ref().map(|payment| payment.provider.clone()),
            held_minor: fact.held_minor(),
            by_hand_minor: fact.settled_manually_minor(),
            moving,
            charge: fact.payment.as_ref().and_then(|payment| payment.charge.clone()),
            object: fact.payment.as_ref().and_then(|payment| payment.details.object.clone()),
            refunds: fact.refunds.iter().map(refund).collect(),
        }
    }

    /// The charges of which sums cannot tell who gave back what: a part of their money was settled manually.
    pub(super) fn in_question(&self) -> Option<Question<'_>> {
        let provider = self.provider.as_deref().filter(|_| self.by_hand_minor > 0 && !self.moving)?;
        let refunded = self.refunds.iter().map(|refund| &refund.charge);
        let charges = self.charge.iter().chain(refunded).collect::<BTreeSet<_>>();
        Some(Question { provider, charges, object: self.object.as_deref() })
    }

    /// Whether the order has this charge of `provider` in its ledger, under this very key: another one with the same order
    /// number was made by a shop that this database does not remember, such as the one a backup replaced.
    fn knows(&self, provider: &str, charge: &StepKey) -> bool {
        let latest = self.charge.as_ref();
        self.is_at(provider)
            && (latest.is_some_and(|latest| charge.is_up_to(latest))
                || self.refunds.iter().any(|refund| refund.charge == *charge))
    }

    fn is_at(&self, provider: &str) -> bool {
        self.provider.as_deref() == Some(provider)
    }
}

/// The charges of an order whose refunds are wanted by name.
#[derive(Debug)]
pub struct Question<'a> {
    /// Who took the money.
    pub provider: &'a str,
    /// The charges.
    pub charges: BTreeSet<&'a StepKey>,
    /// What the provider opened for them.
    pub object: Option<&'a PaymentObject>,
}

/// Holds the statement of `provider` against our `ledger`, and returns how many charges of `shop` are on it.
pub(super) fn compare(
    provider: &str,
    statement: &[Movement],
    ledger: &BTreeMap<OrderId, LedgerRow>,
    shop: ShopId,
    violations: &mut Vec<Violation>,
) -> u64 {
    let mut charges = 0;
    let mut at_provider: BTreeMap<OrderId, i64> = BTreeMap::new();
    for line in statement {
        // Another shop on the same account is audited by itself.
        if line.charge.owner().is_some_and(|(owner, _)| owner != shop) {
            continue;
        }
        charges += 1;
        let findings = &mut Findings::about(format!("charge {}", line.charge), violations);
        if let Some((order, held_minor)) = charge(provider, line, ledger, findings) {
            *at_provider.entry(order).or_default() += held_minor;
        }
    }
    for (order, row) in ledger.iter().filter(|(_, row)| row.is_at(provider) && !row.moving) {
        let held = at_provider.get(order).copied().unwrap_or_default();
        // Money settled manually may have gone back at the provider's desk, or by another way.
        let fits = row.held_minor..=row.held_minor + row.by_hand_minor;
        let findings = &mut Findings::about(format!("order {order}"), violations);
        findings.check(Invariant::Provider, fits.contains(&held), || {
            let [held, ours] = [held, row.held_minor].map(|minor| Money::new(minor, row.currency));
            format!("the provider holds {held}, our ledger says {ours}")
        });
    }
    charges
}

/// The order that a charge is of. The first keys of all named no shop, as in `1042.0:take_payment:1`.
fn order_of(charge: &StepKey) -> Option<OrderId> {
    let first = || charge.as_str().split_once('.')?.0.parse().ok();
    charge.owner().map(|(_, order)| order).or_else(first)
}

/// What is on one line of a statement, if it is of an order that asked for it: the order, and what is held for it.
fn charge(
    provider: &str,
    line: &Movement,
    ledger: &BTreeMap<OrderId, LedgerRow>,
    findings: &mut Findings<'_>,
) -> Option<(OrderId, i64)> {
    let Movement { captured_minor, refunded_minor, currency, .. } = *line;
    let money = |minor| Money::new(minor, currency);
    findings.check(Invariant::Provider, refunded_minor <= captured_minor, || {
        format!("{} captured, {} refunded", money(captured_minor), money(refunded_minor))
    });
    let held_minor = captured_minor - refunded_minor;
    let Some(order) = order_of(&line.charge) else {
        findings.broken(Invariant::Provider, "no order of ours asked for it");
        return None;
    };
    let Some(row) = ledger.get(&order) else {
        let detail = format!("the provider holds {}, order {order} does not exist", money(held_minor));
        findings.broken(Invariant::Provider, detail);
        return None;
    };
    if row.knows(provider, &line.charge) {
        findings.check(Invariant::Provider, captured_minor == 0 || currency == row.currency, || {
            format!("is in {}, order {order} in {}", currency, row.currency)
        });
        return Some((order, held_minor));
    }
    findings.check(Invariant::Provider, captured_minor <= 0 || row.moving, || {
        format!(
            "the provider holds {} of it, and order {order} of this database never asked for it; was a backup restored? \
             Give it back at the provider",
            money(held_minor)
        )
    });
    None
}

/// What went back under a key of ours is a refund of ours, and no more than it. That a person settled a part of the money
/// manually, maybe at the provider's desk, is no room for us to give that part back as well.
pub(super) fn refunds(row: &LedgerRow, refunds: &[NamedRefund], findings: &mut Findings<'_>) {
    let money = |minor| Money::new(minor, row.currency);
    let went_back = refunds.iter().filter(|refund| !matches!(refund.state, RefundState::Failed(_)));
    let theirs: Vec<(&StepKey, i64)> = went_back
        .filter_map(|refund| Some((refund.key.as_ref()?, refund.amount_minor)))
        .filter(|(key, _)| key.owner().is_some())
        .collect();
    let is_of =
        |key: &StepKey, ours: &Ours| ours.prefix.as_ref().is_some_and(|prefix| key.begins_with(prefix));
    for ours in row.refunds.iter().filter(|ours| ours.prefix.is_some()) {
        let under_it =
            theirs.iter().filter(|(key, _)| is_of(key, ours)).map(|(_, amount_minor)| amount_minor);
        let back: i64 = under_it.sum();
        findings.check(Invariant::Provider, back <= ours.amount_minor, || {
            format!(
                "the provider refunded {} for us, {} were to go back",
                money(back),
                money(ours.amount_minor)
            )
        });
    }
    for ours in row.refunds.iter().filter(|ours| ours.is_done) {
        let named = refunds.iter().filter(|refund| refund.key.as_ref().is_some_and(|key| is_of(key, ours)));
        let (named, done) =
            (named.clone().count(), named.filter(|refund| refund.state == RefundState::Done).count());
        findings.check(Invariant::Provider, named == 0 || done > 0, || {
            format!("a refund of {} went back, the provider says that it did not", money(ours.amount_minor))
        });
    }
    // Of those whose sagas were pruned, any may be any.
    let largest_first = |mut amounts: Vec<i64>| {
        amounts.sort_unstable_by(|one, other| other.cmp(one));
        amounts
    };
    let is_known = |key: &StepKey| row.refunds.iter().any(|ours| is_of(key, ours));
    let others = theirs.iter().filter(|(key, _)| !is_known(key)).map(|(_, amount_minor)| *amount_minor);
    let others = largest_first(others.collect());
    let pruned = row.refunds.iter().filter(|ours| ours.prefix.is_none()).map(|ours| ours.amount_minor);
    let pruned = largest_first(pruned.collect());
    let covered =
        others.len() <= pruned.len() && others.iter().zip(&pruned).all(|(theirs, ours)| theirs <= ours);
    findings.check(Invariant::Provider, covered, || {
        let sum = others.iter().sum();
        format!("the provider refunded {} under keys of ours that no refund of ours has", money(sum))
    });
}
