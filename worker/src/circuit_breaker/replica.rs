//! One replica's view of a provider, and what it lets through.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use holdfast_saga::records::call::Urgency;
use holdfast_telemetry::Metrics;
use tokio::sync::Notify;

use super::gateway::Gateway;
use super::health::{Health, HealthWindow};
use super::rate::Rate;
use super::shared::Shared;
use super::view::{Cooldown, Verdict, View, millis};

/// Held calls retry at least this far apart, so that a crowd of them costs a bounded number of commits a second.
pub(super) const APART: Duration = Duration::from_millis(4);
/// The shortest wait of a held call.
pub(super) const APART_MIN: Duration = Duration::from_millis(50);
/// While the provider recovers, only this part of a second's calls may be sent at once.
const RELEASED_PART: u32 = 5;
/// Events may ask for this part of a provider's calls: a flood of them leaves the rest to the orders (M19).
const EVENTS_PART: u32 = 4;
/// What a provider gets that answers badly: less would not show when it is well again (M16).
pub(super) const TRICKLE: u32 = 25;

/// The calls a second that a provider takes.
#[derive(Debug)]
pub(super) struct Rates {
    pub(super) all: Rate,
    /// Of them, the look-ups that events ask for.
    pub(super) events: Rate,
}

impl Rates {
    pub(super) fn new(per_second: NonZeroU32) -> Self {
        let events = NonZeroU32::new(per_second.get() / EVENTS_PART).unwrap_or(NonZeroU32::MIN);
        Self { all: Rate::new("rate", per_second, 1), events: Rate::new("rate:events", events, 1) }
    }

    fn apart(&self, urgency: Urgency) -> Duration {
        let rate = if urgency == Urgency::Event { &self.events } else { &self.all };
        Duration::from_secs(1) / rate.per_second().get()
    }
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) gateway: Gateway,
    /// The name of this replica, to the others.
    pub(super) replica: String,
    pub(super) cooldown: Cooldown,
    pub(super) rates: Option<Rates>,
    pub(super) shared: Option<Shared>,
    pub(super) metrics: Metrics,
    pub(super) started: Instant,
    /// Notified by every call that asks to be sent, and when calls fail suspiciously.
    pub(super) asked: Arc<Notify>,
    pub(super) known: Mutex<Known>,
}

#[derive(Debug)]
pub(super) struct Known {
    pub(super) view: View,
    pub(super) health: HealthWindow,
    /// Whether another replica can reach the provider, by what it said in the last seconds.
    pub(super) is_well_elsewhere: bool,
    /// Whether another replica cannot reach it.
    pub(super) is_away_elsewhere: bool,
    /// The rate of the current second while the provider recovers or answers badly.
    pub(super) release: Option<Arc<Rate>>,
    /// When the next held call may retry, by urgency: none waits behind a less urgent one.
    pub(super) next_again: [Instant; 3],
    /// When this replica last said what it sees; `None`: not yet.
    pub(super) published_at: Option<Instant>,
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
        let now = self.now();
        let known = self.known();
        match known.view.verdict(now) {
            Verdict::Pass if known.health.is_poor(now) => Verdict::Release { per_second: TRICKLE },
            verdict => verdict,
        }
    }

    /// Counts what a call observed.
    pub(super) fn saw(&self, health: Health) {
        let now = self.now();
        let is_suspicious = {
            let mut known = self.known();
            known.health.saw(health, now);
            known.health.is_suspicious(now)
        };
        if is_suspicious {
            self.asked.notify_one();
        }
    }

    /// Whether calls are better sent by another replica: it can reach the provider, and this one cannot (M17).
    pub(super) fn is_away_here_alone(&self) -> bool {
        let known = self.known();
        known.is_well_elsewhere && matches!(known.view, View::Away { .. })
    }

    /// Changes the view, and says so.
    pub(super) fn enter(&self, view: View) {
        let before = std::mem::replace(&mut self.known().view, view);
        if before.name() == view.name() {
            return;
        }
        let mut known = self.known();
        if view == View::Well {
            known.next_again = [Instant::now(); 3];
        }
        // The others hear of it at once.
        known.published_at = None;
        drop(known);
        self.announce(view);
    }

    pub(super) fn work_alone(&self, why: &str) {
        let mut known = self.known();
        (known.is_well_elsewhere, known.is_away_elsewhere) = (false, false);
        if std::mem::replace(&mut known.is_shared, false) {
            tracing::warn!(
                "Redis does not say how other workers see {}, so this one judges alone: {why}",
                self.gateway
            );
        }
    }

    /// Holds a call back. Held calls retry one after the other, however many there are.
    pub(super) fn hold(&self, urgency: Urgency, wait: Duration, why: String) -> Held {
        let apart = self.rates.as_ref().map_or(APART, |rates| APART.max(rates.apart(urgency)));
        let now = Instant::now();
        let mut known = self.known();
        let next_again = &mut known.next_again[urgency as usize];
        let at = (now + wait.max(APART_MIN)).max(*next_again);
        *next_again = at + apart;
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

    /// Milliseconds of this replica's own clock.
    pub(super) fn now(&self) -> i64 {
        millis(self.started.elapsed())
    }

    fn announce(&self, view: View) {
        let gateway = &self.gateway;
        let (provider, channel) = match gateway {
            Gateway::Provider(provider) => (Some(provider.name()), None),
            Gateway::Channel(channel) => (None, Some(channel.name())),
        };
        gateway.set_metric(&self.metrics, view);
        match view {
            View::Well => tracing::info!(provider, channel, "{gateway} is available"),
            View::Away { pings, .. } => {
                let wait = self.cooldown.after(pings);
                tracing::warn!(
                    provider,
                    channel,
                    "{gateway} cannot be reached: its calls are held back, and it is pinged in {wait:?}"
                );
            }
            View::Releasing { .. } => {
                tracing::info!(
                    provider,
                    channel,
                    "{gateway} answers again: more calls are let through each second"
                );
            }
        }
    }

    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
