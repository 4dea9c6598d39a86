//! Cross-origin requests: only pages of the origins that the shop lists may call the API.

use std::time::Duration;

use axum::http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH, LOCATION, RETRY_AFTER,
};
use axum::http::{HeaderValue, Method};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::headers::{
    IDEMPOTENCY_KEY, IDEMPOTENT_REPLAYED, LAST_EVENT_ID, RATE_LIMIT, RATE_LIMIT_POLICY, X_ORDER_TOKEN,
    X_REQUEST_ID,
};

/// How long a browser may cache the answer to a preflight request.
const PREFLIGHT_MAX_AGE: Duration = Duration::from_mins(10);

/// The layer for pages of `origins`.
pub(super) fn layer(origins: &[HeaderValue]) -> CorsLayer {
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
            LAST_EVENT_ID,
        ])
        .expose_headers([
            ETAG,
            LOCATION,
            RETRY_AFTER,
            IDEMPOTENT_REPLAYED,
            X_REQUEST_ID,
            RATE_LIMIT_POLICY,
            RATE_LIMIT,
        ])
        .max_age(PREFLIGHT_MAX_AGE)
}
