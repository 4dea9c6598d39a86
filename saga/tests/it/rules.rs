//! The engine's rules about time and truth: late outcomes, signals, fences, and what people are answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use holdfast_saga::engine::batch::BatchInput;
use holdfast_saga::engine::definition::{Kind, Undo};
use holdfast_saga::flows;
use holdfast_saga::operations::dead_letter::resolve;
use holdfast_saga::ports::{Store, StoreError};
use holdfast_saga::records::batch_rows::{OrderMove, Writes};
use holdfast_saga::records::call::{Answer, CallResult, Mode, Urgency};
use holdfast_saga::records::context::Context;
use holdfast_saga::records::saga::CallState;
use holdfast_saga::records::slot;
use holdfast_saga::shop::answer::{Answered, Conflict};
use holdfast_saga::shop::order::Verb;
use holdfast_shared::{
    Actor, CancelReason, Clock, OrderId, OrderStatus, PaymentStatus, RefundStatus, SagaState, StepKey,
};

use crate::chaos::{Meddled, Verdict};
use crate::flows::{Ending, check, one_call};
use crate::shop::{LEASE, Parts, Shop, admin, work};

fn after_the_lease(shop: &Shop) {
    shop.clock.advance(LEASE + Duration::from_millis(1));
}

#[tokio::test]
async fn e1_captured_money_that_is_heard_of_too_late_is_refunded_by_its_own_saga() {
    let mut shop = Shop::open().await;
    let order = shop.card("tok_ok").await;
    let first = one_call(&shop).await;
    after_the_lease(&shop);
    // A provider that swears nothing happened, and is wrong: the next generation takes the money again.
    let asked = one_call(&shop).await;
    assert_eq!((asked.mode, &asked.key), (Mode::Query, &first.key));
    let wrong = asked.outcome(Answer::Failed { error: "no such charge".to_owned() });
    shop.batch(vec![wrong]).await;
    let late = shop.execute(&first).await;
    assert!(matches!(late.answer, Answer::Succeeded(CallResult::Captured { .. })));
    let done = shop.batch(vec![late.clone()]).await;
    assert_eq!((done.late, done.moved.len()), (1, 0), "stored, not folded without its fence");
    // Heard twice, refunded once.
    shop.batch(vec![late]).await;
    shop.rest().await;
    check(&shop, order, Ending::Stands(PaymentStatus::Captured), "late money").await;
    let held: Vec<_> = shop.statement().await.iter().map(|l| (l.captured_minor, l.refunded_minor)).collect();
    assert_eq!(held, [(3_000, 3_000), (3_000, 0)]);
    let refunds: Vec<_> =
        shop.sagas().await.into_iter().filter(|s| slot::kind_of(s.id) == Some(slot::LATE_REFUND)).collect();
    assert_eq!(refunds.iter().map(|saga| saga.state).collect::<Vec<_>>(), [SagaState::Completed]);
    assert_eq!(refunds[0].progress.data.refund, Some(RefundStatus::Succeeded));
}

#[tokio::test]
async fn e1_a_charge_that_is_not_found_is_voided_so_that_it_cannot_arrive_later() {
    let mut shop = Shop::open().await;
    let order = shop.card("tok_ok").await;
    let slow = one_call(&shop).await;
    after_the_lease(&shop);
    let asked = one_call(&shop).await;
    let answer = shop.execute(&asked).await;
    assert!(matches!(answer.answer, Answer::Failed { .. }), "{answer:?}");
    shop.batch(vec![answer]).await;
    // Only now the first request gets through.
    let late = shop.execute(&slow).await;
    assert!(matches!(late.answer, Answer::Failed { .. }), "{late:?}");
    shop.batch(vec![late]).await;
    shop.rest().await;
    check(&shop, order, Ending::Stands(PaymentStatus::Captured), "voided").await;
}

#[test]
fn e1_no_call_may_take_longer_than_half_its_lease() {
    for definition in flows::REGISTRY.all() {
        for stage in definition.forward.iter().chain(definition.after_undo) {
            if let Kind::Call(call) = &stage.kind {
                assert!(call.timeout <= LEASE / 2, "{} {}", definition.name, stage.name);
            }
            if let Some(Undo::Call { name, call, .. }) = &stage.undo {
                assert!(call.timeout <= LEASE / 2, "{} {name}", definition.name);
            }
        }
    }
}

#[tokio::test]
async fn e3_a_signal_makes_its_saga_due_and_leaves_the_fence_alone() {
    let mut shop = Shop::open().await;
    let order = shop.cod().await;
    shop.batch(vec![]).await;
    let before = shop.checkout(order).await;
    assert!(before.wake_at > Some(shop.clock.now()));
    shop.accepted(order, Verb::Confirm, &admin()).await;
    let after = shop.checkout(order).await;
    assert_eq!((after.wake_at, after.fence), (Some(shop.clock.now()), before.fence));
    // No hint was sent, or it was lost: the sweep finds it.
    shop.batch(vec![]).await;
    assert_eq!(shop.checkout(order).await.state, SagaState::Completed);
}

#[tokio::test]
async fn e3_a_signal_for_a_leased_saga_is_read_in_the_commit_of_its_outcome() {
    let mut shop = Shop::open().await;
    let order = shop.card("tok_ok").await;
    let call = one_call(&shop).await;
    shop.accepted(order, Verb::Cancel, &Actor::Customer).await;
    let outcome = shop.execute(&call).await;
    let refund = shop.batch(vec![outcome]).await.calls;
    assert_eq!(refund.iter().map(|call| call.step).collect::<Vec<_>>(), ["refund_payment"]);
}

// Pitfall 19: a lease without a fence in the write is half a lease.
#[tokio::test]
async fn e5_a_leased_saga_is_planned_by_nobody_else_until_its_lease_is_over() {
    let mut shop = Shop::open().await;
    let order = shop.card("tok_ok").await;
    let first = one_call(&shop).await;
    let leased = shop.checkout(order).await;
    let hinted = BatchInput { hints: vec![leased.id], ..work(vec![]) };
    assert!(shop.batch_of(hinted.clone()).await.moved.is_empty());
    assert_eq!(shop.checkout(order).await, leased);
    after_the_lease(&shop);
    let second = shop.batch_of(hinted).await.calls.remove(0);
    assert!(second.fence > first.fence);
    // The first worker wakes up and reports: nothing of the saga moves.
    let now_leased = shop.checkout(order).await;
    let failed = first.outcome(Answer::Rejected { reason: "declined".to_owned() });
    assert_eq!(shop.batch(vec![failed]).await.late, 1);
    let after = shop.checkout(order).await;
    assert_eq!(
        (after.fence, after.state, after.leased_until),
        (now_leased.fence, now_leased.state, now_leased.leased_until)
    );
    let outcome = shop.execute(&second).await;
    shop.batch(vec![outcome]).await;
    shop.rest().await;
    check(&shop, order, Ending::Stands(PaymentStatus::Captured), "taken over").await;
}

#[tokio::test]
async fn e5_every_commit_of_a_plan_raises_the_fence_and_logs_one_row() {
    let mut shop = Shop::open().await;
    let order = shop.card("tok_flaky").await;
    shop.rest().await;
    let saga = shop.checkout(order).await;
    let rows = shop.memory.log(saga.id).await.expect("memory reads");
    let fences: Vec<_> = rows.iter().map(|row| row.fence).collect();
    assert!(fences.windows(2).all(|pair| pair[0] < pair[1]), "{fences:?}");
    assert_eq!(fences.last(), Some(&saga.fence));
}

#[tokio::test]
async fn e5_a_commit_whose_answer_was_lost_is_looked_at_and_not_repeated() {
    for written in [true, false] {
        let mut parts = Parts::honest();
        let armed = Arc::new(AtomicBool::new(false));
        let trigger = Arc::clone(&armed);
        let on_save = move |_: &mut Writes| match (trigger.swap(false, Ordering::SeqCst), written) {
            (false, _) => Verdict::Save,
            (true, true) => Verdict::SaveAndLose,
            (true, false) => Verdict::Fail(StoreError::CommitUnknown("reset".to_owned())),
        };
        parts.store = Arc::new(Meddled::with_door(parts.memory.clone(), on_save));
        let mut shop = Shop::of(parts).await;
        let order = shop.card("tok_ok").await;
        armed.store(true, Ordering::SeqCst);
        let ran = shop.engine("w1").run(work(vec![]), &shop.commit_failures).await;
        assert_eq!(
            (ran.committed.len(), ran.not_committed.len(), ran.error.is_some()),
            if written { (1, 0, false) } else { (0, 1, true) }
        );
        if written {
            let outcome = shop.execute(&ran.committed[0].calls[0]).await;
            shop.batch(vec![outcome]).await;
        }
        shop.rest().await;
        check(&shop, order, Ending::Stands(PaymentStatus::Captured), &format!("written: {written}")).await;
        assert_eq!(shop.statement().await.len(), 1);
    }
}

#[tokio::test]
async fn e12_a_cancel_committed_before_the_pivot_blocks_it() {
    let mut shop = Shop::open().await;
    let order = shop.card("tok_ok").await;
    let call = one_call(&shop).await;
    let outcome = shop.execute(&call).await;
    // The money is taken; the commit that would confirm the order has not been planned yet.
    shop.accepted(order, Verb::Cancel, &Actor::Customer).await;
    let refund = shop.batch(vec![outcome]).await.calls;
    assert_eq!(refund[0].step, "refund_payment");
    let outcome = shop.execute(&refund[0]).await;
    shop.batch(vec![outcome]).await;
    shop.rest().await;
    check(
        &shop,
        order,
        Ending::Undone(CancelReason::CustomerRequest, Some(PaymentStatus::Refunded)),
        "cancel",
    )
    .await;
}

#[tokio::test]
async fn e12_a_decision_that_was_accepted_outlives_its_sagas_death() {
    for (verb, ending) in [
        (Verb::Confirm, Ending::Stands(PaymentStatus::DueOnDelivery)),
        (Verb::Reject, Ending::Undone(CancelReason::RejectedByAdmin, None)),
    ] {
        let mut shop = Shop::open().await;
        let order = shop.cod().await;
        shop.batch(vec![]).await;
        shop.accepted(order, verb.clone(), &admin()).await;
        let id = order.saga(slot::CHECKOUT);
        let mut writes = Writes { at: shop.clock.now(), ..Writes::default() };
        writes.poisoned.insert(id, "its row could not be read".to_owned());
        shop.memory.begin().await.expect("memory opens").save(&writes).await.expect("it dies");
        // A wake, lost or not, changes nothing about that.
        shop.batch_of(BatchInput { hints: vec![id], ..work(vec![]) }).await;
        if verb == Verb::Confirm {
            assert_eq!(shop.memory.inbox(id).await.expect("memory reads").len(), 1);
            assert_eq!(shop.checkout(order).await.state, SagaState::Dead);
            shop.revive_all().await;
        }
        shop.rest().await;
        check(&shop, order, ending, &format!("{verb:?}")).await;
    }
}

/// What `verb` is answered with.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Expected {
    Accepted,
    Already,
    Instead(&'static str),
}

async fn assert_answer(shop: &Shop, order: OrderId, verb: Verb, by: &Actor, expected: Expected) {
    let answer = shop.ask(order, verb.clone(), by).await;
    let fits = match (&answer, expected) {
        (Ok(Answered::Accepted(_)), Expected::Accepted) | (Ok(Answered::Already(_)), Expected::Already) => {
            true
        }
        (Err(Conflict::Order(_, message)), Expected::Instead(part)) => message.contains(part),
        (Ok(_) | Err(_), _) => false,
    };
    assert!(fits, "{verb:?} by {by}: {answer:?}, expected {expected:?}");
}

#[tokio::test]
async fn e12_people_get_true_answers_under_the_lock() {
    use Expected::{Accepted, Already, Instead};
    let customer = Actor::Customer;
    let mut shop = Shop::open().await;
    let nobody = shop.ask(OrderId::new(99), Verb::Cancel, &customer).await;
    assert!(matches!(nobody, Err(Conflict::UnknownOrder(_))), "{nobody:?}");

    let card = shop.card("tok_ok").await;
    assert_answer(&shop, card, Verb::Confirm, &admin(), Instead("confirms itself")).await;
    assert_answer(&shop, card, Verb::Cancel, &customer, Accepted).await;
    assert_answer(&shop, card, Verb::Cancel, &customer, Already).await;
    shop.rest().await;
    assert_answer(&shop, card, Verb::Cancel, &customer, Already).await;

    let confirmed = shop.cod().await;
    assert_answer(&shop, confirmed, Verb::Confirm, &admin(), Accepted).await;
    assert_answer(&shop, confirmed, Verb::Confirm, &admin(), Already).await;
    assert_answer(&shop, confirmed, Verb::Reject, &admin(), Instead("confirmed a moment ago")).await;
    shop.rest().await;
    assert_answer(&shop, confirmed, Verb::Confirm, &admin(), Already).await;
    assert_answer(&shop, confirmed, Verb::Reject, &admin(), Instead("cancel it instead")).await;

    let rejected = shop.cod().await;
    assert_answer(&shop, rejected, Verb::Reject, &admin(), Accepted).await;
    assert_answer(&shop, rejected, Verb::Reject, &admin(), Already).await;
    assert_answer(&shop, rejected, Verb::Confirm, &admin(), Instead("rejected a moment ago")).await;
    shop.rest().await;
    assert_answer(&shop, rejected, Verb::Reject, &admin(), Already).await;
    assert_answer(&shop, rejected, Verb::Confirm, &admin(), Instead("rejected_by_admin")).await;

    let cancelled = shop.cod().await;
    assert_answer(&shop, cancelled, Verb::Cancel, &customer, Accepted).await;
    assert_answer(&shop, cancelled, Verb::Confirm, &admin(), Instead("the customer cancelled")).await;
    shop.rest().await;
    shop.assert_clean("answers").await;
}

#[tokio::test]
async fn e13_an_order_has_one_live_saga_and_its_state_says_who_may_cancel() {
    let mut shop = Shop::open().await;
    for (status, by, expected) in [
        (OrderStatus::Processing, Actor::Customer, Expected::Instead("only the shop can cancel")),
        (OrderStatus::Processing, admin(), Expected::Accepted),
        (OrderStatus::Shipped, admin(), Expected::Instead("give the money back with a refund")),
        (OrderStatus::Delivered, Actor::Customer, Expected::Instead("ask the shop how to send it back")),
    ] {
        let order = shop.order_of(&[("cd-1", 1)], Some("tok_ok")).await;
        shop.rest().await;
        let mut writes = Writes { at: shop.clock.now(), ..Writes::default() };
        writes.orders.insert(order, OrderMove { from: OrderStatus::Confirmed, to: status, reason: None });
        shop.memory.begin().await.expect("memory opens").save(&writes).await.expect("the order moves");
        assert_answer(&shop, order, Verb::Cancel, &by, expected).await;
        if expected == Expected::Accepted {
            // Entered atomically: the second one finds the first.
            assert_answer(&shop, order, Verb::Cancel, &by, Expected::Already).await;
            let live = shop.memory.sagas_of(order).await.expect("memory reads");
            let live: Vec<_> =
                live.iter().filter(|saga| !saga.state.is_settled()).map(|saga| saga.id.slot()).collect();
            assert_eq!(live, [Some(slot::CANCELLATION)]);
        }
        shop.rest().await;
    }
    shop.assert_clean("one live saga").await;
}

// Pitfalls 27 and 28: what takes worker after worker down is stopped, visibly.
#[tokio::test]
async fn e18_a_dead_saga_goes_on_in_the_direction_it_had() {
    let mut shop = Shop::open().await;
    let order = shop.card("tok_ok").await;
    // Forward, before the pivot: thirty workers vanish with the call.
    for start in 1..=30 {
        assert_eq!(one_call(&shop).await.start, start);
        after_the_lease(&shop);
    }
    // The thirty-first does not try.
    assert!(shop.batch(vec![]).await.calls.is_empty());
    let dead = shop.checkout(order).await;
    assert_eq!((dead.state, dead.progress.pivoted), (SagaState::Dead, false));
    assert!(dead.progress.error.as_ref().is_some_and(|error| error.contains("30 times")));
    assert!(shop.view(order).await.needs_attention);
    let retried = resolve::retry(&*shop.store, dead.id, None, &admin()).await.expect("the store answers");
    assert!(matches!(retried, Ok(Answered::Accepted(_))));
    let twice = resolve::retry(&*shop.store, dead.id, None, &admin()).await.expect("the store answers");
    assert!(matches!(twice, Ok(Answered::Already(_))), "{twice:?}");
    shop.rest().await;
    check(&shop, order, Ending::Stands(PaymentStatus::Captured), "revived").await;
}

#[tokio::test]
async fn e18_a_dead_saga_can_still_be_cancelled_before_the_pivot() {
    let mut shop = Shop::open().await;
    let order = shop.card("tok_ok").await;
    for _ in 1..=30 {
        let call = one_call(&shop).await;
        // Sent each time, never heard of: only one of them takes the money.
        shop.execute(&call).await;
        after_the_lease(&shop);
    }
    shop.batch(vec![]).await;
    assert_eq!(shop.checkout(order).await.state, SagaState::Dead);
    shop.accepted(order, Verb::Cancel, &Actor::Customer).await;
    shop.rest().await;
    check(&shop, order, Ending::Undone(CancelReason::CustomerRequest, Some(PaymentStatus::Refunded)), "dead")
        .await;
}

// Pitfall 27: an attempt that was interrupted before it was sent is not a failed one.
#[tokio::test]
async fn e6_starts_that_were_never_sent_cost_nothing() {
    let mut shop = Shop::open().await;
    let order = shop.card("tok_ok").await;
    let mut call = one_call(&shop).await;
    let key = call.key.clone();
    for _ in 0..100 {
        let outcome = call.outcome(Answer::NotSent);
        call = shop.batch(vec![outcome]).await.calls.remove(0);
        assert_eq!((call.start, call.mode, &call.key), (1, Mode::Send, &key));
    }
    let outcome = shop.execute(&call).await;
    shop.batch(vec![outcome]).await;
    shop.rest().await;
    check(&shop, order, Ending::Stands(PaymentStatus::Captured), "interrupted").await;
}

// A provider that is down parks its sagas: no attempt is burnt, nothing is asked in between.
#[tokio::test]
async fn calls_that_are_held_back_cost_nothing() {
    let mut shop = Shop::open().await;
    let order = shop.card("tok_ok").await;
    let held = || Answer::NotNow {
        retry_in: Some(Duration::from_secs(20)),
        why: "the provider is not available".to_owned(),
    };
    let mut call = one_call(&shop).await;
    let key = call.key.clone();
    for _ in 0..60 {
        assert_eq!((call.start, call.mode, &call.key), (1, Mode::Send, &key));
        assert!(shop.batch(vec![call.outcome(held())]).await.calls.is_empty(), "it is parked");
        let parked = shop.checkout(order).await;
        let progress = &parked.progress;
        assert_eq!((progress.attempts, progress.failures, progress.generation), (0, 0, 0));
        assert_eq!(parked.wake_at, Some(shop.clock.now() + Duration::from_secs(20)));
        shop.clock.advance(Duration::from_millis(19_999));
        assert!(shop.batch(vec![]).await.calls.is_empty(), "nobody asks before its time");
        shop.clock.advance(Duration::from_millis(1));
        call = one_call(&shop).await;
    }
    let outcome = shop.execute(&call).await;
    shop.batch(vec![outcome]).await;
    shop.rest().await;
    check(&shop, order, Ending::Stands(PaymentStatus::Captured), "held").await;
}

// A charge that may have been sent is only asked about, however often that is held back.
#[tokio::test]
async fn a_question_that_is_held_back_stays_a_question() {
    let mut shop = Shop::open().await;
    let order = shop.card("tok_timeout").await;
    let charge = one_call(&shop).await;
    let lost = shop.execute(&charge).await;
    shop.batch(vec![lost]).await;
    shop.clock.set(shop.next_due().await.expect("a retry is due"));
    let ask = one_call(&shop).await;
    let held = Answer::NotNow { retry_in: Some(Duration::from_secs(9)), why: "not now".to_owned() };
    shop.batch(vec![ask.outcome(held)]).await;
    shop.clock.set(shop.next_due().await.expect("it is parked"));
    let again = one_call(&shop).await;
    assert_eq!((again.mode, &again.key, again.start), (Mode::Query, &charge.key, ask.start));
    let outcome = shop.execute(&again).await;
    shop.batch(vec![outcome]).await;
    shop.rest().await;
    check(&shop, order, Ending::Stands(PaymentStatus::Captured), "held").await;
}

// Stock is not kept for ever: a buyer's window ends also while their payment is parked.
#[tokio::test]
async fn an_order_that_is_held_back_beyond_its_window_is_undone_without_a_call() {
    let mut shop = Shop::open().await;
    let order = shop.card("tok_ok").await;
    let held = || Answer::NotNow { retry_in: Some(Duration::from_hours(2)), why: "not now".to_owned() };
    let call = one_call(&shop).await;
    shop.batch(vec![call.outcome(held())]).await;
    let Context::Checkout(checkout) = &*shop.checkout(order).await.context.clone() else {
        panic!("a checkout")
    };
    assert_eq!(shop.next_due().await, Some(checkout.decide_by), "parked until the window ends, not beyond");
    shop.clock.set(checkout.decide_by);
    let last = one_call(&shop).await;
    let done = shop.batch(vec![last.outcome(held())]).await;
    assert!(done.calls.iter().all(|call| call.step != "refund_payment"), "{:?}", done.calls);
    shop.rest().await;
    let ending = Ending::Undone(CancelReason::PaymentExpired, Some(PaymentStatus::Cancelled));
    check(&shop, order, ending, "held too long").await;
    assert!(shop.statement().await.is_empty(), "the provider never heard of it");
}

// Promise 4: the generation rises only with a proof that the last one moved nothing.
#[tokio::test]
async fn a_key_changes_only_when_its_last_use_provably_moved_nothing() {
    let mut shop = Shop::open().await;
    let order = shop.card("tok_ok").await;
    let unknown = || Answer::Unknown { error: "no answer".to_owned() };
    let failed = || Answer::Failed { error: "refused at the door".to_owned() };
    let prefix = shop.checkout(order).await.key_prefix;
    let key = |generation| StepKey::new(&prefix, "take_payment", generation);
    let asks = AtomicUsize::new(0);
    for (answer, next, mode) in [
        (unknown(), key(1), Mode::Query),
        (unknown(), key(1), Mode::Query),
        (failed(), key(2), Mode::Send),
        (unknown(), key(2), Mode::Query),
        (failed(), key(3), Mode::Send),
    ] {
        let call = if asks.fetch_add(1, Ordering::SeqCst) == 0 {
            one_call(&shop).await
        } else {
            shop.clock.set(shop.next_due().await.expect("a retry is due"));
            one_call(&shop).await
        };
        shop.batch(vec![call.outcome(answer)]).await;
        shop.clock.set(shop.next_due().await.expect("a retry is due"));
        let now = shop.checkout(order).await;
        assert_eq!(StepKey::new(&now.key_prefix, "take_payment", now.progress.generation + 1), next);
        assert_eq!(now.progress.call == CallState::Fresh, mode == Mode::Send);
    }
}

#[tokio::test]
async fn m19_only_what_an_event_asks_before_its_time_can_wait_for_all_others() {
    let mut shop = Shop::open().await;
    let order = shop.card("tok_requires_action").await;
    let charge = one_call(&shop).await;
    assert_eq!(charge.urgency, Urgency::Money);
    let waits = shop.execute(&charge).await;
    shop.batch(vec![waits]).await;
    // A false one: the buyer has not paid.
    shop.event(&charge.key, "evt_1").await.expect("is accepted");
    let asked = one_call(&shop).await;
    assert_eq!((asked.mode, asked.urgency), (Mode::Query, Urgency::Event));
    // It stays so while it is held back.
    let held = Answer::NotNow { retry_in: Some(Duration::from_secs(1)), why: "too many".to_owned() };
    shop.batch(vec![asked.outcome(held)]).await;
    shop.clock.set(shop.next_due().await.expect("is due again"));
    let again = one_call(&shop).await;
    assert_eq!(again.urgency, Urgency::Event);
    let waits = shop.execute(&again).await;
    shop.batch(vec![waits]).await;
    let window_end = shop.checkout(order).await.context.decide_by().expect("has a window");
    shop.clock.set(window_end);
    let at_the_end = one_call(&shop).await;
    assert_eq!((at_the_end.mode, at_the_end.urgency), (Mode::Query, Urgency::LookUp));
    let still_waits = shop.execute(&at_the_end).await;
    let undo = shop.batch(vec![still_waits]).await.calls.remove(0);
    assert_eq!(undo.urgency, Urgency::Money);
}
