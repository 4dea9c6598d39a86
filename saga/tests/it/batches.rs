//! The engine's rules about batches: refused commits, slots, unknown definitions, and who comes first.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use holdfast_saga::engine::batch::{BatchInput, CallPermits};
use holdfast_saga::engine::definition::{Definition, Kind, Refusal, local};
use holdfast_saga::engine::registry::Registry;
use holdfast_saga::flows::{self, checkout_online, notification};
use holdfast_saga::ports::{ErrorClass, StoreError};
use holdfast_saga::records::batch_rows::Writes;
use holdfast_saga::records::saga::DefinitionId;
use holdfast_saga::records::slot;
use holdfast_saga::shop::answer::Conflict;
use holdfast_saga::shop::order::Verb;
use holdfast_shared::{Actor, CancelReason, OrderId, OrderStatus, PaymentStatus, Queue, SagaState};

use crate::chaos::{Meddled, Verdict};
use crate::flows::{Ending, check};
use crate::sabotage::{copy, registry_of};
use crate::shop::{Parts, Shop, noon, work};

async fn orders(shop: &mut Shop, count: usize) -> Vec<OrderId> {
    let mut orders = Vec::new();
    for _ in 0..count {
        orders.push(shop.order_of(&[("cd-1", 1)], Some("tok_ok")).await);
    }
    orders
}

// Pitfall 28: a poisonous row stops itself, nobody else.
#[tokio::test]
async fn e6_one_bad_row_is_found_by_halving_and_dies_alone() {
    for count in [1, 2, 5, 8] {
        let mut parts = Parts::honest();
        let bad = OrderId::new(1).saga(slot::CHECKOUT);
        let on_save = move |writes: &mut Writes| {
            if writes.sagas.contains_key(&bad) {
                return Verdict::Fail(StoreError::Data("22003: value out of range".to_owned()));
            }
            Verdict::Save
        };
        parts.store = Arc::new(Meddled::with_door(parts.memory.clone(), on_save));
        let mut shop = Shop::of(parts).await;
        let all = orders(&mut shop, count).await;
        for failure in 1..=3 {
            let ran = shop.engine("w1").run(work(vec![]), &shop.commit_failures).await;
            assert!(ran.error.is_none(), "{ran:?}");
            let claimed: usize = ran.committed.iter().map(|done| done.calls.len()).sum();
            assert_eq!(claimed, if failure == 1 { count - 1 } else { 0 }, "everybody else goes on at once");
            assert_eq!(ran.not_committed.len(), 1, "the suspect backs off");
            let state = shop.checkout(all[0]).await.state;
            assert_eq!(state, if failure < 3 { SagaState::Running } else { SagaState::Dead });
        }
        let dead = shop.checkout(all[0]).await;
        assert!(dead.progress.error.as_ref().is_some_and(|error| error.contains("22003")), "{dead:?}");
        assert!(shop.view(all[0]).await.needs_attention);
        // Only its own row: the order, the stock and the money are as they were.
        assert_eq!(shop.view(all[0]).await.order.status, OrderStatus::PendingPayment);
        shop.rest().await;
        for order in &all[1..] {
            assert_eq!(shop.view(*order).await.order.status, OrderStatus::Confirmed);
        }
        shop.assert_clean("a suspect").await;
    }
}

#[tokio::test]
async fn e6_what_is_nobodys_fault_comes_back_whole_and_is_not_halved() {
    for error in [
        StoreError::Unavailable("57P01: terminating connection".to_owned()),
        StoreError::Contention("40P01: deadlock detected".to_owned()),
        StoreError::Refused("53100: disk full".to_owned()),
    ] {
        assert_eq!(error.class(), ErrorClass::Retry);
        let mut parts = Parts::honest();
        let saves = Arc::new(AtomicUsize::new(0));
        let (count, fault) = (Arc::clone(&saves), error.clone());
        let on_save = move |writes: &mut Writes| {
            if writes.sagas.is_empty() || count.fetch_add(1, Ordering::SeqCst) > 0 {
                return Verdict::Save;
            }
            Verdict::Fail(fault.clone())
        };
        parts.store = Arc::new(Meddled::with_door(parts.memory.clone(), on_save));
        let mut shop = Shop::of(parts).await;
        let all = orders(&mut shop, 4).await;
        let hints = all.iter().map(|order| order.saga(slot::CHECKOUT)).collect();
        let given = BatchInput { hints, ..work(vec![]) };
        let mut ran = shop.engine("w1").run(given, &shop.commit_failures).await;
        assert_eq!((saves.load(Ordering::SeqCst), ran.committed.len(), ran.not_committed.len()), (1, 0, 1));
        assert!(ran.error.is_some());
        assert_eq!(shop.batch_of(ran.not_committed.remove(0)).await.calls.len(), 4);
    }
}

/// A checkout whose planner panics for order 1.
fn panicking() -> Registry {
    let stage = local("validate_cart", |saga| {
        assert!(saga.id.order() != Some(OrderId::new(1)), "a fault of the definition");
        Ok(vec![])
    });
    let mut stages = vec![stage];
    stages.extend(checkout_online::V2.forward.iter().skip(1).map(copy));
    registry_of(Definition { forward: Vec::leak(stages), ..checkout_online::V2 })
}

#[tokio::test]
async fn e6_a_planner_that_panics_takes_only_its_own_saga_down() {
    for count in [1, 4] {
        let mut parts = Parts::honest();
        parts.registry = panicking();
        let mut shop = Shop::of(parts).await;
        let all = orders(&mut shop, count).await;
        let done = shop.batch(vec![]).await;
        assert_eq!(done.calls.len(), count - 1);
        let dead = shop.checkout(all[0]).await;
        assert_eq!(dead.state, SagaState::Dead);
        assert!(
            dead.progress.error.as_ref().is_some_and(|error| error.contains("a fault of the definition"))
        );
        let calls = done.calls;
        let mut outcomes = vec![];
        for call in &calls {
            outcomes.push(shop.execute(call).await);
        }
        shop.batch(outcomes).await;
        shop.rest().await;
        // Corrected by a deploy, it is retried and goes on.
        shop.registry = flows::REGISTRY;
        assert_eq!(shop.revive_all().await, 1);
        shop.rest().await;
        for order in all {
            assert_eq!(shop.view(order).await.order.status, OrderStatus::Confirmed);
        }
        shop.assert_clean("a panic").await;
    }
}

// Pitfall 23: nobody waits for a child, and no child takes its parent down.
#[tokio::test]
async fn e6_a_child_that_cannot_be_planned_is_born_and_fails_alone() {
    let mut parts = Parts::honest();
    let stage = local("save", |_| panic!("a fault of the child"));
    let mut stages: Vec<_> = notification::V1.forward.iter().map(copy).collect();
    stages[1] = stage;
    parts.registry = registry_of(Definition { forward: Vec::leak(stages), ..notification::V1 });
    let mut shop = Shop::of(parts).await;
    let order = shop.card("tok_ok").await;
    shop.rest().await;
    assert_eq!(shop.checkout(order).await.state, SagaState::Completed);
    let child = shop.saga(order.saga(slot::CONFIRMED_NOTICE)).await;
    assert_eq!(child.state, SagaState::Dead);
    shop.registry = flows::REGISTRY;
    assert_eq!(shop.revive_all().await, 1);
    shop.rest().await;
    check(&shop, order, Ending::Stands(PaymentStatus::Captured), "a child").await;
}

// Pitfall 4: a failure after the pivot keeps the money and the goods together, and waits for a person.
#[tokio::test]
async fn a_failure_after_the_pivot_undoes_nothing_and_is_finished_by_a_retry() {
    for failing in ["confirm_order", "confirm_reservation", "clear_cart"] {
        let mut parts = Parts::honest();
        let mut stages: Vec<_> = checkout_online::V2.forward.iter().map(copy).collect();
        let at = stages.iter().position(|stage| stage.name == failing).expect("the stage exists");
        stages[at] = local(failing, |_| {
            Err(Refusal {
                reason: CancelReason::AdminRequest,
                message: "a rule says no".to_owned(),
                short_of: None,
            })
        });
        parts.registry = registry_of(Definition { forward: Vec::leak(stages), ..checkout_online::V2 });
        let mut shop = Shop::of(parts).await;
        let order = shop.card("tok_ok").await;
        shop.rest().await;
        let dead = shop.checkout(order).await;
        assert_eq!((dead.state, dead.progress.pivoted), (SagaState::Dead, true), "{failing}");
        let statement = shop.statement().await;
        assert_eq!((statement[0].captured_minor, statement[0].refunded_minor), (3_000, 0), "{failing}");
        let (on_hand, reserved) = shop.level("cd-1").await;
        assert_eq!(on_hand - reserved, 8, "{failing}: nobody else is sold the goods");
        if failing == "confirm_order" {
            let answer = shop.ask(order, Verb::Cancel, &Actor::Customer).await;
            assert!(
                matches!(&answer, Err(Conflict::Order(_, w)) if w.contains("the shop has to look at it first")),
                "{answer:?}"
            );
        }
        shop.registry = flows::REGISTRY;
        assert_eq!(shop.revive_all().await, 1);
        shop.rest().await;
        check(&shop, order, Ending::Stands(PaymentStatus::Captured), failing).await;
    }
}

#[tokio::test]
async fn e7_a_batch_claims_no_more_calls_than_there_are_slots() {
    let mut shop = Shop::open().await;
    let all = orders(&mut shop, 5).await;
    let slots =
        |checkout| BatchInput { slots: [(Queue::Checkout, checkout)].into_iter().collect(), ..work(vec![]) };
    let done = shop.batch_of(slots(2)).await;
    assert_eq!((done.calls.len(), done.awaiting_permit.len()), (2, 3));
    // Starved sagas stay due and unleased; another look at them writes nothing.
    let mut before = vec![];
    for order in &all {
        before.push(shop.checkout(*order).await);
    }
    assert_eq!(before.iter().filter(|saga| saga.leased_until.is_some()).count(), 2);
    let done = shop.batch_of(slots(0)).await;
    assert_eq!((done.calls.len(), done.awaiting_permit.len(), done.moved.len()), (0, 3, 0));
    for (order, before) in all.iter().zip(&before) {
        assert_eq!(shop.checkout(*order).await, *before);
    }
    assert_eq!(shop.batch_of(slots(256)).await.calls.len(), 3);
}

#[tokio::test]
async fn e7_batches_share_their_slots_and_one_that_is_not_committed_gives_its_own_back() {
    let mut parts = Parts::honest();
    let failures = Arc::new(AtomicUsize::new(1));
    let left = Arc::clone(&failures);
    let on_save = move |writes: &mut Writes| {
        let fails = !writes.sagas.is_empty()
            && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if fails { Verdict::Fail(StoreError::Contention("40P01".to_owned())) } else { Verdict::Save }
    };
    parts.store = Arc::new(Meddled::with_door(parts.memory.clone(), on_save));
    let mut shop = Shop::of(parts).await;
    orders(&mut shop, 4).await;
    let slots: CallPermits = [(Queue::Checkout, 3)].into_iter().collect();
    let given = || BatchInput { slots: slots.clone(), ..work(vec![]) };
    let ran = shop.engine("w1").run(given(), &shop.commit_failures).await;
    assert!(ran.error.is_some() && ran.committed.is_empty(), "{ran:?}");
    assert_eq!(slots.free(), 3);
    assert_eq!(shop.batch_of(given()).await.calls.len(), 3);
    assert_eq!(slots.free(), 0);
    assert_eq!(shop.batch_of(given()).await.calls.len(), 0);
    slots.give_back(Queue::Checkout);
    assert_eq!(shop.batch_of(given()).await.calls.len(), 1);
}

// Stock is decided on at a glance; if somebody was quicker, the same batch decides again on rows it holds.
#[tokio::test]
async fn a_batch_whose_levels_moved_under_it_is_made_again_whole() {
    let mut parts = Parts::honest();
    let saves = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&saves);
    let on_save = move |writes: &mut Writes| {
        let reserves = writes.stock.values().any(|step| step.reserved > 0);
        if reserves && count.fetch_add(1, Ordering::SeqCst) == 0 {
            return Verdict::Fail(StoreError::Data("23514: stock_never_oversold".to_owned()));
        }
        Verdict::Save
    };
    parts.store = Arc::new(Meddled::with_door(parts.memory.clone(), on_save));
    let mut shop = Shop::of(parts).await;
    orders(&mut shop, 4).await;
    let done = shop.batch(vec![]).await;
    assert_eq!((done.calls.len(), saves.load(Ordering::SeqCst)), (4, 2), "two saves, one commit");
    shop.rest().await;
    shop.assert_clean("a glance").await;
}

#[tokio::test]
async fn e9_a_wake_with_nothing_due_writes_nothing() {
    let mut shop = Shop::open().await;
    let waiting = shop.cod().await;
    let done = shop.card("tok_ok").await;
    let first = shop.batch(vec![]).await.calls;
    let mut outcomes = vec![];
    for call in &first {
        outcomes.push(shop.execute(call).await);
    }
    shop.batch(outcomes).await;
    let hints = vec![waiting.saga(slot::CHECKOUT), done.saga(slot::CHECKOUT), OrderId::new(99).saga(0)];
    let (before, after) = (shop.checkout(waiting).await, BatchInput { hints, ..work(vec![]) });
    let ran = shop.batch_of(after).await;
    assert!(ran.moved.is_empty() && ran.calls.is_empty(), "{ran:?}");
    assert_eq!(shop.checkout(waiting).await, before);
}

// Pitfall 22: a run keeps its version, and waits for a worker that knows it.
#[tokio::test]
async fn e8_a_saga_of_an_unknown_version_stays_due_for_a_worker_that_knows_it() {
    let mut shop = Shop::open().await;
    let order = shop.card("tok_ok").await;
    let cod = shop.cod().await;
    let before = shop.checkout(order).await;
    let next: &'static Definition = Box::leak(Box::new(Definition {
        version: 3,
        forward: checkout_online::V2.forward,
        after_undo: checkout_online::V2.after_undo,
        late_capture: None,
        ..checkout_online::V2
    }));
    let others = flows::REGISTRY.all().filter(|definition| definition.name != "checkout_online");
    let newer: Vec<_> = std::iter::once(next).chain(others).collect();
    shop.registry = Registry::new(Vec::leak(newer));
    assert_eq!(before.definition, DefinitionId { name: "checkout_online".to_owned(), version: 2 });
    let hinted = BatchInput { hints: vec![before.id], ..work(vec![]) };
    assert_eq!(shop.batch_of(hinted).await.claimed, 1, "only the one that it knows");
    assert_eq!(shop.checkout(order).await, before);
    assert_eq!(shop.checkout(cod).await.state, SagaState::Waiting);
    shop.registry = flows::REGISTRY;
    shop.rest().await;
    assert_eq!(shop.view(order).await.order.status, OrderStatus::Confirmed);
}

#[tokio::test]
async fn e15_within_a_batch_stock_goes_to_who_was_accepted_first() {
    let mut shop = Shop::open().await;
    shop.stock("rare", 2).await;
    let mut by_time = Vec::new();
    // Accepted later, with a clock that runs backwards: the instant counts, then the number.
    for _ in 0..3 {
        by_time.push(shop.order_of(&[("rare", 1)], Some("tok_ok")).await);
        shop.clock.advance(Duration::from_mins(1));
    }
    shop.clock.set(noon() - Duration::from_secs(1));
    by_time.insert(0, shop.order_of(&[("rare", 1)], Some("tok_ok")).await);
    shop.clock.advance(Duration::from_mins(10));
    let hints = by_time.iter().rev().map(|order| order.saga(slot::CHECKOUT)).collect();
    let done = shop.batch_of(BatchInput { hints, ..work(vec![]) }).await;
    let mut outcomes = vec![];
    for call in &done.calls {
        outcomes.push(shop.execute(call).await);
    }
    shop.batch(outcomes).await;
    shop.rest().await;
    for (place, order) in by_time.into_iter().enumerate() {
        let view = shop.view(order).await;
        let expected = if place < 2 { None } else { Some(CancelReason::OutOfStock) };
        assert_eq!(view.order.cancel_reason, expected, "place {place}");
    }
    assert_eq!(shop.level("rare").await, (0, 0));
    shop.assert_clean("fair").await;
}

// The issue's own message: 500 buyers of a SKU with 50 left.
#[tokio::test]
async fn of_five_hundred_buyers_of_the_last_fifty_exactly_fifty_get_one() {
    let mut shop = Shop::open().await;
    shop.stock("hot", 50).await;
    for _ in 0..500 {
        shop.order_of(&[("hot", 1)], Some("tok_ok")).await;
    }
    shop.rest().await;
    let saga_counts = shop.sagas().await;
    let ended = |state| saga_counts.iter().filter(|s| slot::is_checkout(s.id) && s.state == state).count();
    assert_eq!((ended(SagaState::Completed), ended(SagaState::Compensated)), (50, 450));
    assert_eq!(shop.level("hot").await, (0, 0));
    shop.assert_clean("a run on fifty").await;
}

#[test]
fn every_definition_passes_its_pivot_before_it_tells_anybody() {
    // Pitfall 24: nobody hears of an order that can still be undone.
    for definition in flows::REGISTRY.all() {
        let pivots = definition.forward.iter().filter(|stage| matches!(stage.kind, Kind::Pivot)).count();
        assert_eq!(pivots, 1, "{}", definition.name);
        let pivot = definition.forward.iter().position(|stage| matches!(stage.kind, Kind::Pivot));
        let spawn = definition.forward.iter().position(|stage| matches!(stage.kind, Kind::Spawn(_)));
        assert!(spawn.is_none() || spawn > pivot, "{}", definition.name);
        let undos = definition.forward.iter().rposition(|stage| stage.undo.is_some());
        assert!(
            undos.is_none() || undos < pivot,
            "{}: what comes after the pivot is not undone",
            definition.name
        );
    }
}
