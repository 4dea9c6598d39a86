//! One replica's view of a provider: its copy of the shared state, and how it moves that state.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use holdfast_telemetry::Metrics;
use tokio::sync::Notify;

use super::health::HealthWindow;
use super::rate::Rate;
use super::shared::{Found, Patience, Shared};
use super::state::{Cooldown, Event, State, Verdict, millis};

/// Held calls retry at least this far apart, so that a crowd of them costs a bounded number of commits a second.
pub(super) const APART: Duration = Duration::from_millis(4);
/// The shortest wait of a held call.
pub(super) const APART_MIN: Duration = Duration::from_millis(50);
/// While the provider recovers, only this part of a second's calls may be sent at once.
const RELEASED_PART: u32 = 5;
/// After so many lost races, a replica leaves the change to the others.
pub(super) const TRIES: usize = 3;

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) provider: String,
    pub(super) name: String,
    pub(super) cooldown: Cooldown,
    pub(super) rate: Option<Rate>,
    pub(super) shared: Option<Shared>,
    pub(super) metrics: Metrics,
    pub(super) started: Instant,
    /// Notified by every call that asks to be sent.
    pub(super) asked: Arc<Notify>,
    pub(super) known: Mutex<Known>,
}

#[derive(Debug)]
pub(super) struct Known {
    pub(super) state: State,
    pub(super) health: HealthWindow,
    /// How often the state has changed. A call says something about the state in which it was let through only.
    pub(super) changes: u64,
    /// Probes started by this replica; the number is part of a probe's name.
    pub(super) probes: u64,
    /// The rate of the current second while the provider recovers.
    pub(super) release: Option<Arc<Rate>>,
    /// When the next held call may retry.
    pub(super) next_again: Instant,
    /// The difference between our monotonic clock and the clock of the state: Redis' clock, or ours.
    pub(super) ahead: i64,
    /// Whether Redis answered the last time.
    pub(super) is_shared: bool,
}

/// A call that must not be sent now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) retry_in: Duration,
    pub(crate) why: String,
}

impl Inner {
    pub(super) fn verdict(&self) -> Verdict {
        let known = self.known();
        known.state.verdict(known.ahead.saturating_add(self.elapsed()), self.cooldown)
    }

    /// Applies `event` to the state of all replicas. `false`: this replica did not change it.
    pub(super) async fn change(&self, event: &Event) -> bool {
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
                // No Redis, or a state of another release: change the copy of this process, under its lock.
                Some(_) | None => return self.adopt(&from, to),
            }
        }
        false
    }

    /// Replaces the state, if it is still `from`.
    pub(super) fn adopt(&self, from: &State, to: State) -> bool {
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
            self.announce(&to);
            known.state = to;
        }
        true
    }

    /// Copies the shared state, unless our copy has changed meanwhile. `false`: the state is of another release.
    pub(super) fn learn(&self, from: &State, found: &Found) -> bool {
        let state = match found.text.parse::<State>() {
            // A recovery that is over counts as closed, even if Redis keeps it a little longer.
            Ok(state) if state.verdict(found.now, self.cooldown) == Verdict::Pass => State::Closed,
            Ok(state) => state,
            Err(unknown) => {
                self.work_alone(&unknown.to_string());
                return false;
            }
        };
        self.adopt(from, state);
        true
    }

    pub(super) fn work_alone(&self, why: &str) {
        if std::mem::replace(&mut self.known().is_shared, false) {
            tracing::warn!(
                "Redis does not return the state of provider {}, so this worker uses a state of its own: {why}",
                self.provider
            );
        }
    }

    /// Holds a call back. Held calls retry one after the other, however many there are.
    pub(super) fn hold(&self, wait: Duration, why: String) -> Held {
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

    pub(super) fn release(&self, per_second: u32) -> Arc<Rate> {
        let per_second = NonZeroU32::new(per_second).unwrap_or(NonZeroU32::MIN);
        let mut known = self.known();
        let rate = known.release.take().filter(|rate| rate.per_second() == per_second);
        let rate = rate.unwrap_or_else(|| Arc::new(Rate::new("release", per_second, RELEASED_PART)));
        known.release = Some(Arc::clone(&rate));
        rate
    }

    pub(super) fn next_probe(&self) -> String {
        let mut known = self.known();
        known.probes += 1;
        format!("{}#{}", self.name, known.probes)
    }

    pub(super) fn now(&self) -> i64 {
        self.known().ahead.saturating_add(self.elapsed())
    }

    pub(super) fn elapsed(&self) -> i64 {
        millis(self.started.elapsed())
    }

    pub(super) fn announce(&self, state: &State) {
        let provider = &self.provider;
        self.metrics.set_breaker(provider, state.name(), &State::NAMES);
        match state {
            State::Closed => tracing::info!(provider, "provider {provider} is available"),
            State::Open { trips, .. } => {
                let cooldown = self.cooldown.after(*trips);
                tracing::warn!(
                    provider,
                    trips,
                    "provider {provider} does not answer: its calls are held back for {cooldown:?}"
                );
            }
            State::HalfOpen { by, .. } => {
                tracing::info!(provider, "provider {provider} is probed with one call, by {by}");
            }
            State::Releasing { .. } => {
                tracing::info!(
                    provider,
                    "provider {provider} answers again: more calls are let through each second"
                );
            }
        }
    }

    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
