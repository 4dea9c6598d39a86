//! True answers on a real Postgres: a commit whose answer is lost, a key that is in use, a race with a timer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast_intake::CheckoutIntake;
use holdfast_saga::engine::batch::{BatchInput, CommitFailures};
use holdfast_saga::ports::{Dispatch, Hint, Store};
use holdfast_saga::records::Identity;
use holdfast_saga::shop::answer::{Answered, Conflict};
use holdfast_saga::shop::checkout::{CheckoutRequest, Refused};
use holdfast_saga::shop::order::Verb;
use holdfast_shared::{Actor, CancelReason, CustomerId, OrderStatus};
use holdfast_store_postgres::PostgresStore;
use holdfast_telemetry::Metrics;
use holdfast_testkit::database::Database;
use holdfast_testkit::driver::{answer, batch, engine, hinted, outside, sweep, worker};
use holdfast_testkit::proxy::{Cut, Proxy};
use holdfast_testkit::shop::{Shop, admin};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use sqlx::PgConnection;

use crate::pair::Pair;

/// Nobody is woken.
#[derive(Debug)]
struct Silence;

impl Dispatch for Silence {
    fn wake(&self, _hints: &[Hint]) {}
}

async fn through(proxy: &Proxy) -> Arc<dyn Store> {
    Arc::new(PostgresStore::connect(&proxy.url, 3).await.expect("connects"))
}

async fn open() -> (Database, Shop, Proxy) {
    let database = Database::postgres_by_its_own_clock().await;
    let shop = Shop::new(Arc::clone(&database.store));
    shop.stock("cd-1", 100_000).await;
    let proxy = Proxy::open(&database.on_postgres().url).await;
    (database, shop, proxy)
}

// A database is a network away: what is spent on an order that is alone are its round trips.
#[tokio::test]
async fn an_order_is_settled_in_few_round_trips() {
    let (_database, shop, proxy) = open().await;
    let (_, outside) = outside();
    let store = through(&proxy).await;
    let engine = engine(&store, "w1");
    let checkout_intake =
        CheckoutIntake::start(Arc::clone(&store), shop.policy.clone(), Arc::new(Silence), Metrics::default());
    let cart = shop.carts(1, &[("cd-1", 1)]).await[0];
    // Opens the connection; which shop it is a store asks once.
    drop(store.begin().await.expect("begins"));
    store.keys().await.expect("answers");
    // The pool of reads looks at a connection that comes back, in its own time.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut seen = proxy.turns();
    assert!(seen > 0, "the proxy counts");
    let mut turns = |what: &str, most: usize| {
        let turns = proxy.turns() - seen;
        seen += turns;
        assert!((1..=most).contains(&turns), "{what}: {turns} round trips");
    };
    let accepted = checkout_intake.accept(shop.request(cart, Some("tok_ok"))).await.expect("answers");
    let order = accepted.expect("is accepted").order;
    turns("accept", 4);
    let begun = batch(&engine, hinted([order.saga(0)])).await;
    turns("reserve, and mean to charge", 4);
    let outcome = answer(&begun.calls[0], &outside).await;
    let paid = batch(&engine, BatchInput { outcomes: vec![outcome], ..hinted([]) }).await;
    turns("confirm, clear the cart, mean to tell", 3);
    let outcome = answer(&paid.calls[0], &outside).await;
    batch(&engine, BatchInput { outcomes: vec![outcome], ..hinted([]) }).await;
    turns("notified", 3);
    assert_eq!(shop.view(order).await.order.status, OrderStatus::Confirmed);
}

#[tokio::test]
async fn e5_a_commit_whose_answer_was_lost_is_found_and_not_repeated() {
    let (_database, shop, proxy) = open().await;
    let (_, outside) = outside();
    let engine = engine(&through(&proxy).await, "w1");
    for cut in [Cut::After, Cut::Before] {
        let order = shop.order(&[("cd-1", 1)], Some("tok_ok")).await;
        proxy.cut_next_commit(cut);
        let mut ran = engine.run(sweep(vec![]), &CommitFailures::default()).await;
        let fence = shop.checkout(order).await.fence;
        match cut {
            Cut::After => {
                assert_eq!((ran.committed.len(), ran.not_committed.len(), fence), (1, 0, 1), "{ran:?}");
            }
            Cut::Before => {
                assert_eq!((ran.committed.len(), ran.not_committed.len(), fence), (0, 1, 0), "{ran:?}");
                let again = ran.not_committed.remove(0);
                ran = engine.run(again, &CommitFailures::default()).await;
            }
        }
        // The outcome, too, is committed exactly once, whichever way its commit is cut.
        let outcome = answer(&ran.committed[0].calls[0], &outside).await;
        proxy.cut_next_commit(cut);
        let mut ran = engine.run(sweep(vec![outcome]), &CommitFailures::default()).await;
        while let Some(again) = ran.not_committed.pop() {
            ran = engine.run(again, &CommitFailures::default()).await;
        }
        assert_eq!(shop.checkout(order).await.fence, 2);
        assert_eq!(shop.view(order).await.order.status, OrderStatus::Confirmed);
    }
    assert_eq!(proxy.cuts(), 4);
}

#[tokio::test]
async fn e5_an_accept_whose_answer_was_lost_is_one_order() {
    let (_database, shop, proxy) = open().await;
    let checkout_intake = CheckoutIntake::start(
        through(&proxy).await,
        shop.policy.clone(),
        Arc::new(Silence),
        Metrics::default(),
    );
    for (nth, cut) in [Cut::After, Cut::Before, Cut::After].into_iter().enumerate() {
        let cart = shop.carts(1, &[("cd-1", 1)]).await[0];
        proxy.cut_next_commit(cut);
        let accepted =
            checkout_intake.accept(shop.request(cart, None)).await.expect("answers").expect("is accepted");
        assert_eq!(accepted.replayed, cut == Cut::After);
        assert_eq!(proxy.cuts(), nth + 1);
    }
    assert_eq!(shop.stats().await, [("PENDING_CONFIRMATION".to_owned(), 3)].into());
}

#[tokio::test]
async fn e5_a_worker_whose_commits_are_cut_again_and_again_settles_everything() {
    let (_database, shop, proxy) = open().await;
    let (_, outside) = outside();
    let store = through(&proxy).await;
    let runtime = worker(&store, "w1", &outside);
    let checkout_intake = CheckoutIntake::start(
        Arc::clone(&store),
        shop.policy.clone(),
        runtime.dispatch(),
        Metrics::default(),
    );
    let mut rng = StdRng::seed_from_u64(5);
    let mut accepted = Vec::new();
    for nth in 0..60 {
        let cart = shop.carts(1, &[("cd-1", 1)]).await[0];
        let (request, checkout_intake) = (shop.request(cart, Some("tok_ok")), checkout_intake.clone());
        accepted.push(tokio::spawn(async move { checkout_intake.accept(request).await }));
        if nth % 3 == 0 {
            proxy.cut_next_commit(if rng.random_bool(0.5) { Cut::After } else { Cut::Before });
        }
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..30))).await;
    }
    for answer in accepted {
        answer.await.expect("ends").expect("answers").expect("is accepted");
    }
    shop.rest().await;
    assert_eq!(shop.stats().await, [("CONFIRMED".to_owned(), 60)].into());
    assert!(proxy.cuts() > 5, "{}", proxy.cuts());
    shop.assert_clean(&outside).await;
    runtime.stop().await;
}

// A page that asks five times waits five times, in the network and in the queue for a connection.
#[tokio::test]
async fn f24_an_order_is_read_in_one_round_trip() {
    let (_database, shop, proxy) = open().await;
    let order = shop.order(&[("cd-1", 1)], Some("tok_ok")).await;
    let store = through(&proxy).await;
    let identity = Identity { issuer: "holdfast".to_owned(), sub: "carla".to_owned() };
    let carla = shop.store.customer(&identity, CustomerId::random()).await.expect("is added");
    for is_warm in [false, true] {
        let mut seen = proxy.turns();
        let mut one_turn = |what: &str| {
            let turns = proxy.turns() - seen;
            seen += turns;
            // The first use of a connection prepares the statements.
            assert!(!is_warm || turns == 1, "{what}: {turns} round trips");
        };
        let view = store.order(order).await.expect("reads").expect("is there");
        one_turn("an order");
        let read = store.order_and_customer(order, &identity).await.expect("reads");
        one_turn("an order and who asks");
        assert_eq!(read, (Some(view.clone()), Some(carla)));
        let records = store.order_records(order).await.expect("reads").expect("is there");
        one_turn("an order with its history");
        assert_eq!((records.order, records.sagas.len()), (view, 1));
    }
}

/// A transaction that has written an order under the request's key, and is still open.
async fn holds_key(database: &Database, request: &CheckoutRequest) -> PgConnection {
    let mut shell = database.on_postgres().shell().await;
    sqlx::raw_sql("begin").execute(&mut shell).await.expect("begins");
    sqlx::query("insert into idempotency_keys (key, body, order_id, created_at) values ($1, $2, 999, now())")
        .bind(request.key)
        .bind(request.body)
        .execute(&mut shell)
        .await
        .expect("writes");
    shell
}

#[tokio::test]
async fn e11_a_request_waits_for_another_one_with_its_key() {
    let (database, shop, _proxy) = open().await;
    let checkout_intake = CheckoutIntake::start(
        database.another_process().await,
        shop.policy.clone(),
        Arc::new(Silence),
        Metrics::default(),
    );
    for is_saved in [true, false] {
        let cart = shop.carts(1, &[("cd-1", 1)]).await[0];
        let request = shop.request(cart, None);
        // Another replica saves an order under the key, and takes its time.
        let mut other = holds_key(&database, &request).await;
        let answer = tokio::spawn({
            let (checkout_intake, request) = (checkout_intake.clone(), request.clone());
            async move { checkout_intake.accept(request).await }
        });
        // Longer than one wait for a lock.
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        assert!(!answer.is_finished());
        let end = if is_saved { "commit" } else { "rollback" };
        sqlx::raw_sql(end).execute(&mut other).await.expect("ends");
        let accepted = answer.await.expect("ends").expect("answers").expect("is accepted");
        assert_eq!((accepted.replayed, accepted.order.number() == 999), (is_saved, is_saved));
    }
}

#[tokio::test]
async fn e11_a_request_whose_key_stays_in_use_is_refused_in_the_end() {
    let (database, shop, _proxy) = open().await;
    let checkout_intake = CheckoutIntake::start(
        database.another_process().await,
        shop.policy.clone(),
        Arc::new(Silence),
        Metrics::default(),
    );
    let cart = shop.carts(1, &[("cd-1", 1)]).await[0];
    let request = shop.request(cart, None);
    // Not one of ours: nothing ends its transaction.
    let mut silent = holds_key(&database, &request).await;
    let since = Instant::now();
    let answer = checkout_intake.accept(request.clone()).await.expect("answers");
    assert!(matches!(answer, Err(Refused::InProgress)), "{answer:?}");
    let waited = since.elapsed();
    assert!(waited >= Duration::from_secs(5) && waited < Duration::from_secs(8), "{waited:?}");
    sqlx::raw_sql("rollback").execute(&mut silent).await.expect("rolls back");
    checkout_intake.accept(request).await.expect("answers").expect("a refusal is not remembered");
}

/// Neither who came with it nor who comes next waits for a key that somebody holds.
#[tokio::test]
async fn e11_a_key_in_use_holds_nobody_else_up() {
    let (database, shop, _proxy) = open().await;
    let checkout_intake = CheckoutIntake::start(
        database.another_process().await,
        shop.policy.clone(),
        Arc::new(Silence),
        Metrics::default(),
    );
    let carts = shop.carts(61, &[("cd-1", 1)]).await;
    let mut requests: Vec<_> = carts.into_iter().map(|cart| shop.request(cart, None)).collect();
    let (last, stuck) = (requests.remove(60), requests.remove(30));
    let _silent = holds_key(&database, &stuck).await;
    let since = Instant::now();
    requests.insert(30, stuck.clone());
    let answers: Vec<_> = requests
        .into_iter()
        .map(|request| {
            let checkout_intake = checkout_intake.clone();
            let is_stuck = request.key == stuck.key;
            let answer =
                tokio::spawn(async move { (checkout_intake.accept(request).await, since.elapsed()) });
            (is_stuck, answer)
        })
        .collect();
    // By now the batch has met the key.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    checkout_intake.accept(last).await.expect("answers").expect("is accepted");
    assert!(since.elapsed() < Duration::from_secs(4), "{:?}", since.elapsed());
    for (is_stuck, answer) in answers {
        let (answer, waited) = answer.await.expect("ends");
        let answer = answer.expect("answers");
        assert_eq!(is_stuck, matches!(answer, Err(Refused::InProgress)), "{answer:?}");
        assert_eq!(is_stuck, waited > Duration::from_secs(5), "{waited:?}");
    }
}

/// What a person is answered while the window closes is what happens.
#[tokio::test]
async fn e12_a_confirmation_racing_the_expiry_does_what_it_answered() {
    let pair = Pair::open().await;
    let mut rng = StdRng::seed_from_u64(12);
    let orders = pair.orders(40, None).await;
    batch(&pair.one, sweep(vec![])).await;
    let until = pair.shop.checkout(orders[0]).await.wake_at.expect("it waits");
    pair.clock.set(until);
    let mut promised = Vec::new();
    for order in orders {
        let (left, right) = (rng.random_range(0..4), rng.random_range(0..4));
        let ((), answer) = tokio::join!(
            async {
                tokio::time::sleep(Duration::from_millis(left)).await;
                batch(&pair.one, hinted([order.saga(0)])).await;
            },
            async {
                tokio::time::sleep(Duration::from_millis(right)).await;
                pair.other.ask(order, Verb::Confirm, &admin()).await
            }
        );
        match answer {
            Ok(Answered::Accepted(_)) => promised.push((order, OrderStatus::Confirmed, None)),
            Err(Conflict::Order(..)) => {
                promised.push((order, OrderStatus::Cancelled, Some(CancelReason::ConfirmationExpired)));
            }
            other => panic!("{other:?}"),
        }
    }
    pair.rest().await;
    for (order, status, reason) in promised {
        let view = pair.shop.view(order).await;
        assert_eq!((view.order.status, view.order.cancel_reason), (status, reason), "order {order}");
    }
    pair.assert_clean().await;
}

#[tokio::test]
async fn e12_a_cancel_racing_the_pivot_cancels() {
    let pair = Pair::open().await;
    let mut rng = StdRng::seed_from_u64(12);
    let orders = pair.orders(40, Some("tok_ok")).await;
    let calls = batch(&pair.one, sweep(vec![])).await.calls;
    for call in calls {
        let order = call.saga.order().expect("serves an order");
        let outcome = answer(&call, &pair.outside).await;
        let (left, right) = (rng.random_range(0..4), rng.random_range(0..4));
        let work = holdfast_saga::engine::batch::BatchInput { outcomes: vec![outcome], ..hinted([]) };
        let ((), answer) = tokio::join!(
            async {
                tokio::time::sleep(Duration::from_millis(left)).await;
                batch(&pair.one, work).await;
            },
            async {
                tokio::time::sleep(Duration::from_millis(right)).await;
                pair.other.ask(order, Verb::Cancel, &Actor::Customer).await
            }
        );
        assert!(matches!(answer, Ok(Answered::Accepted(_))), "{answer:?}");
    }
    // The calls of those who were in time are leased by an engine that is not asked again.
    pair.after_the_lease();
    pair.rest().await;
    for order in &orders {
        let view = pair.shop.view(*order).await;
        assert_eq!(view.order.cancel_reason, Some(CancelReason::CustomerRequest), "order {order}");
    }
    pair.assert_clean().await;
}
