//! Every metric there is. Each one is registered from its entry here, so the list cannot lie.

use prometheus::Opts;

/// What a metric is to Prometheus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A count that only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts observations by size, in buckets.
    Histogram,
}

/// One metric: its full name, what it says, and its labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// The name in Prometheus, such as `holdfast_orders_total`.
    pub name: &'static str,
    /// Whether it is a counter, a gauge or a histogram.
    pub kind: Kind,
    /// The help text in the metrics.
    pub help: &'static str,
    /// The names of its labels.
    pub labels: &'static [&'static str],
}

impl Metric {
    pub(crate) fn opts(&self) -> Opts {
        Opts::new(self.name, self.help)
    }
}

macro_rules! metrics {
    ($($constant:ident: $kind:ident $name:literal $labels:expr, $help:literal;)*) => {
        $(pub(crate) const $constant: Metric =
            Metric { name: $name, kind: Kind::$kind, help: $help, labels: &$labels };)*

        /// Every metric of every process, in the order in which this file lists them.
        pub const METRICS: &[Metric] = &[$($constant),*];
    };
}

metrics! {
    ORDERS: Counter "holdfast_orders_total" ["status", "payment_method"],
        "Orders that reached a status";
    SAGAS_STARTED: Counter "holdfast_sagas_started_total" ["saga"],
        "Sagas that began";
    SAGAS_FINISHED: Counter "holdfast_sagas_finished_total" ["saga", "outcome"],
        "Sagas that ended";
    SAGA_DURATION: Histogram "holdfast_saga_duration_seconds" ["saga", "outcome"],
        "Time from the creation of a saga to its end, in seconds";
    STEP_ATTEMPTS: Counter "holdfast_step_attempts_total" ["saga", "step", "outcome"],
        "Attempts at steps, by outcome";
    STEP_DURATION: Histogram "holdfast_step_duration_seconds" ["saga", "step"],
        "Time from the start of a call to its answer, in seconds";
    COMPENSATIONS: Counter "holdfast_compensations_total" ["saga", "step", "outcome"],
        "Undo steps, by outcome";
    SAGAS: Gauge "holdfast_sagas" ["saga", "state"],
        "Sagas that are not settled, by state";
    SAGAS_RETRYING: Gauge "holdfast_sagas_retrying" ["saga", "step"],
        "Sagas that will retry a failed step automatically, or whose step is held back";
    PROVIDER_BREAKER: Gauge "holdfast_provider_breaker" ["provider", "state"],
        "1 for the state of a payment provider's circuit breaker, 0 for the other states";
    CHANNEL_BREAKER: Gauge "holdfast_channel_breaker" ["channel", "state"],
        "1 for the state of a notification channel's circuit breaker, 0 for the other states";
    PROVIDER_REFUSES: Gauge "holdfast_provider_refuses" ["provider", "operation"],
        "1 while a payment provider does not accept this worker's credentials for an operation: take, give_back";
    SHOP_HELD: Gauge "holdfast_shop_held" [],
        "1 while no call is sent because the database was restored, moved or copied";
    QUEUE_DEPTH: Gauge "holdfast_queue_depth" ["queue"],
        "Sagas that a worker could take now";
    QUEUE_OLDEST: Gauge "holdfast_queue_oldest_seconds" ["queue"],
        "For how long the oldest of them has been due, in seconds";
    BATCH_SIZE: Histogram "holdfast_batch_size" [],
        "Sagas claimed by a batch";
    COMMIT_DURATION: Histogram "holdfast_commit_duration_seconds" [],
        "Time from the first lock of a batch to its commit, in seconds";
    JOBS: Counter "holdfast_jobs_total" ["queue", "outcome"],
        "Hints, by outcome";
    LAST_POLL: Gauge "holdfast_worker_last_poll_timestamp_seconds" [],
        "When the database and every queue last answered a worker, by this machine's clock: the oldest of these times";
    LAST_POLL_AGE: Gauge "holdfast_worker_last_poll_age_seconds" [],
        "For how long the database or a queue, whichever is worse, has not answered a worker, whatever its clock says";
    HTTP_REQUESTS: Counter "holdfast_http_requests_total" ["method", "route", "status"],
        "Requests answered, by method, route and status";
    HTTP_REQUEST_DURATION: Histogram "holdfast_http_request_duration_seconds" ["method", "route"],
        "Time from the head of a request to the head of its answer, in seconds";
    HTTP_REQUESTS_SHED: Counter "holdfast_http_requests_shed_total" ["lane"],
        "Requests refused because too many others were waiting, by lane: `reads`, `writes`";
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::METRICS;

    #[test]
    fn names_are_unique_and_follow_the_conventions_of_prometheus() {
        for (at, metric) in METRICS.iter().enumerate() {
            assert!(METRICS[..at].iter().all(|other| other.name != metric.name), "{} twice", metric.name);
            let is_counter = metric.kind == super::Kind::Counter;
            assert_eq!(metric.name.ends_with("_total"), is_counter, "{}", metric.name);
        }
    }

    /// Dashboards and alerts of Grafana name only metrics that are exported.
    #[test]
    fn dashboards_and_alerts_name_metrics_that_exist() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../grafana");
        let mut folders = vec![folder];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry")) {
                if entry.path().is_dir() {
                    folders.push(entry.path());
                    continue;
                }
                let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
                for name in names(&text) {
                    let bare = ["_bucket", "_count", "_sum"].iter().find_map(|end| name.strip_suffix(end));
                    let is_known =
                        METRICS.iter().any(|metric| metric.name == name || Some(metric.name) == bare);
                    assert!(is_known, "{} names {name}, which nobody exports", entry.path().display());
                }
            }
        }
    }

    fn names(text: &str) -> impl Iterator<Item = &str> {
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let tokens = text.split(move |c: char| !is_name(c));
        tokens.filter(|token| token.starts_with("holdfast_"))
    }
}
