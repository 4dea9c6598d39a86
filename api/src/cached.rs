//! Answers that a caller may have already.

use axum::Json;
use axum::http::header::{CACHE_CONTROL, ETAG, VARY};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use holdfast_contract::problem::Code;
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
/// Callers without a token share answers, those with one do not.
const BY_CALLER: (HeaderName, HeaderValue) = (VARY, HeaderValue::from_static("authorization"));

/// Answers with `body`, whose version has this `tag` in quotes; with 304 and nothing if the caller has it.
pub(crate) fn cached<T: Serialize>(caller: &Caller, seen: &Seen, tag: String, body: &T) -> Response {
    let kept = if *caller == Caller::Guest { PUBLIC } else { PRIVATE };
    let is_seen = seen.has(&tag);
    let headers = [(CACHE_CONTROL, kept), BY_CALLER];
    let headers = (headers, [(ETAG, tag)]);
    if is_seen {
        (StatusCode::NOT_MODIFIED, headers).into_response()
    } else {
        (headers, Json(body)).into_response()
    }
}

/// The tag of a body that has no version of its own: it is the same as long as the body is.
pub(crate) fn tag_of<T: Serialize>(body: &T) -> Result<String, Problem> {
    let text = serde_json::to_vec(body).map_err(|error| {
        tracing::error!("an answer cannot be written: {error}");
        Problem::new(Code::Internal, "an internal error; the log has its cause under this request_id")
    })?;
    Ok(format!("\"{}\"", URL_SAFE_NO_PAD.encode(&Sha256::digest(text)[..12])))
}
