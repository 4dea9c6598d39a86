//! Errors on the wire: problem documents (RFC 9457).

use holdfast_shared::OrderStatus;
use serde::{Deserialize, Serialize};

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
    pub detail: String,
    /// The current status of the order, if the problem depends on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_status: Option<OrderStatus>,
    /// The id of this request in the logs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}
