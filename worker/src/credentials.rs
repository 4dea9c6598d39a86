//! What the credentials of this worker allow at each payment provider, and what those of the others do (M18).
//!
//! A worker whose credentials are refused, or that does not know a provider, leaves such calls to workers that can send
//! them. Only where none can do they wait for the settings.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use holdfast_saga::records::call::{Answer, CallResult, Mode};
use holdfast_saga::records::request::Operation;
use holdfast_saga::records::view::{Heartbeat, WorkerView};
use holdfast_shared::{Queue, Time};
use holdfast_telemetry::Metrics;
use tokio::sync::Notify;

/// A refusal stands for so long, unless a call shows otherwise.
const STANDS: Duration = Duration::from_mins(10);
/// By then every worker has said what its credentials allow, twice.
const HEARD_WITHIN: Duration = Duration::from_secs(12);
/// When a call is tried again that another worker may be able to send.
const TRY_AGAIN_IN: Duration = Duration::from_secs(5);

/// An operation at a provider.
pub(crate) type Allowed = BTreeSet<(String, Operation)>;

#[derive(Debug)]
pub(crate) struct Credentials {
    configured: BTreeSet<String>,
    /// The pools that this worker serves: who does not serve them all carries on nothing for it.
    pools: Vec<Queue>,
    metrics: Metrics,
    started: Instant,
    known: Mutex<Known>,
    /// Notified when what they allow has changed.
    pub(crate) changed: Notify,
}

#[derive(Debug, Default)]
struct Known {
    refused: BTreeMap<(String, Operation), Refused>,
    /// What other workers can send that serve the same pools.
    elsewhere: Allowed,
    /// Of that, what this one cannot.
    left_to_others: Arc<Allowed>,
}

#[derive(Debug)]
struct Refused {
    first: Instant,
    last: Instant,
}

impl Credentials {
    pub(crate) fn new(
        configured: impl IntoIterator<Item = String>,
        pools: &BTreeMap<Queue, usize>,
        metrics: Metrics,
    ) -> Self {
        let configured: BTreeSet<String> = configured.into_iter().collect();
        for provider in &configured {
            for operation in Operation::ALL {
                metrics.set_refused(provider, operation, false);
            }
        }
        Self {
            configured,
            pools: pools.iter().filter(|(_, calls)| **calls > 0).map(|(queue, _)| *queue).collect(),
            metrics,
            started: Instant::now(),
            known: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// What they allow, by provider, as far as it is known.
    pub(crate) fn own(&self) -> BTreeMap<String, BTreeSet<Operation>> {
        let mut known = self.known();
        known.refused.retain(|(provider, operation), refused| {
            let stands = refused.last.elapsed() < STANDS;
            if !stands {
                self.metrics.set_refused(provider, *operation, false);
            }
            stands
        });
        let allowed = |provider: &String| {
            let is_allowed =
                |operation: &Operation| !known.refused.contains_key(&(provider.clone(), *operation));
            Operation::ALL.into_iter().filter(is_allowed).collect()
        };
        self.configured.iter().map(|provider| (provider.clone(), allowed(provider))).collect()
    }

    /// Hears what the credentials of the other workers allow. One of a release that does not say is believed to be set up
    /// as this one is.
    pub(crate) fn heard<'a>(&self, others: impl Iterator<Item = &'a WorkerView>, now: Time) {
        let own = self.own();
        let all = || self.configured.iter().map(|provider| (provider.clone(), Operation::ALL.into()));
        let mut elsewhere = Allowed::new();
        for other in others.filter(|other| other.is_alive(now) && self.is_stood_in_for_by(&other.heartbeat)) {
            let providers = other.heartbeat.providers.clone().unwrap_or_else(|| all().collect());
            for (provider, allowed) in providers {
                elsewhere.extend(allowed.into_iter().map(|operation| (provider.clone(), operation)));
            }
        }
        let is_own = |(provider, operation): &&(String, Operation)| {
            own.get(provider).is_some_and(|allowed| allowed.contains(operation))
        };
        let left_to_others = elsewhere.iter().filter(|each| !is_own(each)).cloned().collect();
        let mut known = self.known();
        known.left_to_others = Arc::new(left_to_others);
        known.elsewhere = elsewhere;
    }

    /// Whether the other worker serves every pool that this one serves.
    fn is_stood_in_for_by(&self, other: &Heartbeat) -> bool {
        self.pools.iter().all(|queue| other.serves(*queue))
    }

    /// What others can send at `provider`.
    pub(crate) fn elsewhere(&self, provider: &str) -> Vec<(String, Operation)> {
        self.known().elsewhere.iter().filter(|(name, _)| name == provider).cloned().collect()
    }

    /// What this worker leaves to the others.
    pub(crate) fn left_to_others(&self) -> Arc<Allowed> {
        Arc::clone(&self.known().left_to_others)
    }

    /// Learns from the answer to `operation` at `provider`. What was not done here for want of credentials waits for another
    /// worker, or where there is none, for the settings.
    pub(crate) fn learn(&self, provider: &str, operation: Operation, mode: Mode, answer: Answer) -> Answer {
        let Answer::NotHere { why } = answer else {
            if shows(operation, mode, &answer) {
                self.allowed(provider, operation);
            }
            return answer;
        };
        let since = if self.configured.contains(provider) {
            self.refused(provider, operation, &why)
        } else {
            self.started
        };
        let is_left = self.left_to_others().iter().any(|(left, to)| left == provider && *to == operation);
        if is_left || since.elapsed() < HEARD_WITHIN {
            return Answer::NotNow { retry_in: Some(TRY_AGAIN_IN), why };
        }
        Answer::Parked { why }
    }

    /// Returns since when it is so.
    fn refused(&self, provider: &str, operation: Operation, why: &str) -> Instant {
        let now = Instant::now();
        let mut known = self.known();
        let refused = known.refused.entry((provider.to_owned(), operation));
        let refused = refused.or_insert_with(|| {
            tracing::error!(provider, "provider {provider} does not let this worker {operation}: {why}");
            self.metrics.set_refused(provider, operation, true);
            self.changed.notify_one();
            Refused { first: now, last: now }
        });
        refused.last = now;
        refused.first
    }

    fn allowed(&self, provider: &str, operation: Operation) {
        let mut known = self.known();
        // The usual case costs no allocation.
        if known.refused.is_empty() || known.refused.remove(&(provider.to_owned(), operation)).is_none() {
            return;
        }
        tracing::info!(provider, "provider {provider} lets this worker {operation} again");
        self.metrics.set_refused(provider, operation, false);
        self.changed.notify_one();
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the answer shows that the credentials allow the operation. Looking a payment up shows nothing of taking its money,
/// and closing what was never paid nothing of refunds.
const fn shows(operation: Operation, mode: Mode, answer: &Answer) -> bool {
    match (operation, mode, answer) {
        (
            Operation::Take,
            Mode::Send,
            Answer::Succeeded(_)
            | Answer::Pending { .. }
            | Answer::Processing
            | Answer::Rejected { .. }
            | Answer::Failed { .. },
        )
        | (
            Operation::GiveBack,
            Mode::Send | Mode::Query,
            Answer::Succeeded(CallResult::Refunded | CallResult::Undone { captured_minor: 1.. })
            | Answer::GivingBack,
        ) => true,
        (Operation::Take | Operation::GiveBack, Mode::Send | Mode::Query, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_micros(1_700_000_000_000_000);
    const ALL: [Operation; 2] = Operation::ALL;

    fn own(pools: &[Queue]) -> Credentials {
        let pools = pools.iter().map(|queue| (*queue, 4)).collect();
        Credentials::new(["bank".to_owned()], &pools, Metrics::default())
    }

    fn other(pools: &[(Queue, usize)], allowed: &[Operation]) -> WorkerView {
        let heartbeat = Heartbeat {
            name: "other".to_owned(),
            host: "there".to_owned(),
            pid: 1,
            version: "0.1.0".to_owned(),
            pools: pools.iter().copied().collect(),
            definitions: Vec::new(),
            providers: Some([("bank".to_owned(), allowed.iter().copied().collect())].into()),
            in_flight: 0,
            started_at: NOW,
        };
        WorkerView { heartbeat, heartbeat_at: NOW, left_at: None }
    }

    fn refused(credentials: &Credentials, operation: Operation) {
        let answer = Answer::NotHere { why: "403".to_owned() };
        credentials.learn("bank", operation, Mode::Send, answer);
    }

    fn left(credentials: &Credentials, other: &WorkerView) -> Vec<Operation> {
        credentials.heard([other].into_iter(), NOW);
        credentials.left_to_others().iter().map(|(_, operation)| *operation).collect()
    }

    #[tokio::test]
    async fn m18_calls_are_left_only_to_a_worker_that_serves_the_same_pools() {
        let credentials = own(&[Queue::Checkout, Queue::Compensation]);
        refused(&credentials, Operation::GiveBack);
        let both = [(Queue::Checkout, 1), (Queue::Compensation, 1), (Queue::Notifications, 1)];
        assert_eq!(left(&credentials, &other(&both, &ALL)), [Operation::GiveBack]);
        for pools in [&[(Queue::Checkout, 1)][..], &[(Queue::Checkout, 1), (Queue::Compensation, 0)]] {
            assert_eq!(left(&credentials, &other(pools, &ALL)), [], "{pools:?}");
            assert_eq!(credentials.elsewhere("bank"), []);
        }
        // Nor to one whose credentials are refused, too.
        assert_eq!(left(&credentials, &other(&both, &[Operation::Take])), []);
        assert_eq!(credentials.elsewhere("bank"), [("bank".to_owned(), Operation::Take)]);
    }

    #[tokio::test]
    async fn m18_only_what_was_done_shows_that_it_is_allowed() {
        let credentials = own(&[Queue::Checkout]);
        for operation in ALL {
            refused(&credentials, operation);
        }
        let is_allowed = |operation| credentials.own()["bank"].contains(&operation);
        let waits = || Answer::Pending { next_action: None, declined: None };
        credentials.learn("bank", Operation::Take, Mode::Query, waits());
        let closed = Answer::Succeeded(CallResult::Undone { captured_minor: 0 });
        credentials.learn("bank", Operation::GiveBack, Mode::Send, closed);
        assert!(!is_allowed(Operation::Take) && !is_allowed(Operation::GiveBack));
        credentials.learn("bank", Operation::Take, Mode::Send, waits());
        credentials.learn("bank", Operation::GiveBack, Mode::Query, Answer::Succeeded(CallResult::Refunded));
        assert!(is_allowed(Operation::Take) && is_allowed(Operation::GiveBack));
    }
}
