//! Messages as their recipients see them.

use holdfast_saga::records::context::NoticeKind;
use holdfast_saga::records::view::NotificationView;
use holdfast_saga::records::{Channel, NotificationStatus};
use holdfast_shared::Time;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// A message about an order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Notification)]
pub struct NotificationBody {
    /// Its id.
    #[schema(example = "1042.1")]
    pub id: String,
    /// The order it is about.
    pub order_id: Uuid,
    /// What it says: `order_confirmed` or `order_cancelled`.
    #[schema(value_type = String, example = "order_confirmed")]
    pub notice: NoticeKind,
    /// By which way it goes.
    #[schema(value_type = String, example = "log")]
    pub channel: Channel,
    /// `PENDING`, `SENT` or `FAILED`.
    #[schema(value_type = String, example = "SENT")]
    pub status: NotificationStatus,
    /// When it was saved.
    pub created_at: Time,
    /// When its recipient marked it as read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_at: Option<Time>,
}

impl From<&NotificationView> for NotificationBody {
    fn from(view: &NotificationView) -> Self {
        let notification = &view.notification;
        Self {
            id: notification.saga.to_string(),
            order_id: view.order_public,
            notice: notification.notice,
            channel: notification.channel,
            status: notification.status,
            created_at: view.created_at,
            read_at: view.read_at,
        }
    }
}
