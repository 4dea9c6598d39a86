//! Errors on the wire: problem documents (RFC 9457), and the catalogue of their codes.

mod catalogue;

use holdfast_shared::OrderStatus;
use serde::{Deserialize, Serialize};

pub use self::catalogue::Code;

/// The media type of a problem document.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// A problem document (RFC 9457).
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = Problem))]
pub struct ProblemBody {
    /// The kind of problem; it never changes.
    #[serde(rename = "type")]
    #[cfg_attr(feature = "openapi", schema(example = "urn:holdfast:problem:cart_in_checkout"))]
    pub kind: String,
    /// The name of the HTTP status.
    #[cfg_attr(feature = "openapi", schema(example = "Conflict"))]
    pub title: String,
    /// The code of the HTTP status.
    #[cfg_attr(feature = "openapi", schema(example = 409))]
    pub status: u16,
    /// The last part of `type`, for programs.
    #[cfg_attr(feature = "openapi", schema(example = "cart_in_checkout"))]
    pub code: String,
    /// What happened, to which thing, and what to do next.
    #[cfg_attr(feature = "openapi", schema(example = "the cart is in checkout as order 1042"))]
    pub detail: String,
    /// All faults of the request, if it is the request that is wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FaultBody>,
    /// The current status of the order, if the problem depends on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_status: Option<OrderStatus>,
    /// The id of this request in the logs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// A fault of a request, and where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = Fault))]
pub struct FaultBody {
    /// Where in the body, as a JSON pointer (RFC 6901); empty for the body as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(example = "/shipping_address/country"))]
    pub pointer: Option<String>,
    /// The parameter of the query or the path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// The header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// The kind of fault, from the catalogue.
    #[cfg_attr(feature = "openapi", schema(example = "invalid"))]
    pub code: String,
    /// What is expected instead.
    #[cfg_attr(feature = "openapi", schema(example = "expected a country code of two letters, such as US"))]
    pub detail: String,
}

/// A code of the catalogue of problems.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = ProblemCode))]
pub struct ProblemCodeBody {
    /// The code.
    #[cfg_attr(feature = "openapi", schema(example = "cart_empty"))]
    pub code: String,
    /// The HTTP status of a problem with this code; of a fault, the status of a problem that has no other fault.
    #[cfg_attr(feature = "openapi", schema(example = 422))]
    pub status: u16,
    /// What it means.
    #[cfg_attr(feature = "openapi", schema(example = "The cart has no items."))]
    pub meaning: String,
    /// What to do about it.
    #[cfg_attr(feature = "openapi", schema(example = "Add an item before the checkout."))]
    pub action: String,
}

impl From<Code> for ProblemCodeBody {
    fn from(code: Code) -> Self {
        Self {
            code: code.as_str().to_owned(),
            status: code.status(),
            meaning: code.meaning().to_owned(),
            action: code.action().to_owned(),
        }
    }
}
