//! Circuit breakers of several replicas on one Redis: a real one, which hangs, dies and comes back.

use holdfast_saga::ports::Fault;
use holdfast_testkit::redis::RedisServer;
use tokio::task::JoinSet;

use super::follow::LOOK_EVERY;
use super::replica::APART;
use super::*;
use crate::RedisAddress;

/// Longer than any wait here takes on a busy machine.
const MAX_WAIT: Duration = Duration::from_secs(20);
const COOLDOWN: Duration = Duration::from_millis(400);

fn config(redis: &RedisServer) -> CircuitBreakerConfig {
    CircuitBreakerConfig {
        redis: Some(Arc::new(redis_of(redis))),
        cooldown: COOLDOWN,
        cooldown_max: COOLDOWN * 4,
        // The name is no secret of theirs: replicas may well share it.
        ..CircuitBreakerConfig::new("sandbox", "worker-1")
    }
}

/// Always the same shop's.
fn redis_of(server: &RedisServer) -> Redis {
    let address = RedisAddress::parse(&server.url(), "holdfast").expect("a URL");
    address.of_shop("00c0ffee42".parse().expect("a shop id"))
}

fn circuit_breaker(config: CircuitBreakerConfig) -> CircuitBreaker {
    CircuitBreaker::start(config, Metrics::default())
}

/// A circuit breaker that shares its state with the others.
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

fn order(number: i64) -> OrderId {
    OrderId::new(number + 1)
}

fn state(circuit_breaker: &CircuitBreaker) -> &'static str {
    circuit_breaker.0.known().state.name()
}

/// The provider answers, or not, and the circuit breaker observes it.
async fn sent(permit: Permit, answer: Result<(), Fault>) {
    let _heard = permit.observed.observe(async { answer }).await;
    permit.settle().await;
}

fn away() -> Result<(), Fault> {
    Err(Fault::NotReached("nobody is there".to_owned()))
}

/// Calls of ten orders in a row fail, for longer than the failure window.
async fn trip(circuit_breaker: &CircuitBreaker) {
    for number in 1..=10 {
        if number == 10 {
            assert_eq!(state(circuit_breaker), "closed");
            tokio::time::sleep(Duration::from_millis(510)).await;
        }
        sent(circuit_breaker.admit(order(number)).await.expect("it is closed"), away()).await;
    }
    assert_eq!(state(circuit_breaker), "open");
}

/// The calls of a crowd that are let through and held, half of them at each circuit breaker.
async fn crowd(breakers: [&CircuitBreaker; 2], each: i64) -> (Vec<Permit>, Vec<Held>) {
    let mut coming = JoinSet::new();
    for circuit_breaker in breakers {
        for number in 0..each {
            let circuit_breaker = circuit_breaker.clone();
            coming.spawn(async move { circuit_breaker.admit(order(100 + number)).await });
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_call_of_all_replicas_finds_out_whether_a_provider_is_back() {
    let redis = RedisServer::start().await;
    let (one, other) = (joined(config(&redis)).await, joined(config(&redis)).await);
    trip(&one).await;
    // Whoever sends nothing may hear of it later than the provider rests here.
    drop(other.admit(order(50)).await);
    until("the other one hears of it", || state(&other) == "open").await;
    let (through, held) = crowd([&one, &other], 30).await;
    assert!(through.is_empty() && held.len() == 60, "the provider rests: {} got through", through.len());
    assert!(held.iter().all(|held| held.why == "the provider sandbox is not available"), "{held:?}");
    for answer in [away(), Ok(())] {
        let mut probe = None;
        let since = Instant::now();
        while probe.is_none() {
            assert!(since.elapsed() < MAX_WAIT, "nobody tries");
            let (mut through, held) = crowd([&one, &other], 30).await;
            assert!(through.len() <= 1, "{} try at once", through.len());
            assert_eq!(through.len() + held.len(), 60);
            probe = through.pop();
        }
        // While it is under way nobody else gets through, wherever they ask.
        until("the other one hears of it", || [&one, &other].map(state) == ["half_open"; 2]).await;
        assert!(crowd([&one, &other], 30).await.0.is_empty());
        let expected = if answer.is_ok() { "releasing" } else { "open" };
        sent(probe.expect("somebody tries"), answer).await;
        until("both hear of it", || [&one, &other].map(state) == [expected; 2]).await;
    }
    let since = Instant::now();
    let (first, _) = crowd([&one, &other], 200).await;
    let within = since.elapsed();
    assert!(!first.is_empty() && first.len() < 100, "{} of 400 in the first {within:?}", first.len());
    // Nobody reports anything bad: in the end all are let through, and Redis holds nothing any more.
    until("both are well", || [&one, &other].map(state) == ["closed"; 2]).await;
    assert_eq!(crowd([&one, &other], 200).await.0.len(), 400);
    let mut client = redis.connect().await;
    let since = Instant::now();
    loop {
        let left: Vec<String> =
            redis::cmd("KEYS").arg("*breaker*").query_async(&mut client).await.expect("answers");
        if left.is_empty() {
            return;
        }
        assert!(since.elapsed() < MAX_WAIT, "{left:?} is left behind");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn what_is_held_back_comes_again_one_after_the_other() {
    let circuit_breaker = circuit_breaker(CircuitBreakerConfig::new("sandbox", "alone"));
    trip(&circuit_breaker).await;
    let mut waits = Vec::new();
    for number in 0..500 {
        waits.push(circuit_breaker.admit(order(number)).await.expect_err("it is open").retry_in);
    }
    assert!(waits[0] > Duration::from_millis(500), "not before the provider has rested: {:?}", waits[0]);
    assert!(waits.is_sorted(), "whoever came first asks first");
    assert!(waits[499] > waits[0] + APART * 450, "{:?} to {:?}", waits[0], waits[499]);
}

#[tokio::test]
async fn a_probe_that_asked_nobody_leaves_the_question_open() {
    let circuit_breaker = circuit_breaker(CircuitBreakerConfig {
        cooldown: Duration::from_millis(60),
        ..CircuitBreakerConfig::new("sandbox", "alone")
    });
    trip(&circuit_breaker).await;
    tokio::time::sleep(Duration::from_millis(80)).await;
    let probe = circuit_breaker.admit(order(1)).await.expect("it may be tried");
    assert!(circuit_breaker.admit(order(2)).await.is_err());
    probe.settle().await;
    let next = circuit_breaker.admit(order(2)).await.expect("somebody else may try at once");
    sent(next, Ok(())).await;
    assert_eq!(state(&circuit_breaker), "releasing");
}

#[tokio::test]
async fn what_a_worker_slept_through_says_nothing_of_the_provider() {
    let circuit_breaker = circuit_breaker(CircuitBreakerConfig::new("sandbox", "alone"));
    for number in 0..100 {
        let permit = circuit_breaker.admit(order(number)).await.expect("it is closed");
        let _heard = permit.observed.observe(async { away() }).await;
        permit.without_observation().settle().await;
    }
    assert_eq!(state(&circuit_breaker), "closed");
}

/// Calls that were let through before a provider went away end long after it is back.
#[tokio::test]
async fn what_was_sent_before_a_rest_says_nothing_of_what_is_now() {
    let circuit_breaker = circuit_breaker(CircuitBreakerConfig {
        cooldown: Duration::from_millis(60),
        ..CircuitBreakerConfig::new("sandbox", "alone")
    });
    let mut slow = Vec::new();
    for number in 100..150 {
        slow.push(circuit_breaker.admit(order(number)).await.expect("it is closed"));
    }
    trip(&circuit_breaker).await;
    tokio::time::sleep(Duration::from_millis(80)).await;
    sent(circuit_breaker.admit(order(1)).await.expect("it may be tried"), Ok(())).await;
    for permit in slow {
        sent(permit, away()).await;
    }
    assert_eq!(state(&circuit_breaker), "releasing");
}

#[tokio::test]
async fn a_no_is_an_answer() {
    let circuit_breaker = circuit_breaker(CircuitBreakerConfig::new("sandbox", "alone"));
    for number in 0..100 {
        let permit = circuit_breaker.admit(order(number)).await.expect("it is closed");
        sent(permit, Err(Fault::Refused("a rule says no".to_owned()))).await;
    }
    assert_eq!(state(&circuit_breaker), "closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rate_is_that_of_all_replicas_together() {
    const RATE: u32 = 100;
    let redis = RedisServer::start().await;
    let config = CircuitBreakerConfig { rate: NonZeroU32::new(RATE), ..config(&redis) };
    let (one, other) = (joined(config.clone()).await, joined(config).await);
    // The scripts are loaded first, which takes longer than they do.
    drop(crowd([&one, &other], 1).await);
    let since = Instant::now();
    let mut through = 2;
    while since.elapsed() < Duration::from_secs(2) {
        let (permits, held) = crowd([&one, &other], 3).await;
        through += permits.len();
        assert!(held.iter().all(|held| held.why.contains("limited to 100 calls a second")), "{held:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // A second's worth at first, then so many a second; each alone would have let twice as many through.
    let expected = f64::from(RATE) * (1.0 + since.elapsed().as_secs_f64());
    let through = f64::from(u32::try_from(through).expect("few"));
    assert!(through > 0.7 * expected && through < 1.4 * expected, "{through} got through, {expected} may");
}

/// What a call waits for a Redis that does not answer, at worst and all together.
async fn waited(circuit_breaker: &CircuitBreaker, calls: i64) -> (Duration, Duration) {
    let (mut worst, mut all) = (Duration::ZERO, Duration::ZERO);
    for number in 0..calls {
        let since = Instant::now();
        let _answer = circuit_breaker.admit(order(number)).await;
        worst = worst.max(since.elapsed());
        all += since.elapsed();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    (worst, all)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_hangs_keeps_nobody_waiting_and_is_asked_again() {
    let redis = RedisServer::start().await;
    let config = CircuitBreakerConfig { rate: NonZeroU32::new(1_000_000), ..config(&redis) };
    let (one, observer) = (joined(config.clone()).await, joined(config).await);
    redis.freeze();
    let (worst, all) = waited(&one, 200).await;
    eprintln!("a Redis that hangs: a call waits {worst:?} at worst, {:?} on average", all / 200);
    assert!(worst < Duration::from_millis(100), "a call waited {worst:?}");
    assert!(all < Duration::from_millis(400), "200 calls waited {all:?} together");
    // It judges by itself meanwhile.
    trip(&one).await;
    redis.thaw();
    until("the other one hears of it", || state(&observer) == "open").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_each_guards_alone_until_it_is_back() {
    let mut redis = RedisServer::start().await;
    let (one, other) = (joined(config(&redis)).await, joined(config(&redis)).await);
    redis.kill();
    until("they notice", || {
        ![&one, &other].iter().any(|circuit_breaker| circuit_breaker.0.known().is_shared)
    })
    .await;
    trip(&one).await;
    assert!(one.admit(order(1)).await.is_err(), "it is open here");
    assert!(other.admit(order(1)).await.is_ok(), "and the other one does not know");
    // Alone it tries by itself, once.
    tokio::time::sleep(COOLDOWN).await;
    let probe = one.admit(order(1)).await.expect("it may be tried");
    assert!(one.admit(order(2)).await.is_err());
    sent(probe, away()).await;
    assert_eq!(state(&one), "open");
    redis.start_again().await;
    until("the other one hears of it", || state(&other) == "open").await;
}

#[tokio::test]
async fn a_state_that_is_of_another_release_leaves_each_to_itself() {
    let redis = RedisServer::start().await;
    let mut client = redis.connect().await;
    let key = redis_of(&redis).provider_key("sandbox", "breaker");
    redis::cmd("SET").arg(&key).arg("ajar 1 2 3").exec_async(&mut client).await.expect("answers");
    let circuit_breaker = circuit_breaker(config(&redis));
    tokio::time::sleep(LOOK_EVERY * 2).await;
    assert!(!circuit_breaker.0.known().is_shared);
    trip(&circuit_breaker).await;
    tokio::time::sleep(LOOK_EVERY * 2).await;
    assert_eq!(state(&circuit_breaker), "open");
    let kept: String = redis::cmd("GET").arg(key).query_async(&mut client).await.expect("answers");
    assert_eq!(kept, "ajar 1 2 3");
}

#[tokio::test]
async fn the_state_is_a_metric() {
    let metrics = Metrics::default();
    let circuit_breaker =
        CircuitBreaker::start(CircuitBreakerConfig::new("sandbox", "alone"), metrics.clone());
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
    trip(&circuit_breaker).await;
    assert_eq!(shown(), expected("open"));
}
