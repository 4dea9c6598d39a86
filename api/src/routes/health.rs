//! Whether the process lives, whether it can work, and what it counts.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use holdfast_saga::ports::StoreError;
use holdfast_shared::ShopId;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::problem::Problem;

/// A database that takes longer cannot be worked with, and whoever asks does not wait much longer either.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// The front door can work. If it cannot, the answer is a problem that says what is missing.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Readiness {
    /// Always true.
    ready: bool,
    /// Which shop this is to payment providers, Redis and recipients.
    #[schema(value_type = String, example = "9f2c41ab07")]
    shop: ShopId,
}

/// Is the process alive?
#[utoipa::path(get, operation_id = "is_alive", path = "/healthz", tag = "health", responses((status = OK, body = String, content_type = "text/plain")), security(()))]
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// Can it work? What is missing?
#[utoipa::path(get, operation_id = "is_ready", path = "/readyz", tag = "health", responses((status = OK, body = Readiness)), security(()))]
pub(super) async fn ready(State(app): State<App>) -> Result<Json<Readiness>, Problem> {
    let not_yet = |missing: &str| Problem::unavailable("not_ready", format!("not ready: {missing}"), 1);
    if app.watch.is_stopping() {
        return Err(not_yet("this process is stopping"));
    }
    if !app.checkout_intake.is_running() {
        return Err(not_yet("nobody takes checkouts in: restart this process"));
    }
    let asked = async {
        app.store.pending(1).await?;
        Ok(app.store.keys().await?.shop())
    };
    let silent = |_| StoreError::Unavailable(format!("no answer within {} s", ANSWER_WITHIN.as_secs()));
    match tokio::time::timeout(ANSWER_WITHIN, asked).await.unwrap_or_else(|late| Err(silent(late))) {
        Ok(shop) => Ok(Json(Readiness { ready: true, shop })),
        Err(error) => {
            tracing::warn!("not ready: {error}");
            Err(not_yet("the database does not answer"))
        }
    }
}

/// Metrics, in Prometheus' text format
#[utoipa::path(get, operation_id = "metrics", path = "/metrics", tag = "health", responses((status = OK, body = String, content_type = "text/plain")), security(()))]
pub(super) async fn metrics(State(app): State<App>) -> Result<Response, Problem> {
    let (kind, text) = app.metrics.text().map_err(|error| {
        tracing::error!("the metrics cannot be written: {error}");
        Problem::internal()
    })?;
    Ok(([(CONTENT_TYPE, kind)], text).into_response())
}
