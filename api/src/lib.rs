//! Holdfast's REST API.
//!
//! A handler parses a request, calls a rule of `holdfast-saga`, and returns a type of `holdfast-contract`. Whatever
//! holds for every request (authentication, limits, the shape of errors) is middleware. Nothing here decides about
//! orders, and nothing here knows SQL.

mod admission;
mod app;
pub mod auth;
mod cached;
mod caller_key;
mod card_numbers;
mod cursor;
mod customer;
mod database_check;
mod docs;
mod extract;
mod headers;
mod input;
mod lanes;
mod log_limit;
mod middleware;
mod order_access;
mod order_token;
mod prefer;
pub mod problem;
mod proxies;
mod routes;
mod scrape;
mod serve;
mod settings;
mod shop_secret;
mod streams;
mod watch;

use axum::Router;
use futures_util::future::BoxFuture;
use tokio::sync::watch as signal;

pub use self::app::{Parts, StartError};
pub use self::database_check::DatabaseCheck;
pub use self::proxies::{ForwardedHeader, TrustedProxies};
pub use self::scrape::metrics_routes;
pub use self::serve::{ConnectionLimits, serve};
pub use self::settings::Settings;

use self::app::App;

/// Starts the API, and returns its routes. Its background tasks run until `stop`.
pub fn open(
    parts: Parts,
    settings: Settings,
    stop: signal::Receiver<bool>,
) -> BoxFuture<'static, Result<Router, StartError>> {
    Box::pin(async move {
        let app = App::start(parts, settings, stop).await?;
        let (routes, document) = routes::all().split_for_parts();
        let routes = routes.with_state(app.clone()).merge(docs::routes(docs::document(document)));
        Ok(middleware::layers(routes, &app))
    })
}

/// The OpenAPI document of all routes, as JSON.
pub fn document() -> String {
    let (_, document) = routes::all().split_for_parts();
    docs::document(document).to_pretty_json().unwrap_or_default()
}

/// The page about errors, `docs/errors.md`: the catalogue of problems.
pub fn errors_page() -> String {
    docs::errors_page()
}
