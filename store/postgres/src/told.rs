//! What was said to customers, and what people did by hand.

use holdfast_saga::ports::StoreError;
use holdfast_saga::records::AdminAction;
use holdfast_saga::records::view::{NotificationFilter, NotificationView};
use holdfast_shared::{OrderId, SagaId, Time};
use sqlx::PgPool;
use time::OffsetDateTime;

use crate::decode::NotificationRow;
use crate::error::store_error;

/// A cursor before which everything lies.
const NEWEST: i64 = i64::MAX;

pub(crate) async fn notifications(
    pool: &PgPool,
    filter: &NotificationFilter,
) -> Result<Vec<NotificationView>, StoreError> {
    let (before, limit) = (filter.before.map_or(NEWEST, SagaId::key), i64::from(filter.limit));
    let rows = if let Some(customer) = &filter.customer {
        let page = sqlx::query_file_as!(
            NotificationRow,
            "queries/notifications_of_customer.sql",
            customer,
            before,
            filter.unread,
            limit
        );
        page.fetch_all(pool).await
    } else {
        let page = sqlx::query_file_as!(
            NotificationRow,
            "queries/notifications_page.sql",
            before,
            filter.unread,
            limit
        );
        page.fetch_all(pool).await
    };
    rows.map_err(store_error)?.into_iter().map(NotificationRow::decode).collect()
}

pub(crate) async fn mark_read(
    pool: &PgPool,
    now: Time,
    id: SagaId,
    customer: Option<&str>,
) -> Result<Option<NotificationView>, StoreError> {
    sqlx::query_file!("queries/notifications_read.sql", id.key(), customer, OffsetDateTime::from(now))
        .execute(pool)
        .await
        .map_err(store_error)?;
    let row = sqlx::query_file_as!(NotificationRow, "queries/notifications_one.sql", id.key(), customer)
        .fetch_optional(pool)
        .await
        .map_err(store_error)?;
    row.map(NotificationRow::decode).transpose()
}

pub(crate) async fn admin_actions(pool: &PgPool, order: OrderId) -> Result<Vec<AdminAction>, StoreError> {
    let rows = sqlx::query_file!("queries/admin_actions_of_order.sql", order.number())
        .fetch_all(pool)
        .await
        .map_err(store_error)?;
    let actions = rows.into_iter().map(|row| AdminAction {
        at: row.at.into(),
        actor: row.actor,
        action: row.action,
        subject: row.subject,
        detail: row.detail,
        order: row.order_id.map(OrderId::new),
    });
    Ok(actions.collect())
}
