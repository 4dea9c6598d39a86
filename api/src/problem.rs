//! Errors as the world outside sees them: RFC 9457 problem documents, and nothing internal in them.
//!
//! A handler answers with a [`Problem`]; the document itself is written once, at the edge, where the
//! request's id is known. Whatever else refuses a request (a limit, a missing route, a panic) is
//! turned into the same shape there.

use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use holdfast_saga::ports::StoreError;
use holdfast_saga::shop::answer::Conflict;
use holdfast_saga::shop::{cart, catalog, checkout, stock_adjustment};
use holdfast_shared::OrderStatus;
use holdfast_worker::AcceptError;
use serde::Serialize;
use utoipa::ToSchema;

use crate::edge::X_REQUEST_ID;

/// When to come again to a shop that takes no new orders: a worker decides some thousand in that time.
const COME_AGAIN_SECS: u64 = 5;
/// The media type of a problem document.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// A request that could not be done: what happened, to which thing, and what to do next.
#[derive(Debug, Clone)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    order_status: Option<OrderStatus>,
    retry_after_secs: Option<u64>,
}

/// The document of a [`Problem`] (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// A name of the kind of problem, the same for ever.
    #[serde(rename = "type")]
    #[schema(example = "urn:holdfast:problem:cart_in_checkout")]
    kind: String,
    /// The HTTP status in words.
    #[schema(example = "Conflict")]
    title: String,
    /// The HTTP status.
    #[schema(example = 409)]
    status: u16,
    /// The last part of `type`, for programs.
    #[schema(example = "cart_in_checkout")]
    code: String,
    /// What happened, to which thing, and what to do next.
    detail: String,
    /// Where the order stands instead, when that is the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    order_status: Option<OrderStatus>,
    /// Names this request in the logs.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
}

impl Problem {
    /// A problem of any kind.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), order_status: None, retry_after_secs: None }
    }

    /// 400: it was not asked for properly.
    pub fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// 404: nothing there, or nothing this caller may see.
    pub fn not_found(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, detail)
    }

    /// 422: understood, and impossible.
    pub fn unprocessable(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    /// 503, with the seconds after which asking again makes sense.
    pub fn unavailable(code: &'static str, detail: impl Into<String>, retry_after_secs: u64) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail).retry_after(retry_after_secs)
    }

    /// 500. What it was stands in the log, under the request's id.
    pub fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "something went wrong on our side; the log has it under this request_id",
        )
    }

    /// The same, to be asked again after `secs`.
    #[must_use]
    pub fn retry_after(self, secs: u64) -> Self {
        Self { retry_after_secs: Some(secs), ..self }
    }

    /// The same, saying where the order stands.
    #[must_use]
    pub fn with_order_status(self, status: Option<OrderStatus>) -> Self {
        Self { order_status: status, ..self }
    }

    /// The HTTP status.
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// What a status means when nobody said more.
    fn of_status(status: StatusCode) -> Self {
        let (code, detail) = match status {
            StatusCode::NOT_FOUND => ("route_not_found", "there is nothing here; /docs lists what there is"),
            StatusCode::METHOD_NOT_ALLOWED => {
                ("method_not_allowed", "this path does not answer to that method; Allow names those it does")
            }
            StatusCode::PAYLOAD_TOO_LARGE => {
                ("body_too_large", "the body is larger than any request here needs")
            }
            StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                ("unsupported_media_type", "send the body as application/json")
            }
            StatusCode::BAD_REQUEST => ("bad_request", "the request could not be understood"),
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
    /// Headers and status; [`render`] writes the document.
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

/// The edge: every refusal leaves as a problem document that names its request, as the answer's header does.
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

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Contention(_) | StoreError::Unavailable(_) | StoreError::CommitUnknown(_) => {
                tracing::warn!("a request waits for the database: {error}");
                Self::unavailable(
                    "database_unavailable",
                    "the database does not answer in time; repeat the request, with the same Idempotency-Key if it has one",
                    2,
                )
            }
            StoreError::Refused(_) => {
                tracing::error!("the database needs a person: {error}");
                Self::unavailable(
                    "database_unavailable",
                    "the database cannot be used now; try again later",
                    10,
                )
            }
            StoreError::Data(_) | StoreError::Mismatch { .. } => {
                tracing::error!("a request could not be saved: {error}");
                Self::internal()
            }
        }
    }
}

impl From<AcceptError> for Problem {
    fn from(error: AcceptError) -> Self {
        match error {
            AcceptError::Store(error) => error.into(),
            AcceptError::Stopping => Self::unavailable("stopping", error.to_string(), 1),
        }
    }
}

impl From<checkout::Refused> for Problem {
    fn from(refused: checkout::Refused) -> Self {
        use checkout::Refused as R;
        let (status, code) = match refused {
            // A product that was withdrawn since the customer looked is a change of the cart, as a new price is.
            R::Cart(cart::Refused::NotForSale(_)) => (StatusCode::CONFLICT, "cart_changed"),
            R::Cart(refused) => return refused.into(),
            R::Closed => return Self::unavailable(refused.code(), refused.to_string(), COME_AGAIN_SECS),
            R::InProgress | R::CartChanged { .. } => (StatusCode::CONFLICT, refused.code()),
            R::KeyReused { .. }
            | R::EmptyCart(_)
            | R::DuplicateLine(_)
            | R::TotalTooLarge(_)
            | R::TokenMissing(_) => (StatusCode::UNPROCESSABLE_ENTITY, refused.code()),
        };
        let problem = Self::new(status, code, refused.to_string());
        if matches!(refused, R::InProgress) { problem.retry_after(1) } else { problem }
    }
}

impl From<cart::Refused> for Problem {
    fn from(refused: cart::Refused) -> Self {
        use cart::Refused as R;
        let status = match refused {
            R::UnknownCart(_) => StatusCode::NOT_FOUND,
            R::CartInCheckout { .. } | R::CartCleared { .. } => StatusCode::CONFLICT,
            R::NotForSale(_) | R::Quantity { .. } | R::TooManyLines { .. } | R::MixedCurrencies { .. } => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
        };
        Self::new(status, refused.code(), refused.to_string())
    }
}

impl From<catalog::Refused> for Problem {
    fn from(refused: catalog::Refused) -> Self {
        use catalog::Refused as R;
        let status = match refused {
            R::Changed { .. } => StatusCode::PRECONDITION_FAILED,
            R::Name(_) | R::Price { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self::new(status, refused.code(), refused.to_string())
    }
}

impl From<stock_adjustment::Refused> for Problem {
    fn from(refused: stock_adjustment::Refused) -> Self {
        use stock_adjustment::Refused as R;
        let (status, code) = match refused {
            R::UnknownSku(_) => (StatusCode::NOT_FOUND, "stock_not_found"),
            R::Nothing(_) => (StatusCode::UNPROCESSABLE_ENTITY, "nothing_to_adjust"),
            R::BelowReserved { .. } => (StatusCode::CONFLICT, "stock_reserved"),
            R::TooMany { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "too_many"),
            R::Changed { .. } => (StatusCode::PRECONDITION_FAILED, "stock_changed"),
        };
        let words = match refused {
            R::UnknownSku(sku) => format!("there is no stock level of {sku}; put the product first"),
            refused => refused.to_string(),
        };
        Self::new(status, code, words)
    }
}

impl From<Conflict> for Problem {
    fn from(conflict: Conflict) -> Self {
        match conflict {
            Conflict::KeyReused(words) => Self::unprocessable("idempotency_key_reused", words),
            Conflict::UnknownOrder(_) => Self::not_found("order_not_found", "there is no such order"),
            Conflict::UnknownSaga(_) => Self::not_found("saga_not_found", conflict.to_string()),
            Conflict::Instead(words) => Self::new(StatusCode::CONFLICT, "order_conflict", words),
        }
    }
}
