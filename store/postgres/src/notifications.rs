//! Messages to customers, and the trail of what admins did.

use holdfast_saga::ports::StoreError;
use holdfast_saga::records::AdminAction;
use holdfast_saga::records::view::{NotificationFilter, NotificationView};
use holdfast_shared::{CustomerId, OrderId, SagaId, Time};
use holdfast_store_rows as rows;
use time::OffsetDateTime;

use crate::pipeline::Params;
use crate::pool::Pool;
use crate::statement::Sql;

pub(crate) async fn notifications(
    pool: &Pool,
    filter: &NotificationFilter,
) -> Result<Vec<NotificationView>, StoreError> {
    let before = filter.before.map_or(i64::MAX, SagaId::key);
    let (unread, limit) = (filter.unread, i64::from(filter.limit));
    let Some(CustomerId(customer)) = &filter.customer else {
        return pool.read(Sql::NotificationsPage, &[&before, &unread, &limit], rows::notification).await;
    };
    let params: &Params<'_> = &[customer, &before, &unread, &limit];
    pool.read(Sql::NotificationsPageOfCustomer, params, rows::notification).await
}

pub(crate) async fn mark_read(
    pool: &Pool,
    now: Time,
    id: SagaId,
    customer: Option<CustomerId>,
) -> Result<Option<NotificationView>, StoreError> {
    let (key, customer) = (id.key(), customer.map(|customer| customer.0));
    pool.execute(Sql::NotificationsMarkRead, &[&key, &customer, &OffsetDateTime::from(now)]).await?;
    Ok(pool.read(Sql::NotificationsRead, &[&key, &customer], rows::notification).await?.pop())
}

pub(crate) async fn admin_actions(pool: &Pool, order: OrderId) -> Result<Vec<AdminAction>, StoreError> {
    pool.read(Sql::AdminActionsOfOrder, &[&order.number()], rows::admin_action).await
}
