//! What is counted for dashboards, and under which names. The names are a contract.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use holdfast_saga::engine::batch::{Committed, SagaTransition};
use holdfast_saga::flows;
use holdfast_saga::records::history::Entry;
use holdfast_saga::records::view::{QueueView, SagaCount};
use holdfast_shared::{OrderStatus, PaymentMethod, Queue, SagaState, Time};
use prometheus::core::Collector;
use prometheus::{
    Encoder as _, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec,
    IntGaugeVec, Opts, Registry, TextEncoder,
};

/// From a saga that is done at once to one that waits for an admin over the weekend.
const SAGA_SECONDS: &[f64] =
    &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0, 3_600.0, 86_400.0, 259_200.0];
/// From a provider next door to the longest call there is.
const CALL_SECONDS: &[f64] = &[0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// From one saga to a full batch.
const BATCH_SAGAS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];

/// The counters of one process. Clones share them.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    orders: IntCounterVec,
    sagas_started: IntCounterVec,
    sagas_finished: IntCounterVec,
    saga_seconds: HistogramVec,
    step_attempts: IntCounterVec,
    step_seconds: HistogramVec,
    compensations: IntCounterVec,
    sagas: IntGaugeVec,
    queue_depth: IntGaugeVec,
    queue_oldest: GaugeVec,
    /// Where sagas have stood: definition and state.
    known: Arc<Mutex<BTreeSet<(String, String)>>>,
    batch_size: Histogram,
    commit_seconds: Histogram,
    breakers: IntGaugeVec,
    jobs: IntCounterVec,
    last_poll: Gauge,
}

/// What became of the hints that arrived in one queue.
#[derive(Debug, Clone)]
pub(crate) struct Jobs {
    taken: IntCounter,
    redelivered: IntCounter,
    poisoned: IntCounter,
}

impl Jobs {
    /// Passed on to an executor.
    pub(crate) fn taken(&self, hints: usize) {
        self.taken.inc_by(hints as u64);
    }

    /// Taken from somebody who died with them.
    pub(crate) fn redelivered(&self, hints: usize) {
        self.redelivered.inc_by(hints as u64);
    }

    /// Thrown away, because they name no saga.
    pub(crate) fn poisoned(&self, hints: usize) {
        self.poisoned.inc_by(hints as u64);
    }
}

impl Default for Metrics {
    /// Counters that start at zero, in a registry of their own.
    fn default() -> Self {
        let registry = Registry::new();
        let counter = |name, help, labels| kept(&registry, counter(name, help, labels));
        let seconds = |name, help, labels, buckets| kept(&registry, seconds(name, help, labels, buckets));
        let histogram = |name, help, buckets| kept(&registry, histogram(name, help, buckets));
        let (saga, attempt) = (&["saga", "outcome"], &["saga", "step", "outcome"]);
        Self {
            orders: counter("orders_total", "Orders that reached a status", &["status", "payment_method"]),
            sagas_started: counter("sagas_started_total", "Sagas that began", &["saga"]),
            sagas_finished: counter("sagas_finished_total", "Sagas that ended", saga),
            saga_seconds: seconds(
                "saga_duration_seconds",
                "From a saga's birth to its end",
                saga,
                SAGA_SECONDS,
            ),
            step_attempts: counter("step_attempts_total", "Steps tried, and what came of it", attempt),
            step_seconds: seconds(
                "step_duration_seconds",
                "From a call's start to its answer",
                &["saga", "step"],
                CALL_SECONDS,
            ),
            compensations: counter("compensations_total", "Undo steps, and what came of them", attempt),
            known: Arc::default(),
            sagas: kept(
                &registry,
                IntGaugeVec::new(
                    Opts::new("sagas", "Sagas that are not settled, by where they stand")
                        .namespace("holdfast"),
                    &["saga", "state"],
                ),
            ),
            breakers: kept(
                &registry,
                IntGaugeVec::new(
                    Opts::new(
                        "provider_breaker",
                        "1 for the state a payment provider's breaker is in, 0 for others",
                    )
                    .namespace("holdfast"),
                    &["provider", "state"],
                ),
            ),
            queue_depth: kept(
                &registry,
                IntGaugeVec::new(
                    Opts::new("queue_depth", "Sagas that a worker could take now").namespace("holdfast"),
                    &["queue"],
                ),
            ),
            queue_oldest: kept(
                &registry,
                GaugeVec::new(
                    Opts::new("queue_oldest_seconds", "Since when the longest due of them is, in seconds")
                        .namespace("holdfast"),
                    &["queue"],
                ),
            ),
            batch_size: histogram("batch_size", "Sagas claimed by a batch", BATCH_SAGAS),
            commit_seconds: histogram(
                "commit_duration_seconds",
                "A batch, from its first lock to its commit, in seconds",
                CALL_SECONDS,
            ),
            jobs: counter("jobs_total", "Hints, and what became of them", &["queue", "outcome"]),
            last_poll: kept(
                &registry,
                Gauge::with_opts(
                    Opts::new(
                        "worker_last_poll_timestamp_seconds",
                        "When the database and the queues last answered a worker: the oldest of these instants",
                    )
                    .namespace("holdfast"),
                ),
            ),
            registry,
        }
    }
}

impl Metrics {
    /// Where they are kept, for whoever prints them; other counters of the process may join.
    pub const fn registry(&self) -> &Registry {
        &self.registry
    }

    /// All of them in Prometheus' text format: what to call it, and the text.
    pub fn text(&self) -> Result<(String, Vec<u8>), prometheus::Error> {
        let mut text = Vec::new();
        let encoder = TextEncoder::new();
        encoder.encode(&self.registry.gather(), &mut text)?;
        Ok((encoder.format_type().to_owned(), text))
    }

    /// An order reached a status.
    pub fn order(&self, status: OrderStatus, method: PaymentMethod) {
        self.orders.with_label_values::<&str>(&[status.into(), method.into()]).inc();
    }

    /// A checkout was accepted, and its saga began.
    pub(crate) fn accepted(&self, status: OrderStatus, method: PaymentMethod) {
        self.order(status, method);
        let saga = flows::checkout(method).name;
        self.sagas_started.with_label_values(&[saga]).inc();
    }

    /// What becomes of the hints that arrive in `queue`.
    pub(crate) fn jobs(&self, queue: Queue) -> Jobs {
        let outcome = |outcome: &str| self.jobs.with_label_values::<&str>(&[queue.into(), outcome]);
        Jobs { taken: outcome("taken"), redelivered: outcome("redelivered"), poisoned: outcome("poisoned") }
    }

    /// Hints for `queue` were not sent: nowhere to put them, or nobody to take them. The sweep finds their sagas.
    pub(crate) fn dropped(&self, queue: Queue, hints: usize) {
        self.jobs.with_label_values::<&str>(&[queue.into(), "dropped"]).inc_by(hints as u64);
    }

    /// When somebody who is asked for work last answered.
    pub(crate) fn last_poll(&self) -> Gauge {
        self.last_poll.clone()
    }

    /// A call was answered, or given up.
    pub(crate) fn called(&self, saga: &str, step: &str, elapsed: Duration) {
        self.step_seconds.with_label_values(&[saga, step]).observe(elapsed.as_secs_f64());
    }

    /// How the sagas of the shop stand now.
    pub(crate) fn stand(&self, saga_counts: &[SagaCount]) {
        let stand: BTreeMap<(&str, &str), u64> =
            saga_counts.iter().map(|row| ((row.definition.as_str(), row.state.into()), row.sagas)).collect();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(stand.keys().map(|(saga, state)| ((*saga).to_owned(), (*state).to_owned())));
        // One by one, and to zero where nobody stands any more: a scraper may come by at any time.
        for (saga, state) in &*known {
            let count = stand.get(&(saga.as_str(), state.as_str())).copied().unwrap_or(0);
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.sagas.with_label_values::<&str>(&[saga, state]).set(count);
        }
    }

    /// The breaker of `provider` is in `state` now, one of `states`.
    pub(crate) fn breaker(&self, provider: &str, state: &str, states: &[&str]) {
        for name in states {
            self.breakers.with_label_values(&[provider, *name]).set(i64::from(*name == state));
        }
    }

    /// What waits in every queue now, and for how long.
    pub(crate) fn queues(&self, queues: &[QueueView], now: Time) {
        for view in queues {
            let queue: &str = view.queue.into();
            self.queue_depth.with_label_values(&[queue]).set(i64::try_from(view.due).unwrap_or(i64::MAX));
            let oldest = view.oldest_due.map_or(0.0, |since| now.since(since).as_secs_f64());
            self.queue_oldest.with_label_values(&[queue]).set(oldest);
        }
    }

    /// A batch was committed.
    pub(crate) fn committed(&self, done: &Committed) {
        self.batch_size.observe(f64::from(u32::try_from(done.claimed).unwrap_or(u32::MAX)));
        self.commit_seconds.observe(done.leased_at.elapsed().as_secs_f64());
        for (status, method) in &done.orders {
            self.order(*status, *method);
        }
        for moved in &done.moved {
            self.moved(moved);
        }
    }

    fn moved(&self, moved: &SagaTransition) {
        let saga = moved.definition.name.as_ref();
        if moved.is_born {
            self.sagas_started.with_label_values(&[saga]).inc();
        }
        for entry in &moved.entries {
            self.entry(saga, entry);
        }
        let outcome = match moved.state {
            SagaState::Completed => "completed",
            SagaState::Compensated => "compensated",
            SagaState::Dead => "dead",
            SagaState::Running | SagaState::Waiting | SagaState::Compensating => return,
        };
        self.sagas_finished.with_label_values(&[saga, outcome]).inc();
        let lived = moved.at.since(moved.created_at).as_secs_f64();
        self.saga_seconds.with_label_values(&[saga, outcome]).observe(lived);
    }

    fn entry(&self, saga: &str, entry: &Entry) {
        let (step, outcome) = match entry {
            Entry::Did(step) | Entry::Succeeded(step) => (step, "succeeded"),
            Entry::Refused { step, .. } | Entry::Rejected { step, .. } => (step, "rejected"),
            Entry::Pending { step, .. } => (step, "pending"),
            Entry::Failed { step, .. } => (step, "failed"),
            Entry::Unknown { step, .. } => (step, "unknown"),
            Entry::NotSent(step) => (step, "not_sent"),
            Entry::Held { step, .. } => (step, "held"),
            Entry::TakenOver { step, .. } => (step, "taken_over"),
            Entry::Undid(step) => {
                self.compensations.with_label_values(&[saga, step.as_ref(), "succeeded"]).inc();
                return;
            }
            Entry::Dead { step, .. } => (step, "dead"),
            Entry::Discarded { step, .. } => (step, "discarded"),
            Entry::Started { .. }
            | Entry::RetryAt { .. }
            | Entry::Waiting { .. }
            | Entry::Decided { .. }
            | Entry::CancelAccepted(_)
            | Entry::Ignored(_)
            | Entry::PaymentEvent
            | Entry::Expired(_)
            | Entry::Pivot
            | Entry::Unwinding(_)
            | Entry::Spawned { .. }
            | Entry::LateCapture(_)
            | Entry::Revived(_)
            | Entry::Completed
            | Entry::Compensated => return,
        };
        self.step_attempts.with_label_values(&[saga, step.as_ref(), outcome]).inc();
    }
}

/// Names and labels are our own and each is kept once, so nothing here can fail.
fn kept<C: Collector + Clone + 'static>(registry: &Registry, made: Result<C, prometheus::Error>) -> C {
    let made = made.expect("a well-formed metric");
    registry.register(Box::new(made.clone())).expect("a metric that is new");
    made
}

fn counter(name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, prometheus::Error> {
    IntCounterVec::new(Opts::new(name, help).namespace("holdfast"), labels)
}

fn seconds(
    name: &str,
    help: &str,
    labels: &[&str],
    buckets: &[f64],
) -> Result<HistogramVec, prometheus::Error> {
    let help = format!("{help}, in seconds");
    HistogramVec::new(HistogramOpts::new(name, help).namespace("holdfast").buckets(buckets.to_vec()), labels)
}

fn histogram(name: &str, help: &str, buckets: &[f64]) -> Result<Histogram, prometheus::Error> {
    Histogram::with_opts(HistogramOpts::new(name, help).namespace("holdfast").buckets(buckets.to_vec()))
}
