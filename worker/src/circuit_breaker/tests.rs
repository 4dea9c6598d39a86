//! Circuit breakers of several replicas on one Redis: a real one, which hangs, dies and comes back.

mod rates;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use holdfast_saga::ports::{
    Account, At, Attempt, Caps, Charge, Closed, Fault, NamedRefund, PaymentProvider, RefundState,
};
use holdfast_shared::{Money, StepKey};
use holdfast_testkit::redis::RedisServer;
use tokio::task::JoinSet;

use super::replica::{APART, TRICKLE};
use super::*;
use crate::RedisAddress;

/// Longer than any wait here takes on a busy machine.
const MAX_WAIT: Duration = Duration::from_secs(20);
const COOLDOWN: Duration = Duration::from_millis(400);

/// A provider that can be pinged, or not. Nothing else is asked of it here.
#[derive(Debug, Default)]
struct Pinged {
    away: AtomicBool,
    pings: AtomicUsize,
}

impl Pinged {
    fn is_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    fn pings(&self) -> usize {
        self.pings.load(Ordering::SeqCst)
    }
}

fn unasked<T>() -> Result<T, Fault> {
    Err(Fault::Refused("nothing is asked here".to_owned()))
}

#[async_trait]
impl PaymentProvider for Pinged {
    fn name(&self) -> &'static str {
        "sandbox"
    }
    fn caps(&self) -> Caps {
        Caps { opens: false, closes: true, key_ttl: Duration::from_hours(24) }
    }
    async fn ping(&self) -> Result<Account, Fault> {
        self.pings.fetch_add(1, Ordering::SeqCst);
        if self.away.load(Ordering::SeqCst) {
            return Err(Fault::NotReached("nobody is there".to_owned()));
        }
        Ok(Account { id: "sandbox".to_owned(), live: false })
    }
    async fn drive(&self, _: &At<'_>, _: &Attempt<'_>) -> Result<Charge, Fault> {
        unasked()
    }
    async fn look_up(&self, _: &At<'_>) -> Result<Charge, Fault> {
        unasked()
    }
    async fn close(&self, _: &At<'_>) -> Result<Closed, Fault> {
        unasked()
    }
    async fn refund(&self, _: &At<'_>, _: &StepKey, _: Money) -> Result<RefundState, Fault> {
        unasked()
    }
    async fn refunds(&self, _: &At<'_>) -> Result<Vec<NamedRefund>, Fault> {
        unasked()
    }
}

fn alone(provider: &Arc<Pinged>) -> CircuitBreakerConfig {
    CircuitBreakerConfig {
        cooldown: COOLDOWN,
        cooldown_max: COOLDOWN * 4,
        // The name is no secret of theirs: replicas may well share it.
        ..CircuitBreakerConfig::new(Gateway::Provider(Arc::clone(provider) as _), "worker-1")
    }
}

fn config(provider: &Arc<Pinged>, redis: &RedisServer) -> CircuitBreakerConfig {
    CircuitBreakerConfig { redis: Some(Arc::new(redis_of(redis))), ..alone(provider) }
}

/// Always the same shop's.
fn redis_of(server: &RedisServer) -> Redis {
    let address = RedisAddress::parse(&server.url(), "holdfast").expect("a URL");
    address.of_shop("00c0ffee42".parse().expect("a shop id"))
}

fn circuit_breaker(config: CircuitBreakerConfig) -> CircuitBreaker {
    CircuitBreaker::start(config, Metrics::default())
}

/// A circuit breaker that shares its view with the others.
async fn joined(config: CircuitBreakerConfig) -> CircuitBreaker {
    let circuit_breaker = circuit_breaker(config);
    until("it has joined", || circuit_breaker.0.known().is_shared).await;
    circuit_breaker
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < MAX_WAIT, "{what}: not within {MAX_WAIT:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn state(circuit_breaker: &CircuitBreaker) -> &'static str {
    circuit_breaker.0.known().view.name()
}

/// The provider answers, or not, and the circuit breaker observes it.
async fn sent(permit: Permit, answer: Result<(), Fault>) {
    let _heard = permit.observed.observe(async { answer }).await;
    permit.settle();
}

fn unreached() -> Result<(), Fault> {
    Err(Fault::NotReached("nobody is there".to_owned()))
}

/// Five calls reach nobody.
async fn fail(circuit_breaker: &CircuitBreaker) {
    for _ in 0..5 {
        sent(circuit_breaker.admit(Urgency::Money).await.expect("it is let through"), unreached()).await;
    }
}

/// The provider is away, and the circuit breaker finds out.
async fn trip(circuit_breaker: &CircuitBreaker, provider: &Pinged) {
    provider.is_away(true);
    fail(circuit_breaker).await;
    until("it is believed", || state(circuit_breaker) == "open").await;
}

/// The calls of a crowd that are let through and held, half of them at each circuit breaker.
async fn crowd(breakers: [&CircuitBreaker; 2], each: i64) -> (Vec<Permit>, Vec<Held>) {
    let mut coming = JoinSet::new();
    for circuit_breaker in breakers {
        for _ in 0..each {
            let circuit_breaker = circuit_breaker.clone();
            coming.spawn(async move { circuit_breaker.admit(Urgency::Money).await });
        }
    }
    let (mut through, mut held) = (Vec::new(), Vec::new());
    for answer in coming.join_all().await {
        match answer {
            Ok(permit) => through.push(permit),
            Err(refused) => held.push(refused),
        }
    }
    (through, held)
}

#[tokio::test]
async fn m16_two_pings_in_vain_are_believed_and_pings_find_out_when_it_is_back() {
    let provider = Arc::new(Pinged::default());
    let breaker = circuit_breaker(alone(&provider));
    trip(&breaker, &provider).await;
    assert_eq!(provider.pings(), 2, "two pings decide");
    let since = Instant::now();
    while since.elapsed() < COOLDOWN * 3 {
        let held = breaker.admit(Urgency::Money).await.expect_err("no order tries whether it is back");
        assert_eq!(held.why, "the provider sandbox is not available");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(provider.pings() > 2 && provider.pings() < 7, "{} pings", provider.pings());
    provider.is_away(false);
    until("it is back", || state(&breaker) == "releasing").await;
    let since = Instant::now();
    let (first, _) = crowd([&breaker, &breaker], 200).await;
    let within = since.elapsed();
    assert!(!first.is_empty() && first.len() < 100, "{} of 400 in the first {within:?}", first.len());
    until("it is well", || state(&breaker) == "closed").await;
    assert_eq!(crowd([&breaker, &breaker], 200).await.0.len(), 400);
}

#[tokio::test]
async fn m16_what_a_buyer_can_choose_holds_nobody_else_back() {
    let provider = Arc::new(Pinged::default());
    let breaker = circuit_breaker(alone(&provider));
    // Ten thousand invented payers whose tokens the provider refuses: each is an answer.
    for _ in 0..10_000 {
        let refusal = Err(Fault::Refused("the sandbox is down for this token".to_owned()));
        sent(breaker.admit(Urgency::Money).await.expect("it is let through"), refusal).await;
    }
    assert_eq!((state(&breaker), provider.pings()), ("closed", 0));
    // Their calls end in 5xx: the provider can be pinged, so it is never left alone, but most of its calls wait.
    let breaker = circuit_breaker(alone(&provider));
    for _ in 0..100 {
        if let Ok(permit) = breaker.admit(Urgency::Money).await {
            sent(permit, Err(Fault::Unclear("502".to_owned()))).await;
        }
    }
    until("it was pinged", || provider.pings() > 0).await;
    let since = Instant::now();
    let mut through = 0_u32;
    while since.elapsed() < Duration::from_secs(1) {
        if let Ok(permit) = breaker.admit(Urgency::Money).await {
            through += 1;
            sent(permit, Err(Fault::Unclear("502".to_owned()))).await;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(state(&breaker), "closed");
    assert!((TRICKLE / 2..=2 * TRICKLE).contains(&through), "{through} in a second");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m17_a_replica_that_alone_cannot_reach_the_provider_leaves_its_calls_to_the_others() {
    let redis = RedisServer::start().await;
    let (near, far) = (Arc::new(Pinged::default()), Arc::new(Pinged::default()));
    let (well, cut_off) = (joined(config(&near, &redis)).await, joined(config(&far, &redis)).await);
    let since = Instant::now();
    trip(&cut_off, &far).await;
    until("it knows that it is alone", || cut_off.leaves_calls_to_others()).await;
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    assert_eq!(
        (state(&well), well.leaves_calls_to_others()),
        ("closed", false),
        "one witness is not believed by all"
    );
    assert!(well.admit(Urgency::Money).await.is_ok());
    // Away for all: all hold.
    trip(&well, &near).await;
    until("both know", || ![&well, &cut_off].iter().any(|breaker| breaker.leaves_calls_to_others())).await;
    let (through, held) = crowd([&well, &cut_off], 30).await;
    assert!(through.is_empty() && held.len() == 60, "{} got through", through.len());
    // Back for one: the other leaves its calls to it again.
    near.is_away(false);
    until("one is back", || state(&well) != "open" && cut_off.leaves_calls_to_others()).await;
    far.is_away(false);
    until("both are well", || [&well, &cut_off].map(state) == ["closed"; 2]).await;
    // Who dies is heard of no more.
    trip(&cut_off, &far).await;
    until("it knows that it is alone", || cut_off.leaves_calls_to_others()).await;
    drop(well);
    until("nobody else is there", || !cut_off.leaves_calls_to_others()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m17_a_replica_that_calls_nobody_is_no_witness() {
    let redis = RedisServer::start().await;
    let provider = Arc::new(Pinged::default());
    let (calling, idle) = (joined(config(&provider, &redis)).await, joined(config(&provider, &redis)).await);
    trip(&calling, &provider).await;
    until("the idle one finds out", || state(&idle) == "open").await;
    until("nobody leaves its calls to the other", || {
        ![&calling, &idle].iter().any(|breaker| breaker.leaves_calls_to_others())
    })
    .await;
    assert!(
        calling.admit(Urgency::Money).await.is_err() && idle.admit(Urgency::Money).await.is_err(),
        "both hold"
    );
}

#[tokio::test]
async fn what_is_held_back_comes_again_one_after_the_other() {
    let provider = Arc::new(Pinged::default());
    let breaker =
        circuit_breaker(CircuitBreakerConfig::new(Gateway::Provider(Arc::clone(&provider) as _), "alone"));
    trip(&breaker, &provider).await;
    let mut waits = Vec::new();
    for _ in 0..500 {
        waits.push(breaker.admit(Urgency::Money).await.expect_err("it is open").retry_in);
    }
    assert!(waits[0] > Duration::from_millis(300), "not before it is pinged: {:?}", waits[0]);
    assert!(waits.is_sorted(), "whoever came first asks first");
    assert!(waits[499] > waits[0] + APART * 450, "{:?} to {:?}", waits[0], waits[499]);
}

/// What a call waits for a Redis that does not answer, at worst and all together.
async fn waited(circuit_breaker: &CircuitBreaker, calls: i64) -> (Duration, Duration) {
    let (mut worst, mut all) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..calls {
        let since = Instant::now();
        let _answer = circuit_breaker.admit(Urgency::Money).await;
        worst = worst.max(since.elapsed());
        all += since.elapsed();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    (worst, all)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_hangs_keeps_nobody_waiting_and_is_asked_again() {
    let redis = RedisServer::start().await;
    let provider = Arc::new(Pinged::default());
    let config = CircuitBreakerConfig { rate: NonZeroU32::new(1_000_000), ..config(&provider, &redis) };
    let far = Arc::new(Pinged::default());
    let other = config.clone();
    let one = joined(config).await;
    let observer =
        joined(CircuitBreakerConfig { gateway: Gateway::Provider(Arc::clone(&far) as _), ..other }).await;
    redis.freeze();
    let (worst, all) = waited(&one, 200).await;
    eprintln!("a Redis that hangs: a call waits {worst:?} at worst, {:?} on average", all / 200);
    assert!(worst < Duration::from_millis(100), "a call waited {worst:?}");
    assert!(all < Duration::from_millis(400), "200 calls waited {all:?} together");
    // It judges by itself meanwhile.
    trip(&one, &provider).await;
    redis.thaw();
    until("it hears of the other one", || one.leaves_calls_to_others()).await;
    assert_eq!(state(&observer), "closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_each_guards_alone_until_it_is_back() {
    let mut redis = RedisServer::start().await;
    let (near, far) = (Arc::new(Pinged::default()), Arc::new(Pinged::default()));
    let (one, other) = (joined(config(&far, &redis)).await, joined(config(&near, &redis)).await);
    redis.kill();
    until("they notice", || ![&one, &other].iter().any(|breaker| breaker.0.known().is_shared)).await;
    trip(&one, &far).await;
    assert!(
        one.admit(Urgency::Money).await.is_err() && !one.leaves_calls_to_others(),
        "it knows of nobody else"
    );
    assert!(other.admit(Urgency::Money).await.is_ok(), "and the other one does not know");
    redis.start_again().await;
    until("they hear of each other", || one.leaves_calls_to_others()).await;
}

#[tokio::test]
async fn a_view_that_is_of_another_release_counts_for_nothing() {
    let redis = RedisServer::start().await;
    let mut client = redis.connect().await;
    let key = redis_of(&redis).gateway_key("provider:sandbox", "views");
    redis::cmd("HSET").arg(&key).arg("w9").arg("ajar 1 2 3").exec_async(&mut client).await.expect("answers");
    let provider = Arc::new(Pinged::default());
    let breaker = joined(config(&provider, &redis)).await;
    trip(&breaker, &provider).await;
    assert!(!breaker.leaves_calls_to_others());
}

#[tokio::test]
async fn the_state_is_a_metric() {
    let metrics = Metrics::default();
    let provider = Arc::new(Pinged::default());
    let circuit_breaker = CircuitBreaker::start(alone(&provider), metrics.clone());
    let shown = || {
        let families = metrics.registry().gather();
        let family = families.iter().find(|family| family.name() == "holdfast_provider_breaker");
        let rows = family.expect("it is there").get_metric();
        let ones = rows.iter().filter(|row| row.get_gauge().get_value() > 0.5);
        let labels = ones.flat_map(|row| row.get_label().iter().map(|label| label.value().to_owned()));
        labels.collect::<Vec<_>>()
    };
    let expected = |state: &str| vec!["sandbox".to_owned(), state.to_owned()];
    assert_eq!(shown(), expected("closed"));
    trip(&circuit_breaker, &provider).await;
    assert_eq!(shown(), expected("open"));
}
