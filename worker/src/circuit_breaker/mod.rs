//! The circuit_breaker of a payment provider: how often it is asked, and that it is left alone while it is away.
//!
//! Before a call is sent it asks here. While the provider does not answer, its calls are held back: their
//! sagas are parked, no attempt is burnt. One call of all replicas then finds out whether it is back, and if it
//! is, more are let through each second. All replicas share the state in Redis; what a replica knows of it is a
//! copy, so a call waits for Redis only where somebody must be first, and never long. Without Redis each
//! replica guards itself by the same rules.
//!
//! A call is guarded as a whole: what it asks the provider in between is not held back half way.

mod health;
mod rate;
mod shared;
mod state;
mod watched;

#[cfg(test)]
mod tests;

use std::hash::{BuildHasher as _, RandomState};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use holdfast_saga::ports::Gateways;
use holdfast_shared::{OrderId, Time};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use self::health::{Health, HealthWindow};
use self::rate::Rate;
use self::shared::{Found, Patience, Shared};
use self::state::{Cooldown, Event, State, Verdict, millis};
use self::watched::{Signs, Watched};
use crate::metrics::Metrics;
use crate::queue::Redis;

/// How often the shared state is looked at: a replica that sends calls hears within that time that the provider is away.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// A well provider is not looked at for up to so much longer, unless somebody here calls it.
const REST: Duration = Duration::from_millis(800);
/// Calls that are held back come again one so long after the other, however many there are: that many times a
/// second their sagas are worth a commit.
const APART: Duration = Duration::from_millis(4);
/// And none sooner than that.
const APART_MIN: Duration = Duration::from_millis(50);
/// A crowd that waits for a provider is let in at a pace, and at once only this part of a second's worth.
const RELEASED_PART: u32 = 5;
/// Others may change the state under us; whoever loses that often leaves it to them.
const TRIES: usize = 3;

/// How a provider is guarded.
#[derive(Debug, Clone)]
pub struct CircuitBreakerConfig {
    /// The provider, as orders name it.
    pub provider: String,
    /// Who guards, for the log.
    pub name: String,
    /// Calls a second, of all replicas together; `None`: as many as come.
    pub rate: Option<NonZeroU32>,
    /// Where the replicas share what they know; `None`: this one guards itself.
    pub redis: Option<Arc<Redis>>,
    /// How long calls must fail until the provider is to blame.
    pub failure_window: Duration,
    /// How long a provider rests that does not answer, before one call tries it again.
    pub cooldown: Duration,
    /// The rest doubles each time, up to this.
    pub cooldown_max: Duration,
}

impl CircuitBreakerConfig {
    /// The usual ones: no limit, nothing shared, blamed after half a second, rests of a second to half a minute.
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

/// The circuit_breaker of one provider in this process. Clones share it.
#[derive(Debug, Clone)]
pub struct CircuitBreaker(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    provider: String,
    name: String,
    cooldown: Cooldown,
    rate: Option<Rate>,
    shared: Option<Shared>,
    metrics: Metrics,
    started: Instant,
    /// Somebody asks for leave.
    asked: Arc<Notify>,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    state: State,
    health: HealthWindow,
    /// How often the state has changed: a call says something about the state it was let through in.
    changes: u64,
    /// Probes begun by this circuit_breaker: each has a name of its own.
    probes: u64,
    /// The rate of this second while a provider is being released.
    release: Option<Arc<Rate>>,
    /// When the next call that is held back may come again.
    next_again: Instant,
    /// From our monotonic clock to the one the state goes by: Redis' own, or ours.
    ahead: i64,
    /// Whether Redis answered of late.
    together: bool,
}

/// Leave to send one call. Dropping it without [`Permit::settle`] says nothing about the provider.
#[derive(Debug)]
pub(crate) struct Permit {
    circuit_breaker: CircuitBreaker,
    order: OrderId,
    /// The name of the probe it is.
    probe: Option<String>,
    /// The changes of the state until then.
    changes: u64,
    signs: Signs,
}

/// A call that must not be sent now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) retry_in: Duration,
    pub(crate) why: String,
}

impl CircuitBreaker {
    /// Begins to circuit_breaker. Needs a tokio runtime; it ends with its last clone.
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
            together: false,
        };
        metrics.breaker(&provider, State::Closed.name(), &State::NAMES);
        let inner = Arc::new(Inner {
            provider,
            // Two containers may well give their workers the same name.
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

    /// Which provider it guards.
    pub(crate) fn provider(&self) -> &str {
        &self.0.provider
    }

    /// Lets a call of `order` be sent, or says when it should ask again.
    pub(crate) async fn admit(&self, order: OrderId) -> Result<Permit, Held> {
        let inner = &self.0;
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
            inner.hold(
                wait,
                format!("the provider {} is asked no more than {most} times a second", inner.provider),
            )
        })
    }

    fn permit(&self, order: OrderId, probe: Option<String>) -> Permit {
        let changes = self.0.known().changes;
        Permit { circuit_breaker: self.clone(), order, probe, changes, signs: Signs::default() }
    }
}

impl Permit {
    /// The outside, with an eye on the provider.
    pub(crate) fn watch(&self, outside: &Gateways) -> Gateways {
        let (provider, signs) = (Arc::clone(&outside.payments), self.signs.clone());
        Gateways { payments: Arc::new(Watched { provider, signs }), notifier: Arc::clone(&outside.notifier) }
    }

    /// The same call, of which nothing was noticed.
    pub(crate) fn without_a_sign(self) -> Self {
        Self { signs: Signs::default(), ..self }
    }

    /// The call has ended, or nobody waits for it any more. What it told of the provider counts.
    pub(crate) async fn settle(self) {
        let (inner, sign) = (&self.circuit_breaker.0, self.signs.last());
        if let Some(by) = self.probe {
            let event = match sign {
                Some(Health::Ok) => Event::Answered { by },
                Some(Health::Failed) => Event::Unanswered { by },
                None => Event::Aborted { by },
            };
            inner.change(&event).await;
        } else if let Some(sign) = sign {
            let now = inner.now();
            let is_too_many = {
                let mut known = inner.known();
                known.changes == self.changes && known.health.saw(self.order, sign, now)
            };
            if is_too_many {
                inner.change(&Event::Tripped).await;
            }
        }
    }
}

impl Inner {
    fn verdict(&self) -> Verdict {
        let known = self.known();
        known.state.verdict(known.ahead.saturating_add(self.elapsed()), self.cooldown)
    }

    /// Moves the state as `event` says, for all replicas; `false` where it did not move by us.
    async fn change(&self, event: &Event) -> bool {
        for _ in 0..TRIES {
            let from = self.known().state.clone();
            let Some(to) = from.after(event, self.now(), self.cooldown) else { return false };
            let swapped = match &self.shared {
                Some(shared) => {
                    shared.swap(&from.to_string(), &to.to_string(), to.keep(), Patience::Long).await
                }
                None => None,
            };
            match swapped {
                Some((true, _)) => {
                    self.adopt(&from, to);
                    return true;
                }
                Some((false, found)) if self.learn(&from, &found) => {}
                // Alone, or among words of another release: what holds for this process is decided under its lock.
                Some(_) | None => return self.adopt(&from, to),
            }
        }
        false
    }

    /// Puts a state in the place of the one it follows; `false` if another one is there by now.
    fn adopt(&self, from: &State, to: State) -> bool {
        let mut known = self.known();
        if known.state != *from {
            return false;
        }
        if known.state != to {
            known.health.forget();
            known.changes += 1;
            if to == State::Closed {
                known.next_again = Instant::now();
            }
            self.tell(&to);
            known.state = to;
        }
        true
    }

    /// Takes over what the replicas share, unless our own copy has moved meanwhile; `false` if it is not understood.
    fn learn(&self, from: &State, found: &Found) -> bool {
        let state = match found.text.parse::<State>() {
            // A release that is over is no state any more, though Redis may keep it a little longer.
            Ok(state) if state.verdict(found.now, self.cooldown) == Verdict::Pass => State::Closed,
            Ok(state) => state,
            Err(unknown) => {
                self.alone(&unknown.to_string());
                return false;
            }
        };
        self.adopt(from, state);
        true
    }

    /// Looks at what the replicas share. A Redis that was away learns from us, should it know nothing.
    async fn look(&self) {
        let state = self.known().state.clone();
        if self.verdict() == Verdict::Pass {
            self.adopt(&state, State::Closed);
        }
        let Some(shared) = &self.shared else { return };
        let mut is_back = false;
        if !shared.is_connected() {
            is_back = true;
            if let Err(error) = shared.connect().await {
                return self.alone(&error.to_string());
            }
        }
        let before = self.known().state.clone();
        let Some(found) = shared.read().await else {
            return self.alone("no answer in time");
        };
        self.known().ahead = found.now.saturating_sub(self.elapsed());
        // What is over for us is nothing to tell others.
        let holds = matches!(before.verdict(found.now, self.cooldown), Verdict::Hold { .. });
        if is_back && found.text.is_empty() && holds {
            let keep = before.keep();
            let _kept = shared.swap("", &before.to_string(), keep, Patience::Long).await;
        } else if !self.learn(&before, &found) {
            return;
        }
        if !std::mem::replace(&mut self.known().together, true) {
            tracing::info!("the circuit_breaker of provider {} shares its state in Redis", self.provider);
        }
    }

    fn alone(&self, why: &str) {
        if std::mem::replace(&mut self.known().together, false) {
            tracing::warn!(
                "Redis does not say how provider {} stands, so this worker guards it alone: {why}",
                self.provider
            );
        }
    }

    /// When a call that is not sent now should ask again: one after the other, however many there are.
    fn hold(&self, wait: Duration, why: String) -> Held {
        let apart = self
            .rate
            .as_ref()
            .map_or(APART, |rate| APART.max(Duration::from_secs(1) / rate.per_second().get()));
        let now = Instant::now();
        let mut known = self.known();
        let at = (now + wait.max(APART_MIN)).max(known.next_again);
        known.next_again = at + apart;
        Held { retry_in: at - now, why }
    }

    fn release(&self, per_second: u32) -> Arc<Rate> {
        let per_second = NonZeroU32::new(per_second).unwrap_or(NonZeroU32::MIN);
        let mut known = self.known();
        let rate = known.release.take().filter(|rate| rate.per_second() == per_second);
        let rate = rate.unwrap_or_else(|| Arc::new(Rate::new("release", per_second, RELEASED_PART)));
        known.release = Some(Arc::clone(&rate));
        rate
    }

    fn next_probe(&self) -> String {
        let mut known = self.known();
        known.probes += 1;
        format!("{}#{}", self.name, known.probes)
    }

    fn now(&self) -> i64 {
        self.known().ahead.saturating_add(self.elapsed())
    }

    fn elapsed(&self) -> i64 {
        millis(self.started.elapsed())
    }

    fn tell(&self, state: &State) {
        let provider = &self.provider;
        self.metrics.breaker(provider, state.name(), &State::NAMES);
        match state {
            State::Closed => tracing::info!(provider, "provider {provider} is well"),
            State::Open { trips, .. } => {
                let rest = self.cooldown.after(*trips);
                tracing::warn!(
                    provider,
                    trips,
                    "provider {provider} does not answer: its calls are parked for {rest:?}"
                );
            }
            State::HalfOpen { by, .. } => {
                tracing::info!(provider, "provider {provider} is tried again with one call, by {by}");
            }
            State::Releasing { .. } => {
                tracing::info!(
                    provider,
                    "provider {provider} answers again: its calls are released gradually"
                );
            }
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps the state fresh, as long as anybody guards.
async fn follow(inner: Weak<Inner>) {
    while let Some(inner) = inner.upgrade() {
        inner.look().await;
        let is_well = inner.known().state == State::Closed;
        let asked = Arc::clone(&inner.asked);
        drop(inner);
        sleep(LOOK_EVERY).await;
        if is_well {
            // Asked or not, it is time for another look.
            let _ = timeout(REST, asked.notified()).await;
        }
    }
}
