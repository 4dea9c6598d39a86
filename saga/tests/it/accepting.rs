//! Accepting checkouts, and forgetting them again: keys, carts, prices, retention.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use holdfast_saga::engine::apply::apply;
use holdfast_saga::memory::MemoryStore;
use holdfast_saga::ports::{Store, StoreError};
use holdfast_saga::records::Product;
use holdfast_saga::records::batch_rows::{Footprint, World, Writes};
use holdfast_saga::records::change::Change;
use holdfast_saga::records::signal::SignalBody;
use holdfast_saga::records::slot;
use holdfast_saga::shop::checkout::{Accepted, CheckoutRequest, QUANTITY_MAX, Refused, accept, digest};
use holdfast_saga::shop::order::Verb;
use holdfast_sandbox::SandboxControl as _;
use holdfast_shared::{CartId, Clock, Currency, Line, Money, OrderStatus, PaymentStatus, SagaState, Time};

use crate::flows::{Ending, check};
use crate::shop::{Shop, admin, noon, sku};

type Answers = Vec<Result<Accepted, Refused>>;

async fn ask(shop: &Shop, requests: &[CheckoutRequest]) -> Answers {
    accept(&*shop.store, &shop.policy, requests).await.expect("the store answers")
}

#[tokio::test]
async fn e11_one_key_is_one_order_in_one_batch_and_across_batches() {
    let mut shop = Shop::open().await;
    let cart = shop.cart(&[("cd-1", 1)]).await;
    let request = shop.request(cart, Some("tok_ok"));
    let other_body = CheckoutRequest { body: digest(&["something else"]), ..request.clone() };
    let answers = ask(&shop, &[request.clone(), request.clone(), other_body.clone()]).await;
    let order = answers[0].as_ref().expect("the first is accepted").order;
    assert!(matches!(&answers[1], Ok(again) if again.order == order && again.replayed), "{answers:?}");
    assert_eq!(answers[2], Err(Refused::KeyReused { order }));
    let placed = |at: usize| answers[at].as_ref().expect("is accepted").placed.clone().expect("just now");
    assert_eq!(*placed(0), shop.view(order).await.order, "as the database has it");
    assert!(Arc::ptr_eq(&placed(0), &placed(1)), "equal keys share it");
    shop.rest().await;
    let answers = ask(&shop, &[other_body, request]).await;
    assert_eq!(answers[0], Err(Refused::KeyReused { order }));
    assert!(matches!(&answers[1], Ok(again) if again.order == order && again.replayed), "{answers:?}");
    assert!(answers[1].as_ref().is_ok_and(|again| again.placed.is_none()), "placed by an earlier commit");
    shop.assert_clean("one key").await;
}

// Pitfall 9: only an order that was accepted is remembered.
#[tokio::test]
async fn e11_a_refusal_is_forgotten_and_says_nothing_about_another_body() {
    let mut shop = Shop::open().await;
    let (empty, full) = (shop.cart(&[]).await, shop.cart(&[("cd-1", 1)]).await);
    let bad = shop.request(empty, Some("tok_ok"));
    let good = CheckoutRequest { key: bad.key, ..shop.request(full, Some("tok_ok")) };
    let answers = ask(&shop, &[bad.clone(), bad.clone(), good.clone()]).await;
    assert_eq!(answers[..2], [Err(Refused::EmptyCart(empty)), Err(Refused::EmptyCart(empty))]);
    let order = answers[2].as_ref().expect("is judged by itself").order;
    let answers = ask(&shop, &[good, bad]).await;
    assert!(matches!(&answers[0], Ok(again) if again.order == order && again.replayed), "{answers:?}");
    assert_eq!(answers[1], Err(Refused::KeyReused { order }));
}

// F22: neither a refusal nor a repeat costs a number, alone or among others.
#[tokio::test]
async fn f22_only_an_accepted_order_takes_a_number() {
    let mut shop = Shop::open().await;
    let mut expected = 1..;
    for round in 0..4 {
        let (full, empty) = (shop.cart(&[("cd-1", 1)]).await, shop.cart(&[]).await);
        let good = shop.request(full, Some("tok_ok"));
        let closed = CheckoutRequest { may_place: false, ..shop.request(full, Some("tok_ok")) };
        let changed = CheckoutRequest {
            expected_total: Some(Money::new(1, Currency::EUR)),
            ..shop.request(full, Some("tok_ok"))
        };
        let bare = CheckoutRequest { token: None, ..shop.request(full, Some("tok_ok")) };
        let refused = [closed, changed, bare, shop.request(empty, Some("tok_ok"))];
        assert!(ask(&shop, &refused).await.iter().all(Result::is_err));
        let late = shop.request(full, Some("tok_ok"));
        let asked: Vec<_> = refused.iter().chain([&good, &good, &late]).cloned().collect();
        let answers = ask(&shop, &asked).await;
        let order = answers[refused.len()].as_ref().expect("is accepted").order;
        assert_eq!(Some(order.number()), expected.next(), "round {round}: {answers:?}");
        assert_eq!(answers.iter().flatten().count(), 2, "the order and its repeat: {answers:?}");
        let held = answers.last().and_then(|answer| answer.as_ref().err()).expect("its cart is taken");
        assert_eq!(held.code(), "cart_in_checkout", "{held}");
        assert!(held.to_string().contains(&order.to_string()), "{held}");
        ask(&shop, &vec![good; 20]).await;
        shop.rest().await;
    }
    shop.assert_clean("numbers").await;
}

#[tokio::test]
async fn e11_a_hundred_requests_with_one_key_are_one_order() {
    let mut shop = Shop::open().await;
    let cart = shop.cart(&[("cd-1", 1)]).await;
    let request = shop.request(cart, Some("tok_ok"));
    let (store, policy) = (Arc::clone(&shop.store), Arc::new(shop.policy.clone()));
    let buyers = (0..100).map(|_| {
        let (store, policy, request) = (Arc::clone(&store), Arc::clone(&policy), request.clone());
        tokio::spawn(async move {
            accept(&*store, &policy, &[request]).await.expect("the store answers").remove(0)
        })
    });
    let buyers: Vec<_> = buyers.collect();
    let mut orders = BTreeSet::new();
    for buyer in buyers {
        orders.insert(buyer.await.expect("no task panics").expect("accepted or replayed").order);
    }
    assert_eq!(orders.len(), 1);
    assert_eq!(shop.sagas().await.len(), 1);
}

/// The whole of what a refusal must leave alone.
async fn tables(memory: &MemoryStore) -> String {
    format!("{:?}", memory.snapshot().await)
}

// Pitfall 11: prices are the server's; what has none is not for sale.
#[tokio::test]
async fn bad_carts_are_refused_with_a_reason_and_change_nothing() {
    let mut shop = Shop::open().await;
    let mut writes = Writes { at: shop.clock.now(), ..Writes::default() };
    for (name, price, active) in [
        ("usd", Money::new(5, Currency::USD), true),
        ("gone", Money::new(5, Currency::EUR), false),
        ("dear", Money::new(i64::MAX / 2, Currency::EUR), true),
    ] {
        writes
            .put_products
            .insert(sku(name), Product { sku: sku(name), name: name.to_owned(), price, active });
    }
    shop.memory.begin().await.expect("memory opens").save(&writes).await.expect("products are saved");
    let bad: [(&str, &[(&str, u32)]); 9] = [
        ("cart_empty", &[]),
        ("not_for_sale", &[("unknown", 1)]),
        ("not_for_sale", &[("cd-1", 1), ("gone", 1)]),
        ("invalid_quantity", &[("cd-1", 0)]),
        ("invalid_quantity", &[("cd-1", QUANTITY_MAX + 1)]),
        ("duplicate_line", &[("cd-1", 1), ("cd-1", 2)]),
        ("mixed_currencies", &[("cd-1", 1), ("usd", 1)]),
        ("total_too_large", &[("dear", 3)]),
        ("total_too_large", &[("dear", 2), ("cd-1", 1)]),
    ];
    for (code, items) in bad {
        let cart = shop.cart(items).await;
        let request = shop.request(cart, Some("tok_ok"));
        let before = tables(&shop.memory).await;
        let answers = ask(&shop, &[request]).await;
        assert!(answers[0].as_ref().is_err_and(|refused| refused.code() == code), "{items:?}: {answers:?}");
        assert_eq!(tables(&shop.memory).await, before, "{items:?}");
    }
    let cart = shop.cart(&[("cd-1", 2)]).await;
    let request = shop.request(cart, Some("tok_ok"));
    let saw = |amount, currency| Some(Money::new(amount, currency));
    for (code, request) in [
        ("cart_changed", CheckoutRequest { expected_total: saw(1_999, Currency::EUR), ..request.clone() }),
        ("cart_changed", CheckoutRequest { expected_total: saw(2_000, Currency::USD), ..request.clone() }),
        ("token_missing", CheckoutRequest { token: None, ..request.clone() }),
        ("token_missing", CheckoutRequest { token: Some(String::new()), ..request.clone() }),
        ("cart_not_found", CheckoutRequest { cart: CartId(digest(&["no cart"])), ..request.clone() }),
    ] {
        let answers = ask(&shop, &[request]).await;
        assert!(answers[0].as_ref().is_err_and(|refused| refused.code() == code), "{code}: {answers:?}");
    }
    let right = CheckoutRequest { expected_total: saw(2_000, Currency::EUR), ..request };
    assert!(ask(&shop, &[right]).await[0].is_ok());
}

// Pitfall 8: neither a repeated hold nor the release of one that is gone moves stock.
#[tokio::test]
async fn stock_moves_once_for_an_order_and_only_along_its_reservation() {
    let mut shop = Shop::open().await;
    let order = shop.card("tok_ok").await;
    shop.rest().await;
    let lines = vec![Line { sku: sku("cd-1"), quantity: 2, unit_price_minor: 1_000 }];
    // Somebody else's hold, so that there is something to take away.
    shop.cod().await;
    shop.batch(vec![]).await;
    for change in [
        Change::ReserveStock { order, lines: lines.clone() },
        Change::ReleaseStock { order, lines: lines.clone() },
        Change::ConfirmReservation { order, lines: lines.clone() },
    ] {
        let before = shop.level("cd-1").await;
        let mut tx = shop.memory.begin().await.expect("memory opens");
        let mut world = World::default();
        tx.load(&Footprint { stock: vec![sku("cd-1")], ..Footprint::default() }, &mut world)
            .await
            .expect("loads");
        apply(&mut world, std::slice::from_ref(&change)).expect("the level alone would allow it");
        let saved = tx.save(&world.writes).await;
        assert!(
            matches!(saved, Err(StoreError::Mismatch { .. } | StoreError::Data(_))),
            "{change:?}: {saved:?}"
        );
        assert_eq!(shop.level("cd-1").await, before, "{change:?}");
    }
    shop.assert_clean("stock").await;
}

#[tokio::test]
async fn a_refused_change_gives_back_what_its_neighbours_took() {
    let mut shop = Shop::open().await;
    let order = shop.order_of(&[("cd-1", 9), ("cd-2", 11)], Some("tok_ok")).await;
    // Both in one batch: the first is refused whole, so the second finds everything.
    let next = shop.order_of(&[("cd-1", 10)], Some("tok_ok")).await;
    shop.rest().await;
    assert_eq!(shop.view(order).await.order.status, OrderStatus::Cancelled);
    assert_eq!(shop.view(next).await.order.status, OrderStatus::Confirmed);
    assert_eq!(shop.level("cd-1").await, (0, 0));
    shop.assert_clean("refused whole").await;
}

fn later(shop: &Shop) -> Time {
    shop.clock.now() + Duration::from_secs(1)
}

#[tokio::test]
async fn e16_only_what_is_settled_and_read_is_forgotten() {
    let mut shop = Shop::open().await;
    let stands = shop.card("tok_ok").await;
    shop.rest().await;
    let undone = shop.card("tok_down").await;
    shop.rest().await;
    let dead = shop.card("tok_refund_fails").await;
    shop.rest().await;
    shop.accepted(dead, Verb::Cancel, &admin()).await;
    shop.rest().await;
    let living = shop.cod().await;
    shop.batch(vec![]).await;
    // Late money that nobody has read of yet.
    let charge = shop.charge(undone, 1).await;
    shop.sandbox.charge(&charge, Money::new(3_000, Currency::EUR), "tok_ok").await.expect("it is taken");
    shop.signal(undone.saga(slot::CHECKOUT), "evt", SignalBody::PaymentEvent { charge }).await;

    assert_eq!(shop.store.prune(noon(), 100).await.expect("memory prunes"), 0, "nothing is old enough");
    let mut pruned = 0;
    loop {
        let rows = shop.store.prune(later(&shop), 2).await.expect("memory prunes");
        assert!(rows <= 4, "bounded: {rows}");
        if rows == 0 {
            break;
        }
        pruned += rows;
    }
    assert!(pruned > 0);
    let left: Vec<_> = shop.sagas().await.into_iter().map(|saga| saga.id).collect();
    assert!(!left.contains(&stands.saga(slot::CHECKOUT)));
    assert!(left.contains(&undone.saga(slot::CHECKOUT)), "it has an unread signal");
    assert!(left.contains(&dead.saga(slot::CANCELLATION)) && left.contains(&living.saga(slot::CHECKOUT)));
    for order in [stands, undone, dead, living] {
        shop.view(order).await;
    }
    // A replay of a forgotten key does not buy the cart again.
    let cart = shop.view(stands).await.order.cart;
    let again = shop.request(cart, Some("tok_ok"));
    assert!(ask(&shop, &[again]).await[0].as_ref().is_err_and(|refused| refused.code() == "cart_cleared"));
    shop.revive_all().await;
    shop.rest().await;
    let late = shop.saga(undone.saga(slot::LATE_REFUND)).await;
    assert_eq!(late.state, SagaState::Completed);
    shop.assert_clean("afterwards").await;
}

#[tokio::test]
async fn a_paid_order_is_not_paid_again_after_its_saga_is_forgotten() {
    let mut shop = Shop::open().await;
    let order = shop.card("tok_ok").await;
    shop.rest().await;
    check(&shop, order, Ending::Stands(PaymentStatus::Captured), "before").await;
    shop.store.prune(later(&shop), 100).await.expect("memory prunes");
    shop.rest().await;
    assert_eq!(shop.statement().await.len(), 1);
    shop.accepted(order, Verb::Cancel, &admin()).await;
    shop.rest().await;
    assert_eq!(shop.view(order).await.order.status, OrderStatus::Cancelled);
    shop.assert_clean("cancelled after pruning").await;
}
