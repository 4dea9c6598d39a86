//! The circuit breaker of a payment provider or a notification channel, and its rate limit.
//!
//! Every call asks here before it is sent. While the provider cannot be reached, its calls are held back: their sagas are
//! parked, and no attempt is used up. Whether it can be reached no buyer's call decides: calls that reach nobody are a
//! reason to ping it, and two pings in vain are believed (M16). Pings also find out when it is back; then more calls are
//! let through each second.
//!
//! Each replica judges for itself, and hears in Redis how the others see the provider (M17). One that alone cannot reach
//! it leaves its calls to the others. Without Redis, each follows its own view.
//!
//! A call is held back as a whole, before its first request to the provider. Where a provider takes only so many a second,
//! calls that move money go first (M19).

mod follow;
mod gateway;
mod health;
mod permit;
mod rate;
mod replica;
mod shared;
mod view;
mod watched;

#[cfg(test)]
mod tests;

use std::hash::{BuildHasher as _, RandomState};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use holdfast_saga::records::call::Urgency;
use holdfast_telemetry::Metrics;

use self::follow::follow;
pub use self::gateway::Gateway;
pub(crate) use self::health::Health;
use self::health::HealthWindow;
pub(crate) use self::permit::Permit;
use self::rate::Rate;
pub(crate) use self::replica::Held;
use self::replica::{Inner, Known, Rates};
use self::shared::Shared;
use self::view::{Cooldown, Verdict, View};
use crate::redis::Redis;

/// The settings of a circuit breaker.
#[derive(Debug, Clone)]
pub struct CircuitBreakerConfig {
    /// The provider or the channel, which is pinged.
    pub gateway: Gateway,
    /// The name of the worker.
    pub name: String,
    /// Calls a second, of all replicas together; `None`: no limit.
    pub rate: Option<NonZeroU32>,
    /// Where the replicas share what they see; `None`: this one is alone.
    pub redis: Option<Arc<Redis>>,
    /// How long a provider that went away is left alone before it is pinged again.
    pub cooldown: Duration,
    /// The cooldown doubles with every ping in vain, up to this.
    pub cooldown_max: Duration,
}

impl CircuitBreakerConfig {
    /// The defaults: no limit, nothing shared, a cooldown of 1 to 30 seconds.
    pub fn new(gateway: Gateway, name: impl Into<String>) -> Self {
        Self {
            gateway,
            name: name.into(),
            rate: None,
            redis: None,
            cooldown: Duration::from_secs(1),
            cooldown_max: Duration::from_secs(30),
        }
    }
}

/// The circuit breaker of one gateway in this process. Clones share it.
#[derive(Debug, Clone)]
pub struct CircuitBreaker(Arc<Inner>);

impl CircuitBreaker {
    /// Starts it. It needs a tokio runtime, and ends with its last clone.
    pub fn start(config: CircuitBreakerConfig, metrics: Metrics) -> Self {
        let CircuitBreakerConfig { gateway, name, rate, redis, cooldown, cooldown_max } = config;
        let shared = redis.map(|redis| Shared::new(redis, &gateway));
        let known = Known {
            view: View::Well,
            health: HealthWindow::default(),
            is_well_elsewhere: false,
            is_away_elsewhere: false,
            release: None,
            next_again: [Instant::now(); 3],
            published_at: None,
            is_shared: false,
        };
        gateway.set_metric(&metrics, View::Well);
        let inner = Arc::new(Inner {
            gateway,
            // Workers in two containers may have the same name.
            replica: format!("{name}-{:x}", RandomState::new().hash_one(&name)),
            cooldown: Cooldown { first: cooldown, most: cooldown_max.max(cooldown) },
            rates: rate.map(Rates::new),
            shared,
            metrics,
            started: Instant::now(),
            asked: Arc::default(),
            known: Mutex::new(known),
        });
        tokio::spawn(follow(Arc::downgrade(&inner)));
        Self(inner)
    }

    /// Whether calls are better left to another replica, which can reach the provider while this one cannot.
    pub(crate) fn leaves_calls_to_others(&self) -> bool {
        self.0.is_away_here_alone()
    }

    /// Lets a call through, or says when to try again.
    pub(crate) async fn admit(&self, urgency: Urgency) -> Result<Permit, Held> {
        let inner = &self.0;
        inner.asked.notify_one();
        let held = |wait| inner.hold(urgency, wait, format!("the {} is not available", inner.gateway));
        if let Verdict::Hold { wait } = inner.verdict() {
            return Err(held(wait));
        }
        self.within_rate(urgency).await?;
        match inner.verdict() {
            Verdict::Pass => {}
            Verdict::Hold { wait } => return Err(held(wait)),
            Verdict::Release { per_second } => {
                inner.release(per_second).take(urgency, inner.shared.as_ref()).await.map_err(held)?;
            }
        }
        Ok(Permit::new(Arc::clone(inner)))
    }

    async fn within_rate(&self, urgency: Urgency) -> Result<(), Held> {
        let inner = &self.0;
        let Some(rates) = &inner.rates else { return Ok(()) };
        let shared = inner.shared.as_ref();
        let hold = |rate: &Rate, wait| {
            let (gateway, most) = (&inner.gateway, rate.per_second());
            inner.hold(urgency, wait, format!("the {gateway} is limited to {most} calls a second"))
        };
        if urgency == Urgency::Event {
            rates.events.take(urgency, shared).await.map_err(|wait| hold(&rates.events, wait))?;
        }
        rates.all.take(urgency, shared).await.map_err(|wait| hold(&rates.all, wait))
    }
}
