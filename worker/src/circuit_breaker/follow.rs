//! Looking after a provider: pings it where calls fail, and hears what the other replicas see.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

use super::replica::Inner;
use super::view::View;

/// How often a replica looks while calls come.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How much longer a replica without calls waits while the provider is well.
const IDLE_EXTENSION: Duration = Duration::from_millis(800);
/// A ping without an answer for this long is in vain.
const PING_WITHIN: Duration = Duration::from_secs(1);
/// The wait between the two pings that decide.
const PINGS_APART: Duration = Duration::from_millis(300);
/// How often a replica says what it sees.
const PUBLISH_EVERY: Duration = Duration::from_secs(1);

/// Looks after the provider until the last clone of the breaker is gone.
pub(super) async fn follow(inner: Weak<Inner>) {
    while let Some(inner) = inner.upgrade() {
        inner.look().await;
        let is_well = inner.known().view == View::Well;
        let asked = Arc::clone(&inner.asked);
        drop(inner);
        sleep(LOOK_EVERY).await;
        if is_well {
            // A call ends the wait early; without one it ends by itself.
            let _ = timeout(IDLE_EXTENSION, asked.notified()).await;
        }
    }
}

impl Inner {
    pub(super) async fn look(&self) {
        let now = self.now();
        let (view, is_suspicious) = {
            let known = self.known();
            // Who says that it is well while another says the opposite must know it of late.
            let is_doubted = known.is_away_elsewhere && !known.health.knows(now);
            (known.view.at(now), known.health.is_suspicious(now) || is_doubted)
        };
        self.enter(view);
        match view {
            View::Away { ping_at, .. } if now >= ping_at => self.ping_again(view).await,
            View::Well | View::Releasing { .. } if is_suspicious => self.find_out(view).await,
            View::Well | View::Away { .. } | View::Releasing { .. } => {}
        }
        self.share().await;
    }

    /// Calls reached nobody. Whether that is the provider's fault no order decides, but two pings (M16).
    async fn find_out(&self, view: View) {
        let mut is_reachable = self.is_reachable().await;
        if !is_reachable {
            sleep(PINGS_APART).await;
            is_reachable = self.is_reachable().await;
        }
        self.known().health.was_pinged(is_reachable, self.now());
        if !is_reachable {
            self.enter(view.unreached(self.now(), self.cooldown));
        }
    }

    async fn ping_again(&self, view: View) {
        let next = if self.is_reachable().await {
            view.reached(self.now())
        } else {
            view.unreached(self.now(), self.cooldown)
        };
        self.enter(next);
    }

    /// Any answer will do, a refusal of our credentials as well.
    async fn is_reachable(&self) -> bool {
        use holdfast_saga::ports::Fault::{Misconfigured, NotNow, NotReached, Refused, Unclear};
        match timeout(PING_WITHIN, self.gateway.ping()).await {
            Ok(Ok(()) | Err(Misconfigured { .. } | NotNow { .. } | Refused(_))) => true,
            Ok(Err(NotReached(_) | Unclear(_))) | Err(_) => false,
        }
    }

    /// Says what this replica sees, and hears what the others do.
    async fn share(&self) {
        let Some(shared) = &self.shared else { return };
        if self.known().published_at.is_some_and(|at| at.elapsed() < PUBLISH_EVERY) {
            return;
        }
        if !shared.is_connected()
            && let Err(error) = shared.connect().await
        {
            return self.work_alone(&error.to_string());
        }
        let view = self.known().view;
        let Some(others) = shared.views(&self.replica, view.name()).await else {
            return self.work_alone("no answer in time");
        };
        let is_away = |other: &String| other == View::Away { ping_at: 0, pings: 0 }.name();
        let mut known = self.known();
        known.published_at = Some(Instant::now());
        known.is_away_elsewhere = others.iter().any(is_away);
        known.is_well_elsewhere = !others.iter().all(is_away);
        if !std::mem::replace(&mut known.is_shared, true) {
            tracing::info!("workers share in Redis how they see {}", self.gateway);
        }
    }
}
