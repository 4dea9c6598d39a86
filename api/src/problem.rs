//! Errors as callers see them: problem documents (RFC 9457), with nothing internal in them.
//!
//! A handler returns a [`Problem`]. The middleware writes the document, because it knows the id of the request. It
//! also turns every other refusal (a limit, a missing route, a panic) into the same shape.

mod mapping;

use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use holdfast_contract::problem::{PROBLEM_JSON, ProblemBody};
use holdfast_shared::OrderStatus;

use crate::headers::X_REQUEST_ID;

/// Why a request failed: what happened, to which thing, and what to do next.
#[derive(Debug, Clone)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    order_status: Option<OrderStatus>,
    retry_after_secs: Option<u64>,
}

impl Problem {
    /// A problem with any status.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), order_status: None, retry_after_secs: None }
    }

    /// 400: the request is malformed.
    pub fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// 404: it does not exist, or this caller may not see it.
    pub fn not_found(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, detail)
    }

    /// 422: the request is well-formed and impossible.
    pub fn unprocessable(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    /// 503, with the seconds after which a retry makes sense.
    pub fn unavailable(code: &'static str, detail: impl Into<String>, retry_after_secs: u64) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail).retry_after(retry_after_secs)
    }

    /// 500. The log has the cause, under the request's id.
    pub fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "an internal error; the log has its cause under this request_id",
        )
    }

    /// The same problem, to be retried after `secs` seconds.
    #[must_use]
    pub fn retry_after(self, secs: u64) -> Self {
        Self { retry_after_secs: Some(secs), ..self }
    }

    /// The same problem, with the current status of the order.
    #[must_use]
    pub fn with_order_status(self, status: Option<OrderStatus>) -> Self {
        Self { order_status: status, ..self }
    }

    /// The HTTP status of the response.
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// The problem of a response that has a status and nothing else.
    fn of_status(status: StatusCode) -> Self {
        let (code, detail) = match status {
            StatusCode::NOT_FOUND => {
                ("route_not_found", "this path does not exist; /docs lists those that do")
            }
            StatusCode::METHOD_NOT_ALLOWED => (
                "method_not_allowed",
                "this path does not support the method; the header Allow lists those it does",
            ),
            StatusCode::PAYLOAD_TOO_LARGE => {
                ("body_too_large", "the body is larger than any request here needs")
            }
            StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                ("unsupported_media_type", "send the body as application/json")
            }
            StatusCode::BAD_REQUEST => ("bad_request", "the request is malformed"),
            status if status.is_server_error() => return Self { status, ..Self::internal() },
            _ => ("refused", "the request was refused"),
        };
        Self::new(status, code, detail)
    }

    fn document(&self, request_id: Option<String>) -> Response {
        let body = ProblemBody {
            kind: format!("urn:holdfast:problem:{}", self.code),
            title: self.status.canonical_reason().unwrap_or("Error").to_owned(),
            status: self.status.as_u16(),
            code: self.code.to_owned(),
            detail: self.detail.clone(),
            order_status: self.order_status,
            request_id,
        };
        let json = serde_json::to_vec(&body).unwrap_or_default();
        (self.status, [(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON))], json).into_response()
    }
}

impl IntoResponse for Problem {
    /// The status and the headers; [`render`] writes the document.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        if let Some(secs) = self.retry_after_secs {
            response.headers_mut().insert(RETRY_AFTER, secs.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// Turns every error response into a problem document with the id of the request.
pub fn render(response: Response) -> Response {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let (mut parts, _) = response.into_parts();
    let id = parts.headers.get(X_REQUEST_ID).and_then(|id| id.to_str().ok()).map(str::to_owned);
    let problem = parts.extensions.remove::<Problem>().unwrap_or_else(|| Problem::of_status(status));
    let mut document = problem.document(id);
    parts.headers.remove(CONTENT_TYPE);
    parts.headers.remove(CONTENT_LENGTH);
    document.headers_mut().extend(parts.headers);
    document
}
