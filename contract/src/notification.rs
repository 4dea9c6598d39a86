//! Notifications, as their recipients see them.

use holdfast_saga::records::NotificationStatus;
use holdfast_saga::records::context::NoticeKind;
use holdfast_saga::records::view::NotificationView;
use holdfast_shared::Time;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A notification about an order.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = Notification))]
pub struct NotificationBody {
    /// The id of the notification.
    #[cfg_attr(feature = "openapi", schema(example = "1042.1"))]
    pub id: String,
    /// The public id of the order.
    pub order_id: Uuid,
    /// The kind of notification: `order_confirmed` or `order_cancelled`.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "order_confirmed"))]
    pub notice: NoticeKind,
    /// The channel it is sent through.
    #[cfg_attr(feature = "openapi", schema(example = "log"))]
    pub channel: String,
    /// `PENDING`, `SENT` or `FAILED`.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "SENT"))]
    pub status: NotificationStatus,
    /// When it was created.
    pub created_at: Time,
    /// When the customer marked it as read.
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
            channel: notification.channel.clone(),
            status: notification.status,
            created_at: view.created_at,
            read_at: view.read_at,
        }
    }
}
