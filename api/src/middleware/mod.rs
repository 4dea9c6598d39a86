//! What every request passes before a handler: it gets an id, its errors become problem documents, it is counted and
//! logged, its caller is authenticated, and it is bounded in rate, size and time.

mod authenticate;
mod cors;
mod observe;
mod rate_limit;
pub(crate) mod request_id;
mod security_headers;

use std::any::Any;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::request_id::{PropagateRequestIdLayer, SetRequestIdLayer};

use self::rate_limit::RateLimit;
use crate::app::App;
use crate::headers::X_REQUEST_ID;
use crate::problem::{self, Problem};

/// No request needs more: a checkout with 200 characters in each field is 3 KiB.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// Wraps `routes` in all layers.
pub(crate) fn layers(routes: Router, app: &App) -> Router {
    let settings = &app.settings;
    let rate = settings.requests_per_second.map(RateLimit::new);
    if let Some(rate) = rate.clone() {
        tokio::spawn(rate.forget_idle());
    }
    // A request passes the layers from top to bottom, its response from bottom to top. A layer made of a function with
    // `next` boxes and copies everything behind it for each request, so there are few of them.
    let layers = ServiceBuilder::new()
        .map_request(request_id::remove_unfit_id)
        .layer(SetRequestIdLayer::new(X_REQUEST_ID, request_id::NewRequestId))
        .map_response(security_headers::add)
        // Reads the id that the next layer writes on the response.
        .map_response(problem::render)
        .layer(PropagateRequestIdLayer::new(X_REQUEST_ID))
        .layer(from_fn_with_state(app.http.clone(), observe::observe))
        .layer(cors::layer(&settings.cors_origins))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state((app.clone(), rate), authenticate::authenticate))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX));
    routes
        .fallback(|| async { StatusCode::NOT_FOUND })
        .method_not_allowed_fallback(|| async { StatusCode::METHOD_NOT_ALLOWED })
        .layer(layers)
}

/// Only the log gets the message of a panic.
#[expect(clippy::needless_pass_by_value, reason = "the layer passes it by value")]
fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let message = panic.downcast_ref::<String>().map(String::as_str);
    let message = message.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
    tracing::error!("a request panicked: {message}");
    Problem::internal().into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::extract::Request;
    use axum::http::header::CONTENT_TYPE;
    use axum::routing::get;
    use tower::ServiceExt;
    use tower::util::MapResponseLayer;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_a_problem_that_discloses_nothing() {
        async fn fails() -> &'static str {
            panic!("the secret is hunter2")
        }
        let routes: Router = Router::new()
            .route("/", get(fails).layer(CatchPanicLayer::custom(panicked)))
            .layer(MapResponseLayer::new(problem::render));
        let response = routes.oneshot(Request::new(Body::empty())).await.expect("a response");
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(response.headers()[CONTENT_TYPE], holdfast_contract::problem::PROBLEM_JSON);
        let body = to_bytes(response.into_body(), 10_000).await.expect("a body");
        let text = String::from_utf8_lossy(&body);
        assert!(text.contains(r#""code":"internal""#) && !text.contains("hunter2"), "{text}");
    }
}
