//! Acts of admins and operators as they are listed.

use holdfast_shared::{OrderId, Time};

use crate::records::AdminAction;

/// Which acts to list, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActionFilter {
    /// About this order.
    pub order: Option<OrderId>,
    /// By this person.
    pub actor: Option<String>,
    /// Such as `order.confirm`.
    pub action: Option<String>,
    /// At this instant or later.
    pub since: Option<Time>,
    /// Older than the one with this id: the cursor.
    pub before: Option<i64>,
    /// At most.
    pub limit: u32,
}

/// An act, and where it stands in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionView {
    /// Its id; a later act has a higher one.
    pub id: i64,
    /// What was done.
    pub action: AdminAction,
}
