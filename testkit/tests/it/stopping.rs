//! Workers that are stopped in the middle of their work: nothing is lost, somebody else goes on. And those without any.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use holdfast_intake::CheckoutIntake;
use holdfast_saga::ports::Store;
use holdfast_shared::{Clock as _, SystemClock};
use holdfast_telemetry::Metrics;
use holdfast_testkit::database::Database;
use holdfast_testkit::driver::{outside, worker};
use holdfast_testkit::shop::Shop;

const ORDERS: usize = 400;

/// E7, E17: stopped under load, a worker ends its calls and commits them; the next one settles the rest.
async fn check(database: Database) {
    let shop = Shop::new(Arc::clone(&database.store));
    shop.stock("cd-1", 100_000).await;
    let (_, outside) = outside();
    let mut stores: Vec<Arc<dyn Store>> = vec![Arc::clone(&shop.store)];
    stores.push(if database.is_on_postgres() {
        database.another_process().await
    } else {
        Arc::clone(&shop.store)
    });
    let carts = shop.carts(ORDERS, &[("cd-1", 1)]).await;
    let tokens = ["tok_ok", "tok_flaky", "tok_declined", "tok_timeout"];
    let first = worker(&stores[0], "first", &outside);
    let checkout_intake = CheckoutIntake::start(
        Arc::clone(&stores[0]),
        shop.policy.clone(),
        first.dispatch(),
        Metrics::default(),
    );
    let requests: Vec<_> = carts
        .iter()
        .zip(tokens.iter().cycle())
        .map(|(cart, token)| shop.request(*cart, Some(token)))
        .collect();
    let load = tokio::spawn(async move {
        let answers = requests.into_iter().map(|request| {
            let checkout_intake = checkout_intake.clone();
            async move { checkout_intake.accept(request).await }
        });
        futures_util::future::join_all(answers).await
    });
    tokio::time::sleep(Duration::from_millis(60)).await;
    let since = std::time::Instant::now();
    let stopped = first.stop().await;
    assert_eq!(stopped.cut_off, 0, "calls in flight may end");
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    // What it had leased it has committed: nobody waits for a lease of a worker that said goodbye.
    let now = SystemClock.now();
    let leased = shop.sagas().await.into_iter().filter(|saga| saga.is_leased(now)).count();
    assert_eq!(leased, 0);
    // And the registry knows that it left by itself.
    let known = shop.store.workers().await.expect("reads");
    let names: Vec<_> =
        known.iter().map(|worker| (&*worker.heartbeat.name, worker.left_at.is_some())).collect();
    assert_eq!(names, [("first", true)]);
    // Checkouts are accepted all the same; nobody carries them on yet.
    let answers = load.await.expect("the load ends");
    assert!(answers.iter().all(|answer| matches!(answer, Ok(Ok(_)))), "{answers:?}");
    let second = worker(&stores[1], "second", &outside);
    shop.rest().await;
    let known = shop.store.workers().await.expect("reads");
    assert!(known[1].heartbeat.name == "second" && known[1].is_alive(shop.now().await), "{known:#?}");
    assert_eq!((known[1].heartbeat.pools.len(), known[1].heartbeat.definitions.len()), (4, 7), "{known:#?}");
    let stats = shop.stats().await;
    let expected = [("CONFIRMED", ORDERS * 3 / 4), ("CANCELLED payment_declined", ORDERS / 4)];
    assert_eq!(stats, expected.map(|(end, orders)| (end.to_owned(), orders)).into());
    shop.assert_clean(&outside).await;
    second.stop().await;
}

#[tokio::test]
async fn e7_a_worker_stopped_under_load_loses_nothing_in_memory() {
    check(Database::memory(Arc::new(SystemClock)).await).await;
}

#[tokio::test]
async fn e7_e17_a_worker_stopped_under_load_loses_nothing_on_sqlite() {
    check(Database::sqlite(Arc::new(SystemClock)).await).await;
}

#[tokio::test]
async fn e7_a_worker_stopped_under_load_loses_nothing_on_postgres() {
    check(Database::postgres_by_its_own_clock().await).await;
}

/// E17: every write is a turn of the one writer; a reader never waits for it.
#[tokio::test]
async fn e17_writers_take_turns_and_readers_do_not_wait() {
    let database = Database::sqlite(Arc::new(SystemClock)).await;
    let shop = Shop::new(Arc::clone(&database.store));
    shop.stock("cd-1", 1).await;
    let turn = shop.store.begin().await.expect("begins");
    assert_eq!(shop.level("cd-1").await, (1, 0));
    let store = Arc::clone(&shop.store);
    let next = tokio::spawn(async move { store.begin().await.map(drop) });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!next.is_finished());
    drop(turn);
    next.await.expect("ends").expect("begins");
}

/// E17: a dropped worker, and another process on the same file, leave leases that run out.
#[tokio::test]
async fn e17_a_second_process_takes_over_from_one_that_was_killed() {
    let database = Database::sqlite(Arc::new(SystemClock)).await;
    let shop = Shop::new(Arc::clone(&database.store));
    shop.stock("cd-1", 100).await;
    let (_, outside) = outside();
    let orders = shop.orders(50, &[("cd-1", 1)], Some("tok_ok")).await;
    let engine = holdfast_testkit::driver::engine(&shop.store, "killed");
    let engine = holdfast_saga::engine::batch::Engine { lease: Duration::from_millis(500), ..engine };
    let done = holdfast_testkit::driver::batch(&engine, holdfast_testkit::driver::sweep(vec![])).await;
    assert_eq!(done.calls.len(), orders.len());
    // Half of its calls were sent before it died, and nobody heard the answers.
    for call in done.calls.iter().step_by(2) {
        holdfast_testkit::driver::answer(call, &outside).await;
    }
    let second = worker(&database.another_process().await, "second", &outside);
    shop.rest().await;
    assert_eq!(shop.stats().await, [("CONFIRMED".to_owned(), 50)].into());
    shop.assert_clean(&outside).await;
    second.stop().await;
}

/// Nobody tells this worker of the order it finds in the end.
#[tokio::test]
async fn a_worker_that_finds_nothing_looks_less_often() {
    let database = Database::postgres_by_its_own_clock().await;
    let shop = Shop::new(Arc::clone(&database.store));
    shop.stock("cd-1", 1).await;
    let (_, outside) = outside();
    let worker = worker(&shop.store, "idle", &outside);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let looks = || worker.stats().batches.load(Ordering::Relaxed);
    let before = looks();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let looked = looks() - before;
    assert!((4..=9).contains(&looked), "{looked} looks in two seconds, one every 250 ms");
    shop.order(&[("cd-1", 1)], Some("tok_ok")).await;
    shop.rest().await;
    worker.stop().await;
}
