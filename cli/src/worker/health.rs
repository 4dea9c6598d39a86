//! How a worker fares, for whoever restarts workers and whoever draws their metrics.

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::map_response;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use holdfast_api::problem::{self, Problem};
use holdfast_shared::ShopId;
use holdfast_worker::{DependencyHealth, Metrics};
use serde::Serialize;
use tokio::sync::watch;

#[derive(Clone)]
struct Worker {
    shop: ShopId,
    metrics: Metrics,
    dependency_health: DependencyHealth,
    stopping: watch::Receiver<bool>,
}

#[derive(Serialize)]
struct Ready {
    ready: bool,
    shop: ShopId,
}

/// `/healthz`, `/readyz` and `/metrics`.
pub(super) fn routes(
    shop: ShopId,
    metrics: Metrics,
    dependency_health: DependencyHealth,
    stopping: watch::Receiver<bool>,
) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(measured))
        .layer(map_response(async |response: Response| problem::render(response)))
        .with_state(Worker { shop, metrics, dependency_health, stopping })
}

/// Ready is who hears of work: a worker that nobody answers is not, though its process lives.
async fn ready(State(worker): State<Worker>) -> Response {
    let not_yet = |missing: String| {
        Problem::unavailable("not_ready", format!("not ready: {missing}"), 1).into_response()
    };
    if *worker.stopping.borrow() {
        return not_yet("this process is stopping".to_owned());
    }
    let deaf: Vec<String> = worker
        .dependency_health
        .deaf()
        .into_iter()
        .map(|(asked, silence)| format!("{asked} has not answered for {} s", silence.as_secs()))
        .collect();
    if deaf.is_empty() {
        Json(Ready { ready: true, shop: worker.shop }).into_response()
    } else {
        not_yet(deaf.join(", "))
    }
}

async fn measured(State(worker): State<Worker>) -> Response {
    match worker.metrics.text() {
        Ok((kind, text)) => ([(CONTENT_TYPE, kind)], text).into_response(),
        Err(error) => {
            tracing::error!("the metrics cannot be written: {error}");
            Problem::internal().into_response()
        }
    }
}
