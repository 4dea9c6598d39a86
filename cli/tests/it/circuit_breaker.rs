//! A payment provider that goes away under a shop with two workers, and comes back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast_log_channel::LogChannel;
use holdfast_saga::flows::REGISTRY;
use holdfast_saga::ports::{Channels, Gateways, Providers};
use holdfast_saga::records::history::Entry;
use holdfast_saga::timeline::{Conditions, Story, explain};
use holdfast_sandbox::SandboxControl as _;
use holdfast_sandbox::http::HttpSandbox;
use holdfast_shared::{OrderId, OrderStatus};
use holdfast_telemetry::Metrics;
use holdfast_testkit::database::Database;
use holdfast_testkit::driver::{hasty, with_backoff_divided_by};
use holdfast_testkit::redis::RedisServer;
use holdfast_testkit::shop::Shop;
use holdfast_worker::{CircuitBreaker, CircuitBreakerConfig, Gateway, RedisAddress, Runtime, WorkerConfig};

use crate::cluster::{Cluster, in_cluster};
use crate::server::Server;

const ORDERS: usize = 200;
const COOLDOWN: Duration = Duration::from_millis(400);
const COOLDOWN_MAX: Duration = Duration::from_millis(800);

/// A worker, and what it counts.
struct Worker {
    runtime: Runtime,
    metrics: Metrics,
}

impl Worker {
    fn start(name: &str, shop: &Shop, outside: &Gateways, redis: &RedisServer) -> Self {
        let metrics = Metrics::default();
        let address = RedisAddress::parse(&redis.url(), "holdfast").expect("a URL");
        let circuit_breaker = CircuitBreakerConfig {
            redis: Some(Arc::new(address.of_shop("00c0ffee42".parse().expect("a shop id")))),
            cooldown: COOLDOWN,
            cooldown_max: COOLDOWN_MAX,
            ..CircuitBreakerConfig::new(
                Gateway::Provider(Arc::clone(outside.payments.get("sandbox").expect("is configured"))),
                name,
            )
        };
        let circuit_breaker = CircuitBreaker::start(circuit_breaker, metrics.clone());
        let circuit_breakers = Arc::new([("sandbox".to_owned(), circuit_breaker)].into());
        let config = WorkerConfig { circuit_breakers, ..hasty(name) };
        let store = Arc::clone(&shop.store);
        let runtime =
            Runtime::start(store, with_backoff_divided_by(), outside.clone(), config, metrics.clone());
        Self { runtime: runtime.expect("starts"), metrics }
    }

    /// The state of its breaker, as a scraper sees it.
    fn breaker(&self) -> String {
        let families = self.metrics.registry().gather();
        let family = families.iter().find(|family| family.name() == "holdfast_provider_breaker");
        let rows = family.expect("it is there").get_metric();
        let row = rows.iter().find(|row| row.get_gauge().get_value() > 0.5).expect("one of them");
        let label = row.get_label().iter().find(|label| label.name() == "state").expect("a state");
        label.value().to_owned()
    }
}

/// How often each order's payment was held back, and how often it was tried in vain.
async fn attempts(shop: &Shop, orders: &[OrderId]) -> BTreeMap<OrderId, (usize, usize)> {
    let mut attempts = BTreeMap::new();
    for order in orders {
        let log = shop.store.log(order.saga(0)).await.expect("reads");
        let entries = || log.iter().flat_map(|row| &row.entries);
        let held = entries().filter(|entry| matches!(entry, Entry::Held { .. })).count();
        let failed = entries().filter(|entry| matches!(entry, Entry::Failed { .. } | Entry::Unknown { .. }));
        attempts.insert(*order, (held, failed.count()));
    }
    attempts
}

async fn until_breakers(shop: &Shop, workers: &[Worker], state: &str) {
    let what = format!("both breakers are {state}");
    shop.until(&what, async || workers.iter().all(|worker| worker.breaker() == state)).await;
}

/// The provider goes away before 200 orders come in; `meanwhile` happens to Redis; the provider comes back.
async fn check(meanwhile: impl AsyncFn(&mut RedisServer)) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let ledger = folder.path().join("ledger.db");
    let mut sandbox = Server::sandbox(&ledger, "127.0.0.1:0", &[]);
    let address = sandbox.url.trim_start_matches("http://").to_owned();
    let provider = HttpSandbox::new(&sandbox.url, Duration::from_secs(5)).expect("a URL");
    let outside =
        Gateways::new(Providers::of(Arc::new(provider.clone())), Channels::of(Arc::new(LogChannel)));
    sandbox.kill();

    let mut redis = RedisServer::start().await;
    let database = Database::postgres_by_its_own_clock().await;
    let shop = Shop::new(Arc::clone(&database.store));
    shop.stock("cd-1", 10_000).await;
    let workers = ["w1", "w2"].map(|name| Worker::start(name, &shop, &outside, &redis));
    let first = shop.orders(12, &[("cd-1", 1)], Some("tok_ok")).await;
    until_breakers(&shop, &workers, "open").await;

    // None of these is ever sent while nobody is there, but for the few that try.
    let parked = shop.orders(ORDERS, &[("cd-1", 1)], Some("tok_ok")).await;
    let all_held = async || attempts(&shop, &parked).await.values().all(|(held, failed)| held + failed > 0);
    shop.until("all are parked", all_held).await;
    meanwhile(&mut redis).await;
    let since = Instant::now();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let tried = attempts(&shop, &parked).await;
    let (held, burnt) = tried.values().fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1));
    let tries_max = 2 * (since.elapsed().as_millis() / COOLDOWN.as_millis() + 4);
    assert!(burnt as u128 <= tries_max, "{burnt} attempts were burnt on a provider that is away");
    let unburnt = tried.values().filter(|(_, failed)| *failed == 0).count();
    assert!(unburnt > ORDERS * 8 / 10, "{unburnt} orders were spared");
    for order in &parked {
        let saga = shop.checkout(*order).await;
        // One may have been let through since: what the log says now is younger than the saga.
        let spared = attempts(&shop, &[*order]).await[order].1 == 0;
        if spared && saga.leased_until.is_none() {
            let progress = &saga.progress;
            assert_eq!(
                (progress.attempts, progress.failures, progress.generation),
                (0, 0, 0),
                "order {order}"
            );
        }
    }
    let per_second = held as u128 * 1_000 / (since.elapsed().as_millis() + 1_000);
    assert!(per_second < 1_000, "{per_second} times a second somebody looks whether it is back");
    assert_explained(&shop, parked[ORDERS - 1]).await;

    let back = Server::sandbox(&ledger, &address, &[]);
    let released = release(&provider).await;
    shop.rest().await;
    let orders: Vec<_> = first.iter().chain(&parked).collect();
    let mut confirmed = 0;
    for order in &orders {
        confirmed += usize::from(shop.view(**order).await.order.status == OrderStatus::Confirmed);
    }
    assert_eq!(confirmed, orders.len(), "all of them settle");
    let statement = provider.statement().await.expect("it answers");
    assert_eq!(statement.len(), orders.len());
    shop.assert_clean(&outside).await;
    eprintln!("{burnt} tries in 3 s, {per_second} looks a second, {released} released in the first 900 ms");
    assert!(released < ORDERS / 2, "{released} were let loose at once");
    // A worker that must find out by itself does so with its next call.
    let both_closed = async || {
        shop.orders(2, &[("cd-1", 1)], Some("tok_ok")).await;
        shop.rest().await;
        workers.iter().all(|worker| worker.breaker() == "closed")
    };
    shop.until("both breakers are closed", both_closed).await;
    for worker in workers {
        assert_eq!(worker.runtime.stop().await.cut_off, 0);
    }
    drop(back);
}

/// What `order explain` shows of a parked order.
async fn assert_explained(shop: &Shop, order: OrderId) {
    let is_explained = async || {
        let story = Story::read(&*shop.store, order).await.expect("reads").expect("the order exists");
        let conditions = Conditions::read(&*shop.store).await.expect("reads");
        let now = explain(&story, &REGISTRY, &conditions).now;
        now.contains("the provider sandbox is not available; tried again at")
    };
    shop.until("the explanation names the reason", is_explained).await;
}

/// How many payments got through in the first moment after the provider was back.
async fn release(provider: &HttpSandbox) -> usize {
    let charges = async || provider.statement().await.ok().map_or(0, |lines| lines.len());
    let since = Instant::now();
    while charges().await == 0 {
        assert!(since.elapsed() < Duration::from_secs(20), "nobody tries");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(Duration::from_millis(900)).await;
    charges().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_is_down_costs_no_attempts_and_recovers_gradually() {
    check(async |_| {}).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_with_a_redis_that_dies() {
    check(async |redis| redis.kill()).await;
}

/// The same with processes: two workers share the state in Redis.
#[test]
fn workers_share_that_their_provider_is_down() {
    in_cluster("0s", async |mut cluster: Cluster| {
        let workers = [cluster.worker(), cluster.worker()];
        cluster.sandbox.kill();
        let placed = cluster.orders(40, "tok_ok").await;
        let client = cluster.client.clone();
        let are = async |state: &str| {
            let line = format!("holdfast_provider_breaker{{provider=\"sandbox\",state=\"{state}\"}} 1");
            for worker in &workers {
                let metrics = client.get(format!("{}/metrics", worker.url)).send().await;
                let metrics = metrics.expect("an answer").text().await.expect("text");
                if !metrics.lines().any(|shown| shown == line) {
                    return false;
                }
            }
            true
        };
        cluster.until("both leave it alone", async || are("open").await).await;
        cluster.reopen_sandbox();
        cluster
            .until("all are confirmed", async || {
                cluster.stats().await == [("CONFIRMED".to_owned(), i64::try_from(placed.len()).expect("few"))]
            })
            .await;
        cluster.until("both know that it is well", async || are("closed").await).await;
        assert_eq!(cluster.statement().await.len(), placed.len());
        cluster.rest().await;
        cluster.assert_clean();
    });
}
