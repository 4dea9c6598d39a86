//! More than one payment provider: each order is paid and refunded where its own money is, and a provider that is not
//! configured any more holds its sagas and kills none.

use std::sync::Arc;
use std::time::Duration;

use holdfast_saga::operations::dead_letter::DeadLetterAction;
use holdfast_saga::operations::dead_letter::resolve;
use holdfast_saga::ports::{Movement, PaymentProvider, Providers};
use holdfast_saga::records::history::Entry;
use holdfast_saga::records::slot;
use holdfast_saga::shop::checkout::{self, AcceptPolicy, CheckoutRequest, PaymentRoute, Refused};
use holdfast_saga::shop::order::Verb;
use holdfast_saga::timeline::{self, Conditions, Story};
use holdfast_sandbox::MemorySandbox;
use holdfast_shared::{CancelReason, Clock, OrderId, OrderStatus, PaymentMethod, PaymentStatus, SagaState};

use crate::shop::{Shop, admin, operator};

/// A sandbox under another name, with a ledger of its own.
fn second(shop: &Shop) -> Arc<dyn PaymentProvider> {
    Arc::new(MemorySandbox::new(Arc::clone(&shop.clock) as Arc<dyn Clock>).named("second"))
}

/// What a provider has taken and given back, of all orders.
async fn sums(provider: &dyn PaymentProvider) -> (i64, i64) {
    let lines = provider.movements("").await.expect("answers").expect("keeps a ledger").items;
    let sum = |of: fn(&Movement) -> i64| lines.iter().map(of).sum();
    (sum(|line| line.captured_minor), sum(|line| line.refunded_minor))
}

async fn explained(shop: &Shop, order: OrderId) -> String {
    let story = Story::read(&*shop.store, order).await.expect("reads").expect("exists");
    let conditions = Conditions { now: shop.clock.now(), paused: [].into(), workers: vec![] };
    timeline::explain(&story, &shop.registry, &conditions).now
}

#[tokio::test]
async fn an_order_is_refunded_where_it_was_paid_whoever_takes_new_money() {
    let mut shop = Shop::open().await;
    let (sandbox, second) = (Arc::clone(&shop.sandbox) as Arc<dyn PaymentProvider>, second(&shop));
    shop.outside.payments = [Arc::clone(&sandbox), Arc::clone(&second)].into_iter().collect();
    let old = shop.card("tok_ok").await;
    shop.rest().await;
    shop.policy = AcceptPolicy { hint_ahead: Duration::ZERO, ..AcceptPolicy::new("second") };
    let new = shop.card("tok_ok").await;
    shop.rest().await;
    assert_eq!((sums(&*sandbox).await, sums(&*second).await), ((3_000, 0), (3_000, 0)));
    for (order, ends) in [(old, ((3_000, 3_000), (3_000, 0))), (new, ((3_000, 3_000), (3_000, 3_000)))] {
        shop.accepted(order, Verb::Cancel, &admin()).await;
        shop.rest().await;
        assert_eq!(shop.view(order).await.order.status, OrderStatus::Cancelled);
        assert_eq!((sums(&*sandbox).await, sums(&*second).await), ends);
    }
    shop.assert_clean("paid at two providers").await;
}

#[tokio::test]
async fn each_payment_method_goes_to_its_own_provider_or_is_not_offered() {
    let mut shop = Shop::open().await;
    let (sandbox, second) = (Arc::clone(&shop.sandbox) as Arc<dyn PaymentProvider>, second(&shop));
    shop.outside.payments = [Arc::clone(&sandbox), Arc::clone(&second)].into_iter().collect();
    let route = PaymentRoute::new("second");
    shop.policy.payments.insert(PaymentMethod::Paypal, route);
    let card = shop.card("tok_ok").await;
    let paypal = by_paypal(&mut shop).await.expect("is offered");
    let cod = shop.cod().await;
    shop.rest_until_sent().await;
    shop.accepted(cod, Verb::Confirm, &admin()).await;
    shop.rest().await;
    for (order, provider) in [(card, "sandbox"), (paypal, "second")] {
        assert_eq!(shop.view(order).await.payment.expect("was paid").provider, provider);
    }
    assert_eq!((sums(&*sandbox).await, sums(&*second).await), ((3_000, 0), (3_000, 0)));
    assert_eq!(shop.view(cod).await.payment.expect("is due").provider, "cod");
    shop.policy.payments.remove(&PaymentMethod::Paypal);
    assert_eq!(by_paypal(&mut shop).await, Err(Refused::MethodUnavailable(PaymentMethod::Paypal)));
    shop.assert_clean("two providers").await;
}

#[tokio::test]
async fn a_refund_whose_provider_never_comes_back_can_be_settled_by_hand() {
    let mut shop = Shop::open().await;
    let order = shop.card("tok_ok").await;
    shop.rest().await;
    shop.outside.payments = Providers::of(second(&shop));
    shop.accepted(order, Verb::Cancel, &admin()).await;
    shop.run_until(Some(shop.clock.now() + Duration::from_hours(1))).await;
    let saga = order.saga(slot::CANCELLATION);
    // Tried again at once, in vain.
    assert!(resolve::retry(&*shop.store, saga, None, &operator()).await.expect("answers").is_ok());
    shop.rest_until_sent().await;
    assert!(shop.saga(saga).await.progress.parked);
    let action = DeadLetterAction::Discard { reason: "paid back in cash".to_owned() };
    let answers = resolve::act(&*shop.store, &shop.registry, &[saga], &action, &operator()).await;
    assert!(answers.expect("answers").remove(0).1.is_ok());
    shop.rest().await;
    let view = shop.view(order).await;
    let payment = view.payment.expect("was paid");
    assert_eq!((view.order.status, payment.settled_manually_minor), (OrderStatus::Cancelled, 3_000));
    assert_eq!(shop.saga(saga).await.state, SagaState::Completed);
    shop.assert_clean("settled by hand").await;
}

async fn by_paypal(shop: &mut Shop) -> Result<OrderId, Refused> {
    let cart = shop.cart(&[("cd-1", 2), ("cd-2", 1)]).await;
    let request = CheckoutRequest { method: PaymentMethod::Paypal, ..shop.request(cart, Some("tok_ok")) };
    let answers = checkout::accept(&*shop.store, &shop.policy, &[request]).await.expect("the store answers");
    answers[0].clone().map(|accepted| accepted.order)
}

#[tokio::test]
async fn a_provider_that_was_removed_holds_its_sagas_and_kills_none() {
    let mut shop = Shop::open().await;
    let paid = shop.card("tok_ok").await;
    shop.rest().await;
    let configured = shop.outside.payments.clone();
    let second = second(&shop);
    shop.outside.payments = Providers::of(Arc::clone(&second));
    // One that is to be refunded there, and one that is to be paid there.
    shop.accepted(paid, Verb::Cancel, &admin()).await;
    let waiting = shop.card("tok_ok").await;
    let entries = shop.run_until(Some(shop.clock.now() + Duration::from_hours(72))).await;
    let is_trouble =
        |entry: &&Entry| matches!(entry, Entry::Failed { .. } | Entry::Unknown { .. } | Entry::Dead { .. });
    assert_eq!(entries.iter().find(is_trouble), None);
    // Nothing was ever sent for this one, so its window ends as any other's.
    let expired = shop.view(waiting).await;
    assert_eq!(expired.order.cancel_reason, Some(CancelReason::PaymentExpired));
    assert_eq!(expired.payment.map(|payment| payment.status), Some(PaymentStatus::Cancelled));
    let refunding = shop.saga(paid.saga(slot::CANCELLATION)).await;
    assert_eq!((refunding.state, refunding.progress.failures), (SagaState::Running, 0));
    let explained = explained(&shop, paid).await;
    assert!(explained.contains("no payment provider sandbox is configured here"), "{explained}");
    assert_eq!(sums(&*second).await, (0, 0), "nothing is asked of another provider");
    // Put back, it goes on.
    shop.outside.payments = configured;
    shop.rest().await;
    assert_eq!(shop.view(paid).await.order.status, OrderStatus::Cancelled);
    assert_eq!(sums(&*shop.sandbox).await, (3_000, 3_000));
    shop.assert_clean("put back").await;
}
