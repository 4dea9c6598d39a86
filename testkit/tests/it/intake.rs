//! E7: what a worker takes in is bounded, and one slow pool does not hold the others back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use holdfast_log_channel::LogChannel;
use holdfast_saga::ports::{AroundProvider, Channels, Fault, Gateways, Hint, PaymentProvider, Providers};
use holdfast_saga::shop::order::Verb;
use holdfast_sandbox::{MemorySandbox, SandboxControl as _};
use holdfast_shared::{OrderStatus, Queue, SystemClock};
use holdfast_telemetry::Metrics;
use holdfast_testkit::database::Database;
use holdfast_testkit::driver::{hasty, with_backoff_divided_by};
use holdfast_testkit::shop::{Shop, admin};
use holdfast_worker::{Runtime, WorkerConfig};
use tokio::sync::Semaphore;

/// A provider at whose desk people can be counted, and made to wait.
#[derive(Debug)]
struct Desk {
    sandbox: MemorySandbox,
    takes: Duration,
    open: Semaphore,
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Desk {
    fn new(takes: Duration, open: bool) -> Arc<Self> {
        let open = Semaphore::new(if open { Semaphore::MAX_PERMITS } else { 0 });
        let sandbox = MemorySandbox::new(Arc::new(SystemClock));
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Arc::new(Self { sandbox, takes, open, now, most })
    }

    fn outside(self: &Arc<Self>) -> Gateways {
        Gateways::new(Providers::of(Arc::clone(self) as _), Channels::of(Arc::new(LogChannel)))
    }
}

impl AroundProvider for Desk {
    fn provider(&self) -> &dyn PaymentProvider {
        &self.sandbox
    }

    fn around<'a, T: Send + 'a>(
        &'a self,
        request: BoxFuture<'a, Result<T, Fault>>,
    ) -> BoxFuture<'a, Result<T, Fault>> {
        Box::pin(async move {
            let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(now, Ordering::SeqCst);
            let _turn = self.open.acquire().await.map_err(|error| Fault::Refused(error.to_string()))?;
            tokio::time::sleep(self.takes).await;
            let answer = request.await;
            self.now.fetch_sub(1, Ordering::SeqCst);
            answer
        })
    }
}

/// Three slots at the desk, plenty elsewhere.
fn three_slots() -> WorkerConfig {
    let config = hasty("w1");
    let pools = config.pools.iter().map(|(queue, slots)| (*queue, *slots));
    let pools: BTreeMap<_, _> =
        pools.map(|(queue, slots)| (queue, if queue == Queue::Checkout { 3 } else { slots })).collect();
    WorkerConfig { pools, ..config }
}

async fn open() -> (Database, Shop) {
    let database = Database::sqlite(Arc::new(SystemClock)).await;
    let shop = Shop::new(Arc::clone(&database.store));
    shop.stock("cd-1", 10_000).await;
    (database, shop)
}

#[tokio::test]
async fn e7_no_more_calls_are_in_flight_than_their_pool_has_slots() {
    let (_database, shop) = open().await;
    let desk = Desk::new(Duration::from_millis(2), true);
    let outside = desk.outside();
    let runtime = Runtime::start(
        Arc::clone(&shop.store),
        with_backoff_divided_by(),
        outside.clone(),
        three_slots(),
        Metrics::default(),
    )
    .expect("starts");
    shop.orders(120, &[("cd-1", 1)], Some("tok_ok")).await;
    shop.rest().await;
    assert_eq!(desk.most.load(Ordering::SeqCst), 3, "all slots are used, and no more");
    assert_eq!(shop.stats().await, [("CONFIRMED".to_owned(), 120)].into());
    // A saga that waits for a slot is not leased, so no start of it is counted and nothing is asked twice.
    let statement = desk.sandbox.statement().await.expect("answers");
    assert!(statement.iter().all(|line| line.charge.as_str().ends_with(":take_payment:1")));
    shop.assert_clean(&outside).await;
    runtime.stop().await;
}

#[tokio::test]
async fn e7_a_desk_that_does_not_answer_holds_nobody_else_back() {
    let (_database, shop) = open().await;
    let desk = Desk::new(Duration::ZERO, false);
    let outside = desk.outside();
    let config = WorkerConfig {
        lease: Duration::from_secs(30),
        call_timeout: Duration::from_secs(10),
        ..three_slots()
    };
    let runtime = Runtime::start(
        Arc::clone(&shop.store),
        with_backoff_divided_by(),
        outside.clone(),
        config,
        Metrics::default(),
    )
    .expect("starts");
    shop.orders(20, &[("cd-1", 1)], Some("tok_ok")).await;
    shop.until("the desk is full", async || desk.most.load(Ordering::SeqCst) == 3).await;
    let order = shop.order(&[("cd-1", 1)], None).await;
    shop.ask(order, Verb::Confirm, &admin()).await.expect("is accepted");
    let done = async || {
        let sagas = shop.store.sagas_of(order).await.expect("reads");
        sagas.len() == 2 && sagas.iter().all(|saga| saga.state.is_settled())
    };
    shop.until("it is confirmed and its customer notified", done).await;
    assert_eq!(shop.view(order).await.order.status, OrderStatus::Confirmed);
    assert_eq!(desk.most.load(Ordering::SeqCst), 3);
    desk.open.add_permits(1_000);
    shop.rest().await;
    assert_eq!(shop.stats().await, [("CONFIRMED".to_owned(), 21)].into());
    shop.assert_clean(&outside).await;
    runtime.stop().await;
}

#[tokio::test]
async fn e7_a_flood_of_hints_is_taken_in_bit_by_bit() {
    let (_database, shop) = open().await;
    let desk = Desk::new(Duration::ZERO, true);
    let outside = desk.outside();
    let config = WorkerConfig { intake_max: 1, batch_max: 4, ..hasty("w1") };
    let runtime = Runtime::start(
        Arc::clone(&shop.store),
        with_backoff_divided_by(),
        outside.clone(),
        config,
        Metrics::default(),
    )
    .expect("starts");
    let orders = shop.orders(60, &[("cd-1", 1)], Some("tok_ok")).await;
    let hints: Vec<_> =
        orders.iter().map(|order| Hint { saga: order.saga(0), queue: Queue::Checkout }).collect();
    for _ in 0..50 {
        runtime.dispatch().wake(&hints);
    }
    shop.rest().await;
    assert!(runtime.stats().batch_largest.load(Ordering::Relaxed) <= 4);
    assert_eq!(shop.stats().await, [("CONFIRMED".to_owned(), 60)].into());
    shop.assert_clean(&outside).await;
    runtime.stop().await;
}
