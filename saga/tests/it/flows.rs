//! Both flows, by the ways they can go: what is asked, and how the order ends.

use std::time::Duration;

use holdfast_saga::engine::batch::Committed;
use holdfast_saga::flows::notification;
use holdfast_saga::operations::dead_letter::resolve;
use holdfast_saga::operations::{saga_list, signal};
use holdfast_saga::ports::Fault;
use holdfast_saga::records::NotificationStatus;
use holdfast_saga::records::batch_rows::Writes;
use holdfast_saga::records::call::Call;
use holdfast_saga::records::context::{Context, Notice, NoticeKind};
use holdfast_saga::records::history::Entry;
use holdfast_saga::records::signal::SignalBody;
use holdfast_saga::records::slot;
use holdfast_saga::shop::answer::{Answered, Conflict};
use holdfast_saga::shop::checkout::accept;
use holdfast_saga::shop::order::Verb;
use holdfast_shared::{
    Actor, CancelReason, Clock as _, Currency, Money, OrderId, OrderStatus, PaymentStatus, SagaId, SagaState,
};

use crate::shop::{Shop, admin, operator};

/// How an order ends.
#[derive(Clone, Copy)]
pub(crate) enum Ending {
    /// Fully done.
    Stands(PaymentStatus),
    /// Fully undone.
    Undone(CancelReason, Option<PaymentStatus>),
}

/// The order has come to `ending`, its stock, cart, money, saga and message with it.
pub(crate) async fn check(shop: &Shop, order: OrderId, ending: Ending, context: &str) {
    let view = shop.view(order).await;
    let (status, reason, payment, on_hand, notice, state) = match ending {
        Ending::Stands(payment) => {
            (OrderStatus::Confirmed, None, Some(payment), 8, NoticeKind::OrderConfirmed, SagaState::Completed)
        }
        Ending::Undone(reason, payment) => {
            let notice = NoticeKind::OrderCancelled;
            (OrderStatus::Cancelled, Some(reason), payment, 10, notice, SagaState::Compensated)
        }
    };
    assert_eq!((view.order.status, view.order.cancel_reason), (status, reason), "{context}");
    assert_eq!(view.payment.map(|payment| payment.status), payment, "{context}");
    assert_eq!(shop.level("cd-1").await, (on_hand, 0), "{context}");
    assert_eq!(shop.checkout(order).await.state, state, "{context}");
    let sent: Vec<_> = shop.notices.sent().into_iter().filter(|(id, _)| id.order() == Some(order)).collect();
    assert_eq!(sent.iter().map(|(_, notice)| *notice).collect::<Vec<_>>(), [notice], "{context}");
    assert!(!view.needs_attention, "{context}");
    shop.assert_clean(context).await;
}

/// Runs one batch that must come out with exactly one call.
pub(crate) async fn one_call(shop: &Shop) -> Call {
    let Committed { mut calls, .. } = shop.batch(vec![]).await;
    assert_eq!(calls.len(), 1, "{calls:?}");
    calls.remove(0)
}

#[tokio::test]
async fn every_token_leads_to_its_ending() {
    use CancelReason::{PaymentDeclined, PaymentExpired};
    use Ending::{Stands, Undone};
    for (token, ending) in [
        ("tok_ok", Stands(PaymentStatus::Captured)),
        ("tok_timeout", Stands(PaymentStatus::Captured)),
        ("tok_flaky", Stands(PaymentStatus::Captured)),
        ("tok_refund_fails", Stands(PaymentStatus::Captured)),
        ("tok_declined", Undone(PaymentDeclined, Some(PaymentStatus::Declined))),
        ("tok_requires_action", Undone(PaymentExpired, Some(PaymentStatus::Cancelled))),
        ("tok_down", Undone(PaymentExpired, Some(PaymentStatus::Cancelled))),
        ("4000-nonsense", Undone(PaymentDeclined, Some(PaymentStatus::Declined))),
    ] {
        let mut shop = Shop::open().await;
        let order = shop.card(token).await;
        shop.rest().await;
        check(&shop, order, ending, token).await;
    }
}

// Pitfall 7: a failure that may pass is tried again, one that will not pass is not.
#[tokio::test]
async fn a_flaky_charge_is_tried_again_and_a_declined_one_is_not() {
    for (token, starts) in [("tok_flaky", 3), ("tok_declined", 1), ("tok_down", 6), ("tok_timeout", 2)] {
        let mut shop = Shop::open().await;
        let order = shop.card(token).await;
        shop.rest().await;
        let history = shop.history(order).await;
        let is_charge =
            |entry: &&Entry| matches!(entry, Entry::Started { step, .. } if step == "take_payment");
        assert_eq!(history.iter().filter(is_charge).count(), starts, "{token}: {history:?}");
    }
}

#[tokio::test]
async fn cash_on_delivery_waits_for_the_admin() {
    use CancelReason::{ConfirmationExpired, CustomerRequest, RejectedByAdmin};
    let undone = |reason| Ending::Undone(reason, None);
    let verbs: [(&str, &[Verb], Ending); 6] = [
        ("confirmed", &[Verb::Confirm], Ending::Stands(PaymentStatus::DueOnDelivery)),
        ("rejected", &[Verb::Reject], undone(RejectedByAdmin)),
        ("nobody decides", &[], undone(ConfirmationExpired)),
        ("cancelled", &[Verb::Cancel], undone(CustomerRequest)),
        // Both are pending at the same plan: a pending cancel blocks the pivot (E12).
        ("confirmed, then cancelled", &[Verb::Confirm, Verb::Cancel], undone(CustomerRequest)),
        ("rejected, then cancelled", &[Verb::Reject, Verb::Cancel], undone(RejectedByAdmin)),
    ];
    for (context, verbs, ending) in verbs {
        // Early: before the saga has come to its wait. Late: while it waits.
        for early in [true, false] {
            let context = format!("{context}, early: {early}");
            let mut shop = Shop::open().await;
            let order = shop.cod().await;
            if !early {
                shop.batch(vec![]).await;
                assert_eq!(shop.checkout(order).await.state, SagaState::Waiting, "{context}");
            }
            for verb in verbs {
                let by = if *verb == Verb::Cancel { Actor::Customer } else { admin() };
                shop.accepted(order, verb.clone(), &by).await;
            }
            shop.rest().await;
            check(&shop, order, ending, &context).await;
        }
    }
}

// Pitfall 6: a hold lasts as long as its window, and a confirmation in the last instant finishes.
#[tokio::test]
async fn a_confirmation_before_the_expiry_is_planned_wins_however_late_it_is_planned() {
    let mut shop = Shop::open().await;
    let order = shop.cod().await;
    shop.batch(vec![]).await;
    assert_eq!(shop.level("cd-1").await, (10, 2));
    shop.clock.advance(shop.policy.confirm_within + Duration::from_hours(1));
    shop.accepted(order, Verb::Confirm, &admin()).await;
    shop.rest().await;
    check(&shop, order, Ending::Stands(PaymentStatus::DueOnDelivery), "late confirm").await;
}

#[tokio::test]
async fn orders_for_more_than_is_left_are_cancelled_and_take_nothing() {
    for token in [Some("tok_ok"), None] {
        let mut shop = Shop::open().await;
        // The second line is short: the first one is not taken either.
        let order = shop.order_of(&[("cd-1", 2), ("cd-2", 11)], token).await;
        shop.rest().await;
        check(&shop, order, Ending::Undone(CancelReason::OutOfStock, None), "short").await;
        assert!(shop.statement().await.is_empty(), "nothing was charged");
    }
}

/// Where a customer's cancel finds an online order before the pivot.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Moment {
    Unplanned,
    ChargeInFlight,
    ChargeAnswered,
    ChargeUnknown,
    RetryPending,
    RequiresAction,
    Asking,
}

#[tokio::test]
async fn a_cancel_before_the_pivot_undoes_the_order_whatever_it_is_doing() {
    use Moment::{
        Asking, ChargeAnswered, ChargeInFlight, ChargeUnknown, RequiresAction, RetryPending, Unplanned,
    };
    use PaymentStatus::{Cancelled, Refunded};
    for (moment, token, payment) in [
        (Unplanned, "tok_ok", None),
        (ChargeInFlight, "tok_ok", Some(Refunded)),
        (ChargeAnswered, "tok_ok", Some(Refunded)),
        (ChargeUnknown, "tok_timeout", Some(Refunded)),
        (RetryPending, "tok_flaky", Some(Cancelled)),
        (RequiresAction, "tok_requires_action", Some(Cancelled)),
        (Asking, "tok_timeout", Some(Refunded)),
    ] {
        let context = format!("{moment:?}");
        let mut shop = Shop::open().await;
        let order = shop.card(token).await;
        let mut outcomes = vec![];
        if moment != Unplanned {
            let call = one_call(&shop).await;
            if moment == ChargeInFlight {
                shop.accepted(order, Verb::Cancel, &Actor::Customer).await;
                assert!(shop.batch(vec![]).await.calls.is_empty(), "{context}: leased");
            }
            outcomes.push(shop.execute(&call).await);
        }
        if matches!(moment, ChargeUnknown | RetryPending | RequiresAction | Asking) {
            shop.batch(std::mem::take(&mut outcomes)).await;
        }
        if moment == Asking {
            shop.clock.set(shop.next_due().await.expect("a retry is due"));
            let call = one_call(&shop).await;
            outcomes.push(shop.execute(&call).await);
        }
        if moment != ChargeInFlight {
            shop.accepted(order, Verb::Cancel, &Actor::Customer).await;
        }
        let mut calls = shop.batch(outcomes).await.calls;
        let mut answers = vec![];
        for call in calls.drain(..) {
            answers.push(shop.execute(&call).await);
        }
        shop.batch(answers).await;
        shop.rest().await;
        check(&shop, order, Ending::Undone(CancelReason::CustomerRequest, payment), &context).await;
        let cart = shop.view(order).await.order.cart;
        let again = shop.request(cart, None);
        let answers = accept(&*shop.store, &shop.policy, &[again]).await;
        assert!(answers.expect("the store answers")[0].is_ok(), "{context}: the cart is open again");
    }
}

#[tokio::test]
async fn a_cancel_after_the_pivot_is_a_saga_of_its_own() {
    for (token, by, payment, reason) in [
        (Some("tok_ok"), Actor::Customer, PaymentStatus::Refunded, CancelReason::CustomerRequest),
        (Some("tok_timeout"), admin(), PaymentStatus::Refunded, CancelReason::AdminRequest),
        (None, admin(), PaymentStatus::Cancelled, CancelReason::AdminRequest),
    ] {
        let mut shop = Shop::open().await;
        let order = if let Some(token) = token { shop.card(token).await } else { shop.cod().await };
        if token.is_none() {
            shop.accepted(order, Verb::Confirm, &admin()).await;
        }
        shop.rest().await;
        assert_eq!(shop.level("cd-1").await, (8, 0));
        shop.accepted(order, Verb::Cancel, &by).await;
        // E13: the order belongs to the cancellation from this commit on.
        assert_eq!(shop.view(order).await.order.status, OrderStatus::Cancelling);
        let again = shop.ask(order, Verb::Cancel, &by).await;
        assert!(matches!(again, Ok(Answered::Already(_))), "{again:?}");
        assert!(matches!(shop.ask(order, Verb::Confirm, &by).await, Err(Conflict::Order(..))));
        shop.rest().await;
        let view = shop.view(order).await;
        assert_eq!((view.order.status, view.order.cancel_reason), (OrderStatus::Cancelled, Some(reason)));
        assert_eq!(view.payment.map(|payment| payment.status), Some(payment));
        assert_eq!(shop.level("cd-1").await, (10, 0));
        assert_eq!(shop.saga(order.saga(slot::CANCELLATION)).await.state, SagaState::Completed);
        let notices: Vec<_> = shop.notices.sent().into_iter().map(|(_, notice)| notice).collect();
        assert_eq!(notices, [NoticeKind::OrderConfirmed, NoticeKind::OrderCancelled]);
        shop.assert_clean("cancelled after the pivot").await;
    }
}

// Pitfall 14: a retry never revives what has ended.
#[tokio::test]
async fn a_retry_leaves_settled_and_living_sagas_alone() {
    let mut shop = Shop::open().await;
    let done = shop.card("tok_ok").await;
    let undone = shop.card("tok_declined").await;
    shop.rest().await;
    let living = shop.cod().await;
    shop.batch(vec![]).await;
    for order in [done, undone, living] {
        let before = shop.checkout(order).await;
        let retried =
            resolve::retry(&*shop.store, before.id, None, &operator()).await.expect("the store answers");
        assert!(matches!(retried, Err(Conflict::Instead(_))), "{retried:?}");
        // Not even when the signal is forced into the inbox.
        shop.signal(before.id, "forced", SignalBody::Retry { by: operator() }).await;
        shop.batch(vec![]).await;
        assert_eq!(shop.checkout(order).await.state, before.state);
    }
    let nobody = resolve::retry(&*shop.store, OrderId::new(99).saga(0), None, &operator()).await;
    assert!(matches!(nobody, Ok(Err(Conflict::UnknownSaga(_)))), "{nobody:?}");
    shop.assert_clean("retries").await;
}

#[tokio::test]
async fn a_message_that_cannot_be_sent_never_holds_up_an_order() {
    let mut shop = Shop::open().await;
    let order = shop.card("tok_ok").await;
    shop.notices.fail_with(vec![Fault::Refused("the mail server is away".to_owned()); 100]);
    shop.rest().await;
    let notice = shop.saga(order.saga(slot::CONFIRMED_NOTICE)).await;
    assert_eq!((notice.state, shop.checkout(order).await.state), (SagaState::Dead, SagaState::Completed));
    assert_eq!(notice.progress.data.notification, Some(NotificationStatus::Failed));
    shop.assert_clean("not notified yet").await;
    shop.notices.fail_with(vec![]);
    assert_eq!(shop.revive_all().await, 1);
    shop.rest().await;
    check(&shop, order, Ending::Stands(PaymentStatus::Captured), "notified").await;
}

#[tokio::test]
async fn one_cart_is_one_order_until_it_is_undone() {
    // Pitfall 18: two open checkouts for one cart.
    let mut shop = Shop::open().await;
    let cart = shop.cart(&[("cd-1", 1)]).await;
    let (first, second) = (shop.request(cart, Some("tok_ok")), shop.request(cart, Some("tok_ok")));
    let answers = accept(&*shop.store, &shop.policy, &[first, second]).await;
    let answers = answers.expect("the store answers");
    assert!(
        answers[0].is_ok() && answers[1].as_ref().is_err_and(|r| r.code() == "cart_in_checkout"),
        "{answers:?}"
    );
    shop.rest().await;
    let third = shop.request(cart, Some("tok_ok"));
    let answers = accept(&*shop.store, &shop.policy, &[third]).await;
    assert!(answers.expect("the store answers")[0].as_ref().is_err_and(|r| r.code() == "cart_cleared"));
    shop.assert_clean("one cart").await;
}

// A message about an account, a delivery to an endpoint: nothing of the engine needs an order.
#[tokio::test]
async fn a_saga_without_an_order_runs_as_any_other() {
    let shop = Shop::open().await;
    let id = SagaId::standalone(17);
    let total = Money::new(1, Currency::EUR);
    let notice =
        Notice { notice: NoticeKind::OrderConfirmed, channel: "log".to_owned(), total, reason: None };
    let keys = shop.store.keys().await.expect("memory reads");
    let saga = notification::V1.start(id, Context::Notice(notice)).begin(keys.draw(None), shop.clock.now());
    let writes = Writes { at: shop.clock.now(), new_sagas: [(id, saga)].into(), ..Writes::default() };
    shop.store.begin().await.expect("begins").save(&writes).await.expect("saves");
    shop.rest().await;
    assert_eq!(shop.saga(id).await.state, SagaState::Completed);
    assert!(shop.notices.sent().iter().any(|(sent, _)| *sent == id));
    let found = saga_list::find(&*shop.store, id).await.expect("reads").expect("exists");
    let history: Vec<_> = found.history.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(history, ["message saved", "sending the message", "message sent"]);
    let answer = signal::cancel(&*shop.store, id, &operator()).await.expect("answers");
    assert!(matches!(&answer, Err(Conflict::Instead(why)) if why.contains("serves no order")), "{answer:?}");
    shop.assert_clean("standalone").await;
}
