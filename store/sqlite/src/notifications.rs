//! Messages to customers, and the trail of what admins did.

use holdfast_saga::ports::StoreError;
use holdfast_saga::records::AdminAction;
use holdfast_saga::records::view::{NotificationFilter, NotificationView};
use holdfast_shared::{CustomerId, OrderId, SagaId, Time};
use holdfast_store_rows as rows;
use sqlx::SqliteConnection;

use crate::connections::Connections;
use crate::error::{commit_error, store_error};
use crate::params::NEWEST;
use crate::statement::{read, shared_sql, sql};

pub(crate) async fn notifications(
    connection: &mut SqliteConnection,
    filter: &NotificationFilter,
) -> Result<Vec<NotificationView>, StoreError> {
    let statement = match filter.customer {
        Some(customer) => sqlx::query(sql!("notifications_page_of_customer")).bind(customer.0.to_string()),
        None => sqlx::query(shared_sql!("notifications_page")),
    };
    let before = filter.before.map_or(NEWEST, SagaId::key);
    let statement = statement.bind(before).bind(filter.unread).bind(filter.limit);
    read(connection, statement, rows::notification).await
}

pub(crate) async fn mark_read(
    connections: &Connections,
    now: Time,
    id: SagaId,
    customer: Option<CustomerId>,
) -> Result<Option<NotificationView>, StoreError> {
    let customer = customer.map(|customer| customer.0.to_string());
    let mut tx = connections.write().await?;
    let mark = sqlx::query(shared_sql!("notifications_mark_read")).bind(id.key()).bind(customer.clone());
    mark.bind(now.as_micros()).execute(&mut *tx).await.map_err(store_error)?;
    let statement = sqlx::query(shared_sql!("notifications_read")).bind(id.key()).bind(customer);
    let found = read(&mut tx, statement, rows::notification).await?.pop();
    tx.commit().await.map_err(commit_error)?;
    Ok(found)
}

pub(crate) async fn admin_actions(
    connection: &mut SqliteConnection,
    order: OrderId,
) -> Result<Vec<AdminAction>, StoreError> {
    let statement = sqlx::query(shared_sql!("admin_actions_of_order")).bind(order.number());
    read(connection, statement, rows::admin_action).await
}
