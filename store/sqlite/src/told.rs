//! What was said to customers, and what people did by hand.

use holdfast_saga::ports::StoreError;
use holdfast_saga::records::AdminAction;
use holdfast_saga::records::view::{NotificationFilter, NotificationView};
use holdfast_shared::{OrderId, SagaId};
use sqlx::SqliteConnection;

use crate::decode::{ActionRow, NotificationRow};
use crate::error::{commit_error, store_error, unreadable};
use crate::reads::NEWEST;
use crate::{SqliteStore, sql};

pub(crate) async fn notifications(
    connection: &mut SqliteConnection,
    filter: &NotificationFilter,
) -> Result<Vec<NotificationView>, StoreError> {
    let statement = match &filter.customer {
        Some(customer) => sqlx::query_as(sql!("notifications_page_of_customer")).bind(customer),
        None => sqlx::query_as(sql!("notifications_page")),
    };
    let before = filter.before.map_or(NEWEST, SagaId::key);
    let statement = statement.bind(before).bind(filter.unread).bind(filter.limit);
    let rows: Vec<NotificationRow> = statement.fetch_all(connection).await.map_err(store_error)?;
    rows.into_iter().map(decode).collect()
}

pub(crate) async fn mark_read(
    store: &SqliteStore,
    id: SagaId,
    customer: Option<&str>,
) -> Result<Option<NotificationView>, StoreError> {
    let mut tx = store.write().await?;
    let read = sqlx::query(sql!("notifications_read")).bind(id.key()).bind(customer);
    read.bind(store.now().as_micros()).execute(&mut *tx).await.map_err(store_error)?;
    let row: Option<NotificationRow> = sqlx::query_as(sql!("notifications_by_id"))
        .bind(id.key())
        .bind(customer)
        .fetch_optional(&mut *tx)
        .await
        .map_err(store_error)?;
    tx.commit().await.map_err(commit_error)?;
    row.map(decode).transpose()
}

pub(crate) async fn admin_actions(
    connection: &mut SqliteConnection,
    order: OrderId,
) -> Result<Vec<AdminAction>, StoreError> {
    let rows: Vec<ActionRow> = sqlx::query_as(sql!("admin_actions_of_order"))
        .bind(order.number())
        .fetch_all(connection)
        .await
        .map_err(store_error)?;
    Ok(rows.into_iter().map(ActionRow::decode).collect())
}

fn decode(row: NotificationRow) -> Result<NotificationView, StoreError> {
    let saga = SagaId::from_key(row.saga_id);
    row.decode().map_err(|reason| unreadable(format!("the message of saga {saga}"), reason))
}
