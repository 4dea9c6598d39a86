//! E4 on a real Postgres: everything at once, at random, and nobody waits for another in a circle.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use holdfast_intake::CheckoutIntake;
use holdfast_saga::flows::REGISTRY;
use holdfast_saga::operations::dead_letter::DeadLetterAction;
use holdfast_saga::operations::dead_letter::resolve::act;
use holdfast_saga::operations::queue;
use holdfast_saga::ports::{Dispatch, Store};
use holdfast_saga::shop::order::Verb;
use holdfast_saga::shop::stock_adjustment::{Adjust, adjust};
use holdfast_shared::{Actor, CartId, OrderId, Queue};
use holdfast_telemetry::Metrics;
use holdfast_testkit::database::Database;
use holdfast_testkit::driver::{outside, worker};
use holdfast_testkit::rows::sku;
use holdfast_testkit::shop::{Shop, admin};
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::sync::Mutex;

const SHELVES: [&str; 5] = ["a", "b", "c", "d", "e"];
const TOKENS: [Option<&str>; 6] =
    [Some("tok_ok"), Some("tok_ok"), Some("tok_declined"), Some("tok_flaky"), Some("tok_timeout"), None];
const LOAD: Duration = Duration::from_secs(4);

/// What the people around the shop share.
struct Street {
    shop: Shop,
    acceptors: Vec<CheckoutIntake>,
    stores: Vec<Arc<dyn Store>>,
    carts: Mutex<Vec<CartId>>,
    orders: Mutex<Vec<OrderId>>,
    accepted: AtomicUsize,
    until: Instant,
}

impl Street {
    /// Buyers, each with a new cart, its lines in any order, and with some that are in checkout already.
    async fn buy(&self, seed: u64) {
        let mut rng = StdRng::seed_from_u64(seed);
        while Instant::now() < self.until {
            let mut names = SHELVES;
            names.shuffle(&mut rng);
            let items: Vec<_> = names[..3].iter().map(|name| (*name, rng.random_range(1..3))).collect();
            let new = self.shop.carts(1, &items).await[0];
            let carts: Vec<_> = {
                let mut known = self.carts.lock().await;
                known.push(new);
                let recent = &known[known.len().saturating_sub(60)..];
                std::iter::once(new).chain(recent.sample(&mut rng, 5).copied()).collect()
            };
            let checkout_intake = self.acceptors.choose(&mut rng).expect("there are some");
            let requests = carts.into_iter().map(|cart| {
                checkout_intake
                    .accept(self.shop.request(cart, *TOKENS.choose(&mut rng).expect("there are some")))
            });
            for accepted in join_all(requests).await.into_iter().flatten().flatten() {
                self.accepted.fetch_add(1, Ordering::Relaxed);
                self.orders.lock().await.push(accepted.order);
            }
        }
    }

    /// Admins and customers ask for anything, of any order.
    async fn ask(&self, seed: u64) {
        let mut rng = StdRng::seed_from_u64(seed);
        while Instant::now() < self.until {
            let order = { self.orders.lock().await.choose(&mut rng).copied() };
            let store = self.stores.choose(&mut rng).expect("there are some");
            if let Some(order) = order {
                let (verb, by) = match rng.random_range(0..5) {
                    0 => (Verb::Reject, admin()),
                    1 => (Verb::Cancel, Actor::Customer),
                    2 => (Verb::Cancel, admin()),
                    _ => (Verb::Confirm, admin()),
                };
                // Somebody may be in the way for longer than the patience of a lock; never for ever.
                let _ = holdfast_saga::shop::order::ask(&**store, order, verb, &by).await;
            }
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..5))).await;
        }
    }

    /// An operator tries to get many sagas going, dead or not, and pauses a queue now and then.
    async fn operate(&self, seed: u64) {
        let mut rng = StdRng::seed_from_u64(seed);
        let by = Actor::Operator("ole".to_owned());
        while Instant::now() < self.until {
            let orders: Vec<_> = { self.orders.lock().await.sample(&mut rng, 40).copied().collect() };
            let sagas: Vec<_> = orders.into_iter().map(|order| order.saga(rng.random_range(0..4))).collect();
            let action = if rng.random_bool(0.5) {
                DeadLetterAction::Retry { reason: None }
            } else {
                DeadLetterAction::Discard { reason: "settled in person".to_owned() }
            };
            let store = self.stores.choose(&mut rng).expect("there are some");
            let _ = act(&**store, &REGISTRY, &sagas, &action, &by).await;
            let _ = queue::pause(&**store, Queue::Compensation, None, &by).await;
            let _ = queue::resume(&**store, Queue::Compensation, &by).await;
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..20))).await;
        }
    }

    /// A shelf is counted.
    async fn count(&self, seed: u64) {
        let mut rng = StdRng::seed_from_u64(seed);
        while Instant::now() < self.until {
            let name = SHELVES.choose(&mut rng).expect("there are some");
            let store = self.stores.choose(&mut rng).expect("there are some");
            let (reason, actor) = ("counted".to_owned(), "otto".to_owned());
            let asked = Adjust {
                sku: sku(name),
                delta: rng.random_range(-3..4),
                reason,
                actor,
                expect: None,
                dedupe: None,
            };
            let _ = adjust(&**store, &asked).await;
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..5))).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e4_random_batches_accepts_commands_and_adjustments_never_deadlock() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let database = Database::postgres_by_its_own_clock().await;
    // A circle is found, and counted, before the timeout of a lock hides it.
    let name: String = sqlx::query_scalar("select current_database()")
        .fetch_one(&mut database.on_postgres().shell().await)
        .await
        .expect("reads");
    database.execute(&format!("alter database {name} set deadlock_timeout = '50ms'")).await;
    let shop = Shop::new(database.another_process().await);
    for name in SHELVES {
        shop.stock(name, 400).await;
    }
    let (_, outside) = outside();
    let stores = vec![Arc::clone(&shop.store), database.another_process().await];
    let names = ["one", "two"];
    let workers: Vec<_> =
        stores.iter().zip(names).map(|(store, name)| worker(store, name, &outside)).collect();
    let acceptors = stores.iter().zip(&workers).map(|(store, worker)| {
        let dispatch: Arc<dyn Dispatch> = worker.dispatch();
        CheckoutIntake::start(Arc::clone(store), shop.policy.clone(), dispatch, Metrics::default())
    });
    let street = Arc::new(Street {
        acceptors: acceptors.collect(),
        stores: stores.clone(),
        shop: shop.clone(),
        carts: Mutex::default(),
        orders: Mutex::default(),
        accepted: AtomicUsize::new(0),
        until: Instant::now() + LOAD,
    });
    let mut people = tokio::task::JoinSet::new();
    for nth in 0..36u64 {
        let (street, seed) = (Arc::clone(&street), seed.wrapping_add(nth));
        people.spawn(async move {
            match nth % 6 {
                _ if nth % 12 == 6 => street.operate(seed).await,
                0 => street.count(seed).await,
                1 => street.ask(seed).await,
                _ => street.buy(seed).await,
            }
        });
    }
    people.join_all().await;
    let by = Actor::Operator("ole".to_owned());
    queue::resume(&*shop.store, Queue::Compensation, &by).await.expect("the set_paused is off");
    // Whoever still waits for a confirmation is sent home.
    for order in street.orders.lock().await.iter() {
        let _ = shop.ask(*order, Verb::Reject, &admin()).await;
    }
    shop.rest().await;
    shop.assert_clean(&outside).await;
    let accepted = street.accepted.load(Ordering::Relaxed);
    assert!(accepted > 100, "{accepted} orders are no load");
    for worker in workers {
        worker.stop().await;
    }
    // The counters of a connection are published when it ends, or after a second of idleness.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let counted = "select deadlocks from pg_stat_database where datname = current_database()";
    assert_eq!(database.number(counted).await, 0, "seed {seed}");
    println!("{accepted} orders, {:?}", shop.stats().await);
}
