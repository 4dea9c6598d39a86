//! Errors as callers see them: problem documents (RFC 9457), with nothing internal in them.
//!
//! A handler returns a [`Problem`]. The middleware writes the document, because it knows the id of the request. It
//! also turns every other refusal (a limit, a missing route, a panic) into the same shape.

mod mapping;

use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use holdfast_contract::input::{At, Fault, Faults, Place};
use holdfast_contract::problem::{Code, PROBLEM_JSON, ProblemBody};
use holdfast_shared::OrderStatus;

use crate::headers::X_REQUEST_ID;

/// Why a request failed: what happened, to which thing, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    code: Code,
    detail: String,
    errors: Vec<Fault>,
    order_status: Option<OrderStatus>,
    retry_after_secs: Option<u64>,
}

impl Problem {
    /// A problem of the catalogue.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), errors: Vec::new(), order_status: None, retry_after_secs: None }
    }

    /// What is wrong with a request, all at once.
    ///
    /// Faults of one kind that is known by its own code have that code; otherwise it says which part of the request is
    /// wrong, and `errors` has the rest.
    pub(crate) fn of_faults(faults: &Faults) -> Self {
        let errors = faults.as_slice().to_vec();
        let Some(first) = errors.first() else { return Self::internal() };
        let is_of = |place: fn(&Place) -> bool| errors.iter().all(|fault| place(&fault.place));
        let code = if is_known_by_itself(first.code) && errors.iter().all(|fault| fault.code == first.code) {
            first.code
        } else if is_of(|place| matches!(place, Place::Pointer(_))) {
            Code::InvalidBody
        } else if is_of(|place| matches!(place, Place::Parameter(_))) {
            Code::InvalidQuery
        } else if is_of(|place| matches!(place, Place::Header(_))) {
            Code::InvalidHeader
        } else {
            Code::InvalidRequest
        };
        let said = format!("{}: {}", first.place.name(), first.detail);
        let detail = match errors.len() {
            1 => said,
            count => format!("the request has {count} faults; the first: {said}"),
        };
        Self { errors, ..Self::new(code, detail) }
    }

    /// One thing is wrong with a request, at `at`.
    pub(crate) fn of_fault(at: &At<'_>, code: Code, detail: impl Into<String>) -> Self {
        let mut faults = Faults::default();
        faults.note(at, code, detail);
        Self::of_faults(&faults)
    }

    /// 500. The log has the cause, under the request's id.
    pub fn internal() -> Self {
        Self::new(Code::Internal, "an internal error; the log has its cause under this request_id")
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

    /// The same problem, if it is about the request: its cause is in the body at `pointer`.
    #[must_use]
    pub fn at(self, pointer: &str) -> Self {
        self.caused_by(Place::Pointer(pointer.to_owned()))
    }

    /// The same problem, if it is about the request: its cause is in the header `name`.
    #[must_use]
    pub fn at_header(self, name: &'static str) -> Self {
        self.caused_by(Place::Header(name))
    }

    /// The same problem, if it is about the request: its cause is the parameter `name`.
    #[must_use]
    pub fn at_parameter(self, name: &str) -> Self {
        self.caused_by(Place::Parameter(name.to_owned()))
    }

    fn caused_by(mut self, place: Place) -> Self {
        self.errors = vec![Fault { place, code: self.code, detail: self.detail.clone() }];
        self
    }

    /// The HTTP status of the response.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The problem of a response that has a status and nothing else.
    fn of_status(status: StatusCode) -> Self {
        let code = match status {
            StatusCode::NOT_FOUND => Code::RouteNotFound,
            StatusCode::METHOD_NOT_ALLOWED => Code::MethodNotAllowed,
            StatusCode::PAYLOAD_TOO_LARGE => Code::BodyTooLarge,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Code::UnsupportedMediaType,
            StatusCode::BAD_REQUEST => Code::BadRequest,
            status if status.is_server_error() => return Self::internal(),
            _ => Code::Refused,
        };
        Self::new(code, code.example())
    }

    fn document(&self, request_id: Option<String>) -> Response {
        let body = ProblemBody {
            kind: format!("urn:holdfast:problem:{}", self.code.as_str()),
            title: self.status().canonical_reason().unwrap_or("Error").to_owned(),
            status: self.code.status(),
            code: self.code.as_str().to_owned(),
            detail: self.detail.clone(),
            errors: self.errors.iter().map(Fault::body).collect(),
            order_status: self.order_status,
            request_id,
        };
        let json = serde_json::to_vec(&body).unwrap_or_default();
        (self.status(), [(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON))], json).into_response()
    }
}

/// Whether callers know such a fault as a problem of its own.
const fn is_known_by_itself(code: Code) -> bool {
    matches!(
        code,
        Code::MalformedJson
            | Code::InvalidCursor
            | Code::InvalidPrecondition
            | Code::IdempotencyKeyMissing
            | Code::IdempotencyKeyMalformed
            | Code::CardNumberRefused
            | Code::InvalidQuantity
            | Code::InvalidAmount
    )
}

impl IntoResponse for Problem {
    /// The status and the headers; [`render`] writes the document.
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        if let Some(secs) = self.retry_after_secs {
            response.headers_mut().insert(RETRY_AFTER, secs.into());
        }
        if self.status() == StatusCode::UNAUTHORIZED {
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
