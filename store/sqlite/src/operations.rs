//! What operators read, and the heartbeats of workers.

use std::collections::BTreeMap;

use holdfast_saga::ports::{StoreError, WORKERS_KEPT};
use holdfast_saga::records::view::{
    ActionFilter, ActionView, DeadRow, Heartbeat, Paused, QueueView, RetryingGroup, WorkerView,
};
use holdfast_shared::{OrderId, Queue, SagaId, Time};
use holdfast_store_rows as rows;
use sqlx::SqliteConnection;

use crate::connections::Connections;
use crate::error::{commit_error, store_error};
use crate::params::{NEWEST, json};
use crate::statement::{read, shared_sql, sql};

pub(crate) async fn dead(
    connection: &mut SqliteConnection,
    before: Option<SagaId>,
    limit: u32,
) -> Result<Vec<DeadRow>, StoreError> {
    let before = before.map_or(NEWEST, SagaId::key);
    let statement = sqlx::query(shared_sql!("sagas_dead_page")).bind(before).bind(limit);
    read(connection, statement, rows::dead_row).await
}

pub(crate) async fn actions(
    connection: &mut SqliteConnection,
    filter: &ActionFilter,
) -> Result<Vec<ActionView>, StoreError> {
    let ActionFilter { order, actor, action, since, before, limit } = filter.clone();
    let statement = sqlx::query(shared_sql!("admin_actions_page"))
        .bind(order.map(OrderId::number))
        .bind(actor)
        .bind(action)
        .bind(since.map(Time::as_micros))
        .bind(before.unwrap_or(i64::MAX))
        .bind(limit);
    read(connection, statement, rows::action).await
}

pub(crate) async fn retrying(connection: &mut SqliteConnection) -> Result<Vec<RetryingGroup>, StoreError> {
    let statement = sqlx::query(shared_sql!("sagas_retrying" then "sagas_retrying_groups"));
    read(connection, statement, rows::retrying_group).await
}

pub(crate) async fn queues(
    connection: &mut SqliteConnection,
    now: Time,
) -> Result<Vec<QueueView>, StoreError> {
    let statement = sqlx::query(shared_sql!("queues_depth")).bind(now.as_micros());
    let depths = read(&mut *connection, statement, rows::queue_depth).await?;
    let mut paused = paused(connection).await?;
    let mut views = QueueView::all_empty();
    views.extend(depths.into_iter().map(|view| (view.queue, view)));
    Ok(views.into_values().map(|view| QueueView { paused: paused.remove(&view.queue), ..view }).collect())
}

/// The queues that are paused.
pub(crate) async fn paused(connection: &mut SqliteConnection) -> Result<BTreeMap<Queue, Paused>, StoreError> {
    let statement = sqlx::query(shared_sql!("queues_read"));
    Ok(read(connection, statement, rows::paused_queue).await?.into_iter().flatten().collect())
}

pub(crate) async fn heartbeat(
    connections: &Connections,
    now: impl Fn() -> Time,
    heartbeat: &Heartbeat,
) -> Result<(), StoreError> {
    let mut tx = connections.write().await?;
    // Read once the turn has come: waiting for it may have taken a while.
    let now = now();
    sqlx::query(sql!("workers_heartbeat"))
        .bind(&heartbeat.name)
        .bind(&heartbeat.host)
        .bind(i64::from(heartbeat.pid))
        .bind(&heartbeat.version)
        .bind(json(&heartbeat.pools)?)
        .bind(json(&heartbeat.definitions)?)
        .bind(i64::try_from(heartbeat.in_flight).unwrap_or(i64::MAX))
        .bind(heartbeat.started_at.as_micros())
        .bind(now.as_micros())
        .bind(heartbeat.providers.as_ref().map(json).transpose()?)
        .execute(&mut *tx)
        .await
        .map_err(store_error)?;
    sqlx::query(sql!("workers_prune"))
        .bind((now - WORKERS_KEPT).as_micros())
        .execute(&mut *tx)
        .await
        .map_err(store_error)?;
    tx.commit().await.map_err(commit_error)
}

pub(crate) async fn deregister(
    connections: &Connections,
    now: impl Fn() -> Time,
    name: &str,
) -> Result<(), StoreError> {
    let mut tx = connections.write().await?;
    let statement = sqlx::query(shared_sql!("workers_deregister")).bind(name).bind(now().as_micros());
    statement.execute(&mut *tx).await.map_err(store_error)?;
    tx.commit().await.map_err(commit_error)
}

pub(crate) async fn workers(connection: &mut SqliteConnection) -> Result<Vec<WorkerView>, StoreError> {
    read(connection, sqlx::query(sql!("workers_read")), rows::worker).await
}
