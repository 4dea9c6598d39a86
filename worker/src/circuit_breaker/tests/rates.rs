//! The calls a second that a provider takes, and which of them go first.

use super::super::replica::APART_MIN;
use super::*;

/// How many of each urgency get through in `seconds`, where each caller asks again at once when it was let through, and in a
/// moment when it was not.
async fn competing(breaker: &CircuitBreaker, seconds: u64) -> [u32; 3] {
    let end = Instant::now() + Duration::from_secs(seconds);
    let callers = [Urgency::Money, Urgency::LookUp, Urgency::Event].map(|urgency| {
        let breaker = breaker.clone();
        tokio::spawn(async move {
            let mut through = 0;
            while Instant::now() < end {
                match breaker.admit(urgency).await {
                    Ok(_permit) => through += 1,
                    Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
                }
                // Money wants 60 of the 100 calls a second.
                if urgency == Urgency::Money {
                    tokio::time::sleep(Duration::from_micros(15_600)).await;
                }
            }
            through
        })
    });
    let mut through = [0; 3];
    for (at, caller) in callers.into_iter().enumerate() {
        through[at] = caller.await.expect("it ends");
    }
    through
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m19_calls_that_move_money_go_first_and_events_get_a_quarter() {
    const RATE: u32 = 100;
    let redis = RedisServer::start().await;
    let provider = Arc::new(Pinged::default());
    let rate = NonZeroU32::new(RATE);
    let shared = joined(CircuitBreakerConfig { rate, ..config(&provider, &redis) }).await;
    let by_itself = circuit_breaker(CircuitBreakerConfig { rate, ..alone(&provider) });
    for (how, breaker) in [("shared", shared), ("alone", by_itself)] {
        // What the bucket held at first is gone, and the script is loaded.
        competing(&breaker, 2).await;
        let [money, look_ups, events] = competing(&breaker, 3).await;
        eprintln!("{how}: {money} money, {look_ups} look-ups, {events} events in 3 s at {RATE} a second");
        assert!(money >= 160, "{how}: {money} of about 180 that move money");
        assert!(events <= 3 * RATE / 4 + 5, "{how}: {events} events");
        assert!(look_ups + events >= 60, "{how}: what is left is used");
        assert!(money + look_ups + events <= 3 * RATE + RATE / 2, "{how}: the rate holds");
    }
}

#[tokio::test]
async fn m19_what_moves_money_does_not_wait_behind_look_ups_that_are_held() {
    let provider = Arc::new(Pinged::default());
    let breaker = circuit_breaker(alone(&provider));
    trip(&breaker, &provider).await;
    for _ in 0..2_000 {
        breaker.admit(Urgency::Event).await.expect_err("it is open");
    }
    let held = |urgency| async move { breaker.admit(urgency).await.expect_err("it is open").retry_in };
    let (event, money) = (held.clone()(Urgency::Event).await, held(Urgency::Money).await);
    assert!(event > APART * 1_900 && money <= COOLDOWN + APART_MIN, "{event:?} and {money:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rate_is_that_of_all_replicas_together() {
    const RATE: u32 = 100;
    let redis = RedisServer::start().await;
    let provider = Arc::new(Pinged::default());
    let config = CircuitBreakerConfig { rate: NonZeroU32::new(RATE), ..config(&provider, &redis) };
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
