//! A message to a customer.

use holdfast_shared::SagaId;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr};

use crate::records::context::NoticeKind;

/// Our own row for a message. It is saved before it is sent, and its status says what happened. The recipient is not part
/// of it: a channel reads the order's contact when it sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// The saga that sends it; also its key.
    pub saga: SagaId,
    /// About what.
    pub notice: NoticeKind,
    /// The name of the channel that sends it.
    pub channel: String,
    /// Where it stands.
    pub status: NotificationStatus,
}

/// Where a message stands.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Display, EnumString, IntoStaticStr,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum NotificationStatus {
    /// Saved, not sent yet.
    Pending,
    /// Out.
    Sent,
    /// Could not be sent; its saga is dead and can be retried.
    Failed,
}
