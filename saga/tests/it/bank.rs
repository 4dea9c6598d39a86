//! M1 to M15 at a provider that is not ours: it must open payments, cannot close them, keeps debits on their way, repeats its
//! errors, forgets its keys, and belongs to an account.

mod giving_back;
mod on_the_way;
mod outage;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use holdfast_saga::ports::Providers;
use holdfast_saga::records::history::Entry;
use holdfast_saga::records::request::{PaymentRequest, Request};
use holdfast_saga::records::slot;
use holdfast_saga::shop::checkout;
use holdfast_saga::shop::order::Verb;
use holdfast_shared::{CancelReason, Clock, OrderId, OrderStatus, PaymentStatus, SagaState};
use holdfast_test_bank::{Bank, BankProvider, LocalWire, Weather};

use crate::flows::{Ending, check, one_call};
use crate::shop::{BANK_KEY_TTL, Parts, Shop, admin, bank};

/// What becomes of the next request whose path ends so.
pub(crate) type Script = Arc<Mutex<Vec<(&'static str, Weather)>>>;

/// A shop at this bank, the bank, and what is in store for the requests to it.
pub(crate) async fn at(bank: Bank) -> (Shop, Arc<LocalWire>, Script) {
    let script = Script::default();
    let coming = Arc::clone(&script);
    let parts = Parts::banking(|clock: Arc<dyn Clock>| {
        LocalWire::new(bank, clock).in_weather(move |asked| {
            let mut coming = coming.lock().unwrap_or_else(PoisonError::into_inner);
            let at = coming.iter().position(|(path, _)| asked.path.ends_with(path));
            at.map_or(Weather::Clear, |at| coming.remove(at).1)
        })
    });
    let shop = Shop::of(parts).await;
    let wire = shop.bank.clone().expect("the bank takes the money");
    (shop, wire, script)
}

fn comes(script: &Script, what: &[(&'static str, Weather)]) {
    script.lock().unwrap_or_else(PoisonError::into_inner).extend(what);
}

/// An order whose buyer pays at the bank.
async fn at_the_page(shop: &mut Shop) -> OrderId {
    let cart = shop.cart(&[("cd-1", 2), ("cd-2", 1)]).await;
    let mut request = shop.request(cart, Some(""));
    request.token = None;
    let answers = checkout::accept(&*shop.store, &shop.policy, &[request]).await.expect("the store answers");
    answers[0].as_ref().expect("the checkout is accepted").order
}

/// What the bank has taken and given back, of all payments together.
pub(crate) fn sums(wire: &LocalWire) -> (i64, i64) {
    wire.bank().total()
}

/// How many payments were opened there.
fn opened(wire: &LocalWire) -> usize {
    wire.bank().opened()
}

/// The bank's reference to the payment of `order`.
async fn reference(shop: &Shop, order: OrderId) -> String {
    let payment = shop.view(order).await.payment.expect("has a payment");
    payment.charge.expect("has a charge").to_string()
}

async fn minutes(shop: &Shop, minutes: u64) {
    let end = shop.clock.now() + Duration::from_mins(minutes);
    shop.run_until(Some(end)).await;
    shop.clock.set(end);
}

fn dead(entries: &[Entry]) -> bool {
    entries.iter().any(|entry| matches!(entry, Entry::Dead { .. }))
}

#[tokio::test]
async fn m1_the_reference_is_committed_before_money_can_move() {
    let (mut shop, wire, _) = at(bank()).await;
    let order = shop.card("bank_pays").await;
    let open = one_call(&shop).await;
    assert!(matches!(open.request, Request::Payment(PaymentRequest::Open { .. })), "{open:?}");
    let answer = shop.execute(&open).await;
    assert_eq!(sums(&wire), (0, 0), "opening moves nothing");
    let take = shop.batch(vec![answer]).await.calls.remove(0);
    let committed =
        shop.view(order).await.payment.expect("is committed").details.object.expect("is committed");
    assert_eq!((committed.reference.as_str(), committed.wire), ("po_1", 1));
    let Request::Payment(PaymentRequest::Charge { payment, .. }) = &take.request else { panic!("{take:?}") };
    assert_eq!(payment.object.as_ref(), Some(&committed));
    let taken = shop.execute(&take).await;
    shop.batch(vec![taken]).await;
    shop.rest().await;
    check(&shop, order, Ending::Stands(PaymentStatus::Captured), "opened and taken").await;
}

#[tokio::test]
async fn m1_what_was_opened_and_not_committed_is_replaced_and_never_paid() {
    for lost in
        [Weather::LoseAnswer, Weather::ServerError { done: true }, Weather::ServerError { done: false }]
    {
        let (mut shop, wire, script) = at(bank()).await;
        comes(&script, &[("/payments", lost)]);
        let order = shop.card("bank_pays").await;
        shop.rest().await;
        check(&shop, order, Ending::Stands(PaymentStatus::Captured), &format!("{lost:?}")).await;
        assert_eq!(sums(&wire), (3_000, 0), "{lost:?}");
    }
}

#[tokio::test]
async fn m2_a_capture_whose_answer_is_a_502_is_found_and_not_repeated_in_a_second_payment() {
    for lost in [Weather::ServerError { done: true }, Weather::LoseAnswer] {
        let (mut shop, wire, script) = at(bank()).await;
        comes(&script, &[("/attempts", lost)]);
        let order = shop.card("bank_pays").await;
        shop.rest().await;
        check(&shop, order, Ending::Stands(PaymentStatus::Captured), &format!("{lost:?}")).await;
        assert_eq!((opened(&wire), sums(&wire)), (1, (3_000, 0)), "{lost:?}");
    }
}

#[tokio::test]
async fn m3_what_proves_that_nothing_moved_keeps_the_key_and_counts_as_no_try() {
    for weather in [Weather::Away, Weather::TooMany] {
        let (mut shop, wire, script) = at(bank()).await;
        comes(&script, &[("/payments", weather); 12]);
        comes(&script, &[("/attempts", weather); 12]);
        let order = shop.card("bank_pays").await;
        let entries = shop.rest().await;
        assert_eq!(
            entries.iter().filter(|entry| matches!(entry, Entry::Held { .. })).count(),
            24,
            "{weather:?}"
        );
        assert!(!entries.iter().any(|entry| matches!(entry, Entry::Failed { .. } | Entry::Unknown { .. })));
        let payment = shop.view(order).await.payment.expect("was paid");
        assert!(payment.charge.is_some_and(|charge| charge.as_str().ends_with(":open_payment:1")));
        check(&shop, order, Ending::Stands(PaymentStatus::Captured), &format!("{weather:?}")).await;
        assert_eq!((opened(&wire), sums(&wire)), (1, (3_000, 0)), "{weather:?}");
    }
}

#[tokio::test]
async fn m4_an_open_payment_is_driven_again_under_the_next_attempt() {
    let (mut shop, wire, script) = at(bank()).await;
    // The bank repeats this 500 under its key for a day.
    comes(&script, &[("/attempts", Weather::ServerError { done: false })]);
    let order = shop.card("bank_pays").await;
    let entries = shop.rest().await;
    assert_eq!(entries.iter().filter(|entry| matches!(entry, Entry::Failed { .. })).count(), 1);
    check(&shop, order, Ending::Stands(PaymentStatus::Captured), "driven again").await;
    assert_eq!((opened(&wire), sums(&wire)), (1, (3_000, 0)));
}

#[tokio::test]
async fn m8_a_decline_ends_an_attempt_and_only_a_closed_payment_ends_the_order() {
    // The shop's own attempt: closed at once.
    let (mut shop, wire, _) = at(bank()).await;
    let order = shop.card("bank_declines").await;
    shop.rest().await;
    let declined = Ending::Undone(CancelReason::PaymentDeclined, Some(PaymentStatus::Declined));
    check(&shop, order, declined, "declined").await;
    assert_eq!(sums(&wire), (0, 0));
    // The buyer's: they may try again on the page, and it is the same payment.
    let (mut shop, wire, _) = at(bank()).await;
    let order = at_the_page(&mut shop).await;
    minutes(&shop, 1).await;
    let reference = reference(&shop, order).await;
    wire.bank().buyer(&reference, false);
    assert!(shop.event(&reference_key(&reference), "declined").await.is_ok());
    minutes(&shop, 1).await;
    let payment = shop.view(order).await.payment.expect("is open");
    assert_eq!(payment.status, PaymentStatus::RequiresAction, "the order still waits");
    wire.bank().buyer(&reference, true);
    assert!(shop.event(&reference_key(&reference), "approved").await.is_ok());
    shop.rest().await;
    check(&shop, order, Ending::Stands(PaymentStatus::Captured), "paid at the second attempt").await;
    assert_eq!((opened(&wire), sums(&wire)), (1, (3_000, 0)));
}

// M4: the bank repeats the 500 under its key for a day; an approval is taken under the next one.
#[tokio::test]
async fn m9_an_approval_whose_capture_is_answered_with_a_500_is_captured_all_the_same() {
    for done in [false, true] {
        let (mut shop, wire, script) = at(bank()).await;
        let order = at_the_page(&mut shop).await;
        minutes(&shop, 1).await;
        let reference = reference(&shop, order).await;
        comes(&script, &[("/attempts", Weather::ServerError { done })]);
        wire.bank().buyer(&reference, true);
        assert!(shop.event(&reference_key(&reference), "approved").await.is_ok());
        minutes(&shop, 2).await;
        check(&shop, order, Ending::Stands(PaymentStatus::Captured), &format!("done: {done}")).await;
        assert_eq!(sums(&wire), (3_000, 0));
    }
}

fn reference_key(reference: &str) -> holdfast_shared::StepKey {
    holdfast_shared::StepKey::from_stored(reference)
}

#[tokio::test]
async fn m9_an_approval_is_looked_up_and_then_captured() {
    for reported in [true, false] {
        let (mut shop, wire, _) = at(bank()).await;
        let order = at_the_page(&mut shop).await;
        minutes(&shop, 1).await;
        let waiting = shop.view(order).await.payment.expect("is open");
        assert!(waiting.details.next_action.is_some_and(|url| url.contains("/pay/po_1")));
        let reference = reference(&shop, order).await;
        wire.bank().buyer(&reference, true);
        assert_eq!(sums(&wire), (0, 0), "an approval moves nothing");
        if reported {
            assert!(shop.event(&reference_key(&reference), "approved").await.is_ok());
        }
        // Without an event it is asked about at the end of the window.
        shop.rest().await;
        check(&shop, order, Ending::Stands(PaymentStatus::Captured), "approved").await;
        assert_eq!(sums(&wire), (3_000, 0));
    }
}

#[tokio::test]
async fn m12_another_accounts_credentials_park_what_was_opened_and_kill_nothing() {
    let (mut shop, wire, script) = at(bank().with_account("key_2", "acct_2", false)).await;
    let old = shop.card("bank_pays").await;
    shop.rest().await;
    // One is opened and not taken yet, one is still to be opened.
    comes(&script, &[("/attempts", Weather::Away)]);
    let unpaid = shop.order_of(&[("cd-1", 1)], Some("bank_pays")).await;
    shop.rest_until_sent().await;
    let ours = shop.outside.payments.clone();
    for knows_its_account in [true, false] {
        let other = BankProvider::new(Arc::clone(&wire) as _, "key_2", BANK_KEY_TTL);
        if knows_its_account {
            holdfast_saga::ports::PaymentProvider::ping(&other).await.expect("answers");
        }
        shop.outside.payments = Providers::of(Arc::new(other));
        if knows_its_account {
            shop.accepted(old, Verb::Cancel, &admin()).await;
        }
        minutes(&shop, 12).await;
        for (order, saga) in [(old, slot::CANCELLATION), (unpaid, slot::CHECKOUT)] {
            let saga = shop.saga(order.saga(saga)).await;
            assert!(!saga.state.is_settled() && saga.state != SagaState::Dead, "{saga:?}");
            assert!(saga.progress.failures == 0, "{saga:?}");
        }
        let history = shop.history(unpaid).await;
        let said = |entry: &Entry| matches!(entry, Entry::Held { why, .. } if why.contains("account"));
        assert!(history.iter().any(said), "{history:?}");
        assert_eq!((opened(&wire), sums(&wire)), (2, (3_000, 0)), "nothing moved in either account");
    }
    shop.outside.payments = ours;
    shop.rest().await;
    assert_eq!(shop.view(unpaid).await.order.status, OrderStatus::Confirmed);
    assert_eq!(shop.view(old).await.order.status, OrderStatus::Cancelled);
    assert_eq!(sums(&wire), (4_000, 3_000));
    shop.assert_clean("put back").await;
}
