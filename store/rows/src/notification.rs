//! Messages to customers, and the trail of what admins did.

use holdfast_saga::ports::StoreError;
use holdfast_saga::records::view::{ActionView, NotificationView};
use holdfast_saga::records::{AdminAction, Notification};
use holdfast_shared::{CustomerId, SagaId};

use crate::columns::{Columns, Reason, Row, unreadable};

/// A row of `notifications`, with the customer of its order and when that was accepted.
pub fn notification<R: Row>(row: &R) -> Result<NotificationView, StoreError> {
    let mut columns = Columns::of(row);
    let key = columns.integer("saga_id").map_err(|reason| unreadable("a notification", reason))?;
    let saga = SagaId::from_key(key);
    let order = saga
        .order()
        .ok_or_else(|| unreadable(format_args!("the notification of saga {saga}"), "it serves no order"))?;
    let mut read = || -> Result<NotificationView, Reason> {
        let notification = Notification {
            saga,
            notice: columns.parsed("notice")?,
            channel: columns.text("channel")?,
            status: columns.parsed("status")?,
        };
        Ok(NotificationView {
            notification,
            created_at: columns.time("created_at")?,
            read_at: columns.optional_time("read_at")?,
            customer: columns.optional_uuid("customer")?.map(CustomerId),
            order_public: order.public(columns.time("accepted_at")?),
        })
    };
    read().map_err(|reason| unreadable(format_args!("the notification of saga {saga}"), reason))
}

/// A row of `admin_actions`.
pub fn admin_action<R: Row>(row: &R) -> Result<AdminAction, StoreError> {
    act(&mut Columns::of(row)).map_err(|reason| unreadable("an admin action", reason))
}

/// The same behind its id.
pub fn action<R: Row>(row: &R) -> Result<ActionView, StoreError> {
    let mut columns = Columns::of(row);
    let mut read = || -> Result<ActionView, Reason> {
        Ok(ActionView { id: columns.integer("id")?, action: act(&mut columns)? })
    };
    read().map_err(|reason| unreadable("an admin action", reason))
}

fn act<R: Row>(columns: &mut Columns<'_, R>) -> Result<AdminAction, Reason> {
    Ok(AdminAction {
        at: columns.time("at")?,
        actor: columns.text("actor")?,
        action: columns.text("action")?,
        subject: columns.text("subject")?,
        detail: columns.text("detail")?,
        order: columns.optional_order("order_id")?,
    })
}
