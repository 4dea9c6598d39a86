//! The circuit breaker of a payment provider, and its rate limit.
//!
//! Every call asks here before it is sent. While the provider is down, the breaker holds its calls back: their
//! sagas are parked, and no attempt is used up. One call of all replicas then probes whether the provider is back.
//! If it is, the breaker lets more calls through each second. All replicas share the state in Redis. A replica
//! works with a copy of it, so a call waits for Redis only where one replica must be first, and never for long.
//! Without Redis, each replica follows the same rules alone.
//!
//! A call is held back as a whole, before its first request to the provider.

mod follow;
mod health;
mod permit;
mod rate;
mod replica;
mod shared;
mod state;
mod watched;

#[cfg(test)]
mod tests;

use std::hash::{BuildHasher as _, RandomState};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use holdfast_shared::{OrderId, Time};
use holdfast_telemetry::Metrics;

use self::follow::follow;
use self::health::HealthWindow;
pub(crate) use self::permit::Permit;
use self::rate::Rate;
pub(crate) use self::replica::Held;
use self::replica::{APART_MIN, Inner, Known, TRIES};
use self::shared::Shared;
use self::state::{Cooldown, Event, State, Verdict, millis};
use crate::redis::Redis;

/// The settings of a circuit breaker.
#[derive(Debug, Clone)]
pub struct CircuitBreakerConfig {
    /// The name of the provider, as in the payments.
    pub provider: String,
    /// The name of the worker, for the log and for its probes.
    pub name: String,
    /// Calls a second, of all replicas together; `None`: no limit.
    pub rate: Option<NonZeroU32>,
    /// Where the replicas share the state; `None`: this one keeps its own.
    pub redis: Option<Arc<Redis>>,
    /// How long calls must fail before the breaker opens.
    pub failure_window: Duration,
    /// How long the breaker stays open before a probe.
    pub cooldown: Duration,
    /// The cooldown doubles with every failed probe, up to this.
    pub cooldown_max: Duration,
}

impl CircuitBreakerConfig {
    /// The defaults: no limit, nothing shared, open after half a second, a cooldown of 1 to 30 seconds.
    pub fn new(provider: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            provider: provider.into(),
            name: name.into(),
            rate: None,
            redis: None,
            failure_window: Duration::from_millis(500),
            cooldown: Duration::from_secs(1),
            cooldown_max: Duration::from_secs(30),
        }
    }
}

/// The circuit breaker of one provider in this process. Clones share it.
#[derive(Debug, Clone)]
pub struct CircuitBreaker(Arc<Inner>);

impl CircuitBreaker {
    /// Starts it. It needs a tokio runtime, and ends with its last clone.
    pub fn start(config: CircuitBreakerConfig, metrics: Metrics) -> Self {
        let CircuitBreakerConfig { provider, name, rate, redis, failure_window, cooldown, cooldown_max } =
            config;
        let shared = redis.map(|redis| Shared::new(redis, &provider));
        let known = Known {
            state: State::Closed,
            health: HealthWindow::new(millis(failure_window)),
            changes: 0,
            probes: 0,
            release: None,
            next_again: Instant::now(),
            ahead: Time::system_now().as_millis(),
            is_shared: false,
        };
        metrics.set_breaker(&provider, State::Closed.name(), &State::NAMES);
        let inner = Arc::new(Inner {
            provider,
            // Workers in two containers may have the same name.
            name: format!("{name}-{:x}", RandomState::new().hash_one(&name)),
            cooldown: Cooldown { first: cooldown, most: cooldown_max.max(cooldown) },
            rate: rate.map(|per_second| Rate::new("rate", per_second, 1)),
            shared,
            metrics,
            started: Instant::now(),
            asked: Arc::default(),
            known: Mutex::new(known),
        });
        tokio::spawn(follow(Arc::downgrade(&inner)));
        Self(inner)
    }
    /// Lets a call of `order` through, or says when to try again.
    pub(crate) async fn admit(&self, order: impl Into<Option<OrderId>>) -> Result<Permit, Held> {
        let (inner, order) = (&self.0, order.into());
        inner.asked.notify_one();
        let held = |wait| inner.hold(wait, format!("the provider {} is not available", inner.provider));
        if let Verdict::Hold { wait } = inner.verdict() {
            return Err(held(wait));
        }
        self.within_rate().await?;
        for _ in 0..TRIES {
            match inner.verdict() {
                Verdict::Pass => return Ok(self.permit(order, None)),
                Verdict::Hold { wait } => return Err(held(wait)),
                Verdict::Release { per_second } => {
                    let taken = inner.release(per_second).take(inner.shared.as_ref()).await;
                    return taken.map(|()| self.permit(order, None)).map_err(held);
                }
                Verdict::Probe => {
                    let by = inner.next_probe();
                    if inner.change(&Event::Probe { by: by.clone() }).await {
                        return Ok(self.permit(order, Some(by)));
                    }
                }
            }
        }
        Err(held(APART_MIN))
    }

    async fn within_rate(&self) -> Result<(), Held> {
        let inner = &self.0;
        let Some(rate) = &inner.rate else { return Ok(()) };
        rate.take(inner.shared.as_ref()).await.map_err(|wait| {
            let most = rate.per_second();
            inner.hold(wait, format!("the provider {} is limited to {most} calls a second", inner.provider))
        })
    }

    fn permit(&self, order: Option<OrderId>, probe: Option<String>) -> Permit {
        Permit::new(Arc::clone(&self.0), order, probe)
    }
}
