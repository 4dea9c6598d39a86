//! The metrics of one process, and how events are counted into them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use holdfast_saga::engine::batch::{Committed, SagaTransition};
use holdfast_saga::flows;
use holdfast_saga::records::history::Entry;
use holdfast_saga::records::request::Operation;
use holdfast_saga::records::view::{QueueView, SagaCount};
use holdfast_shared::{OrderStatus, PaymentMethod, Queue, SagaState, Time};
use prometheus::core::Collector;
use prometheus::{
    Encoder as _, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec,
    IntGaugeVec, PullingGauge, Registry, TextEncoder,
};

use crate::list::{self, Metric};

/// From a saga that ends within milliseconds to one that waits for an admin over a weekend.
const SAGA_SECONDS: &[f64] =
    &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0, 3_600.0, 86_400.0, 259_200.0];
/// From a provider on this machine to the longest call timeout.
const CALL_SECONDS: &[f64] = &[0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// From one saga to a full batch.
const BATCH_SAGAS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];

/// The metrics of one process. Clones share them.
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
    sagas: Counts,
    retrying: Counts,
    queue_depth: IntGaugeVec,
    queue_oldest: GaugeVec,
    batch_size: Histogram,
    commit_seconds: Histogram,
    breakers: IntGaugeVec,
    channel_breakers: IntGaugeVec,
    hints: IntCounterVec,
    refuses: IntGaugeVec,
    shop_held: Gauge,
}

/// A gauge with two labels, of which the first is known only once it is counted.
#[derive(Debug, Clone)]
struct Counts {
    gauge: IntGaugeVec,
    /// Every pair that was ever set, so that it can go back to zero.
    known: Arc<Mutex<BTreeSet<(String, &'static str)>>>,
}

impl Counts {
    fn new(gauge: IntGaugeVec) -> Self {
        Self { gauge, known: Arc::default() }
    }

    /// One by one, and to zero where nothing is left: a scraper may read at any time.
    fn set(&self, counts: &BTreeMap<(String, &'static str), u64>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(counts.keys().cloned());
        for pair in &*known {
            let count = counts.get(pair).copied().unwrap_or(0);
            let labels = [pair.0.as_str(), pair.1];
            self.gauge.with_label_values::<&str>(&labels).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }
}

/// Counts the hints that arrive in one queue.
#[derive(Debug, Clone)]
pub struct HintCounters {
    taken: IntCounter,
    redelivered: IntCounter,
    malformed: IntCounter,
}

impl HintCounters {
    /// Hints were passed to the executor.
    pub fn taken(&self, hints: usize) {
        self.taken.inc_by(hints as u64);
    }

    /// Hints were taken over from a consumer that died.
    pub fn redelivered(&self, hints: usize) {
        self.redelivered.inc_by(hints as u64);
    }

    /// Hints were dropped because they name no saga.
    pub fn malformed(&self, hints: usize) {
        self.malformed.inc_by(hints as u64);
    }
}

impl Default for Metrics {
    /// Metrics that start at zero, in a registry of their own.
    fn default() -> Self {
        let registry = Registry::new();
        let counter = |metric: &Metric| kept(&registry, IntCounterVec::new(metric.opts(), metric.labels));
        let gauge = |metric: &Metric| kept(&registry, IntGaugeVec::new(metric.opts(), metric.labels));
        let histogram = |metric: &Metric, buckets: &[f64]| {
            let opts = HistogramOpts::from(metric.opts()).buckets(buckets.to_vec());
            kept(&registry, HistogramVec::new(opts, metric.labels))
        };
        let single = |metric: &Metric, buckets: &[f64]| {
            let opts = HistogramOpts::from(metric.opts()).buckets(buckets.to_vec());
            kept(&registry, Histogram::with_opts(opts))
        };
        Self {
            orders: counter(&list::ORDERS),
            sagas_started: counter(&list::SAGAS_STARTED),
            sagas_finished: counter(&list::SAGAS_FINISHED),
            saga_seconds: histogram(&list::SAGA_DURATION, SAGA_SECONDS),
            step_attempts: counter(&list::STEP_ATTEMPTS),
            step_seconds: histogram(&list::STEP_DURATION, CALL_SECONDS),
            compensations: counter(&list::COMPENSATIONS),
            sagas: Counts::new(gauge(&list::SAGAS)),
            retrying: Counts::new(gauge(&list::SAGAS_RETRYING)),
            breakers: gauge(&list::PROVIDER_BREAKER),
            channel_breakers: gauge(&list::CHANNEL_BREAKER),
            refuses: gauge(&list::PROVIDER_REFUSES),
            queue_depth: gauge(&list::QUEUE_DEPTH),
            queue_oldest: kept(
                &registry,
                GaugeVec::new(list::QUEUE_OLDEST.opts(), list::QUEUE_OLDEST.labels),
            ),
            batch_size: single(&list::BATCH_SIZE, BATCH_SAGAS),
            commit_seconds: single(&list::COMMIT_DURATION, CALL_SECONDS),
            hints: counter(&list::JOBS),
            shop_held: kept(&registry, Gauge::with_opts(list::SHOP_HELD.opts())),
            registry,
        }
    }
}

impl Metrics {
    /// The registry behind them. Other metrics of the process may be registered in it.
    pub const fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Everything in Prometheus' text format: its content type, and the text.
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
    pub fn accepted(&self, status: OrderStatus, method: PaymentMethod) {
        self.order(status, method);
        let saga = flows::checkout(method).name;
        self.sagas_started.with_label_values(&[saga]).inc();
    }

    /// The counters of the hints that arrive in `queue`.
    pub fn hints(&self, queue: Queue) -> HintCounters {
        let outcome = |outcome: &str| self.hints.with_label_values::<&str>(&[queue.into(), outcome]);
        HintCounters {
            taken: outcome("taken"),
            redelivered: outcome("redelivered"),
            malformed: outcome("poisoned"),
        }
    }

    /// Hints for `queue` were not sent: the buffer or the queue was full. The sweep finds their sagas.
    pub fn hints_dropped(&self, queue: Queue, hints: usize) {
        self.hints.with_label_values::<&str>(&[queue.into(), "dropped"]).inc_by(hints as u64);
    }

    /// Shows for how long a worker's dependencies have been silent, as `silence` says whenever the metrics are read. Of two
    /// workers with the same metrics, the first one is shown.
    pub fn observe_last_poll(&self, silence: impl Fn() -> Duration + Clone + Send + Sync + 'static) {
        let at = {
            let silence = silence.clone();
            move || {
                // Of this very moment, so that a clock that was set does not leave an old time behind.
                let at = (Time::system_now() - silence()).as_millis();
                #[expect(
                    clippy::cast_precision_loss,
                    reason = "the milliseconds of our time are exact in a double"
                )]
                let millis = at as f64;
                millis / 1_000.0
            }
        };
        let age = move || silence().as_secs_f64();
        for gauge in [pulling(&list::LAST_POLL, at), pulling(&list::LAST_POLL_AGE, age)] {
            let _ = self.registry.register(Box::new(gauge));
        }
    }

    /// A call was answered, or timed out.
    pub fn call_ended(&self, saga: &str, step: &str, elapsed: Duration) {
        self.step_seconds.with_label_values(&[saga, step]).observe(elapsed.as_secs_f64());
    }

    /// The unsettled sagas of the shop, as they are now.
    pub fn set_sagas(&self, saga_counts: &[SagaCount]) {
        let count = |row: &'_ SagaCount| ((row.definition.clone(), row.state.into()), row.sagas);
        self.sagas.set(&saga_counts.iter().map(count).collect());
    }

    /// The sagas of the shop that try again, by definition and step, as they are now.
    pub fn set_retrying(&self, sagas: &BTreeMap<(String, &'static str), u64>) {
        self.retrying.set(sagas);
    }

    /// The circuit breaker of `provider` is in `state`, one of `states`.
    pub fn set_breaker(&self, provider: &str, state: &str, states: &[&str]) {
        set_state(&self.breakers, provider, state, states);
    }

    /// The circuit breaker of a notification channel is in `state`, one of `states`.
    pub fn set_channel_breaker(&self, channel: &str, state: &str, states: &[&str]) {
        set_state(&self.channel_breakers, channel, state, states);
    }

    /// Whether a provider does not accept this worker's credentials for an operation.
    pub fn set_refused(&self, provider: &str, operation: Operation, is_refused: bool) {
        self.refuses.with_label_values::<&str>(&[provider, operation.into()]).set(i64::from(is_refused));
    }

    /// Whether no call is sent because the database may not be the one that its shop goes by.
    pub fn set_shop_held(&self, is_held: bool) {
        self.shop_held.set(f64::from(u8::from(is_held)));
    }

    /// The depth and the age of every queue, as they are now.
    pub fn set_queues(&self, queues: &[QueueView], now: Time) {
        for view in queues {
            let queue: &str = view.queue.into();
            self.queue_depth.with_label_values(&[queue]).set(i64::try_from(view.due).unwrap_or(i64::MAX));
            let oldest = view.oldest_due.map_or(0.0, |since| now.since(since).as_secs_f64());
            self.queue_oldest.with_label_values(&[queue]).set(oldest);
        }
    }

    /// A batch was committed.
    pub fn committed(&self, done: &Committed) {
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
            Entry::AttemptDeclined { step, .. } => (step, "attempt_declined"),
            Entry::Processing { step, .. } | Entry::GivingBack { step, .. } => (step, "processing"),
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

/// 1 for `state`, and 0 for all others of `states`.
fn set_state(gauge: &IntGaugeVec, of: &str, state: &str, states: &[&str]) {
    for name in states {
        gauge.with_label_values(&[of, *name]).set(i64::from(*name == state));
    }
}

fn pulling(metric: &Metric, value: impl Fn() -> f64 + Send + Sync + 'static) -> PullingGauge {
    PullingGauge::new(metric.name, metric.help, Box::new(value)).expect("a well-formed metric")
}

/// Every metric comes from [`METRICS`](crate::METRICS) and is registered once, so this cannot fail.
fn kept<C: Collector + Clone + 'static>(registry: &Registry, made: Result<C, prometheus::Error>) -> C {
    let made = made.expect("a well-formed metric");
    registry.register(Box::new(made.clone())).expect("a metric that is new");
    made
}
