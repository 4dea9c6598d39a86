//! When the database and the queues last answered a worker: `/readyz` and a metric show it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use holdfast_shared::{Queue, Time};
use prometheus::Gauge;

/// A dependency that has not answered for this long is down: it is many blocking reads, and many sweeps.
const DOWN_AFTER: Duration = Duration::from_secs(10);

/// What a worker asks for work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dependency {
    /// The database, for what is due.
    Database,
    /// One queue in Redis, for hints.
    Queue(Queue),
}

/// When each dependency last answered. Clones share it.
#[derive(Debug, Clone)]
pub struct DependencyHealth {
    /// In milliseconds since 1970.
    answered: Arc<BTreeMap<Dependency, AtomicI64>>,
    /// The oldest of these times, as a metric.
    oldest: Gauge,
}

/// Records the answers of one dependency.
#[derive(Debug, Clone)]
pub(crate) struct Poll {
    dependency_health: DependencyHealth,
    dependency: Dependency,
}

impl DependencyHealth {
    /// Nothing has been asked yet; the clock of each dependency starts now.
    pub(crate) fn new(dependencies: impl IntoIterator<Item = Dependency>, oldest: Gauge) -> Self {
        let now = Time::system_now().as_millis();
        let answered = dependencies.into_iter().map(|dependency| (dependency, AtomicI64::new(now))).collect();
        Self { answered: Arc::new(answered), oldest }
    }

    pub(crate) fn of(&self, dependency: Dependency) -> Poll {
        Poll { dependency_health: self.clone(), dependency }
    }

    /// The dependencies that are down, and for how long each has been silent.
    pub fn down(&self) -> Vec<(Dependency, Duration)> {
        let now = Time::system_now().as_millis();
        let silences = self.answered.iter().map(|(dependency, at)| {
            let silence = now.saturating_sub(at.load(Ordering::Relaxed)).max(0);
            (*dependency, Duration::from_millis(silence.unsigned_abs()))
        });
        silences.filter(|(_, silence)| *silence > DOWN_AFTER).collect()
    }
}

impl Poll {
    /// It answered just now, with or without work.
    pub(crate) fn answered(&self) {
        let Some(at) = self.dependency_health.answered.get(&self.dependency) else { return };
        at.store(Time::system_now().as_millis(), Ordering::Relaxed);
        let oldest = self.dependency_health.answered.values().map(|at| at.load(Ordering::Relaxed)).min();
        #[expect(clippy::cast_precision_loss, reason = "the milliseconds of our time are exact in a double")]
        self.dependency_health.oldest.set(oldest.unwrap_or_default() as f64 / 1_000.0);
    }
}

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database => f.write_str("the database"),
            Self::Queue(queue) => write!(f, "queue {queue} in Redis"),
        }
    }
}
