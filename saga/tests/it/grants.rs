//! Refunds granted while an order stands: what is promised, what is refused, and that no money goes back twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use holdfast_saga::operations::audit::Invariant;
use holdfast_saga::operations::dead_letter::resolve;
use holdfast_saga::ports::{ProviderAmounts, StoreError};
use holdfast_saga::records::audit_fact::{OrderFact, SagaFact};
use holdfast_saga::records::batch_rows::Writes;
use holdfast_saga::records::call::{Answer, Mode};
use holdfast_saga::records::context::Dedupe;
use holdfast_saga::records::{Refund, slot};
use holdfast_saga::shop::answer::{Answered, Conflict};
use holdfast_saga::shop::checkout::digest;
use holdfast_saga::shop::order::{self, GRANTS_MAX, Grant, REASON_MAX, Verb};
use holdfast_saga::timeline::next_move;
use holdfast_sandbox::SandboxControl as _;
use holdfast_shared::{
    Actor, Clock, Currency, Money, OrderId, OrderStatus, PaymentStatus, RefundStatus, SagaState, StepKey,
};

use crate::chaos::{Meddled, Verdict};
use crate::flows::one_call;
use crate::shop::{Parts, Shop, admin, operator};

/// An order that stands, paid with `token`: 30.00 EUR.
async fn standing(shop: &mut Shop, token: &str) -> OrderId {
    let order = shop.card(token).await;
    shop.rest().await;
    order
}

/// Payment status, taken, given back: by our ledger, and taken and given back by the provider's.
async fn ledgers(shop: &Shop, order: OrderId) -> (PaymentStatus, i64, i64, i64, i64) {
    let payment = shop.view(order).await.payment.expect("the payment row exists");
    let lines = shop.statement().await;
    let line = lines.iter().find(|line| Some(&line.charge) == payment.charge.as_ref());
    let line = line.expect("the provider knows the charge");
    (payment.status, payment.captured_minor, payment.refunded_minor, line.captured_minor, line.refunded_minor)
}

/// The provider's own name for the order's payment, as our ledger has it.
async fn reference(shop: &Shop, order: OrderId) -> Option<String> {
    shop.view(order).await.payment.expect("the payment row exists").details.provider_ref
}

/// What the rows say of the order's refunds, by slot.
async fn refunds(shop: &Shop, order: OrderId) -> Vec<(u32, RefundStatus, i64)> {
    let slot = |row: &Refund| row.saga.slot().expect("serves an order");
    let rows = shop.refunds(order).await;
    rows.iter().map(|row| (slot(row), row.status, row.amount.amount_minor)).collect()
}

#[track_caller]
fn assert_no(answer: &Result<Answered, Conflict>, part: &str) {
    let fits = matches!(answer, Err(Conflict::Order(_, message)) if message.contains(part));
    assert!(fits, "{answer:?}, expected a conflict that says {part:?}");
}

#[tokio::test]
async fn an_order_that_stands_is_given_back_bit_by_bit_and_keeps_its_status() {
    use PaymentStatus::{PartiallyRefunded, Refunded};
    use RefundStatus::Succeeded;
    let mut shop = Shop::open().await;
    let order = standing(&mut shop, "tok_ok").await;
    let named = reference(&shop, order).await;
    assert!(named.is_some());
    let mut back = 0;
    for (verb, ask, given, status) in [
        (None, Some(500), 500, PartiallyRefunded),
        (Some(Verb::Process), Some(700), 700, PartiallyRefunded),
        (Some(Verb::Ship), None, 1_800, Refunded),
    ] {
        if let Some(verb) = verb {
            shop.done(order, verb).await;
        }
        let before = shop.view(order).await.order.status;
        shop.granted(order, ask).await;
        shop.rest().await;
        back += given;
        assert_eq!(reference(&shop, order).await, named);
        assert_eq!(ledgers(&shop, order).await, (status, 3_000, back, 3_000, back));
        assert_eq!(shop.view(order).await.order.status, before);
        shop.assert_clean("given back").await;
    }
    assert_eq!(
        refunds(&shop, order).await,
        [(32, Succeeded, 500), (96, Succeeded, 700), (160, Succeeded, 1_800)]
    );
    assert_no(&shop.grant(order, Some(1)).await, "there is nothing to give back");
    shop.done(order, Verb::Deliver).await;
    shop.assert_clean("delivered").await;
}

#[tokio::test]
async fn only_money_that_is_there_can_be_granted() {
    let mut shop = Shop::open().await;
    let order = standing(&mut shop, "tok_ok").await;
    shop.granted(order, Some(1_000)).await;
    shop.rest().await;
    for (minor, part) in
        [(2_001, "20.00 EUR of order 1 is left"), (0, "cannot be given back"), (-1, "cannot be given back")]
    {
        assert_no(&shop.grant(order, Some(minor)).await, part);
    }
    let ask = async |amount, reason: &str, by: &Actor| {
        let grant = Grant { amount, reason: reason.to_owned(), dedupe: None };
        order::refund(&*shop.store, order, grant, by, &ProviderAmounts::new())
            .await
            .expect("the store answers")
    };
    let dollars = Some(Money::new(100, Currency::USD));
    assert_no(&ask(dollars, "damaged box", &admin()).await, "was paid in EUR, not in USD");
    assert_no(&ask(None, " ", &admin()).await, "needs a reason");
    assert_no(&ask(None, &"x".repeat(REASON_MAX + 1), &admin()).await, "needs a reason");
    assert_no(&ask(None, "I want it", &Actor::Customer).await, "only be granted by the shop");
    let nobody = shop.grant(OrderId::new(99), None).await;
    assert!(matches!(nobody, Err(Conflict::UnknownOrder(_))), "{nobody:?}");
    assert_eq!(refunds(&shop, order).await.len(), 1, "what is refused leaves nothing behind");
}

#[tokio::test]
async fn an_order_that_does_not_stand_is_granted_nothing() {
    let mut shop = Shop::open().await;
    let pending = shop.card("tok_requires_action").await;
    assert_no(&shop.grant(pending, None).await, "cancel it, then whatever was taken goes back");
    let cod = shop.cod().await;
    shop.accepted(cod, Verb::Confirm, &admin()).await;
    shop.rest().await;
    assert_no(&shop.grant(cod, None).await, "paid on delivery");
    let cancelled = standing(&mut shop, "tok_ok").await;
    shop.accepted(cancelled, Verb::Cancel, &admin()).await;
    assert_no(&shop.grant(cancelled, None).await, "is being cancelled");
    shop.rest().await;
    assert_no(&shop.grant(cancelled, None).await, "was cancelled");
    shop.assert_clean("nothing granted").await;
}

// E13: one saga moves an order's money at a time.
#[tokio::test]
async fn e13_while_a_refund_is_under_way_there_is_no_other_and_no_cancellation() {
    let mut shop = Shop::open().await;
    let order = standing(&mut shop, "tok_refund_fails").await;
    shop.granted(order, Some(500)).await;
    let refused = async |shop: &Shop, part: &str| {
        assert_no(&shop.grant(order, Some(500)).await, part);
        assert_no(&shop.ask(order, Verb::Cancel, &admin()).await, part);
        // A buyer is shown no command.
        let to_buyer = if part.starts_with("holdfast") { "the shop has to look at it first" } else { part };
        assert_no(&shop.ask(order, Verb::Cancel, &Actor::Customer).await, to_buyer);
    };
    refused(&shop, "a refund of 5.00 EUR is under way (saga 1.32)").await;
    let call = one_call(&shop).await;
    refused(&shop, "is under way").await;
    // The provider's answer is lost: nobody knows, so nothing else may start.
    shop.execute(&call).await;
    shop.batch(vec![call.outcome(Answer::Unknown { error: "no answer".to_owned() })]).await;
    assert_eq!(refunds(&shop, order).await, [(32, RefundStatus::Unknown, 500)]);
    refused(&shop, "is under way").await;
    shop.rest().await;
    // It gave up, visibly; the money is still promised.
    let dead = shop.saga(order.saga(slot::PARTIAL_REFUND)).await;
    assert_eq!(dead.state, SagaState::Dead);
    assert!(next_move(&dead).contains("holdfast saga retry 1.32"), "{}", next_move(&dead));
    assert!(shop.view(order).await.needs_attention);
    assert_eq!(refunds(&shop, order).await, [(32, RefundStatus::Failed, 500)]);
    refused(&shop, "holdfast order explain 1").await;
    let report = shop.audit().await;
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(
        report
            .in_flight
            .iter()
            .map(|found| (found.order, found.dead, found.held.amount_minor))
            .collect::<Vec<_>>(),
        [(order, true, 3_000)]
    );
    assert_eq!(shop.revive_all().await, 1);
    refused(&shop, "holdfast order explain 1").await;
    // The goods go their way meanwhile: a refund moves only money.
    shop.done(order, Verb::Process).await;
    shop.rest().await;
    assert_eq!(ledgers(&shop, order).await, (PaymentStatus::PartiallyRefunded, 3_000, 500, 3_000, 500));
    shop.assert_clean("retried").await;
    shop.accepted(order, Verb::Cancel, &admin()).await;
    shop.rest().await;
    shop.assert_clean("cancelled").await;
}

#[tokio::test]
async fn a_cancellation_gives_back_what_is_left() {
    use RefundStatus::Succeeded;
    for (granted, left) in [(Some(500), Some(2_500)), (None, None)] {
        let mut shop = Shop::open().await;
        let order = standing(&mut shop, "tok_ok").await;
        shop.granted(order, granted).await;
        shop.rest().await;
        shop.accepted(order, Verb::Cancel, &admin()).await;
        shop.rest().await;
        assert_eq!(shop.view(order).await.order.status, OrderStatus::Cancelled);
        assert_eq!(ledgers(&shop, order).await, (PaymentStatus::Refunded, 3_000, 3_000, 3_000, 3_000));
        let mut expected = vec![(slot::PARTIAL_REFUND, Succeeded, granted.unwrap_or(3_000))];
        expected.splice(0..0, left.map(|left| (slot::CANCELLATION, Succeeded, left)));
        assert_eq!(refunds(&shop, order).await, expected, "granted {granted:?}");
        assert_eq!(shop.level("cd-1").await, (10, 0));
        shop.assert_clean("cancelled").await;
    }
}

#[tokio::test]
async fn a_grant_asked_for_twice_under_one_key_is_one_refund() {
    let mut parts = Parts::honest();
    // Its first commit is written, and its answer is lost.
    let memory = parts.memory.clone();
    let is_grant = |writes: &Writes| writes.refunds.values().any(|(from, _)| from.is_none());
    let happened = AtomicBool::new(false);
    let on_save = move |writes: &mut Writes| {
        let is_first = is_grant(writes) && !happened.swap(true, Ordering::SeqCst);
        if is_first { Verdict::SaveAndLose } else { Verdict::Save }
    };
    parts.store = Arc::new(Meddled::with_door(memory, on_save));
    let mut shop = Shop::of(parts).await;
    let order = standing(&mut shop, "tok_ok").await;
    let ask_for = async |shop: &Shop, key: &str, minor: i64| {
        let dedupe = Some(Dedupe { key: digest(&["ada", key]), body: digest(&[&minor.to_string()]) });
        let amount = Some(Money::new(minor, Currency::EUR));
        let grant = Grant { amount, reason: "damaged box".to_owned(), dedupe };
        order::refund(&*shop.store, order, grant, &admin(), &ProviderAmounts::new()).await
    };
    let ask = async |shop: &Shop, key: &str| ask_for(shop, key, 500).await;
    let first = ask(&shop, "a").await;
    assert!(matches!(first, Err(StoreError::CommitUnknown(_))), "{first:?}");
    for _ in 0..2 {
        // While it is under way, and once it is back.
        let again = ask(&shop, "a").await.expect("the store answers");
        assert!(
            matches!(&again, Ok(Answered::Already(message)) if message.contains("5.00 EUR")),
            "{again:?}"
        );
        shop.rest().await;
    }
    assert_eq!(ledgers(&shop, order).await.2, 500);
    // Another refund under the same key is neither granted nor taken for the first.
    let mistaken = ask_for(&shop, "a", 600).await.expect("the store answers");
    assert!(matches!(mistaken, Err(Conflict::KeyReused(_))), "{mistaken:?}");
    let other = ask(&shop, "b").await.expect("the store answers");
    assert!(matches!(other, Ok(Answered::Accepted(_))), "{other:?}");
    shop.rest().await;
    assert_eq!(ledgers(&shop, order).await, (PaymentStatus::PartiallyRefunded, 3_000, 1_000, 3_000, 1_000));
    shop.assert_clean("twice").await;
}

// E10: providers forget keys after a day.
#[tokio::test]
async fn e10_a_refund_whose_key_is_forgotten_is_looked_up_and_not_sent_again() {
    let mut shop = Shop::open().await;
    let order = standing(&mut shop, "tok_ok").await;
    shop.granted(order, Some(500)).await;
    let sent = one_call(&shop).await;
    shop.execute(&sent).await;
    shop.clock.advance(Duration::from_hours(25));
    let asked = one_call(&shop).await;
    assert_eq!((asked.mode, &asked.key), (Mode::Query, &sent.key));
    let outcome = shop.execute(&asked).await;
    shop.batch(vec![outcome]).await;
    assert_eq!(ledgers(&shop, order).await, (PaymentStatus::PartiallyRefunded, 3_000, 500, 3_000, 500));
    shop.assert_clean("looked up").await;
}

// M26: whatever somebody gives back at the provider's desk stops a refund, even the very amount: a person must look.
#[tokio::test]
async fn money_that_went_back_by_hand_is_not_sent_again() {
    for by_hand in [500, 400] {
        let mut shop = Shop::open().await;
        let order = standing(&mut shop, "tok_refund_fails").await;
        shop.granted(order, Some(500)).await;
        shop.rest().await;
        let saga = order.saga(slot::PARTIAL_REFUND);
        assert_eq!(shop.saga(saga).await.state, SagaState::Dead);
        let charge = shop.view(order).await.payment.and_then(|payment| payment.charge).expect("it was paid");
        assert_eq!(shop.revive_all().await, 1);
        let desk = StepKey::from_stored("desk");
        shop.sandbox.give_back(&desk, &charge, by_hand).await.expect("the desk gives it back");
        shop.rest().await;
        assert_eq!(shop.saga(saga).await.state, SagaState::Dead, "{by_hand} by hand");
        assert_eq!(ledgers(&shop, order).await.4, by_hand, "nothing was sent besides");
    }
}

#[tokio::test]
async fn no_slot_is_used_twice_although_its_saga_is_forgotten() {
    let mut shop = Shop::open().await;
    let order = standing(&mut shop, "tok_ok").await;
    for nth in 0..GRANTS_MAX {
        shop.granted(order, Some(5)).await;
        shop.rest().await;
        shop.clock.advance(Duration::from_secs(1));
        while shop.store.prune(shop.clock.now(), 100).await.expect("memory prunes") > 0 {}
        assert!(shop.sagas().await.is_empty(), "all of it is forgotten");
        assert_eq!(refunds(&shop, order).await.last().map(|row| row.0), slot::nth(slot::PARTIAL_REFUND, nth));
    }
    assert_eq!(ledgers(&shop, order).await.2, i64::from(GRANTS_MAX) * 5);
    assert_no(&shop.grant(order, Some(5)).await, "was given its last refund");
    shop.assert_clean("many gifts").await;
    shop.accepted(order, Verb::Cancel, &admin()).await;
    shop.rest().await;
    assert_eq!(ledgers(&shop, order).await, (PaymentStatus::Refunded, 3_000, 3_000, 3_000, 3_000));
    shop.assert_clean("and cancelled").await;
}

#[tokio::test]
async fn a_refund_granted_and_a_retry_leave_their_trace() {
    let mut shop = Shop::open().await;
    let order = standing(&mut shop, "tok_ok").await;
    shop.granted(order, Some(500)).await;
    let retried = resolve::retry(&*shop.store, order.saga(slot::PARTIAL_REFUND), None, &operator()).await;
    assert!(matches!(retried, Ok(Err(Conflict::Instead(_)))), "only the dead are retried: {retried:?}");
    let trail = format!("{:?}", shop.memory.snapshot().await);
    assert!(trail.contains("order.refund") && trail.contains("5.00 EUR: damaged box"), "{trail}");
}

/// Our ledger row on the order's money says that so much is back.
fn paid(fact: &mut OrderFact, refunded_minor: i64) {
    let payment = fact.payment.as_mut().expect("it was paid");
    (payment.status, payment.refunded_minor) = (PaymentStatus::PartiallyRefunded, refunded_minor);
}

/// What the audit finds when one fact about an order with a granted refund is not as it should be.
async fn found(shop: &Shop, damage: impl Fn(&mut OrderFact)) -> Vec<Invariant> {
    let report = shop.audit_damaged(damage, |_| ()).await;
    report.violations.into_iter().map(|violation| violation.invariant).collect()
}

// Promise 3: `captured − refunded = total − refunds granted`, and the audit can tell when it is not.
#[tokio::test]
async fn the_audit_notices_a_refund_that_nobody_granted_and_a_grant_that_never_went_back() {
    let mut shop = Shop::open().await;
    let order = standing(&mut shop, "tok_ok").await;
    shop.granted(order, Some(500)).await;
    shop.rest().await;
    assert_eq!(found(&shop, |_| ()).await, []);
    // The ledger row says 7.00 EUR went back, 5.00 were granted.
    let more_back = found(&shop, |order| paid(order, 700));
    assert!(more_back.await.contains(&Invariant::Money));
    // Nobody granted what went back.
    assert!(found(&shop, |order| order.refunds.clear()).await.contains(&Invariant::Money));
    // More was granted than went back.
    assert!(
        found(&shop, |order| order.refunds[0].amount.amount_minor = 600).await.contains(&Invariant::Money)
    );
    // It was granted, did not go back, and nothing will do it.
    let forgotten = found(&shop, |order| order.refunds[0].status = RefundStatus::Pending);
    assert!(forgotten.await.contains(&Invariant::Money));
    // The ledger rows agree with each other, but not with the provider's.
    let both = found(&shop, |order| {
        order.refunds[0].amount.amount_minor = 600;
        paid(order, 600);
        order.sagas.retain(|saga| saga.saga.id.slot() != Some(slot::PARTIAL_REFUND));
    });
    assert_eq!(both.await, [Invariant::Provider]);
    // Two sagas move its money at once.
    let besides = found(&shop, |order| {
        let refunds = |saga: &&mut SagaFact| saga.saga.id.slot() == Some(slot::PARTIAL_REFUND);
        let refund = order.sagas.iter_mut().find(refunds).expect("is there");
        refund.saga.state = SagaState::Running;
        order.order.status = OrderStatus::Cancelling;
    });
    assert!(besides.await.contains(&Invariant::OrderState));
}
