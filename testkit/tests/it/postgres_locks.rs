//! Locks on a real Postgres: who goes silent costs seconds, and nobody's wake-up is lost.

use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast_saga::engine::batch::CommitFailures;
use holdfast_saga::ports::{Claim, Store as _, StoreError};
use holdfast_saga::records::StockMove;
use holdfast_saga::records::batch_rows::{CartMove, Footprint, World, Writes};
use holdfast_saga::shop::answer::Answered;
use holdfast_saga::shop::order::Verb;
use holdfast_shared::{CartId, CartStatus, Clock as _, OrderId, OrderStatus, SagaState};
use holdfast_testkit::database::Database;
use holdfast_testkit::driver::{QUEUES, batch, hinted, outside, sweep, worker};
use holdfast_testkit::rows::sku;
use holdfast_testkit::shop::{Shop, admin};

use crate::pair::Pair;

#[tokio::test]
async fn e2_every_session_has_timeouts() {
    let database = Database::postgres_by_its_own_clock().await;
    let store = database.on_postgres().store().await;
    for (name, expected) in [
        ("lock_timeout", "1s"),
        ("statement_timeout", "10s"),
        ("idle_in_transaction_session_timeout", "5s"),
        ("tcp_keepalives_idle", "5"),
        ("tcp_keepalives_interval", "2"),
        ("tcp_keepalives_count", "3"),
    ] {
        let found = store.session_setting(name).await.expect("reads");
        assert_eq!(found, [expected, expected], "{name}, for single statements and for transactions");
    }
    // And the server keeps to them.
    Shop::new(Arc::clone(&database.store)).stock("cd-1", 1).await;
    let shelf = Footprint { stock: vec![sku("cd-1")], ..Footprint::default() };
    let (mut first, mut second) =
        (store.begin().await.expect("begins"), store.begin().await.expect("begins"));
    first.load(&shelf, &mut World::default()).await.expect("nobody holds it");
    let since = Instant::now();
    let waited = second.load(&shelf, &mut World::default()).await;
    assert!(matches!(waited, Err(StoreError::Contention(_))), "{waited:?}");
    assert!((900..3_000).contains(&since.elapsed().as_millis()), "{:?}", since.elapsed());
}

#[tokio::test]
async fn e2_a_worker_stopped_inside_a_transaction_costs_seconds_not_the_shop() {
    let database = Database::postgres_by_its_own_clock().await;
    let shop = Shop::new(Arc::clone(&database.store));
    shop.stock("cd-1", 1_000).await;
    // It locks the shelf that everybody needs, and is never heard of again.
    let stopped = database.another_process().await;
    let mut tx = stopped.begin().await.expect("begins");
    let footprint = Footprint { stock: vec![sku("cd-1")], ..Footprint::default() };
    tx.load(&footprint, &mut World::default()).await.expect("loads");
    let since = Instant::now();
    let (_, outside) = outside();
    let runtime = worker(&shop.store, "w1", &outside);
    shop.orders(20, &[("cd-1", 1)], Some("tok_ok")).await;
    shop.rest().await;
    let waited = since.elapsed();
    assert_eq!(shop.stats().await, [("CONFIRMED".to_owned(), 20)].into());
    assert!(waited > Duration::from_secs(1) && waited < Duration::from_secs(12), "{waited:?}");
    tx.save(&Writes { at: shop.now().await, ..Writes::default() })
        .await
        .expect_err("its transaction is gone");
    shop.assert_clean(&outside).await;
    runtime.stop().await;
}

#[tokio::test]
async fn two_batches_that_saw_the_same_last_piece_sell_it_once() {
    let pair = Pair::open().await;
    pair.shop.stock("rare", 1).await;
    let orders = pair.shop.orders(2, &[("rare", 1)], None).await;
    // Somebody holds the level: both batches have decided before either can write.
    let mut tx = pair.other.store.begin().await.expect("begins");
    let footprint = Footprint { stock: vec![sku("rare")], ..Footprint::default() };
    tx.load(&footprint, &mut World::default()).await.expect("loads");
    let batches: Vec<_> = [&pair.one, &pair.two]
        .into_iter()
        .zip(&orders)
        .map(|(engine, order)| {
            let (engine, work) = (engine.clone(), hinted([order.saga(0)]));
            tokio::spawn(async move { batch(&engine, work).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(batches.iter().all(|batch| !batch.is_finished()), "what they saw is not what they may write");
    drop(tx);
    for batch in batches {
        assert_eq!(batch.await.expect("ends").claimed, 1);
    }
    assert_eq!(pair.shop.level("rare").await, (1, 1));
    let ends = [("PENDING_CONFIRMATION", 1), ("CANCELLED out_of_stock", 1)];
    assert_eq!(pair.shop.stats().await, ends.map(|(end, orders)| (end.to_owned(), orders)).into());
}

#[tokio::test]
async fn e4_a_batch_that_waits_for_a_cart_holds_no_stock() {
    let pair = Pair::open().await;
    pair.shop.stock("rare", 1).await;
    let cart = pair.shop.carts(1, &[("rare", 1)]).await[0];
    let order = pair.shop.accept(&pair.shop.request(cart, None)).await.expect("is accepted");
    let hold = async |footprint: Footprint| {
        let mut tx = pair.other.store.begin().await.expect("begins");
        tx.load(&footprint, &mut World::default()).await.map(|()| tx)
    };
    let shelf = || Footprint { stock: vec![sku("rare")], ..Footprint::default() };
    let checkout =
        hold(Footprint { carts: vec![cart], ..Footprint::default() }).await.expect("locks the cart");
    let buyer = hold(shelf()).await.expect("locks the level");
    let engine = pair.one.clone();
    let losing = tokio::spawn(async move { batch(&engine, hinted([order.saga(0)])).await });
    // It has seen the last piece, which is sold under its eyes: it looks again, and means to keep what it sees.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let sold = [(sku("rare"), StockMove { on_hand: -1, reserved: 0 })].into();
    buyer.save(&Writes { stock: sold, ..Writes::default() }).await.expect("sells");
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!losing.is_finished(), "it hands back a cart that a checkout looks at");
    drop(hold(shelf()).await.expect("nobody who waits for a cart holds the level"));
    drop(checkout);
    assert_eq!(losing.await.expect("ends").claimed, 1);
    assert_eq!(pair.shop.stats().await, [("CANCELLED out_of_stock".to_owned(), 1)].into());
}

#[tokio::test]
async fn stock_moves_of_many_at_once_wait_in_one_order_and_add_up() {
    let pair = Pair::open().await;
    let names: Vec<_> = (0..20).map(|number| format!("cd-{number}")).collect();
    for name in &names {
        pair.shop.stock(name, 100).await;
    }
    let moving = (0..40).map(|turn: usize| {
        let store = Arc::clone(if turn.is_multiple_of(2) { &pair.shop.store } else { &pair.other.store });
        // Each other one gives back what the one before it took, and each begins at another shelf.
        let step = if turn % 4 < 2 { -3 } else { 2 };
        let skus: Vec<_> = (0..10).map(|at| sku(&names[(turn * 7 + at) % names.len()])).collect();
        tokio::spawn(async move {
            let stock = skus.into_iter().map(|sku| (sku, StockMove { on_hand: step, reserved: 0 })).collect();
            let tx = store.begin().await.expect("begins");
            tx.save(&Writes { stock, ..Writes::default() }).await.expect("saves");
        })
    });
    for moved in moving.collect::<Vec<_>>() {
        moved.await.expect("nobody waits in a circle");
    }
    // `cd-1` was on the shelf before.
    let levels = pair.shop.store.stock(None, 100).await.expect("reads");
    let total: i64 = levels.iter().map(|(_, level)| level.on_hand).sum();
    assert_eq!(total, 1_000 + 20 * 100 + 10 * (20 * 2 - 20 * 3));
}

#[tokio::test]
async fn e3_a_signal_that_arrives_while_a_batch_holds_the_saga_wakes_it() {
    let pair = Pair::open().await;
    let orders = pair.orders(10, None).await;
    batch(&pair.one, sweep(vec![])).await;
    for order in &orders {
        let id = order.saga(0);
        let mut tx = pair.shop.store.begin().await.expect("begins");
        let definitions = [holdfast_saga::flows::checkout_cod::V1.id()];
        let claim = Claim { hints: &[id], queues: &QUEUES, definitions: &definitions, ..Claim::default() };
        let (held, inbox) = tx.claim(&claim).await.expect("claims").sagas.remove(0);
        assert!(inbox.is_empty());
        let shop = pair.other.clone();
        let order = *order;
        let asked = tokio::spawn(async move { shop.ask(order, Verb::Confirm, &admin()).await });
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(!asked.is_finished(), "an answer is given under the lock");
        // The batch knows nothing of it and goes to sleep for days.
        let mut writes = Writes { at: pair.clock.now(), ..Writes::default() };
        let mut asleep = held.clone();
        (asleep.fence, asleep.wake_at) = (held.fence + 1, None);
        writes.sagas.insert(id, (held.fence, asleep));
        tx.save(&writes).await.expect("saves");
        let answer = asked.await.expect("ends");
        assert!(matches!(answer, Ok(Answered::Accepted(_))), "{answer:?}");
        let awake = pair.shop.saga(id).await;
        assert_eq!((awake.wake_at, awake.fence), (Some(pair.clock.now()), held.fence + 1));
    }
    // No hint was sent: the sweep finds them all.
    batch(&pair.two, sweep(vec![])).await;
    for order in orders {
        assert_eq!(pair.shop.view(order).await.order.status, OrderStatus::Confirmed);
    }
}

#[tokio::test]
async fn e3_a_hint_for_a_locked_saga_comes_back_and_an_outcome_waits() {
    let pair = Pair::open().await;
    let (order, call) = pair.order_before_its_charge().await;
    let waiting = pair.orders(1, None).await[0];
    let ids = vec![order.saga(0), waiting.saga(0)];
    let mut tx = pair.other.store.begin().await.expect("begins");
    let footprint = Footprint { sagas: ids, ..Footprint::default() };
    tx.load(&footprint, &mut World::default()).await.expect("loads");
    // Leased, so not due; locked, so to be hinted again.
    let done = batch(&pair.one, hinted([order.saga(0), waiting.saga(0)])).await;
    assert_eq!((done.claimed, done.locked), (0, vec![waiting.saga(0)]));
    let outcome = holdfast_testkit::driver::answer(&call, &pair.outside).await;
    let engine = pair.one.clone();
    let outcomes = tokio::spawn(async move { batch(&engine, sweep(vec![outcome])).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!outcomes.is_finished());
    tx.save(&Writes::default()).await.expect("lets go");
    assert_eq!(outcomes.await.expect("ends").late, 0);
    assert_eq!(pair.shop.checkout(order).await.state, SagaState::Completed);
}

/// Signals from many sides while two engines sweep: each is folded once, none is left behind.
#[tokio::test]
async fn e3_no_signal_is_lost_among_two_engines_and_many_askers() {
    let pair = Pair::open().await;
    let orders = pair.orders(60, None).await;
    let sweeping = async {
        for _ in 0..40 {
            let commit_failures = CommitFailures::default();
            let (one, two) = (
                pair.one.run(sweep(vec![]), &commit_failures),
                pair.two.run(sweep(vec![]), &commit_failures),
            );
            let (one, two) = tokio::join!(one, two);
            assert!(one.error.is_none() && two.error.is_none(), "{one:?} {two:?}");
        }
    };
    let asking = async {
        for order in &orders {
            let answer = pair.other.ask(*order, Verb::Confirm, &admin()).await;
            assert!(matches!(answer, Ok(Answered::Accepted(_))), "{answer:?}");
        }
    };
    tokio::join!(sweeping, asking);
    pair.after_the_lease();
    pair.rest().await;
    assert_eq!(pair.shop.stats().await, [("CONFIRMED".to_owned(), 60)].into());
    let unread = "select count(*) from signals where consumed_at is null";
    assert_eq!(pair.database.number(unread).await, 0);
    pair.assert_clean().await;
}

/// A checkout that meets carts on their way waits for them in the order in which a batch moves them, wherever
/// on the disk they are.
#[tokio::test]
async fn e4_carts_are_locked_in_order_by_checkouts_and_by_batches() {
    let pair = Pair::open().await;
    let mut carts = Vec::new();
    for _ in 0..3 {
        carts.push(pair.shop.carts(1, &[("cd-1", 1)]).await[0]);
    }
    carts.sort_unstable();
    let at = pair.clock.now();
    let step = |from, to| CartMove { from, to, order: OrderId::new(7) };
    // The last of them lies first on the disk.
    for cart in carts.iter().rev() {
        let taken = [(*cart, step(CartStatus::Open, CartStatus::InCheckout))].into();
        let writes = Writes { at, carts: taken, ..Writes::default() };
        pair.shop.store.begin().await.expect("begins").save(&writes).await.expect("saves");
    }
    let lock = async |carts: &[CartId]| {
        let mut tx = pair.shop.store.begin().await.expect("begins");
        let footprint = Footprint { carts: carts.to_vec(), ..Footprint::default() };
        tx.load(&footprint, &mut World::default()).await.map(|()| tx)
    };
    let between = lock(&carts[1..2]).await.expect("locks");
    let checkout = async { lock(&carts).await?.save(&Writes::default()).await };
    let batch = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let cleared = step(CartStatus::InCheckout, CartStatus::Cleared);
        let carts = carts.iter().map(|cart| (*cart, cleared)).collect();
        pair.other.store.begin().await?.save(&Writes { at, carts, ..Writes::default() }).await
    };
    let letting_go = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        between.save(&Writes::default()).await
    };
    let (checkout, batch, letting_go) = tokio::join!(checkout, batch, letting_go);
    assert!(checkout.is_ok() && batch.is_ok() && letting_go.is_ok(), "{checkout:?} {batch:?}");
}
