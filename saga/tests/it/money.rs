//! Money on its way: the provider's events, refunds that fail, charges that are wrong or late.

use std::time::Duration;

use holdfast_saga::operations::dead_letter::resolve;
use holdfast_saga::records::call::{Answer, CallResult, Mode};
use holdfast_saga::records::history::Entry;
use holdfast_saga::records::signal::SignalBody;
use holdfast_saga::records::slot;
use holdfast_saga::shop::answer::Answered;
use holdfast_saga::shop::order::Verb;
use holdfast_saga::timeline::{Story, next_move, timeline};
use holdfast_sandbox::SandboxControl;
use holdfast_shared::{
    Actor, CancelReason, Clock, Currency, Money, OrderId, OrderStatus, PaymentStatus, Queue, RefundStatus,
    SagaState, StepKey,
};

use crate::flows::{Ending, check, one_call};
use crate::shop::{Shop, admin, noon, operator};

#[tokio::test]
async fn a_buyer_who_acts_in_time_gets_the_order_and_one_who_refuses_does_not() {
    for (approved, ending) in [
        (true, Ending::Stands(PaymentStatus::Captured)),
        (false, Ending::Undone(CancelReason::PaymentDeclined, Some(PaymentStatus::Declined))),
    ] {
        let mut shop = Shop::open().await;
        let order = shop.card("tok_requires_action").await;
        let charge = one_call(&shop).await;
        let outcome = shop.execute(&charge).await;
        assert!(shop.batch(vec![outcome]).await.calls.is_empty());
        let waiting = shop.checkout(order).await;
        assert_eq!((waiting.state, waiting.queue), (SagaState::Waiting, Queue::PaymentEvents));
        let view = shop.view(order).await;
        assert!(view.payment.expect("the payment row exists").details.next_action.is_some());
        shop.sandbox.complete_action(&charge.key, approved).await.expect("the sandbox answers");
        // Pitfall 10: the same event thrice, under one id and under another, is one event.
        for id in ["evt_1", "evt_1", "evt_2"] {
            let answer = shop.event(&charge.key, id).await;
            assert!(matches!(answer, Ok(Answered::Accepted(_))), "{answer:?}");
        }
        shop.rest().await;
        check(&shop, order, ending, &format!("approved: {approved}")).await;
        let payment = shop.view(order).await.payment.expect("the payment row exists");
        assert_eq!(payment.details.next_action, None, "approved: {approved}");
        // An event after the end changes nothing.
        assert!(shop.event(&charge.key, "evt_3").await.is_ok());
        shop.rest().await;
        check(&shop, order, ending, &format!("approved: {approved}, late event")).await;
    }
}

#[tokio::test]
async fn an_event_that_says_nothing_new_leaves_the_order_waiting() {
    let mut shop = Shop::open().await;
    let order = shop.card("tok_requires_action").await;
    let charge = one_call(&shop).await;
    let outcome = shop.execute(&charge).await;
    shop.batch(vec![outcome]).await;
    // More events than a step may be begun without an answer: each is answered.
    for event in 0..40 {
        assert!(shop.event(&charge.key, &format!("evt_{event}")).await.is_ok());
        let asked = one_call(&shop).await;
        let outcome = shop.execute(&asked).await;
        shop.batch(vec![outcome]).await;
        assert_eq!(shop.checkout(order).await.state, SagaState::Waiting, "event {event}");
    }
    shop.rest().await;
    let ending = Ending::Undone(CancelReason::PaymentExpired, Some(PaymentStatus::Cancelled));
    check(&shop, order, ending, "expired").await;
}

#[tokio::test]
async fn an_event_about_another_orders_charge_moves_nobodys_money() {
    let mut shop = Shop::open().await;
    let paid = shop.card("tok_ok").await;
    shop.rest().await;
    let other = shop.card("tok_declined").await;
    shop.rest().await;
    // Pitfall 3: never another customer's order.
    let charge = shop.key(paid, "take_payment", 1).await;
    shop.signal(other.saga(slot::CHECKOUT), "forged", SignalBody::PaymentEvent { charge: charge.clone() })
        .await;
    let another = shop.store.keys().await.expect("memory reads").draw(OrderId::new(99));
    for (unknown, id) in
        [(StepKey::new(&another, "take_payment", 1), "a"), (StepKey::from_stored("pi_123"), "b")]
    {
        assert!(shop.event(&unknown, id).await.is_err(), "{unknown}");
    }
    shop.rest().await;
    let held: Vec<_> = shop.statement().await.iter().map(|l| l.captured_minor - l.refunded_minor).collect();
    assert_eq!(held, [3_000, 0]);
    shop.assert_clean("forged event").await;
}

// The provider reports on a payment that the buyer refused: nothing moved, and nobody says that it did.
#[tokio::test]
async fn f43_a_report_on_a_payment_that_moved_nothing_is_no_money() {
    for token in ["tok_declined", "tok_requires_action", "tok_down"] {
        let mut shop = Shop::open().await;
        let order = shop.card(token).await;
        shop.rest().await;
        let charge = shop.checkout(order).await.progress.data.charge.expect("was begun").key;
        assert!(shop.event(&charge, "evt_1").await.is_ok());
        shop.rest().await;
        let story = Story::read(&*shop.store, order).await.expect("memory reads").expect("the order exists");
        let story: Vec<_> = timeline(&story).into_iter().map(|line| line.text).collect();
        let story = story.join("\n");
        assert!(story.contains("gives back what it took, if anything"), "{token}: {story}");
        assert!(!story.contains("money arrived"), "{token}: {story}");
        assert!(shop.refunds(order).await.is_empty(), "{token}");
        shop.assert_clean(token).await;
    }
}

#[tokio::test]
async fn an_event_about_a_charge_that_was_never_begun_touches_nothing() {
    let mut shop = Shop::open().await;
    let order = shop.card("tok_ok").await;
    // Early: before the first plan. The charge is then begun under this very key.
    assert!(shop.event(&shop.key(order, "take_payment", 1).await, "early").await.is_ok());
    assert!(shop.event(&shop.key(order, "take_payment", 7).await, "forged").await.is_ok());
    shop.rest().await;
    check(&shop, order, Ending::Stands(PaymentStatus::Captured), "early event").await;
}

// Pitfalls 2 and 3: a refund that fails is work, then a state with a next move, never a log line.
#[tokio::test]
async fn a_refund_that_keeps_failing_dies_visibly_and_a_retry_finishes_it() {
    for after_pivot in [false, true] {
        let mut shop = Shop::open().await;
        let order = shop.card("tok_refund_fails").await;
        if after_pivot {
            shop.rest().await;
            shop.accepted(order, Verb::Cancel, &admin()).await;
        } else {
            let call = one_call(&shop).await;
            shop.accepted(order, Verb::Cancel, &Actor::Customer).await;
            let outcome = shop.execute(&call).await;
            shop.batch(vec![outcome]).await;
        }
        shop.rest().await;
        let owner = order.saga(if after_pivot { slot::CANCELLATION } else { slot::CHECKOUT });
        let dead = shop.saga(owner).await;
        assert_eq!(dead.state, SagaState::Dead);
        // E18: it keeps its direction, and says what to do.
        assert_eq!(dead.progress.pivoted, after_pivot);
        assert!(
            dead.progress.error.as_ref().is_some_and(|error| error.contains("refund_payment")),
            "{dead:?}"
        );
        assert!(next_move(&dead).contains(&format!("holdfast saga retry {owner}")));
        assert!(shop.view(order).await.needs_attention);
        let report = shop.audit().await;
        assert!(report.is_clean(), "{report:?}");
        assert_eq!(
            report.in_flight.iter().map(|f| (f.order, f.dead, f.held.amount_minor)).collect::<Vec<_>>(),
            [(order, true, 3_000)]
        );
        // Nothing brings it back but an operator, and without cause removed it dies again.
        for _ in 0..2 {
            let retried =
                resolve::retry(&*shop.store, owner, None, &operator()).await.expect("the store answers");
            assert!(matches!(retried, Ok(Answered::Accepted(_))), "{retried:?}");
            let entries = shop.rest().await;
            assert_eq!(shop.saga(owner).await.state, SagaState::Dead);
            let is_failure = |entry: &&Entry| matches!(entry, Entry::Failed { .. } | Entry::Unknown { .. });
            let failures = entries.iter().filter(is_failure).count();
            assert_eq!(failures, 8, "a retry is a whole new life");
        }
        assert_eq!(shop.revive_all().await, 1);
        shop.rest().await;
        let view = shop.view(order).await;
        assert_eq!(view.order.status, OrderStatus::Cancelled);
        assert_eq!(
            view.payment.map(|p| (
                p.status,
                p.captured_minor,
                p.refunded_minor,
                p.details.provider_ref.is_some()
            )),
            Some((PaymentStatus::Refunded, 3_000, 3_000, true))
        );
        let state = shop.saga(owner).await.state;
        assert_eq!(state, if after_pivot { SagaState::Completed } else { SagaState::Compensated });
        assert_eq!(shop.level("cd-1").await, (10, 0));
        shop.assert_clean("retried").await;
    }
}

// Pitfalls 10 and 11: a charge that is not the order's total never confirms it.
#[tokio::test]
async fn money_that_is_not_the_orders_total_is_given_back() {
    for amount in [Money::new(2_999, Currency::EUR), Money::new(3_001, Currency::EUR)] {
        let mut shop = Shop::open().await;
        let order = shop.card("tok_ok").await;
        let call = one_call(&shop).await;
        shop.sandbox.charge(&call.key, amount, "tok_ok").await.expect("the sandbox takes it");
        let evidence = CallResult::Captured { amount, provider_ref: "sbx".to_owned() };
        let refund = shop.batch(vec![call.outcome(Answer::Succeeded(evidence))]).await.calls;
        let outcome = shop.execute(&refund[0]).await;
        shop.batch(vec![outcome]).await;
        shop.rest().await;
        let ending = Ending::Undone(CancelReason::PaymentDeclined, Some(PaymentStatus::Refunded));
        check(&shop, order, ending, &amount.to_string()).await;
    }
}

// Pitfall 5: late money on an order that was given up goes back, once.
#[tokio::test]
async fn late_money_on_a_cancelled_order_is_refunded_by_a_saga_of_its_own() {
    let mut shop = Shop::open().await;
    let order = shop.card("tok_down").await;
    shop.rest().await;
    let undone = Ending::Undone(CancelReason::PaymentExpired, Some(PaymentStatus::Cancelled));
    check(&shop, order, undone, "given up").await;
    for generation in [1, 4] {
        let charge = shop.charge(order, generation).await;
        let total = Money::new(3_000, Currency::EUR);
        shop.sandbox.charge(&charge, total, "tok_ok").await.expect("the sandbox takes it");
        for id in ["evt_1", "evt_2"] {
            let _ = shop.event(&charge, &format!("{id}:{generation}")).await;
        }
        shop.rest().await;
        check(&shop, order, undone, "late money").await;
    }
    let late: Vec<_> = shop
        .sagas()
        .await
        .into_iter()
        .filter(|saga| slot::kind_of(saga.id) == Some(slot::LATE_REFUND))
        .collect();
    assert_eq!(late.iter().map(|saga| saga.state).collect::<Vec<_>>(), [SagaState::Completed; 2]);
    assert!(shop.statement().await.iter().all(|line| line.captured_minor == line.refunded_minor));
}

#[tokio::test]
async fn a_charge_is_not_tried_again_once_its_window_is_over() {
    let mut shop = Shop::open().await;
    shop.policy.payment_within = Duration::from_millis(500);
    let order = shop.card("tok_down").await;
    shop.rest().await;
    let ending = Ending::Undone(CancelReason::PaymentExpired, Some(PaymentStatus::Cancelled));
    check(&shop, order, ending, "a short window").await;
    let history = shop.history(order).await;
    let starts = history.iter().filter(|entry| matches!(entry, Entry::Failed { .. })).count();
    assert!((2..=4).contains(&starts), "{starts} of 6 attempts fit into the window");
    assert!(shop.clock.now() < noon() + shop.policy.payment_within);
}

#[tokio::test]
async fn an_event_about_a_charge_of_unknown_outcome_has_it_asked_about_at_once() {
    let mut shop = Shop::open().await;
    let order = shop.card("tok_timeout").await;
    let charge = one_call(&shop).await;
    let outcome = shop.execute(&charge).await;
    assert!(shop.batch(vec![outcome]).await.calls.is_empty(), "it waits before it asks");
    assert!(shop.event(&charge.key, "captured").await.is_ok());
    let asked = one_call(&shop).await;
    assert_eq!((asked.mode, &asked.key), (Mode::Query, &charge.key));
    let outcome = shop.execute(&asked).await;
    shop.batch(vec![outcome]).await;
    shop.rest().await;
    check(&shop, order, Ending::Stands(PaymentStatus::Captured), "asked at once").await;
}

#[tokio::test]
async fn a_refund_whose_answer_was_lost_says_so_until_it_is_known() {
    let mut shop = Shop::open().await;
    let order = shop.card("tok_ok").await;
    shop.rest().await;
    shop.accepted(order, Verb::Cancel, &admin()).await;
    let refund = one_call(&shop).await;
    let status = async |shop: &Shop| shop.saga(order.saga(slot::CANCELLATION)).await.progress.data.refund;
    assert_eq!(status(&shop).await, Some(RefundStatus::Pending));
    shop.batch(vec![refund.outcome(Answer::Unknown { error: "no answer".to_owned() })]).await;
    shop.clock.set(shop.next_due().await.expect("a retry is due"));
    let asked = one_call(&shop).await;
    assert_eq!((asked.mode, &asked.key), (Mode::Query, &refund.key));
    assert_eq!(status(&shop).await, Some(RefundStatus::Unknown));
    let outcome = shop.execute(&asked).await;
    shop.batch(vec![outcome]).await;
    assert_eq!(status(&shop).await, Some(RefundStatus::Succeeded));
    shop.rest().await;
    shop.assert_clean("known").await;
}

/// Providers forget keys after a day: whatever was sent under one is looked up then, never sent again.
#[tokio::test]
async fn e10_a_call_whose_key_is_forgotten_is_looked_up_and_moves_no_money_twice() {
    let mut shop = Shop::open().await;
    let order = shop.card("tok_ok").await;
    let beyond_the_keys_life = Duration::from_hours(25);

    // The charge is taken, and its worker dies before it can say so.
    let charge = one_call(&shop).await;
    shop.execute(&charge).await;
    shop.clock.advance(beyond_the_keys_life);
    shop.rest().await;
    check(&shop, order, Ending::Stands(PaymentStatus::Captured), "taken over after a day").await;

    // The refund is paid out, and its answer is lost.
    shop.accepted(order, Verb::Cancel, &admin()).await;
    let refund = one_call(&shop).await;
    shop.execute(&refund).await;
    shop.clock.advance(beyond_the_keys_life);
    shop.rest().await;

    let statement = shop.statement().await;
    let total = shop.view(order).await.order.total.amount_minor;
    let moved: Vec<_> = statement.iter().map(|line| (line.captured_minor, line.refunded_minor)).collect();
    assert_eq!(moved, [(total, total)]);
    shop.assert_clean("given back once").await;
}
