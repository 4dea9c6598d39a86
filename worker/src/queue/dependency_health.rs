//! When the database and the queues last answered a worker: `/readyz` and two metrics show it.
//!
//! All of it goes by a clock that nobody can set.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use holdfast_shared::Queue;
use holdfast_telemetry::Metrics;

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

/// A dependency without which a worker is not ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Down {
    /// Which one.
    pub dependency: Dependency,
    /// For how long it has not answered.
    pub silence: Duration,
    /// What it answered instead.
    pub refusal: Option<String>,
}

/// When each dependency last answered. Clones share it.
#[derive(Debug, Clone)]
pub struct DependencyHealth {
    dependencies: Arc<BTreeMap<Dependency, Mutex<Seen>>>,
}

#[derive(Debug)]
struct Seen {
    answered: Instant,
    refusal: Option<String>,
}

/// Records the answers of one dependency.
#[derive(Debug, Clone)]
pub(crate) struct Poll {
    dependency_health: DependencyHealth,
    dependency: Dependency,
}

impl DependencyHealth {
    /// Nothing has been asked yet; the clock of each dependency starts now. The longest silence is computed whenever
    /// `metrics` are read.
    pub(crate) fn new(dependencies: impl IntoIterator<Item = Dependency>, metrics: &Metrics) -> Self {
        let seen = |dependency| (dependency, Mutex::new(Seen { answered: Instant::now(), refusal: None }));
        let health = Self { dependencies: Arc::new(dependencies.into_iter().map(seen).collect()) };
        let observed = health.clone();
        metrics.observe_last_poll(move || observed.longest_silence());
        health
    }

    pub(crate) fn of(&self, dependency: Dependency) -> Poll {
        Poll { dependency_health: self.clone(), dependency }
    }

    /// The dependencies that are down: silent for long, or refusing.
    pub fn down(&self) -> Vec<Down> {
        let all = self.dependencies.iter().map(|(dependency, seen)| {
            let seen = lock(seen);
            Down { dependency: *dependency, silence: seen.answered.elapsed(), refusal: seen.refusal.clone() }
        });
        all.filter(|found| found.silence > DOWN_AFTER || found.refusal.is_some()).collect()
    }

    fn longest_silence(&self) -> Duration {
        let silences = self.dependencies.values().map(|seen| lock(seen).answered.elapsed());
        silences.max().unwrap_or_default()
    }
}

impl Poll {
    /// It answered just now, with or without work.
    pub(crate) fn answered(&self) {
        if let Some(seen) = self.dependency_health.dependencies.get(&self.dependency) {
            *lock(seen) = Seen { answered: Instant::now(), refusal: None };
        }
    }

    /// It answered that it will not do what it was asked.
    pub(crate) fn refused(&self, why: &str) {
        if let Some(seen) = self.dependency_health.dependencies.get(&self.dependency) {
            lock(seen).refusal = Some(why.to_owned());
        }
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Display for Down {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dependency, silence, refusal } = self;
        match refusal {
            Some(why) => write!(f, "{dependency} refuses: {why}"),
            None => write!(f, "{dependency} has not answered for {} s", silence.as_secs()),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(metrics: &Metrics, name: &str) -> f64 {
        let families = metrics.registry().gather();
        let family = families.iter().find(|family| family.name() == name).expect("is exported");
        family.get_metric()[0].get_gauge().get_value()
    }

    #[test]
    fn f38_silence_grows_while_nobody_answers_and_is_computed_when_it_is_read() {
        let metrics = Metrics::default();
        let queue = Dependency::Queue(Queue::Checkout);
        let health = DependencyHealth::new([Dependency::Database, queue], &metrics);
        for _ in 0..2 {
            std::thread::sleep(Duration::from_millis(150));
            health.of(Dependency::Database).answered();
            let age = shown(&metrics, "holdfast_worker_last_poll_age_seconds");
            assert!((0.15..5.0).contains(&age), "the queue has never answered: {age}");
            let at = shown(&metrics, "holdfast_worker_last_poll_timestamp_seconds");
            let now = holdfast_shared::Time::system_now().as_millis();
            let now = f64::from(u32::try_from(now / 1_000).expect("is before 2106"));
            assert!((now - at - age).abs() < 2.0, "{now} {at} {age}");
            health.of(queue).answered();
            assert!(shown(&metrics, "holdfast_worker_last_poll_age_seconds") < 0.15);
        }
    }

    #[test]
    fn f37_a_refusal_is_down_at_once_and_over_with_the_first_answer() {
        let health = DependencyHealth::new([Dependency::Queue(Queue::Checkout)], &Metrics::default());
        let poll = health.of(Dependency::Queue(Queue::Checkout));
        assert_eq!(health.down(), []);
        poll.refused("NOPERM this user has no permissions");
        let down: Vec<String> = health.down().iter().map(ToString::to_string).collect();
        assert_eq!(down, ["queue checkout in Redis refuses: NOPERM this user has no permissions"]);
        poll.answered();
        assert_eq!(health.down(), []);
    }
}
