//! Keys that never meet again (M7): whatever numbers a database repeats, it never takes another's money for its own.

use std::sync::Arc;

use holdfast_saga::memory::MemoryStore;
use holdfast_saga::operations::audit::Invariant;
use holdfast_saga::ports::Gateways;
use holdfast_saga::records::slot;
use holdfast_saga::shop::answer::{Answered, Conflict};
use holdfast_saga::shop::order;
use holdfast_saga::shop::payment_event::payment_event;
use holdfast_shared::{
    Actor, CancelReason, Clock, KeyPrefix, KeySource, OrderId, OrderStatus, PaymentStatus, SagaState, ShopId,
    StepKey,
};

use crate::flows::{Ending, check};
use crate::shop::{Parts, Shop};

/// A shop in a database that was created anew, on the provider account of `older`.
async fn created_anew(older: &Shop) -> Shop {
    let fresh = Parts::honest();
    let memory = MemoryStore::of_shop(ShopId::random(), Arc::clone(&older.clock) as Arc<dyn Clock>);
    let payments = older.outside.payments.clone();
    let parts = Parts {
        clock: Arc::clone(&older.clock),
        store: Arc::new(memory.clone()),
        memory,
        sandbox: Arc::clone(&older.sandbox),
        outside: Gateways { payments, ..fresh.outside },
        ..fresh
    };
    Shop::of(parts).await
}

/// What the audit says of charges that hold money and belong to no order of this database.
async fn strays(shop: &Shop) -> Vec<String> {
    let violations = shop.audit().await.violations.into_iter();
    let strays = violations.filter(|violation| violation.invariant == Invariant::Provider);
    strays.map(|violation| violation.subject).collect()
}

#[tokio::test]
async fn m7_a_new_database_does_not_meet_the_charges_of_an_older_one() {
    let declined = || Ending::Undone(CancelReason::PaymentDeclined, Some(PaymentStatus::Declined));
    for (token, ending) in [
        ("tok_declined", declined()),
        ("tok_ok", Ending::Stands(PaymentStatus::Captured)),
        ("tok_timeout", Ending::Stands(PaymentStatus::Captured)),
        ("tok_flaky", Ending::Stands(PaymentStatus::Captured)),
    ] {
        let mut first = Shop::open().await;
        let paid = first.card("tok_ok").await;
        first.rest().await;
        let mut second = created_anew(&first).await;
        let order = second.card(token).await;
        assert_eq!(order, paid, "the numbers begin anew");
        second.rest().await;
        check(&second, order, ending, token).await;
        second.assert_clean(token).await;
        first.assert_clean(token).await;
        let charged = second.statement().await.iter().filter(|line| line.captured_minor > 0).count();
        assert_eq!(charged, if token == "tok_declined" { 1 } else { 2 }, "{token}: each shop its own charge");
    }
}

#[tokio::test]
async fn m7_a_restored_backup_does_not_take_the_money_of_orders_it_has_forgotten() {
    let mut shop = Shop::open().await;
    let kept = shop.card("tok_ok").await;
    shop.rest().await;
    let backup = shop.memory.snapshot().await;
    let mut forgotten = Vec::new();
    for _ in 0..3 {
        forgotten.push(shop.card("tok_ok").await);
    }
    shop.rest().await;
    shop.memory.restore(backup).await;
    let mut again = Vec::new();
    for token in ["tok_declined", "tok_ok", "tok_declined"] {
        again.push((shop.card(token).await, token));
    }
    shop.rest().await;
    assert_eq!(again.iter().map(|(order, _)| *order).collect::<Vec<_>>(), forgotten, "used numbers");
    for (order, token) in again {
        let expected = if token == "tok_ok" { OrderStatus::Confirmed } else { OrderStatus::Cancelled };
        assert_eq!(shop.view(order).await.order.status, expected, "order {order} {token}");
    }
    assert_eq!(shop.view(kept).await.order.status, OrderStatus::Confirmed);
    let strays = strays(&shop).await;
    assert_eq!(strays.len(), 3, "the audit names each charge that no order asked for: {strays:?}");
    assert!(strays.iter().all(|subject| subject.starts_with("charge ")), "{strays:?}");
}

// M7, M26: the refund that a forgotten saga sent has another key, and its amount proves nothing.
#[tokio::test]
async fn m7_a_used_refund_slot_never_takes_the_refund_of_the_saga_that_had_it_before() {
    for again in [500, 300] {
        let mut shop = Shop::open().await;
        let order = shop.card("tok_ok").await;
        shop.rest().await;
        let backup = shop.memory.snapshot().await;
        shop.granted(order, Some(500)).await;
        shop.rest().await;
        shop.memory.restore(backup).await;
        shop.granted(order, Some(again)).await;
        shop.rest().await;
        let refund = order.saga(slot::PARTIAL_REFUND);
        let saga = shop.saga(refund).await;
        assert_eq!(saga.state, SagaState::Dead, "{again}: a person must look");
        let error = saga.progress.error.unwrap_or_default();
        assert!(error.contains("the provider says that 500 of"), "{again}: {error}");
        assert_eq!(shop.view(order).await.payment.expect("was paid").refunded_minor, 0, "{again}");
        let back: i64 = shop.statement().await.iter().map(|line| line.refunded_minor).sum();
        assert_eq!(back, 500, "{again}: nothing more was sent");
        let flying = shop.audit().await.in_flight;
        assert!(flying.iter().any(|found| found.order == order && found.dead), "{again}: the audit lists it");
    }
}

#[tokio::test]
async fn m7_a_charge_of_another_shop_is_no_event_of_ours() {
    let mut shop = Shop::open().await;
    let order = shop.card("tok_requires_action").await;
    shop.rest().await;
    let foreign = KeySource::random(ShopId::random()).draw(order);
    for charge in [StepKey::new(&foreign, "take_payment", 1), StepKey::from_stored("1.0:take_payment:1")] {
        let answer = payment_event(&*shop.store, &charge, "evt").await.expect("the store answers");
        let named = matches!(&answer, Err(Conflict::Instead(message)) if message.contains(charge.as_str()));
        assert!(named, "{answer:?}");
    }
    let ours = shop.checkout(order).await.progress.data.charge.expect("was begun").key;
    let answer = payment_event(&*shop.store, &ours, "evt").await.expect("the store answers");
    assert!(matches!(answer, Ok(Answered::Accepted(_))), "{answer:?}");
}

#[tokio::test]
async fn m7_every_saga_of_an_order_has_a_prefix_of_its_own_in_the_name_of_its_shop() {
    let mut shop = Shop::open().await;
    let order = shop.card("tok_ok").await;
    shop.rest().await;
    shop.granted(order, Some(500)).await;
    shop.rest().await;
    shop.accepted(order, order::Verb::Cancel, &Actor::Customer).await;
    shop.rest().await;
    let owner = Some((shop.store.keys().await.expect("memory reads").shop(), OrderId::new(1)));
    let prefixes: Vec<KeyPrefix> = shop.sagas().await.into_iter().map(|saga| saga.key_prefix).collect();
    assert_eq!(prefixes.len(), 5, "checkout, refund, cancellation, two messages");
    for (at, prefix) in prefixes.iter().enumerate() {
        assert_eq!(StepKey::new(prefix, "step", 1).owner(), owner);
        assert!(!prefixes[at + 1..].contains(prefix), "{prefix:?} twice");
    }
}
