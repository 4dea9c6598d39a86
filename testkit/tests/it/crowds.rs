//! Many at once: one shelf, one key, two replicas.

use std::sync::Arc;

use futures_util::future::join_all;
use holdfast_intake::CheckoutIntake;
use holdfast_saga::ports::{Dispatch, Store};
use holdfast_saga::shop::cart;
use holdfast_saga::shop::checkout::{Accepted, CheckoutRequest, Refused, digest};
use holdfast_shared::{CartId, Currency, Money, PaymentMethod, SystemClock};
use holdfast_telemetry::Metrics;
use holdfast_testkit::database::Database;
use holdfast_testkit::driver::{outside, worker};
use holdfast_testkit::shop::Shop;
use holdfast_worker::Runtime;

const BUYERS: usize = 500;
const LEFT: usize = 50;

/// Two replicas, each with its own connections: half of the crowd goes to each.
struct Replicas {
    workers: Vec<Runtime>,
    acceptors: Vec<CheckoutIntake>,
    outside: holdfast_saga::ports::Gateways,
}

impl Replicas {
    fn open(shop: &Shop, stores: [Arc<dyn Store>; 2]) -> Self {
        let (_, outside) = outside();
        let workers: Vec<_> =
            stores.iter().zip(["w1", "w2"]).map(|(store, name)| worker(store, name, &outside)).collect();
        let acceptors = stores.into_iter().zip(&workers).map(|(store, worker)| {
            let dispatch: Arc<dyn Dispatch> = worker.dispatch();
            CheckoutIntake::start(store, shop.policy.clone(), dispatch, Metrics::default())
        });
        Self { acceptors: acceptors.collect(), workers, outside }
    }

    async fn accept(&self, requests: Vec<CheckoutRequest>) -> Vec<Result<Accepted, Refused>> {
        let answers = requests.into_iter().enumerate().map(async |(at, request)| {
            let checkout_intake = &self.acceptors[at % self.acceptors.len()];
            checkout_intake.accept(request).await.expect("the checkout_intake answers")
        });
        join_all(answers).await
    }

    async fn close(self) {
        for worker in self.workers {
            assert_eq!(worker.stop().await.cut_off, 0);
        }
    }
}

/// Exactly as many as there are pieces buy one; nothing is left, and nothing is promised.
async fn check_a_run_on_the_last_pieces(database: Database) {
    let shop = Shop::new(Arc::clone(&database.store));
    shop.stock("rare", i64::try_from(LEFT).expect("fits")).await;
    let carts = shop.carts(BUYERS, &[("rare", 1)]).await;
    let requests: Vec<_> = carts.into_iter().map(|cart| shop.request(cart, Some("tok_ok"))).collect();
    let second = database.another_process().await;
    let replicas = Replicas::open(&shop, [Arc::clone(&shop.store), second]);
    let answers = replicas.accept(requests).await;
    assert!(answers.iter().all(Result::is_ok), "all are accepted; stock is judged after that");
    shop.rest().await;
    let stats = shop.stats().await;
    let expected = [("CONFIRMED", LEFT), ("CANCELLED out_of_stock", BUYERS - LEFT)];
    assert_eq!(stats, expected.map(|(end, orders)| (end.to_owned(), orders)).into());
    assert_eq!(shop.level("rare").await, (0, 0));
    shop.assert_clean(&replicas.outside).await;
    replicas.close().await;
}

#[tokio::test]
async fn five_hundred_buyers_of_the_last_fifty_pieces_on_sqlite() {
    check_a_run_on_the_last_pieces(Database::sqlite(Arc::new(SystemClock)).await).await;
}

#[tokio::test]
async fn five_hundred_buyers_of_the_last_fifty_pieces_on_postgres() {
    check_a_run_on_the_last_pieces(Database::postgres_by_its_own_clock().await).await;
}

/// One order, however often and wherever its request arrives; another request under the key is refused.
async fn check_one_key(database: Database) {
    let shop = Shop::new(Arc::clone(&database.store));
    shop.stock("cd-1", 1_000).await;
    let second = database.another_process().await;
    let replicas = Replicas::open(&shop, [Arc::clone(&shop.store), second]);
    for _ in 0..5 {
        let cart = shop.carts(1, &[("cd-1", 1)]).await[0];
        let request = shop.request(cart, Some("tok_ok"));
        let other =
            CheckoutRequest { body: holdfast_saga::shop::checkout::digest(&["another"]), ..request.clone() };
        let mut requests = vec![request.clone(); 100];
        // Ten of the hundred say something else under the same key, once it is taken.
        let answers = replicas.accept(requests.split_off(10)).await;
        let orders: Vec<_> = answers.into_iter().map(|answer| answer.expect("is accepted")).collect();
        assert!(orders.iter().all(|accepted| accepted.order == orders[0].order));
        assert_eq!(orders.iter().filter(|accepted| !accepted.replayed).count(), 1);
        requests.extend(vec![other; 10]);
        for (at, answer) in replicas.accept(requests).await.into_iter().enumerate() {
            match answer {
                Ok(accepted) => assert!(at < 10 && accepted.replayed && accepted.order == orders[0].order),
                Err(refused) => {
                    assert_eq!((at >= 10, refused), (true, Refused::KeyReused { order: orders[0].order }));
                }
            }
        }
    }
    shop.rest().await;
    assert_eq!(shop.stats().await, [("CONFIRMED".to_owned(), 5)].into());
    shop.assert_clean(&replicas.outside).await;
    replicas.close().await;
}

#[tokio::test]
async fn e11_a_hundred_accepts_with_one_key_are_one_order_on_sqlite() {
    check_one_key(Database::sqlite(Arc::new(SystemClock)).await).await;
}

#[tokio::test]
async fn e11_a_hundred_accepts_with_one_key_are_one_order_on_postgres_over_two_replicas() {
    check_one_key(Database::postgres_by_its_own_clock().await).await;
}

/// The key is in one batch with another body from the start: the first to be judged wins, wherever that is.
#[tokio::test]
async fn e11_two_requests_race_under_one_key_and_one_of_them_wins() {
    let database = Database::postgres_by_its_own_clock().await;
    let shop = Shop::new(Arc::clone(&database.store));
    shop.stock("cd-1", 1_000).await;
    let second = database.another_process().await;
    let replicas = Replicas::open(&shop, [Arc::clone(&shop.store), second]);
    for _ in 0..20 {
        let carts = shop.carts(2, &[("cd-1", 1)]).await;
        let one = shop.request(carts[0], None);
        let two = CheckoutRequest { key: one.key, ..shop.request(carts[1], None) };
        let answers = replicas.accept(vec![one, two]).await;
        let won = answers.iter().flatten().count();
        assert_eq!(won, 1, "{answers:?}");
    }
    replicas.close().await;
}

/// E11: carts are judged under their lock; the others hear which order has it.
#[tokio::test]
async fn e11_one_cart_checked_out_from_two_replicas_is_one_order() {
    let database = Database::postgres_by_its_own_clock().await;
    let shop = Shop::new(Arc::clone(&database.store));
    shop.stock("cd-1", 1_000).await;
    let second = database.another_process().await;
    let replicas = Replicas::open(&shop, [Arc::clone(&shop.store), second]);
    for _ in 0..10 {
        let cart = shop.carts(1, &[("cd-1", 1)]).await[0];
        let requests: Vec<_> = (0..10).map(|_| shop.request(cart, None)).collect();
        let answers = replicas.accept(requests).await;
        let orders: Vec<_> = answers.iter().flatten().map(|accepted| accepted.order).collect();
        assert_eq!(orders.len(), 1, "{answers:?}");
        for refused in answers.into_iter().filter_map(Result::err) {
            assert_eq!(refused, Refused::Cart(cart::Refused::CartInCheckout { cart, order: orders[0] }));
        }
    }
    replicas.close().await;
}

/// F22: refusals of two replicas at once, of every kind and among good requests, cost no number.
#[tokio::test]
async fn f22_a_crowd_that_is_refused_uses_up_no_order_numbers() {
    const GOOD: usize = 40;
    let database = Database::postgres_by_its_own_clock().await;
    let shop = Shop::new(Arc::clone(&database.store));
    shop.stock("cd-1", 1_000).await;
    let second = database.another_process().await;
    let replicas = Replicas::open(&shop, [Arc::clone(&shop.store), second]);
    let mut requests = Vec::new();
    for (at, cart) in shop.carts(GOOD, &[("cd-1", 1)]).await.into_iter().enumerate() {
        let good = shop.request(cart, None);
        let unknown = CartId(digest(&["no cart", &at.to_string()]));
        requests.extend([
            CheckoutRequest {
                expected_total: Some(Money::new(1, Currency::EUR)),
                ..shop.request(cart, None)
            },
            CheckoutRequest { may_place: false, ..shop.request(cart, None) },
            CheckoutRequest { method: PaymentMethod::Card, token: None, ..shop.request(cart, None) },
            shop.request(unknown, None),
            good.clone(),
        ]);
    }
    let answers = replicas.accept(requests.clone()).await;
    assert_eq!(answers.iter().flatten().count(), GOOD, "{answers:?}");
    // All of them once more, and again.
    for _ in 0..2 {
        let again = replicas.accept(requests.clone()).await;
        assert_eq!(again.iter().flatten().filter(|accepted| accepted.replayed).count(), GOOD, "{again:?}");
    }
    assert_eq!(shop.store.shop().await.expect("reads").last_number, 40);
    replicas.close().await;
}
