//! One suite for all queues, embedded and in Redis: hints arrive, nobody waits for them, nothing of them stays.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast_saga::ports::{Dispatch, Hint};
use holdfast_shared::{OrderId, Queue, SagaId, ShopId};
use holdfast_telemetry::Metrics;
use holdfast_testkit::driver::QUEUES;
use holdfast_testkit::redis::{RedisServer, connect};
use holdfast_worker::{Dependency, Queues, RedisAddress, RedisBackend, Source, WorkerConfig};
use redis::aio::MultiplexedConnection;
use tokio::sync::{mpsc, watch};

/// As short as a lease gets in tests.
const LEASE: Duration = Duration::from_secs(2);
/// A hint that did not come by now never will.
const PATIENCE: Duration = Duration::from_secs(20);
/// As many as a stock storage keeps waiting.
const STOCK_MAX: usize = 4_000;

/// One worker's queues, without a worker behind them.
struct Ears {
    dispatch: Arc<dyn Dispatch>,
    hints: mpsc::Receiver<SagaId>,
    queues: Queues,
    metrics: Metrics,
    stop: watch::Sender<bool>,
}

impl Ears {
    fn open(source: &Source, name: &str) -> Self {
        Self::with(source, &WorkerConfig { lease: LEASE, ..named(name) })
    }

    fn with(source: &Source, config: &WorkerConfig) -> Self {
        let metrics = Metrics::default();
        let (stop, stopped) = watch::channel(false);
        let mut queues = Queues::open(source, config, &metrics, &stopped);
        let hints = std::mem::replace(&mut queues.hints, mpsc::channel(1).1);
        Self { dispatch: Arc::clone(&queues.dispatch), hints, queues, metrics, stop }
    }

    /// Waits for `count` hints, or for less if no more come.
    async fn hear(&mut self, count: usize) -> Vec<SagaId> {
        let mut heard = Vec::new();
        let until = tokio::time::Instant::now() + PATIENCE;
        while heard.len() < count {
            match tokio::time::timeout_at(until, self.hints.recv()).await {
                Ok(Some(saga)) => heard.push(saga),
                Ok(None) | Err(_) => break,
            }
        }
        heard
    }

    fn jobs(&self, outcome: &str) -> usize {
        let families = self.metrics.registry().gather();
        let jobs = families.iter().filter(|family| family.name() == "holdfast_jobs_total");
        let of = |metric: &&prometheus::proto::Metric| {
            metric.get_label().iter().any(|label| label.name() == "outcome" && label.value() == outcome)
        };
        jobs.flat_map(|family| {
            family.get_metric().iter().filter(of).map(|metric| metric.get_counter().get_value())
        })
        .map(|count| count.to_string().parse::<usize>().expect("a whole number"))
        .sum()
    }

    async fn close(self) {
        let _ = self.stop.send(true);
        // As an executor does when it ends: whoever waits for room in the intake waits no more.
        drop(self.hints);
        for serving in self.queues.serving {
            serving.await.expect("ends well");
        }
    }
}

fn named(name: &str) -> WorkerConfig {
    WorkerConfig { name: format!("{name}-{}", uuid::Uuid::now_v7().simple()), ..WorkerConfig::default() }
}

fn hint(number: i64) -> Hint {
    let queue = QUEUES[usize::try_from(number).expect("a number") % QUEUES.len()];
    Hint { saga: OrderId::new(number).saga(0), queue }
}

fn hints(count: i64) -> Vec<Hint> {
    (1..=count).map(hint).collect()
}

/// On the Redis that all tests share, with keys of its own.
fn shared(backend: RedisBackend) -> (Source, String) {
    let url = std::env::var("HOLDFAST_TEST_REDIS_URL").expect("scripts/with-servers sets it");
    let prefix = format!("test-{}", uuid::Uuid::now_v7().simple());
    let shop = ShopId::random();
    let redis = RedisAddress::parse(&url, &prefix).expect("an address").of_shop(shop);
    (Source::Redis(Arc::new(redis), backend), format!("{prefix}:{shop}"))
}

fn on(server: &RedisServer, backend: RedisBackend) -> Source {
    let address = RedisAddress::parse(&server.url(), "holdfast").expect("an address");
    Source::Redis(Arc::new(address.of_shop("00c0ffee42".parse().expect("a shop id"))), backend)
}

async fn every_hint_arrives(source: Source) {
    let mut ears = Ears::open(&source, "ears");
    let mut heard = BTreeSet::new();
    for chunk in hints(10_000).chunks(1_000) {
        ears.dispatch.wake(chunk);
        heard.extend(ears.hear(chunk.len()).await);
    }
    assert_eq!(heard.len(), 10_000);
    assert!(ears.jobs("dropped") == 0 && ears.jobs("taken") >= 10_000, "{}", ears.jobs("taken"));
    assert!(ears.queues.dependency_health.down().is_empty());
    ears.close().await;
}

async fn hints_go_to_the_pool_they_name(source: Source) {
    let one = |queue| WorkerConfig { pools: BTreeMap::from([(queue, 1)]), ..named("one") };
    let mut checkout = Ears::with(&source, &one(Queue::Checkout));
    let all = hints(400);
    checkout.dispatch.wake(&all);
    let heard: BTreeSet<_> = checkout.hear(100).await.into_iter().collect();
    let meant: BTreeSet<_> =
        all.iter().filter(|hint| hint.queue == Queue::Checkout).map(|hint| hint.saga).collect();
    assert_eq!(heard, meant);
    assert!(tokio::time::timeout(Duration::from_millis(300), checkout.hints.recv()).await.is_err());
    // What is nobody's here waits for whoever serves it.
    if matches!(source, Source::Redis(..)) {
        let mut notifications = Ears::with(&source, &one(Queue::Notifications));
        assert_eq!(notifications.hear(100).await.len(), 100);
        notifications.close().await;
    }
    checkout.close().await;
}

/// A worker that takes nothing in: hints wait for it, up to a bound, and whoever sends does not notice.
async fn a_full_intake_holds_back_nobody_but_its_queue(source: Source) {
    let mut ears = Ears::with(&source, &WorkerConfig { intake_max: 1, ..named("full") });
    let since = Instant::now();
    for chunk in hints(300_000).chunks(500) {
        ears.dispatch.wake(chunk);
    }
    // Whoever waited for a queue that moves no further would wait for ever.
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    let heard = ears.hear(2_000).await;
    assert!(heard.len() == 2_000, "{}", heard.len());
    ears.close().await;
}

macro_rules! for_all {
    ($($property:ident),*) => {$(
        mod $property {
            use super::*;

            #[tokio::test]
            async fn embedded() {
                super::$property(Source::Embedded).await;
            }

            #[tokio::test]
            async fn streams() {
                super::$property(shared(RedisBackend::Streams).0).await;
            }

            #[tokio::test]
            async fn apalis_redis() {
                super::$property(shared(RedisBackend::ApalisRedis).0).await;
            }
        }
    )*};
}
for_all!(every_hint_arrives, hints_go_to_the_pool_they_name, a_full_intake_holds_back_nobody_but_its_queue);

async fn workers_share_what_is_sent(backend: RedisBackend) {
    let (source, _) = shared(backend);
    let (mut one, mut two) = (Ears::open(&source, "one"), Ears::open(&source, "two"));
    let mut heard = Vec::new();
    for chunk in hints(4_000).chunks(400) {
        one.dispatch.wake(chunk);
        while heard.len() % 400 != 0
            || heard.len()
                < usize::try_from(chunk[399].saga.order().expect("has one").number()).expect("fits")
        {
            tokio::select! {
                saga = one.hints.recv() => heard.extend(saga),
                saga = two.hints.recv() => heard.extend(saga),
                () = tokio::time::sleep(PATIENCE) => panic!("{} of {}", heard.len(), chunk[399].saga),
            }
        }
    }
    let apart: BTreeSet<_> = heard.iter().collect();
    assert_eq!((heard.len(), apart.len()), (4_000, 4_000), "each hint is for one of them");
    assert!(one.jobs("taken") > 0 && two.jobs("taken") > 0);
    one.close().await;
    two.close().await;
}

/// Pitfalls 19 and 21: more than the stock storage can bear waits with nobody there, and then is worked off.
async fn a_backlog_is_worked_off(backend: RedisBackend) {
    let (source, prefix) = shared(backend);
    let sender = Ears::with(&source, &WorkerConfig { pools: BTreeMap::new(), ..named("sender") });
    let backlog: Vec<_> =
        (1..=20_000).map(|number| Hint { queue: Queue::Checkout, ..hint(number) }).collect();
    for chunk in backlog.chunks(1_000) {
        sender.dispatch.wake(chunk);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let kept = match backend {
        RedisBackend::Streams => 20_000,
        RedisBackend::ApalisRedis => STOCK_MAX,
    };
    until("all are sent or dropped", async || sender.jobs("dropped") == 20_000 - kept).await;
    let mut ears = Ears::open(&source, "late");
    let heard: BTreeSet<_> = ears.hear(kept).await.into_iter().collect();
    assert_eq!(heard.len(), kept);
    nothing_is_left(&prefix).await;
    ears.close().await;
    sender.close().await;
}

/// Pitfall 28.
async fn a_poisonous_payload_is_thrown_away(backend: RedisBackend) {
    let (source, prefix) = shared(backend);
    let mut redis = connect(&std::env::var("HOLDFAST_TEST_REDIS_URL").expect("is set")).await;
    let key = |what: &str| format!("{prefix}:{{checkout}}:{what}");
    let mut ears = Ears::open(&source, "ears");
    for (nth, payload) in [b"rubbish".as_slice(), b"\xff\xfe", b"", b"1042", b"-1.0"].into_iter().enumerate()
    {
        match backend {
            RedisBackend::Streams => {
                add(&mut redis, &key("hints"), b"saga", payload).await;
                add(&mut redis, &key("hints"), payload, b"1042.0").await;
            }
            RedisBackend::ApalisRedis => {
                let id = format!("poison-{nth}");
                let _: () = redis::pipe()
                    .cmd("HSET")
                    .arg(key("stock:data"))
                    .arg(&id)
                    .arg(payload)
                    .cmd("HSET")
                    .arg(key(&format!("stock:meta:{id}")))
                    .arg(&["attempts", "0", "max_attempts", "1", "status", "Pending"])
                    .cmd("RPUSH")
                    .arg(key("stock:active"))
                    .arg(&id)
                    .query_async(&mut redis)
                    .await
                    .expect("pushes");
            }
        }
    }
    ears.dispatch.wake(&[Hint { queue: Queue::Checkout, ..hint(7) }]);
    assert_eq!(ears.hear(1).await, [OrderId::new(7).saga(0)]);
    let poisons = match backend {
        RedisBackend::Streams => 10,
        RedisBackend::ApalisRedis => 5,
    };
    until("all of it is counted", async || ears.jobs("poisoned") == poisons).await;
    nothing_is_left(&prefix).await;
    ears.close().await;
}

async fn add(redis: &mut MultiplexedConnection, key: &str, field: &[u8], value: &[u8]) {
    let added = redis::cmd("XADD").arg(key).arg("*").arg(field).arg(value).query_async::<String>(redis).await;
    added.expect("adds");
}

/// Pitfall 19: what a worker held when it died is heard by another one after the lease.
async fn hints_of_a_dead_worker_reach_another(backend: RedisBackend) {
    let (source, _) = shared(backend);
    let source_of_the_dead = source.clone();
    let dead = std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().expect("starts");
        // It takes hints, and its intake is full with the first one.
        let ears = runtime.block_on(async {
            let ears = Ears::with(
                &source_of_the_dead,
                &WorkerConfig { lease: LEASE, intake_max: 1, ..named("dead") },
            );
            ears.dispatch.wake(&hints(40));
            until("it holds them", async || ears.jobs("taken") >= 1).await;
            tokio::time::sleep(Duration::from_millis(500)).await;
            ears
        });
        // As if it were killed: everything stops where it is, and its connections break.
        runtime.shutdown_background();
        std::mem::forget(ears);
    });
    tokio::task::spawn_blocking(|| dead.join()).await.expect("ends").expect("dies");
    let since = Instant::now();
    let mut ears = Ears::open(&source, "heir");
    let heard: BTreeSet<_> = ears.hear(39).await.into_iter().collect();
    // The one in its intake was passed on, and is the sweep's to find.
    assert!(heard.len() >= 39, "{} after {:?}", heard.len(), since.elapsed());
    assert!(since.elapsed() < LEASE * 4, "{:?}", since.elapsed());
    ears.close().await;
}

/// Pitfalls 20, 21 and 30: Redis is emptied, killed, and comes back empty; nobody who sends waits for it.
async fn redis_is_lost_and_comes_back(backend: RedisBackend) {
    let mut server = RedisServer::start().await;
    let source = on(&server, backend);
    let mut ears = Ears::open(&source, "ears");
    ears.dispatch.wake(&hints(100));
    assert_eq!(ears.hear(100).await.len(), 100);

    let flushed: String =
        redis::cmd("FLUSHALL").query_async(&mut server.connect().await).await.expect("flushes");
    assert_eq!(flushed, "OK");
    again_and_again(&mut ears, "after it was flushed").await;

    server.kill();
    let since = Instant::now();
    for _ in 0..100 {
        ears.dispatch.wake(&hints(100));
    }
    assert!(since.elapsed() < Duration::from_millis(200), "{:?}", since.elapsed());
    until("they are counted as dropped", async || ears.jobs("dropped") >= 1_000).await;
    until("it says that it is deaf", async || {
        let deaf = ears.queues.dependency_health.down();
        deaf.iter()
            .any(|down| down.dependency == Dependency::Queue(Queue::Checkout) && !down.silence.is_zero())
    })
    .await;

    server.start_again().await;
    again_and_again(&mut ears, "after it was killed").await;
    until("it is not deaf any more", async || ears.queues.dependency_health.down().len() <= 1).await;
    ears.close().await;
}

/// A Redis that takes connections and does not answer.
async fn redis_freezes(backend: RedisBackend) {
    let server = RedisServer::start().await;
    let mut ears = Ears::open(&on(&server, backend), "ears");
    ears.dispatch.wake(&hints(100));
    assert_eq!(ears.hear(100).await.len(), 100);
    server.freeze();
    let since = Instant::now();
    for _ in 0..1_000 {
        ears.dispatch.wake(&hints(100));
    }
    assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
    tokio::time::sleep(Duration::from_secs(2)).await;
    server.thaw();
    again_and_again(&mut ears, "after it froze").await;
    ears.close().await;
}

/// Hints are lost while Redis is away, so a new one is sent until one arrives.
async fn again_and_again(ears: &mut Ears, when: &str) {
    let since = Instant::now();
    for number in 1_000_000.. {
        ears.dispatch.wake(&[hint(number)]);
        let found = async {
            while ears
                .hints
                .recv()
                .await
                .is_some_and(|saga| saga.order().expect("has one").number() < 1_000_000)
            {}
        };
        if tokio::time::timeout(Duration::from_millis(200), found).await.is_ok() {
            return;
        }
        assert!(since.elapsed() < PATIENCE, "{when} nothing arrives");
    }
}

macro_rules! for_redis {
    ($($property:ident),*) => {$(
        mod $property {
            use super::*;

            #[tokio::test]
            async fn streams() {
                super::$property(RedisBackend::Streams).await;
            }

            #[tokio::test]
            async fn apalis_redis() {
                super::$property(RedisBackend::ApalisRedis).await;
            }
        }
    )*};
}
for_redis!(
    workers_share_what_is_sent,
    a_backlog_is_worked_off,
    a_poisonous_payload_is_thrown_away,
    hints_of_a_dead_worker_reach_another,
    redis_is_lost_and_comes_back,
    redis_freezes
);

/// Of what was taken nothing stays: no entry, no payload, no result.
async fn nothing_is_left(prefix: &str) {
    let mut redis = connect(&std::env::var("HOLDFAST_TEST_REDIS_URL").expect("is set")).await;
    let mut left = Vec::new();
    let since = Instant::now();
    while since.elapsed() < PATIENCE {
        let keys: Vec<String> =
            redis::cmd("KEYS").arg(format!("{prefix}:*")).query_async(&mut redis).await.expect("lists");
        left.clear();
        for key in keys {
            let size = match redis::cmd("TYPE")
                .arg(&key)
                .query_async::<String>(&mut redis)
                .await
                .expect("answers")
                .as_str()
            {
                "stream" => ["XLEN"].as_slice(),
                "set" => ["SCARD"].as_slice(),
                "list" => ["LLEN"].as_slice(),
                // Who lives is not what is left.
                "hash" if !key.contains("workers") => ["HLEN"].as_slice(),
                _ => continue,
            };
            let size: u64 = redis::cmd(size[0]).arg(&key).query_async(&mut redis).await.expect("counts");
            if size > 0 && !key.ends_with("signal") {
                left.push(format!("{key}: {size}"));
            }
        }
        if left.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("left in Redis: {left:?}");
}

async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let since = Instant::now();
    while !is_so().await {
        assert!(since.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
