//! M10 and M11: money that is on its way, or may be.

use std::time::Duration;

use holdfast_saga::shop::order::Verb;
use holdfast_shared::{CancelReason, Clock, OrderStatus, PaymentStatus};
use holdfast_test_bank::Weather;

use super::{at, comes, dead, minutes, reference, reference_key, sums};
use crate::flows::{Ending, check, one_call};
use crate::shop::{LEASE, admin, bank};

#[tokio::test]
async fn m10_money_on_its_way_is_waited_for_past_every_window() {
    for arrives in [true, false] {
        let (mut shop, wire, _) = at(bank()).await;
        let order = shop.card("bank_debits").await;
        minutes(&shop, 3 * 24 * 60).await;
        let view = shop.view(order).await;
        let payment = view.payment.expect("is processing").status;
        assert_eq!((view.order.status, payment), (OrderStatus::PendingPayment, PaymentStatus::Processing));
        assert_eq!(shop.level("cd-1").await, (10, 2), "its stock is held");
        assert!(!view.needs_attention);
        let reference = reference(&shop, order).await;
        wire.bank().settle(&reference, arrives);
        // It is looked up every hour, so no event is needed.
        let entries = shop.rest().await;
        assert!(!dead(&entries));
        let ending = if arrives {
            Ending::Stands(PaymentStatus::Captured)
        } else {
            Ending::Undone(CancelReason::PaymentDeclined, Some(PaymentStatus::Declined))
        };
        check(&shop, order, ending, "settled").await;
    }
}

#[tokio::test]
async fn m10_refused_look_ups_give_no_money_up_that_is_on_its_way() {
    let (mut shop, wire, script) = at(bank()).await;
    let order = shop.card("bank_debits").await;
    minutes(&shop, 1).await;
    comes(&script, &[("/payments/po_1", Weather::Refused); 12]);
    minutes(&shop, 24 * 60).await;
    let payment = shop.view(order).await.payment.expect("is processing");
    assert_eq!(payment.status, PaymentStatus::Processing);
    let reference = reference(&shop, order).await;
    wire.bank().settle(&reference, true);
    shop.rest().await;
    check(&shop, order, Ending::Stands(PaymentStatus::Captured), "settled").await;
}

#[tokio::test]
async fn m10_a_cancel_of_money_on_its_way_is_accepted_and_pends() {
    for arrives in [true, false] {
        let (mut shop, wire, _) = at(bank()).await;
        let order = shop.card("bank_debits").await;
        minutes(&shop, 1).await;
        shop.accepted(order, Verb::Cancel, &admin()).await;
        minutes(&shop, 24 * 60).await;
        let view = shop.view(order).await;
        assert_eq!((view.order.status, view.needs_attention), (OrderStatus::PendingPayment, false));
        let reference = reference(&shop, order).await;
        wire.bank().settle(&reference, arrives);
        assert!(shop.event(&reference_key(&reference), "settled").await.is_ok());
        shop.rest().await;
        let status = if arrives { PaymentStatus::Refunded } else { PaymentStatus::Cancelled };
        check(&shop, order, Ending::Undone(CancelReason::AdminRequest, Some(status)), "settled").await;
        assert_eq!(sums(&wire), if arrives { (3_000, 3_000) } else { (0, 0) });
    }
}

#[tokio::test]
async fn m11_nothing_unwinds_past_a_payment_that_may_still_be_taken() {
    let (mut shop, wire, script) = at(bank()).await;
    comes(&script, &[("/attempts", Weather::ArriveLate(Duration::from_mins(5)))]);
    let order = shop.card("bank_pays").await;
    shop.rest_until_sent().await;
    shop.accepted(order, Verb::Cancel, &admin()).await;
    minutes(&shop, 4).await;
    let view = shop.view(order).await;
    assert_eq!(view.order.status, OrderStatus::PendingPayment, "seen open is no proof yet");
    assert_eq!(sums(&wire), (0, 0));
    shop.rest().await;
    let refunded = Ending::Undone(CancelReason::AdminRequest, Some(PaymentStatus::Refunded));
    check(&shop, order, refunded, "it arrived late").await;
    assert_eq!(sums(&wire), (3_000, 3_000));
}

// A worker that was frozen in between sends its attempt long after everything was undone.
#[tokio::test]
async fn m11_a_capture_that_comes_after_all_patience_is_given_back() {
    let (mut shop, wire, _) = at(bank()).await;
    let order = shop.card("bank_pays").await;
    let open = one_call(&shop).await;
    let answer = shop.execute(&open).await;
    let frozen = shop.batch(vec![answer]).await.calls.remove(0);
    shop.clock.advance(LEASE + Duration::from_millis(1));
    shop.accepted(order, Verb::Cancel, &admin()).await;
    shop.rest().await;
    let undone = Ending::Undone(CancelReason::AdminRequest, Some(PaymentStatus::Cancelled));
    check(&shop, order, undone, "seen open for long enough").await;
    let late = shop.execute(&frozen).await;
    assert_eq!(sums(&wire), (3_000, 0));
    shop.batch(vec![late]).await;
    shop.rest().await;
    assert_eq!(sums(&wire), (3_000, 3_000));
    check(&shop, order, undone, "given back").await;
}

#[tokio::test]
async fn m11_a_payment_whose_money_was_never_asked_for_is_closed_at_once() {
    let (mut shop, wire, script) = at(bank()).await;
    comes(&script, &[("/attempts", Weather::Away); 3]);
    let order = shop.card("bank_pays").await;
    shop.rest_until_sent().await;
    shop.accepted(order, Verb::Cancel, &admin()).await;
    let began = shop.clock.now();
    shop.rest().await;
    let undone = Ending::Undone(CancelReason::AdminRequest, Some(PaymentStatus::Cancelled));
    check(&shop, order, undone, "never asked for").await;
    assert!(shop.clock.now().since(began) < Duration::from_mins(1));
    assert_eq!(sums(&wire), (0, 0));
}
