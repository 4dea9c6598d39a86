//! Acts of admins and operators.

use holdfast_saga::records::AdminAction;
use holdfast_saga::records::view::ActionView;
use holdfast_shared::{OrderId, Time, redact};
use serde::{Deserialize, Serialize};

/// What an admin or an operator did.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = Action))]
pub struct ActionBody {
    /// The id; a later act has a higher one.
    #[cfg_attr(feature = "openapi", schema(example = 17))]
    pub id: i64,
    /// When it was done.
    pub at: Time,
    /// Who did it.
    #[cfg_attr(feature = "openapi", schema(example = "otto"))]
    pub actor: String,
    /// What was done.
    #[cfg_attr(feature = "openapi", schema(example = "queue.pause"))]
    pub action: String,
    /// To what.
    #[cfg_attr(feature = "openapi", schema(example = "queue compensation"))]
    pub subject: String,
    /// What came of it, or why it was done.
    #[cfg_attr(feature = "openapi", schema(example = "the bank is down"))]
    pub detail: String,
    /// The number of the order that it was about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<OrderId>,
}

impl From<ActionView> for ActionBody {
    fn from(view: ActionView) -> Self {
        let AdminAction { at, actor, action, subject, detail, order } = view.action;
        Self { id: view.id, at, actor, action, subject, detail: redact(&detail), order }
    }
}
