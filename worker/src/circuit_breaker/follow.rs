//! Keeping this replica's copy of the state in step with the one in Redis.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::replica::Inner;
use super::shared::Patience;
use super::state::{State, Verdict};

/// How often a replica reads the shared state. A replica that sends calls learns this soon that the provider is down.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How much longer a replica without calls waits while the breaker is closed.
const IDLE_EXTENSION: Duration = Duration::from_millis(800);

/// Keeps the copy fresh until the last clone of the breaker is gone.
pub(super) async fn follow(inner: Weak<Inner>) {
    while let Some(inner) = inner.upgrade() {
        inner.look().await;
        let is_closed = inner.known().state == State::Closed;
        let asked = Arc::clone(&inner.asked);
        drop(inner);
        sleep(LOOK_EVERY).await;
        if is_closed {
            // A call ends the wait early; without one it ends by itself.
            let _ = timeout(IDLE_EXTENSION, asked.notified()).await;
        }
    }
}

impl Inner {
    /// Reads the shared state. A Redis that lost its state gets ours.
    pub(super) async fn look(&self) {
        let state = self.known().state.clone();
        if self.verdict() == Verdict::Pass {
            self.adopt(&state, State::Closed);
        }
        let Some(shared) = &self.shared else { return };
        let mut was_lost = false;
        if !shared.is_connected() {
            was_lost = true;
            if let Err(error) = shared.connect().await {
                return self.work_alone(&error.to_string());
            }
        }
        let before = self.known().state.clone();
        let Some(found) = shared.read().await else {
            return self.work_alone("no answer in time");
        };
        self.known().ahead = found.now.saturating_sub(self.elapsed());
        // A state that has expired here must not be shared.
        let holds = matches!(before.verdict(found.now, self.cooldown), Verdict::Hold { .. });
        if was_lost && found.text.is_empty() && holds {
            let keep = before.keep();
            let _kept = shared.swap("", &before.to_string(), keep, Patience::Long).await;
        } else if !self.learn(&before, &found) {
            return;
        }
        if !std::mem::replace(&mut self.known().is_shared, true) {
            tracing::info!("the circuit breaker of provider {} shares its state in Redis", self.provider);
        }
    }
}
