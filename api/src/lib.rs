//! Holdfast's front door: the REST API.
//!
//! Handlers take a request apart, call a rule of `holdfast-saga`, and answer; what holds for every
//! request (who asks, limits, the shape of errors) stands at the `edge`. Nothing here decides about
//! orders, and nothing here knows SQL.

mod admission;
mod app;
pub mod auth;
pub mod body;
mod docs;
mod edge;
mod extract;
mod order_token;
pub mod problem;
mod routes;
mod serve;
mod watch;

use axum::Router;
use tokio::sync::watch as signal;

pub use app::{Parts, Settings, StartError};
pub use serve::serve;

use app::App;

/// The front door, ready to be served. What runs beside it in the background ends when `stop` says so.
pub async fn open(
    parts: Parts,
    settings: Settings,
    stop: signal::Receiver<bool>,
) -> Result<Router, StartError> {
    let app = App::start(parts, settings, stop).await?;
    let (routes, document) = routes::all().split_for_parts();
    let routes = routes.with_state(app.clone()).merge(docs::routes(docs::document(document)));
    Ok(edge::around(routes, &app))
}

/// The OpenAPI document of all routes, as JSON.
pub fn document() -> String {
    let (_, document) = routes::all().split_for_parts();
    docs::document(document).to_pretty_json().unwrap_or_default()
}
