//! What a plan makes of outcomes and signals: answers that keep it waiting, reports and decisions that come
//! when they no longer count, workers that say nothing at all.

use std::time::Duration;

use holdfast_saga::ports::Store;
use holdfast_saga::records::call::{Answer, Mode};
use holdfast_saga::records::history::Entry;
use holdfast_saga::records::signal::SignalBody;
use holdfast_saga::records::slot;
use holdfast_saga::shop::order::Verb;
use holdfast_shared::{Actor, CancelReason, Clock, PaymentStatus, Queue, SagaState};

use crate::flows::{Ending, check, one_call};
use crate::shop::{LEASE, Shop, admin};

fn unknown() -> Answer {
    Answer::Unknown { error: "no answer".to_owned() }
}

#[tokio::test]
async fn a_worker_that_vanished_is_named_and_one_that_answered_is_not() {
    let mut shop = Shop::open().await;
    let order = shop.card("tok_ok").await;
    one_call(&shop).await;
    shop.clock.advance(LEASE + Duration::from_millis(1));
    let asked = one_call(&shop).await;
    let outcome = shop.execute(&asked).await;
    shop.batch(vec![outcome]).await;
    shop.rest().await;
    let mut gone = shop.history(order).await;
    gone.retain(|entry| matches!(entry, Entry::TakenOver { .. }));
    let from = Some("w1".to_owned());
    assert_eq!(gone, [Entry::TakenOver { step: "take_payment".to_owned(), from }]);
}

#[tokio::test]
async fn a_refund_that_is_still_under_way_is_asked_about_again_soon() {
    let mut shop = Shop::open().await;
    let order = shop.card("tok_ok").await;
    shop.rest().await;
    shop.accepted(order, Verb::Cancel, &admin()).await;
    let refund = one_call(&shop).await;
    shop.batch(vec![refund.outcome(Answer::Pending { next_action: None, declined: None })]).await;
    let saga = shop.saga(order.saga(slot::CANCELLATION)).await;
    assert_eq!(saga.state, SagaState::Running, "it does not wait for anybody");
    let soon = shop.clock.now() + Duration::from_mins(1);
    assert!(saga.wake_at.is_some_and(|at| at < soon), "{saga:?}");
    shop.clock.set(soon);
    let asked = one_call(&shop).await;
    assert_eq!((asked.mode, asked.key), (Mode::Query, refund.key));
}

#[tokio::test]
async fn a_report_on_a_charge_that_is_being_undone_does_not_hurry_the_undo() {
    let mut shop = Shop::open().await;
    let order = shop.card("tok_ok").await;
    let charge = one_call(&shop).await;
    shop.batch(vec![charge.outcome(unknown())]).await;
    shop.accepted(order, Verb::Cancel, &Actor::Customer).await;
    let undo = one_call(&shop).await;
    shop.batch(vec![undo.outcome(unknown())]).await;
    let waiting = shop.checkout(order).await;
    assert!(waiting.progress.not_before > Some(shop.clock.now()));
    assert!(shop.event(&charge.key, "captured").await.is_ok());
    let done = shop.batch(vec![]).await;
    assert!(done.calls.is_empty(), "an undo looks the charge up by itself: {:?}", done.calls);
    assert_eq!(done.moved[0].entries, [Entry::Ignored("payment_event".to_owned())]);
    assert_eq!(shop.checkout(order).await.progress, waiting.progress);
    shop.rest().await;
    let ending = Ending::Undone(CancelReason::CustomerRequest, Some(PaymentStatus::Cancelled));
    check(&shop, order, ending, "undone").await;
}

#[tokio::test]
async fn a_report_on_a_charge_that_was_never_sent_does_not_keep_it_from_being_sent() {
    let mut shop = Shop::open().await;
    let order = shop.card("tok_ok").await;
    let charge = one_call(&shop).await;
    assert!(shop.event(&charge.key, "mistaken").await.is_ok());
    let again = shop.batch(vec![charge.outcome(Answer::NotSent)]).await.calls.remove(0);
    assert_eq!((again.mode, &again.key), (Mode::Send, &charge.key));
    let outcome = shop.execute(&again).await;
    shop.batch(vec![outcome]).await;
    shop.rest().await;
    check(&shop, order, Ending::Stands(PaymentStatus::Captured), "sent").await;
}

#[tokio::test]
async fn a_decision_nobody_asks_for_changes_nothing() {
    for confirmed in [true, false] {
        let mut shop = Shop::open().await;
        let order = shop.card("tok_ok").await;
        let decision = SignalBody::Confirmation { confirmed, by: admin() };
        // No command gets as far as this.
        shop.signal(order.saga(slot::CHECKOUT), "forced", decision).await;
        let charge = one_call(&shop).await;
        let ignored = Entry::Ignored("confirmation".to_owned());
        assert!(shop.history(order).await.contains(&ignored), "confirmed: {confirmed}");
        let outcome = shop.execute(&charge).await;
        shop.batch(vec![outcome]).await;
        shop.rest().await;
        let context = format!("confirmed: {confirmed}");
        check(&shop, order, Ending::Stands(PaymentStatus::Captured), &context).await;
    }
}

#[tokio::test]
async fn the_first_of_two_decisions_counts() {
    for (first, ending) in [
        (true, Ending::Stands(PaymentStatus::DueOnDelivery)),
        (false, Ending::Undone(CancelReason::RejectedByAdmin, None)),
    ] {
        // Before the saga has come to its wait, and while it waits.
        for early in [true, false] {
            let mut shop = Shop::open().await;
            let order = shop.cod().await;
            if !early {
                shop.batch(vec![]).await;
            }
            // No command takes a second one; the planner need not rely on that.
            for confirmed in [first, !first] {
                let decision = SignalBody::Confirmation { confirmed, by: admin() };
                shop.signal(order.saga(slot::CHECKOUT), &format!("{confirmed}"), decision).await;
            }
            shop.rest().await;
            check(&shop, order, ending, &format!("first: {first}, early: {early}")).await;
            assert!(shop.memory.inbox(order.saga(slot::CHECKOUT)).await.expect("memory reads").is_empty());
        }
    }
}

#[tokio::test]
async fn a_retry_that_was_never_sent_goes_out_at_once_though_the_clock_was_set_back() {
    let mut shop = Shop::open().await;
    shop.card("tok_ok").await;
    let charge = one_call(&shop).await;
    shop.batch(vec![charge.outcome(unknown())]).await;
    shop.clock.set(shop.next_due().await.expect("a retry is due"));
    let retry = one_call(&shop).await;
    // What kept the retry back until now is over for good.
    shop.clock.set(shop.clock.now() - Duration::from_secs(45));
    let again = shop.batch(vec![retry.outcome(Answer::NotSent)]).await.calls;
    assert_eq!(again.iter().map(|call| call.step).collect::<Vec<_>>(), ["take_payment"]);
}

#[tokio::test]
async fn orders_that_fail_together_do_not_come_back_together() {
    let mut shop = Shop::open().await;
    for _ in 0..3 {
        shop.card("tok_down").await;
    }
    let calls = shop.batch(vec![]).await.calls;
    let refused = Answer::Failed { error: "refused at the door".to_owned() };
    shop.batch(calls.iter().map(|call| call.outcome(refused.clone())).collect()).await;
    let mut due: Vec<_> = shop.sagas().await.into_iter().filter_map(|saga| saga.wake_at).collect();
    due.sort_unstable();
    due.dedup();
    assert_eq!((calls.len(), due.len()), (3, 3));
}

#[tokio::test]
async fn every_call_takes_its_slot_from_the_pool_it_belongs_to() {
    let mut shop = Shop::open().await;
    let order = shop.card("tok_ok").await;
    let charge = one_call(&shop).await;
    let outcome = shop.execute(&charge).await;
    let notice = shop.batch(vec![outcome]).await.calls.remove(0);
    let outcome = shop.execute(&notice).await;
    shop.batch(vec![outcome]).await;
    shop.accepted(order, Verb::Cancel, &admin()).await;
    let refund = one_call(&shop).await;
    let undone = shop.card("tok_ok").await;
    let unheard = one_call(&shop).await;
    shop.accepted(undone, Verb::Cancel, &Actor::Customer).await;
    let undo = shop.batch(vec![unheard.outcome(unknown())]).await.calls.remove(0);
    for (call, step, queue) in [
        (charge, "take_payment", Queue::Checkout),
        (notice, "send", Queue::Notifications),
        (refund, "refund_payment", Queue::Compensation),
        (undo, "refund_payment", Queue::Compensation),
    ] {
        assert_eq!((call.step, call.queue), (step, queue));
    }
}
