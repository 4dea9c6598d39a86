//! What every request passes before a handler sees it, outermost first: it gets an id, is refused in one shape, is
//! counted, is told who asks, and is kept within bounds.

pub(crate) mod cards;
mod observe;
mod rate;

use std::any::Any;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::{
    ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, IF_MATCH,
    IF_NONE_MATCH, LOCATION, REFERRER_POLICY, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::request_id::{MakeRequestId, PropagateRequestIdLayer, RequestId, SetRequestIdLayer};
use uuid::Uuid;

pub(crate) use self::observe::HttpMetrics;
use self::rate::Rate;
use crate::app::App;
use crate::problem::{self, Problem};

/// No request here needs more; a checkout with 200 characters in each field is 3 KiB.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// Longer than the database may take (E2) and a checkout waits for its key (E11).
const TIME_MAX: Duration = Duration::from_secs(12);
/// What reads everything takes longer: some ten thousand orders a second.
const AUDIT: &str = "/v1/ops/audit";
const AUDIT_TIME_MAX: Duration = Duration::from_mins(5);
/// A caller's own request id is kept up to this length.
const REQUEST_ID_MAX: usize = 128;

pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
pub(crate) const X_ORDER_TOKEN: HeaderName = HeaderName::from_static("x-order-token");
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
pub(crate) const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// Puts the edge around `routes`.
pub(crate) fn around(routes: Router, app: &App) -> Router {
    let settings = &app.settings;
    let rate = settings.requests_per_second.map(|limit| Rate::new(limit, settings.behind_proxy));
    if let Some(rate) = rate.clone() {
        tokio::spawn(rate.forget());
    }
    // Layers listed first meet a request first, and its response last. One made of a function with a `next` boxes and
    // copies all that is behind it, for each request: keep them few.
    let layers = ServiceBuilder::new()
        .map_request(drop_unfit_id)
        .layer(SetRequestIdLayer::new(X_REQUEST_ID, OwnIds))
        .map_response(harden)
        // Reads the id that the next layer writes on the answer.
        .map_response(problem::render)
        .layer(PropagateRequestIdLayer::new(X_REQUEST_ID))
        .layer(from_fn_with_state(app.http.clone(), observe::observe))
        .layer(cors(&settings.cors_origins))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state((app.clone(), rate), admit))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX));
    routes
        .fallback(|| async { StatusCode::NOT_FOUND })
        .method_not_allowed_fallback(|| async { StatusCode::METHOD_NOT_ALLOWED })
        .layer(layers)
}

/// Finds out who asks, once for everybody behind; counts them; and lets them in unless they come too often or show a
/// token that is no good, wherever they show it. Who guesses at tokens is counted as well.
async fn admit(State((app, rate)): State<(App, Option<Rate>)>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let caller = app.verifier.caller(&parts);
    let counted = rate.and_then(|rate| rate.count(&parts, caller.as_ref().ok()));
    let enter = async move {
        match caller {
            Ok(caller) => {
                parts.extensions.insert(caller);
                in_time(Request::from_parts(parts, body), next).await
            }
            Err(problem) => problem.into_response(),
        }
    };
    match counted {
        Some(counted) => counted.answer(enter).await,
        None => enter.await,
    }
}

/// No answer takes for ever. A stream has been answered as soon as it begins.
async fn in_time(request: Request, next: Next) -> Response {
    let time = if request.uri().path() == AUDIT { AUDIT_TIME_MAX } else { TIME_MAX };
    tokio::time::timeout(time, next.run(request)).await.unwrap_or_else(|_| {
        let words = "this took too long; repeat the request, with the same Idempotency-Key if it has one";
        Problem::unavailable("timeout", words, 2).into_response()
    })
}

/// Its words are for the log alone.
#[expect(clippy::needless_pass_by_value, reason = "the layer gives it away")]
fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let words = panic.downcast_ref::<String>().map(String::as_str);
    let words = words.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no words");
    tracing::error!("a request panicked: {words}");
    Problem::internal().into_response()
}

/// Headers that keep a browser from being clever. An answer is for its caller, so nobody keeps it; pages bring their
/// own rules.
fn harden(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    set(X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(X_FRAME_OPTIONS, "DENY");
    set(REFERRER_POLICY, "no-referrer");
    set(CACHE_CONTROL, "no-store");
    set(CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'");
    response
}

/// Browsers of other origins are served only if the shop named them.
fn cors(origins: &[HeaderValue]) -> CorsLayer {
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins.iter().cloned()))
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        .allow_headers([
            ACCEPT,
            AUTHORIZATION,
            CONTENT_TYPE,
            IF_MATCH,
            IF_NONE_MATCH,
            IDEMPOTENCY_KEY,
            X_ORDER_TOKEN,
            X_REQUEST_ID,
            HeaderName::from_static("last-event-id"),
        ])
        .expose_headers([
            ETAG,
            LOCATION,
            RETRY_AFTER,
            IDEMPOTENT_REPLAYED,
            X_REQUEST_ID,
            rate::POLICY,
            rate::LIMIT,
        ])
        .max_age(Duration::from_mins(10))
}

/// A caller's own id is kept if it is fit for a log line; otherwise the request gets one of ours.
#[derive(Clone, Copy)]
struct OwnIds;

impl MakeRequestId for OwnIds {
    fn make_request_id<B>(&mut self, _: &axum::http::Request<B>) -> Option<RequestId> {
        HeaderValue::from_str(&Uuid::now_v7().to_string()).ok().map(RequestId::new)
    }
}

/// Drops a caller's request id that is no fit name. Runs before an id is given.
fn drop_unfit_id(mut request: Request) -> Request {
    let fit = |id: &HeaderValue| {
        let bytes = id.as_bytes();
        (1..=REQUEST_ID_MAX).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
    };
    if !request.headers().get(&X_REQUEST_ID).is_some_and(fit) {
        request.headers_mut().remove(&X_REQUEST_ID);
    }
    request
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::routing::get;
    use tower::ServiceExt;
    use tower::util::MapResponseLayer;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_a_problem_and_tells_nothing() {
        async fn fails() -> &'static str {
            panic!("the secret is hunter2")
        }
        let routes: Router = Router::new()
            .route("/", get(fails).layer(CatchPanicLayer::custom(panicked)))
            .layer(MapResponseLayer::new(problem::render));
        let answer = routes.oneshot(Request::new(Body::empty())).await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(answer.headers()[CONTENT_TYPE], problem::PROBLEM_JSON);
        let body = to_bytes(answer.into_body(), 10_000).await.expect("a body");
        let told = String::from_utf8_lossy(&body);
        assert!(told.contains(r#""code":"internal""#) && !told.contains("hunter2"), "{told}");
    }
}
