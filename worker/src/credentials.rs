//! What the credentials of this worker allow at each payment provider, and what those of the others do (M18).
//!
//! A worker whose credentials are refused, or that does not know a provider, leaves such calls to workers that can send
//! them. Only where none can do they wait for the settings.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use holdfast_saga::records::call::{Answer, CallResult, Operation};
use holdfast_saga::records::view::WorkerView;
use holdfast_shared::Time;
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
    metrics: Metrics,
    started: Instant,
    known: Mutex<Known>,
    /// Notified when what they allow has changed.
    pub(crate) changed: Notify,
}

#[derive(Debug, Default)]
struct Known {
    refused: BTreeMap<(String, Operation), Refused>,
    /// What other workers can send and this one cannot.
    left_to_others: Arc<Allowed>,
}

#[derive(Debug)]
struct Refused {
    first: Instant,
    last: Instant,
}

impl Credentials {
    pub(crate) fn new(configured: impl IntoIterator<Item = String>, metrics: Metrics) -> Self {
        let configured: BTreeSet<String> = configured.into_iter().collect();
        for provider in &configured {
            for operation in Operation::ALL {
                metrics.set_refused(provider, operation, false);
            }
        }
        Self { configured, metrics, started: Instant::now(), known: Mutex::default(), changed: Notify::new() }
    }

    /// What they allow, by provider, as far as it is known.
    pub(crate) fn own(&self) -> BTreeMap<String, BTreeSet<Operation>> {
        let mut known = self.known();
        known.refused.retain(|_, refused| refused.last.elapsed() < STANDS);
        let allowed = |provider: &String| {
            let is_allowed =
                |operation: &Operation| !known.refused.contains_key(&(provider.clone(), *operation));
            Operation::ALL.into_iter().filter(is_allowed).collect()
        };
        self.configured.iter().map(|provider| (provider.clone(), allowed(provider))).collect()
    }

    /// Hears what the credentials of the other workers allow.
    pub(crate) fn heard<'a>(&self, others: impl Iterator<Item = &'a WorkerView>, now: Time) {
        let own = self.own();
        let is_own = |provider: &String, operation: &Operation| {
            own.get(provider).is_some_and(|allowed| allowed.contains(operation))
        };
        let mut left_to_others = Allowed::new();
        for (provider, allowed) in others
            .filter(|other| other.is_alive(now))
            .filter_map(|other| other.heartbeat.providers.as_ref())
            .flatten()
        {
            let not_here = allowed.iter().filter(|operation| !is_own(provider, operation));
            left_to_others.extend(not_here.map(|operation| (provider.clone(), *operation)));
        }
        self.known().left_to_others = Arc::new(left_to_others);
    }

    /// What this worker leaves to the others.
    pub(crate) fn left_to_others(&self) -> Arc<Allowed> {
        Arc::clone(&self.known().left_to_others)
    }

    /// Learns from the answer to `operation` at `provider`. What was not done here for want of credentials waits for another
    /// worker, or where there is none, for the settings.
    pub(crate) fn learn(&self, provider: &str, operation: Operation, answer: Answer) -> Answer {
        let Answer::NotHere { why } = answer else {
            if shows(operation, &answer) {
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

/// Whether the answer shows that the credentials allow the operation. Closing what was never paid shows nothing of refunds.
const fn shows(operation: Operation, answer: &Answer) -> bool {
    match (operation, answer) {
        (
            Operation::Take,
            Answer::Succeeded(_)
            | Answer::Pending { .. }
            | Answer::Processing
            | Answer::Rejected { .. }
            | Answer::Failed { .. },
        )
        | (
            Operation::GiveBack,
            Answer::Succeeded(CallResult::Refunded | CallResult::Undone { refunded_minor: 1.. })
            | Answer::GivingBack,
        ) => true,
        (Operation::Take | Operation::GiveBack, _) => false,
    }
}
