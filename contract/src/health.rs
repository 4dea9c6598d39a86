//! Whether a process can work.

use holdfast_shared::ShopId;
use serde::{Deserialize, Serialize};

/// The process can work. If it cannot, the answer is a problem that says what is missing.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Readiness {
    /// Always true: otherwise the answer is a problem.
    pub ready: bool,
    /// The shop's id at payment providers, in Redis and for recipients.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "9f2c41ab07"))]
    pub shop: ShopId,
}
