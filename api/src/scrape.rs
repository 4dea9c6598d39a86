//! The metrics of a process, for Prometheus. They say how a shop is doing, so buyers do not get to see them: whoever
//! serves them chooses where.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use holdfast_telemetry::Metrics;

/// `GET /metrics`, in the text format of Prometheus.
pub fn metrics_routes(metrics: Metrics) -> Router {
    Router::new().route("/metrics", get(scrape)).with_state(metrics)
}

async fn scrape(State(metrics): State<Metrics>) -> Response {
    match metrics.text() {
        Ok((kind, text)) => ([(CONTENT_TYPE, kind)], text).into_response(),
        Err(error) => {
            tracing::error!("the metrics cannot be written: {error}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
