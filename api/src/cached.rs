//! Answers that a caller may have already.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, VARY};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::auth::Caller;
use crate::input::Seen;
use crate::problem::Problem;

/// What everybody may see may be kept by everybody, for a moment; after that, a cache asks whether it is still so. A
/// checkout has the price of its own instant anyway.
const PUBLIC: HeaderValue = HeaderValue::from_static("public, max-age=10");
/// What a caller with a token gets is theirs.
const PRIVATE: HeaderValue = HeaderValue::from_static("private, no-cache");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Callers without a token share answers, those with one do not.
const BY_CALLER: (HeaderName, HeaderValue) = (VARY, HeaderValue::from_static("authorization"));

/// Answers with `body`; with 304 and nothing if the caller has it. A body without a `version` of its own is the same as
/// long as its text is.
pub(crate) fn cached<T: Serialize>(
    caller: &Caller,
    seen: &Seen,
    version: Option<&str>,
    body: &T,
) -> Result<Response, Problem> {
    let text = serde_json::to_vec(body).map_err(|error| {
        tracing::error!("an answer cannot be written: {error}");
        Problem::internal()
    })?;
    let tag = match version {
        Some(version) => format!("\"{version}\""),
        None => format!("\"{}\"", URL_SAFE_NO_PAD.encode(&Sha256::digest(&text)[..12])),
    };
    let kept = if *caller == Caller::Guest { PUBLIC } else { PRIVATE };
    let is_seen = seen.has(&tag);
    let headers = ([(CACHE_CONTROL, kept), BY_CALLER], [(ETAG, tag)]);
    Ok(if is_seen {
        (StatusCode::NOT_MODIFIED, headers).into_response()
    } else {
        (headers, [(CONTENT_TYPE, JSON)], text).into_response()
    })
}
