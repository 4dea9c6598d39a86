//! Counting and logging requests, by route: paths contain ids.

use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use holdfast_telemetry::HttpMetrics;
use tower_http::request_id::RequestId;
use tracing::Instrument as _;

use super::authenticate::Shed;
use super::request_id::trace_id;

/// The route of a request that matches none.
const NO_ROUTE: &str = "none";

/// Counts one request, and logs it: at `info` if its status is 500 or more and it was not shed, otherwise at `debug`.
pub(super) async fn observe(State(metrics): State<HttpMetrics>, request: Request, next: Next) -> Response {
    let since = Instant::now();
    // Without a list of methods, callers could create a new time series with each invented one.
    let known = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"];
    let method = known.into_iter().find(|known| request.method() == *known).unwrap_or("other");
    let route = request.extensions().get::<MatchedPath>().cloned();
    let id = request.extensions().get::<RequestId>().and_then(|id| id.header_value().to_str().ok());
    let trace_id = trace_id(request.headers());
    // At the level error, so that every log line of a request has these fields.
    let span = tracing::error_span!(
        "request",
        request_id = id.map(display),
        trace_id = trace_id.map(display),
        http.method = method,
        http.route = name_of(route.as_ref())
    );
    let response = next.run(request).instrument(span.clone()).await;
    let route = name_of(route.as_ref());
    let elapsed = since.elapsed();
    metrics.answered(method, route, response.status().as_str(), elapsed);
    let (status, duration_ms) = (response.status(), elapsed.as_secs_f64() * 1e3);
    let http_status = status.as_u16();
    let is_shed = response.extensions().get::<Shed>().is_some();
    if status.is_server_error() && !is_shed {
        tracing::info!(target: "holdfast::http", parent: &span, { http.status = http_status, duration_ms }, "answered");
    } else {
        tracing::debug!(target: "holdfast::http", parent: &span, { http.status = http_status, duration_ms }, "answered");
    }
    response
}

fn name_of(route: Option<&MatchedPath>) -> &str {
    route.map_or(NO_ROUTE, MatchedPath::as_str)
}
