//! What an admin or an operator did, for the audit trail.

use holdfast_shared::{OrderId, Time};
use serde::{Deserialize, Serialize};

/// What an admin or an operator did, for the audit trail; append-only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminAction {
    /// When it happened.
    pub at: Time,
    /// Who did it, for the audit trail.
    pub actor: String,
    /// The verb, such as `order.confirm`.
    pub action: String,
    /// On what, such as `order 1042`.
    pub subject: String,
    /// The result, as a sentence.
    pub detail: String,
    /// The order it was about, if it was about one.
    pub order: Option<OrderId>,
}

/// What stands between the result and the reason.
const REASON: &str = "; reason: ";

impl AdminAction {
    /// The detail of a verb that was asked for a reason.
    pub fn detail_with(came_of_it: &str, reason: Option<&str>) -> String {
        reason.map_or_else(|| came_of_it.to_owned(), |reason| format!("{came_of_it}{REASON}{reason}"))
    }

    /// The reason that was given for the verb.
    pub fn reason(&self) -> Option<&str> {
        self.detail.split_once(REASON).map(|(_, reason)| reason)
    }
}
