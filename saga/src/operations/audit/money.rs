//! Money, by our own ledger: the payment, its refunds and the order say the same.

use holdfast_shared::{OrderId, OrderStatus, PaymentMethod, PaymentStatus, RefundStatus, SagaState, StepKey};

use super::finding::Findings;
use super::place::Place;
use super::report::{Invariant, Scope};
use crate::records::audit_fact::{OrderFact, SagaFact};
use crate::records::context::Context;
use crate::records::saga::{CallState, Charge, Saga};
use crate::records::{Payment, Refund, slot};

pub(super) fn judge(fact: &OrderFact, scope: &Scope, findings: &mut Findings<'_>) {
    let owner = fact.saga_in(slot::CANCELLATION).or_else(|| fact.saga_in(slot::CHECKOUT));
    let moving = owner.filter(|saga| !saga.saga.state.is_settled());
    if let Some(payment) = &fact.payment {
        terms(fact, payment, scope, findings);
        amounts(fact, payment, findings);
        totals(fact, payment, findings);
    } else {
        let owes = fact.order.status.stands() && fact.order.method != PaymentMethod::None;
        findings.check(Invariant::Money, !owes || moving.is_some(), || {
            format!("is {}, and has no payment", fact.order.status)
        });
        findings
            .check(Invariant::Money, fact.refunds.is_empty(), || "has a refund, and no payment".to_owned());
    }
    if let Some(saga) = owner.filter(|saga| !is_of_the_first(saga)) {
        copy(fact, saga, findings);
    }
    if moving.is_none() {
        settled(fact, findings);
    }
    for refund in &fact.refunds {
        if let Some(why) = misfit(fact, refund, scope) {
            findings.broken(Invariant::Money, format!("refund {}: {why}", refund.saga));
        }
    }
    for saga in &fact.sagas {
        if !is_of_the_first(saga)
            && let Some(why) = knows_otherwise(fact, saga, scope)
        {
            findings.broken(Invariant::Money, format!("saga {} {why}", saga.saga.id));
        }
        let is_due = saga.saga.progress.data.refund.is_some();
        let has_row = fact.refunds.iter().any(|refund| refund.saga == saga.saga.id);
        findings.check(Invariant::Money, is_due == has_row, || {
            let what = if is_due { "has lost its refund" } else { "never opened its refund" };
            format!("saga {} {what}", saga.saga.id)
        });
    }
}

/// Whether it is one of the first sagas of all, whose keys named no shop. Some of what they remember was kept elsewhere.
fn is_of_the_first(fact: &SagaFact) -> bool {
    fact.saga.key_prefix.as_str().is_empty()
}

/// A payment is of its order, and its keys are its own.
fn terms(fact: &OrderFact, payment: &Payment, scope: &Scope, findings: &mut Findings<'_>) {
    let order = &fact.order;
    findings.check(Invariant::Money, payment.amount == order.total, || {
        format!("costs {}, its payment is of {}", order.total, payment.amount)
    });
    findings.check(Invariant::Money, order.method != PaymentMethod::None, || {
        "costs nothing, and has a payment".to_owned()
    });
    let checkout = fact.saga_in(slot::CHECKOUT);
    if let Some(Context::Checkout(context)) = checkout.map(|saga| &*saga.saga.context) {
        findings.check(Invariant::Money, context.provider == payment.provider, || {
            format!("is paid at {}, its checkout asked {}", payment.provider, context.provider)
        });
    }
    let online = order.method.is_online();
    if online && order.status == OrderStatus::Cancelling {
        let captured = fact.money(payment.captured_minor);
        findings.check(Invariant::Money, captured == order.total, || {
            format!("is {}, {captured} captured of {}", order.status, order.total)
        });
    }
    findings.check(Invariant::Money, online == payment.charge.is_some(), || {
        let charge = if online { "no charge" } else { "a charge" };
        format!("is paid by {}, and its payment has {charge}", order.method)
    });
    let Some(charge) = &payment.charge else { return };
    findings.check(Invariant::Reference, is_key_of(charge, order.id, scope), || {
        format!("its payment has charge {charge}, which is another's")
    });
    let Some(checkout) = checkout else { return };
    findings.check(Invariant::Reference, charge.begins_with(&checkout.saga.key_prefix), || {
        format!("its payment has charge {charge}, which its checkout did not make")
    });
}

/// Whether Holdfast made this key for `order`. The first keys of all named no shop.
fn is_key_of(key: &StepKey, order: OrderId, scope: &Scope) -> bool {
    match key.owner() {
        Some((shop, owner)) => owner == order && scope.is_own(shop, Some(order)),
        None => key.as_str().starts_with(&format!("{order}.")),
    }
}

/// The status of a payment says how much of it there is.
fn amounts(fact: &OrderFact, payment: &Payment, findings: &mut Findings<'_>) {
    use PaymentStatus::{
        Cancelled, Captured, Collected, Declined, DueOnDelivery, PartiallyRefunded, Pending, Processing,
        Refunded, RequiresAction, Unknown,
    };
    let Payment { captured_minor: captured, refunded_minor: back, .. } = *payment;
    let by_hand = payment.settled_manually_minor;
    let fits = match payment.status {
        Pending | RequiresAction | Processing | Unknown | Declined | Cancelled | DueOnDelivery
        | Collected => (captured, back, by_hand) == (0, 0, 0),
        // The first orders that cost nothing were paid, with nothing.
        Captured if payment.amount.amount_minor == 0 => (captured, back, by_hand) == (0, 0, 0),
        Captured => captured > 0 && back == 0 && (0..=captured).contains(&by_hand),
        PartiallyRefunded => back > 0 && by_hand >= 0 && back < captured && back + by_hand <= captured,
        Refunded => captured > 0 && back > 0 && by_hand >= 0 && back + by_hand == captured,
    };
    findings.check(Invariant::Money, fits, || {
        let [captured, back, by_hand] = [captured, back, by_hand].map(|minor| fact.money(minor));
        format!(
            "its payment is {} with {captured} captured, {back} refunded, {by_hand} settled manually",
            payment.status
        )
    });
    let waits = payment.details.next_action.is_some();
    findings.check(Invariant::Money, !waits || payment.status == RequiresAction, || {
        format!("its payment is {}, and its buyer is sent to pay", payment.status)
    });
}

/// Whatever is under way, a commit moves a payment and its refund together, so they always agree.
fn totals(fact: &OrderFact, payment: &Payment, findings: &mut Findings<'_>) {
    let sum = |of: &dyn Fn(&&Refund) -> bool| -> i64 {
        let refunds = fact.refunds.iter().filter(|refund| !refund.late).filter(of);
        refunds.map(|refund| refund.amount.amount_minor).sum()
    };
    let refunded = sum(&|refund| refund.status == RefundStatus::Succeeded);
    findings.check(Invariant::Money, payment.refunded_minor == refunded, || {
        let [back, refunded] = [payment.refunded_minor, refunded].map(|minor| fact.money(minor));
        format!("{back} refunded, its refunds add up to {refunded}")
    });
    let by_hand = sum(&|refund| refund.settled_manually);
    findings.check(Invariant::Money, payment.settled_manually_minor == by_hand, || {
        let [settled, by_hand] = [payment.settled_manually_minor, by_hand].map(|minor| fact.money(minor));
        format!("{settled} settled manually, its refunds add up to {by_hand}")
    });
}

/// Why the money that a saga moves is not that of the order.
fn knows_otherwise(fact: &OrderFact, saga_fact: &SagaFact, scope: &Scope) -> Option<&'static str> {
    let saga = &saga_fact.saga;
    let payment = fact.payment.as_ref()?;
    let (provider, charge) = match &*saga.context {
        // Its provider is one of the payment's terms.
        Context::Checkout(_) => (None, None),
        Context::Cancellation(of) => (Some(&of.provider), Some(of.charge.as_ref())),
        Context::PartialRefund(of) => (Some(&of.provider), Some(Some(&of.charge))),
        Context::LateRefund(of) => (Some(&of.provider), None),
        Context::Notice(_) => return None,
    };
    if provider.is_some_and(|provider| *provider != payment.provider) {
        return Some("asks another provider");
    }
    if charge.is_some_and(|charge| charge != payment.charge.as_ref()) {
        return Some("gives another charge back");
    }
    let known = saga.progress.data.charge.as_ref();
    let is_late = matches!(&*saga.context, Context::LateRefund(_));
    if !is_late && known.map(|known| &known.key) != payment.charge.as_ref() {
        return Some("knows of another charge");
    }
    if known.is_some_and(|known| known.details != payment.details) {
        return Some("knows other details of the charge");
    }
    let place = Place::of(saga_fact, scope);
    match &*saga.context {
        Context::PartialRefund(of) if of.captured_minor != payment.captured_minor => {
            Some("was granted of another amount")
        }
        Context::PartialRefund(of)
            if !saga.state.is_settled() && of.refunded_minor != payment.refunded_minor =>
        {
            Some("was granted after another refund")
        }
        // Where a payment is opened first, its charge begins there.
        Context::Checkout(of) if of.opens => None,
        Context::Checkout(_) => charged_otherwise(saga, known, place?),
        Context::Cancellation(_) if place.is_some_and(|place| place.has_done("refund_payment")) => {
            (fact.held_minor() != 0).then_some("is done with money that is still held")
        }
        Context::Cancellation(_)
        | Context::LateRefund(_)
        | Context::PartialRefund(_)
        | Context::Notice(_) => None,
    }
}

/// Why a checkout stands somewhere else than its charge does.
fn charged_otherwise(saga: &Saga, known: Option<&Charge>, place: Place<'_>) -> Option<&'static str> {
    use PaymentStatus::{Captured, PartiallyRefunded, Refunded};
    const STEP: &str = "take_payment";
    let step = place.definition.position(place.progress).step;
    let known = known.filter(|_| place.is_forward())?;
    if place.has_done(STEP) {
        let is_taken = matches!(known.status, Captured | PartiallyRefunded | Refunded);
        return (!is_taken).then_some("goes on, and has taken no money");
    }
    if step != STEP {
        return Some("has begun a charge that it has not come to");
    }
    // What was sent and not answered was sent under this key.
    let was_sent = saga.progress.call != CallState::Fresh;
    (was_sent && known.key != saga.key_at(STEP)).then_some("was charged under another key")
}

/// What the saga that owns the order, or did last, remembers of its payment is where the payment stands.
fn copy(fact: &OrderFact, owner: &SagaFact, findings: &mut Findings<'_>) {
    let (saga, charge) = (&owner.saga, owner.saga.progress.data.charge.as_ref());
    let agrees = match (&fact.payment, charge) {
        // What came of an order that a checkout confirmed, refunds may have moved on.
        (Some(payment), Some(charge)) => {
            let is_latest =
                saga.state != SagaState::Completed || slot::kind_of(saga.id) != Some(slot::CHECKOUT);
            payment.status == charge.status || !is_latest
        }
        // Cash is no charge, and due from the confirmation on.
        (payment, None) => {
            let is_due = fact.order.method == PaymentMethod::Cod && was_confirmed(fact);
            payment.is_some() == is_due
        }
        (None, Some(_)) => false,
    };
    findings.check(Invariant::Money, agrees, || {
        let row = fact.payment.as_ref().map_or("none", |payment| payment.status.into());
        let known = charge.map_or("none", |charge| charge.status.into());
        format!("its payment is {row}, saga {} knows it as {known}", owner.saga.id)
    });
}

/// Whether the order was confirmed, whatever became of it.
fn was_confirmed(fact: &OrderFact) -> bool {
    fact.order.status.stands() || fact.saga_in(slot::CANCELLATION).is_some()
}

/// Nothing moves the order: the shop holds what it is owed, and nothing else.
fn settled(fact: &OrderFact, findings: &mut Findings<'_>) {
    use PaymentStatus::{
        Cancelled, Captured, Collected, Declined, DueOnDelivery, PartiallyRefunded, Pending, Processing,
        Refunded, RequiresAction, Unknown,
    };
    let order = &fact.order;
    let granted = fact.refunds.iter().filter(|refund| is_granted(refund) && is_over(refund));
    let granted: i64 = granted.map(|refund| refund.amount.amount_minor).sum();
    let owed = order.status.stands() && order.method.is_online();
    let expected = if owed { order.total.amount_minor - granted } else { 0 };
    let held = fact.held_minor();
    findings.check(Invariant::Money, held == expected, || {
        format!("is {}, {} held, {} expected", order.status, fact.money(held), fact.money(expected))
    });
    let Some(payment) = &fact.payment else { return };
    let fits = match payment.status {
        Pending | RequiresAction | Processing | Unknown => false,
        // Held, unless a person saw to all of it.
        Captured | PartiallyRefunded | Refunded => order.method.is_online(),
        Declined => order.method.is_online() && !order.status.stands(),
        Cancelled => !order.status.stands(),
        DueOnDelivery => {
            let is_coming = order.status.stands() && order.status != OrderStatus::Delivered;
            order.method == PaymentMethod::Cod && is_coming
        }
        Collected => order.method == PaymentMethod::Cod && order.status == OrderStatus::Delivered,
    };
    findings.check(Invariant::Money, fits, || {
        format!("is {} and paid by {}, its payment is {}", order.status, order.method, payment.status)
    });
}

/// Why a refund does not fit its order or its saga.
fn misfit(fact: &OrderFact, refund: &Refund, scope: &Scope) -> Option<String> {
    let status = refund.status;
    let order = &fact.order;
    if refund.amount.currency != order.total.currency || refund.amount.amount_minor < 0 {
        return Some(format!("is of {}, the order costs {}", refund.amount, order.total));
    }
    let kind = slot::kind_of(refund.saga).unwrap_or_default();
    if !matches!(kind, slot::CHECKOUT | slot::CANCELLATION | slot::PARTIAL_REFUND | slot::LATE_REFUND) {
        return Some("no saga refunds there".to_owned());
    }
    if refund.late != (kind == slot::LATE_REFUND) {
        return Some(format!("is {}late", if refund.late { "" } else { "not " }));
    }
    let charge = fact.payment.as_ref().and_then(|payment| payment.charge.as_ref());
    if !is_key_of(&refund.charge, order.id, scope) || (!refund.late && Some(&refund.charge) != charge) {
        return Some(format!("is of charge {}, which is another's", refund.charge));
    }
    if refund.settled_manually && status != RefundStatus::Failed {
        return Some(format!("is {status}, and was settled manually"));
    }
    let Some(SagaFact { saga, .. }) = refund.saga.slot().and_then(|slot| fact.saga_in(slot)) else {
        return (!is_over(refund)).then(|| format!("is {status}, and no saga gives it back"));
    };
    if saga.state.is_settled() && !is_over(refund) {
        return Some(format!("is {status}, its saga is {}", saga.state));
    }
    if saga.progress.data.refund != Some(status) {
        let known = saga.progress.data.refund.map_or("none", Into::into);
        return Some(format!("is {status}, its saga knows it as {known}"));
    }
    let due = match &*saga.context {
        Context::PartialRefund(granted) => granted.amount.amount_minor,
        Context::Cancellation(of) => of.total.amount_minor - of.refunded_minor - of.settled_manually_minor,
        // What was captured, once the provider has said so.
        Context::Checkout(_) if status == RefundStatus::Succeeded => {
            fact.payment.as_ref().map_or(0, |payment| payment.captured_minor)
        }
        Context::Checkout(_) => order.total.amount_minor,
        // What was captured late only the provider knows.
        Context::LateRefund(_) | Context::Notice(_) => return None,
    };
    let due = fact.money(due);
    (refund.amount != due).then(|| format!("is of {}, {due} was due", refund.amount))
}

/// Whether nothing more is to be sent for it.
fn is_over(refund: &Refund) -> bool {
    refund.status == RefundStatus::Succeeded || refund.settled_manually
}

/// Whether it was granted while the order stood.
fn is_granted(refund: &Refund) -> bool {
    slot::kind_of(refund.saga) == Some(slot::PARTIAL_REFUND)
}
