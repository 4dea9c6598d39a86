//! Requests to the REST API: how many, and how long they took.

use std::time::Duration;

use prometheus::{HistogramOpts, HistogramVec, IntCounterVec};

use crate::list;
use crate::metrics::Metrics;

/// From half a millisecond to the time limit of a request.
const BUCKETS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 12.0];

/// `holdfast_http_requests_total`, `holdfast_http_request_duration_seconds` and `holdfast_http_requests_shed_total`.
#[derive(Debug, Clone)]
pub struct HttpMetrics {
    requests: IntCounterVec,
    durations: HistogramVec,
    shed: IntCounterVec,
}

impl HttpMetrics {
    /// Registers them beside the process's other metrics. Fails if another API in this process did already.
    pub fn register(metrics: &Metrics) -> Result<Self, prometheus::Error> {
        let (requests, durations, shed) =
            (list::HTTP_REQUESTS, list::HTTP_REQUEST_DURATION, list::HTTP_REQUESTS_SHED);
        let opts = HistogramOpts::from(durations.opts()).buckets(BUCKETS.to_vec());
        let registered = Self {
            requests: IntCounterVec::new(requests.opts(), requests.labels)?,
            durations: HistogramVec::new(opts, durations.labels)?,
            shed: IntCounterVec::new(shed.opts(), shed.labels)?,
        };
        metrics.registry().register(Box::new(registered.requests.clone()))?;
        metrics.registry().register(Box::new(registered.durations.clone()))?;
        metrics.registry().register(Box::new(registered.shed.clone()))?;
        Ok(registered)
    }

    /// A request was refused because too many others waited in its lane.
    pub fn shed(&self, lane: &str) {
        self.shed.with_label_values(&[lane]).inc();
    }

    /// A request to `route` was answered.
    pub fn answered(&self, method: &str, route: &str, status: &str, elapsed: Duration) {
        self.requests.with_label_values(&[method, route, status]).inc();
        self.durations.with_label_values(&[method, route]).observe(elapsed.as_secs_f64());
    }
}
