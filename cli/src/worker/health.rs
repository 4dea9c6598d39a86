//! The health and the metrics of a worker.

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::middleware::map_response;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use holdfast_api::problem::{self, Problem};
use holdfast_api::{DatabaseCheck, metrics_routes};
use holdfast_contract::health::Readiness;
use holdfast_contract::problem::Code;
use holdfast_telemetry::Metrics;
use holdfast_worker::{DependencyHealth, ShopHold};
use tokio::sync::watch;

/// What a worker says of itself.
#[derive(Clone)]
pub(super) struct Worker {
    pub(super) database_check: DatabaseCheck,
    pub(super) metrics: Metrics,
    pub(super) dependency_health: DependencyHealth,
    pub(super) shop_hold: ShopHold,
    pub(super) stopping: watch::Receiver<bool>,
}

/// `/healthz`, `/readyz` and `/metrics`.
pub(super) fn routes(worker: Worker) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(worker.clone())
        .merge(metrics_routes(worker.metrics))
        .layer(map_response(async |response: Response| problem::render(response)))
}

/// A worker is ready while the database takes what it writes, its queues answer, and its calls are not held.
async fn ready(State(worker): State<Worker>) -> Response {
    let not_ready = |missing: String| {
        Problem::new(Code::NotReady, format!("not ready: {missing}")).retry_after(1).into_response()
    };
    if *worker.stopping.borrow() {
        return not_ready("this process is stopping".to_owned());
    }
    if let Some(why) = worker.shop_hold.why() {
        return not_ready(why);
    }
    let down: Vec<String> = worker.dependency_health.down().iter().map(ToString::to_string).collect();
    if !down.is_empty() {
        return not_ready(down.join(", "));
    }
    match worker.database_check.run().await {
        Ok(shop) => Json(Readiness { ready: true, shop }).into_response(),
        Err(why) => not_ready(why),
    }
}
