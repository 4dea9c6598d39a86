//! When a worker last asked for work, and was answered: one that is deaf says so.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use holdfast_shared::{Queue, Time};
use prometheus::Gauge;

/// Whoever did not answer for this long is not heard any more: many times a blocking read, many sweeps.
const DEAF_AFTER: Duration = Duration::from_secs(10);

/// Whom a worker asks for work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Asked {
    /// The database, for what is due.
    Database,
    /// One queue in Redis, for hints.
    Queue(Queue),
}

/// The last answer of each that is asked. Clones share it.
#[derive(Debug, Clone)]
pub struct DependencyHealth {
    /// In milliseconds since 1970.
    answered: Arc<BTreeMap<Asked, AtomicI64>>,
    /// The oldest of them.
    oldest: Gauge,
}

/// The answers of one of them.
#[derive(Debug, Clone)]
pub(crate) struct Poll {
    dependency_health: DependencyHealth,
    asked: Asked,
}

impl DependencyHealth {
    /// Nobody has been asked yet, and whoever is silent from now on is deaf after a while.
    pub(crate) fn new(asked: impl IntoIterator<Item = Asked>, oldest: Gauge) -> Self {
        let now = Time::system_now().as_millis();
        let answered = asked.into_iter().map(|asked| (asked, AtomicI64::new(now))).collect();
        Self { answered: Arc::new(answered), oldest }
    }

    pub(crate) fn of(&self, asked: Asked) -> Poll {
        Poll { dependency_health: self.clone(), asked }
    }

    /// Who has not answered for long, and for how long.
    pub fn deaf(&self) -> Vec<(Asked, Duration)> {
        let now = Time::system_now().as_millis();
        let silences = self.answered.iter().map(|(asked, at)| {
            let silence = now.saturating_sub(at.load(Ordering::Relaxed)).max(0);
            (*asked, Duration::from_millis(silence.unsigned_abs()))
        });
        silences.filter(|(_, silence)| *silence > DEAF_AFTER).collect()
    }
}

impl Poll {
    /// There was an answer just now, with work or without.
    pub(crate) fn answered(&self) {
        let Some(at) = self.dependency_health.answered.get(&self.asked) else { return };
        at.store(Time::system_now().as_millis(), Ordering::Relaxed);
        let oldest = self.dependency_health.answered.values().map(|at| at.load(Ordering::Relaxed)).min();
        #[expect(clippy::cast_precision_loss, reason = "the milliseconds of our time are exact in a double")]
        self.dependency_health.oldest.set(oldest.unwrap_or_default() as f64 / 1_000.0);
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database => f.write_str("the database"),
            Self::Queue(queue) => write!(f, "queue {queue} in Redis"),
        }
    }
}
