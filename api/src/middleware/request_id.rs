//! The ids under which logs know a request: its own, which is the caller's if that is fit for a log line, and that of the
//! trace it belongs to.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue};
use holdfast_saga::records::context::Origin;
use holdfast_shared::is_card_number;
use tower_http::request_id::{MakeRequestId, RequestId};
use uuid::Uuid;

use crate::headers::{TRACEPARENT, X_REQUEST_ID};

/// The longest request id that a caller may choose.
const REQUEST_ID_MAX: usize = 128;

/// Makes an id for a request without one.
#[derive(Clone, Copy)]
pub(super) struct NewRequestId;

impl MakeRequestId for NewRequestId {
    fn make_request_id<B>(&mut self, _: &axum::http::Request<B>) -> Option<RequestId> {
        HeaderValue::from_str(&Uuid::now_v7().to_string()).ok().map(RequestId::new)
    }
}

/// What an id is made of; not an e-mail address.
const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':' | b'/' | b'+' | b'=')
}

/// Removes a request id that is not fit for a log line. Runs before [`NewRequestId`].
pub(super) fn remove_unfit_id(mut request: Request) -> Request {
    let is_fit = |id: &HeaderValue| {
        let bytes = id.as_bytes();
        (1..=REQUEST_ID_MAX).contains(&bytes.len())
            && bytes.iter().copied().all(is_plain)
            && !id.to_str().is_ok_and(is_card_number)
    };
    if !request.headers().get(&X_REQUEST_ID).is_some_and(is_fit) {
        request.headers_mut().remove(&X_REQUEST_ID);
    }
    request
}

/// The ids of a request that has passed the layers.
pub(crate) fn origin(headers: &HeaderMap) -> Origin {
    let request_id = headers.get(X_REQUEST_ID).and_then(|id| id.to_str().ok()).map(str::to_owned);
    Origin { request_id, trace_id: trace_id(headers).map(str::to_owned) }
}

/// The trace that `traceparent` names, as W3C Trace Context writes it: `00-<32 hex digits>-<16>-<2>`.
pub(super) fn trace_id(headers: &HeaderMap) -> Option<&str> {
    let mut parts = headers.get(TRACEPARENT)?.to_str().ok()?.split('-');
    let is_hex = |part: &&str, length: usize| {
        part.len() == length && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    parts.next().filter(|version| is_hex(version, 2) && *version != "ff")?;
    let trace = parts.next().filter(|trace| is_hex(trace, 32) && trace.bytes().any(|byte| byte != b'0'))?;
    parts.next().filter(|parent| is_hex(parent, 16))?;
    parts.next().filter(|flags| is_hex(flags, 2))?;
    Some(trace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_taken_from_a_well_formed_header_alone() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        for (header, known) in [
            (format!("00-{trace}-00f067aa0ba902b7-01"), true),
            (format!("cc-{trace}-00f067aa0ba902b7-01-what-a-later-version-adds"), true),
            (format!("ff-{trace}-00f067aa0ba902b7-01"), false),
            (format!("00-{}-00f067aa0ba902b7-01", trace.to_uppercase()), false),
            (format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)), false),
            (format!("00-{trace}-00f067aa0ba902b7"), false),
            (format!("00-{trace}0-00f067aa0ba902b7-01"), false),
            (trace.to_owned(), false),
            (String::new(), false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(TRACEPARENT, header.parse().expect("a header"));
            assert_eq!(trace_id(&headers), known.then_some(trace), "{header}");
        }
        assert_eq!(trace_id(&HeaderMap::new()), None);
    }
}
