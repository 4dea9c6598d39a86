//! The id of every request: the caller's own if it is fit for a log line, otherwise a new one.

use axum::extract::Request;
use axum::http::HeaderValue;
use tower_http::request_id::{MakeRequestId, RequestId};
use uuid::Uuid;

use crate::headers::X_REQUEST_ID;

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

/// Removes a request id that is not fit for a log line. Runs before [`NewRequestId`].
pub(super) fn remove_unfit_id(mut request: Request) -> Request {
    let is_fit = |id: &HeaderValue| {
        let bytes = id.as_bytes();
        (1..=REQUEST_ID_MAX).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
    };
    if !request.headers().get(&X_REQUEST_ID).is_some_and(is_fit) {
        request.headers_mut().remove(&X_REQUEST_ID);
    }
    request
}
