//! F7, F25 and F41: a provider that is away for a while, payers who fail on purpose, and a worker that alone is cut off.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use holdfast_saga::ports::{Gateways, Store};
use holdfast_shared::{OrderId, OrderStatus};
use holdfast_telemetry::Metrics;
use holdfast_testkit::database::Database;
use holdfast_testkit::driver::{hasty, outside};
use holdfast_testkit::shop::Shop;
use holdfast_worker::{CircuitBreaker, CircuitBreakerConfig, Gateway, Runtime, WorkerConfig};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use crate::cluster::{Cluster, in_cluster};
use crate::server::Server;

/// The way from one worker to the provider.
struct Link {
    url: String,
    state: Arc<AtomicU8>,
}

const UP: u8 = 0;
/// Connections are cut and refused.
const REFUSED: u8 = 1;
/// What is sent arrives nowhere, and nobody says so.
const SILENT: u8 = 2;

impl Link {
    async fn to(url: &str) -> Self {
        let target = url.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let url = format!("http://{}", listener.local_addr().expect("has an address"));
        let state = Arc::new(AtomicU8::new(UP));
        let present = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (target, state) = (target.clone(), Arc::clone(&present));
                tokio::spawn(async move {
                    if state.load(Ordering::SeqCst) == REFUSED {
                        return;
                    }
                    let Ok(mut server) = TcpStream::connect(&target).await else { return };
                    while state.load(Ordering::SeqCst) != SILENT {
                        let pass = copy_bidirectional(&mut client, &mut server);
                        if tokio::time::timeout(Duration::from_millis(20), pass).await.is_ok()
                            || state.load(Ordering::SeqCst) == REFUSED
                        {
                            return;
                        }
                    }
                    while state.load(Ordering::SeqCst) == SILENT {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                });
            }
        });
        Self { url, state }
    }

    fn is(&self, state: u8) {
        self.state.store(state, Ordering::SeqCst);
    }
}

/// Places orders for `span`, and says how many.
async fn placing(cluster: &Cluster, span: Duration) -> usize {
    let since = Instant::now();
    let mut placed = 0;
    while since.elapsed() < span {
        cluster.order("tok_ok").await;
        placed += 1;
    }
    placed
}

/// How many orders have waited for over two seconds, and how many were cancelled.
async fn waits(cluster: &Cluster) -> (i64, i64) {
    let open = "select count(*) from orders where status = 'PENDING_PAYMENT' and accepted_at < now() - interval '2 s'";
    let cancelled = "select count(*) from orders where status = 'CANCELLED'";
    (cluster.number(open).await, cluster.number(cancelled).await)
}

fn cut_off(state: u8, believed_within: Duration) {
    in_cluster("0s", async |cluster: Cluster| {
        let link = Link::to(&cluster.sandbox.url).await;
        let _near = [cluster.worker(), cluster.worker()];
        let far = Server::start(cluster.worker_command().env("HOLDFAST_SANDBOX_URL", &link.url));
        placing(&cluster, Duration::from_secs(3)).await;
        link.is(state);
        placing(&cluster, believed_within).await;
        // From now on the shop is as fast as its placing: nobody waits for the worker that is cut off.
        let placed = placing(&cluster, Duration::from_secs(4)).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let (waiting, cancelled) = waits(&cluster).await;
        eprintln!(
            "{placed} placed while one of three was cut off, {waiting} still wait, {cancelled} cancelled"
        );
        assert!(
            placed > 20 && waiting * 20 <= i64::try_from(placed).expect("few"),
            "{waiting} of {placed} wait"
        );
        assert_eq!(cancelled, 0);
        assert!(far.stderr().contains("cannot be reached"), "{}", far.stderr());
        link.is(UP);
        cluster.rest().await;
        assert_eq!(cluster.stats().await.len(), 1, "{:?}", cluster.stats().await);
        cluster.assert_clean();
    });
}

#[test]
fn m17_one_of_three_workers_cut_off_costs_its_share_and_no_order() {
    cut_off(REFUSED, Duration::from_secs(5));
}

#[test]
fn m17_the_same_where_packets_vanish() {
    // The call timeout is a second here.
    cut_off(SILENT, Duration::from_secs(6));
}

/// A worker with a circuit breaker, in this process.
fn worker(store: &Arc<dyn Store>, outside: &Gateways) -> Runtime {
    let provider = Arc::clone(outside.payments.get("sandbox").expect("is configured"));
    let breaker = CircuitBreaker::start(
        CircuitBreakerConfig::new(Gateway::Provider(provider), "w1"),
        Metrics::default(),
    );
    let circuit_breakers = Arc::new([("sandbox".to_owned(), breaker)].into());
    let config = WorkerConfig { circuit_breakers, ..hasty("w1") };
    let registry = holdfast_saga::flows::REGISTRY;
    Runtime::start(Arc::clone(store), registry, outside.clone(), config, Metrics::default()).expect("starts")
}

/// Places one honest order after the other, and waits for each. Returns the slowest of a window of 20: the median of
/// five windows, because a single stall of the disk makes one window slow, and a slow shop makes all of them slow.
async fn slowest_of_20(shop: &Shop) -> Duration {
    let mut slowest = [Duration::ZERO; 5];
    for number in 0..100 {
        let since = Instant::now();
        let order: OrderId = shop.order(&[("cd-1", 1)], Some("tok_ok")).await;
        while shop.view(order).await.order.status == OrderStatus::PendingPayment {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let window = &mut slowest[number / 20];
        *window = since.elapsed().max(*window);
        assert_eq!(shop.view(order).await.order.status, OrderStatus::Confirmed, "order {order}");
    }
    eprintln!("the slowest of each window: {slowest:?}");
    slowest.sort();
    slowest[2]
}

/// How many payers an attacker invents; each fails six times.
fn payers() -> usize {
    std::env::var("HOLDFAST_TEST_PAYERS").ok().and_then(|count| count.parse().ok()).unwrap_or(1_000)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m16_invented_payers_slow_no_honest_order_down() {
    let database = Database::postgres_by_its_own_clock().await;
    let shop = Shop::new(Arc::clone(&database.store));
    shop.stock("cd-1", 1_000_000).await;
    let (_, outside) = outside();
    let runtime = worker(&shop.store, &outside);
    let quiet = slowest_of_20(&shop).await;
    let attacker = Shop::new(Arc::clone(&database.store));
    let attack = tokio::spawn(async move {
        for _ in 0..payers().div_ceil(10) {
            attacker.orders(10, &[("cd-1", 1)], Some("tok_down")).await;
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    let under_attack = slowest_of_20(&shop).await;
    attack.await.expect("the attack ends");
    eprintln!("the slowest of 20 honest orders: {quiet:?} in quiet, {under_attack:?} under attack");
    assert!(under_attack < quiet * 2 + Duration::from_millis(50), "{quiet:?} became {under_attack:?}");
    runtime.stop().await;
}

/// How many orders, on how many workers, while the provider is away for so many seconds.
fn outages() -> Vec<(usize, usize, u64)> {
    if std::env::var("HOLDFAST_TEST_OUTAGES").is_ok_and(|which| which == "all") {
        let seconds = |orders| [3, 9, 60].map(|seconds| [(orders, 1, seconds), (orders, 3, seconds)]);
        return [1, 3, 9, 50].into_iter().flat_map(seconds).flatten().collect();
    }
    vec![(3, 1, 9), (50, 3, 3)]
}

// Longer outages are in `saga/tests/it/bank/outage.rs`, by the test's clock.
#[test]
fn m15_an_outage_of_seconds_cancels_nothing() {
    for (orders, workers, seconds) in outages() {
        in_cluster("0s", async |mut cluster: Cluster| {
            let _workers: Vec<Server> = (0..workers).map(|_| cluster.worker()).collect();
            cluster.sandbox.kill();
            let since = Instant::now();
            cluster.orders(orders, "tok_ok").await;
            tokio::time::sleep(Duration::from_secs(seconds).saturating_sub(since.elapsed())).await;
            cluster.reopen_sandbox();
            let back = Instant::now();
            cluster.settle(Duration::from_secs(90)).await;
            let took = back.elapsed();
            eprintln!(
                "{orders} orders, {workers} workers, away for {seconds} s: settled {took:?} after it was back"
            );
            let confirmed = vec![("CONFIRMED".to_owned(), i64::try_from(orders).expect("few"))];
            assert_eq!(cluster.stats().await, confirmed, "{orders} orders, {workers} workers, {seconds} s");
            assert_eq!(cluster.statement().await.len(), orders, "each is paid once");
            cluster.assert_clean();
        });
    }
}
