//! M4, M5 and M6: a refund whose answer was lost goes back once.

use std::time::Duration;

use holdfast_saga::records::history::Entry;
use holdfast_saga::records::slot;
use holdfast_saga::shop::order::Verb;
use holdfast_shared::{Clock, SagaState};
use holdfast_test_bank::{Bank, Weather};

use super::{at, comes, dead, reference, sums};
use crate::flows::one_call;
use crate::shop::{admin, bank};

// What an operator settled by hand is asked for no more, by any stage that is still to be undone.
#[tokio::test]
async fn a_discarded_refund_of_an_opened_payment_is_not_sent_by_its_closing() {
    let (mut shop, wire, script) = at(bank()).await;
    comes(&script, &[("/attempts", Weather::LoseAnswer)]);
    let order = shop.card("bank_pays").await;
    shop.rest_until_sent().await;
    shop.accepted(order, Verb::Cancel, &admin()).await;
    comes(&script, &[("/refunds", Weather::Refused); 8]);
    shop.rest().await;
    assert_eq!(shop.checkout(order).await.state, SagaState::Dead);
    assert_eq!(shop.discard_all().await, 1);
    shop.rest().await;
    assert_eq!((shop.checkout(order).await.state, sums(&wire)), (SagaState::Compensated, (3_000, 0)));
    let payment = shop.view(order).await.payment.expect("was paid");
    assert_eq!((payment.settled_manually_minor, payment.refunded_minor), (3_000, 0));
    shop.assert_clean("settled by hand").await;
}

#[tokio::test]
async fn m4_a_refund_that_is_answered_with_a_500_for_a_day_is_sent_under_the_next_key() {
    for done in [false, true] {
        let (mut shop, wire, script) = at(bank()).await;
        let order = shop.card("bank_pays").await;
        shop.rest().await;
        comes(&script, &[("/refunds", Weather::ServerError { done })]);
        shop.accepted(order, Verb::Cancel, &admin()).await;
        let began = shop.clock.now();
        let entries = shop.rest().await;
        assert!(!dead(&entries), "{entries:?}");
        assert_eq!(sums(&wire), (3_000, 3_000), "done: {done}");
        let cancellation = shop.saga(order.saga(slot::CANCELLATION)).await;
        assert_eq!(cancellation.state, SagaState::Completed);
        let took = shop.clock.now().since(began);
        // What was done is listed at once; what shows nowhere is believed only once it must have arrived.
        assert_eq!(took < Duration::from_mins(10), done, "{took:?}");
        shop.assert_clean("refunded once").await;
    }
}

#[tokio::test]
async fn m5_a_refund_at_the_desk_between_two_tries_changes_no_body_under_a_known_key() {
    for weather in [Weather::LoseRequest, Weather::LoseAnswer] {
        let (mut shop, wire, script) = at(bank()).await;
        let order = shop.card("bank_pays").await;
        shop.rest().await;
        comes(&script, &[("/refunds", weather)]);
        shop.accepted(order, Verb::Cancel, &admin()).await;
        let call = one_call(&shop).await;
        let lost = shop.execute(&call).await;
        shop.batch(vec![lost]).await;
        let reference = reference(&shop, order).await;
        let now = shop.clock.now();
        if weather == Weather::LoseRequest {
            wire.bank().refund_at_desk(&reference, 1_000, now);
        }
        let entries = shop.rest().await;
        assert!(!dead(&entries), "{entries:?}");
        assert_eq!(sums(&wire), (3_000, 3_000), "{weather:?}");
        shop.assert_clean(&format!("{weather:?}")).await;
    }
}

#[tokio::test]
async fn m6_a_key_that_may_be_forgotten_is_only_looked_up() {
    for (weather, key) in [(Weather::LoseAnswer, 1), (Weather::LoseRequest, 2)] {
        let (mut shop, wire, script) =
            at(Bank::new(Duration::from_hours(1)).with_account("key_1", "acct_1", false)).await;
        let order = shop.card("bank_pays").await;
        shop.rest().await;
        comes(&script, &[("/refunds", weather)]);
        shop.accepted(order, Verb::Cancel, &admin()).await;
        let call = one_call(&shop).await;
        let lost = shop.execute(&call).await;
        shop.batch(vec![lost]).await;
        // Nobody works for two days; by then the bank has forgotten the key.
        shop.clock.advance(Duration::from_hours(48));
        let entries = shop.rest().await;
        assert!(!dead(&entries), "{entries:?}");
        assert_eq!(sums(&wire), (3_000, 3_000), "{weather:?}");
        let ended = shop.saga(order.saga(slot::CANCELLATION)).await;
        let sent_again = entries.iter().any(|entry| matches!(entry, Entry::Failed { .. }));
        assert_eq!((ended.state, sent_again), (SagaState::Completed, key == 2), "{weather:?}");
    }
}
