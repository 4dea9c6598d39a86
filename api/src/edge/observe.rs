//! Counting requests, by the route they took and not by the path they named: paths hold ids.

use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};
use tower_http::request_id::RequestId;
use tracing::Instrument as _;

/// From a tenth of a millisecond to the time limit of a request.
const BUCKETS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 12.0];
/// The route of a request that took none.
const NOWHERE: &str = "none";

/// `holdfast_http_requests_total` and `holdfast_http_request_duration_seconds`.
#[derive(Debug, Clone)]
pub(crate) struct HttpMetrics {
    requests: IntCounterVec,
    durations: HistogramVec,
}

impl HttpMetrics {
    pub(crate) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let requests = IntCounterVec::new(
            Opts::new("holdfast_http_requests_total", "Requests answered, by method, route and status"),
            &["method", "route", "status"],
        )?;
        let durations = HistogramVec::new(
            HistogramOpts::new(
                "holdfast_http_request_duration_seconds",
                "Time from a request's head to its answer's head, in seconds",
            )
            .buckets(BUCKETS.to_vec()),
            &["method", "route"],
        )?;
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(durations.clone()))?;
        Ok(Self { requests, durations })
    }
}

/// Counts one request, and logs it where somebody asked for that.
pub(crate) async fn observe(State(metrics): State<HttpMetrics>, request: Request, next: Next) -> Response {
    let since = Instant::now();
    // A method nobody knows would be a new time series for each that a caller thinks up.
    let known = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"];
    let method = known.into_iter().find(|known| request.method() == *known).unwrap_or("other");
    let route = request.extensions().get::<MatchedPath>().cloned();
    let id = request.extensions().get::<RequestId>().and_then(|id| id.header_value().to_str().ok());
    // At the level of an error, so that whatever is logged at all says which request it was about.
    let span = tracing::error_span!(
        "request",
        request.id = id.unwrap_or_default(),
        method,
        route = named(route.as_ref())
    );
    let response = next.run(request).instrument(span).await;
    let route = named(route.as_ref());
    let elapsed = since.elapsed();
    metrics.requests.with_label_values(&[method, route, response.status().as_str()]).inc();
    metrics.durations.with_label_values(&[method, route]).observe(elapsed.as_secs_f64());
    tracing::debug!(method, route, status = response.status().as_u16(), ?elapsed, "answered");
    response
}

fn named(route: Option<&MatchedPath>) -> &str {
    route.map_or(NOWHERE, MatchedPath::as_str)
}
