//! What operators read, and the heartbeats of workers.

use std::collections::BTreeMap;

use holdfast_saga::ports::{StoreError, WORKERS_KEPT};
use holdfast_saga::records::view::{
    ActionFilter, ActionView, DeadRow, Heartbeat, Paused, QueueView, RetryingGroup, WorkerView,
};
use holdfast_shared::{OrderId, Queue, SagaId, Time};
use holdfast_store_rows as rows;
use time::OffsetDateTime;
use tokio::try_join;

use crate::params::json;
use crate::pipeline::Params;
use crate::pool::Pool;
use crate::statement::Sql;

pub(crate) async fn dead(
    pool: &Pool,
    before: Option<SagaId>,
    limit: u32,
) -> Result<Vec<DeadRow>, StoreError> {
    let before = before.map_or(i64::MAX, SagaId::key);
    pool.read(Sql::SagasDeadPage, &[&before, &i64::from(limit)], rows::dead_row).await
}

pub(crate) async fn actions(pool: &Pool, filter: &ActionFilter) -> Result<Vec<ActionView>, StoreError> {
    let ActionFilter { order, actor, action, since, before, limit } = filter;
    let parameters: &Params<'_> = &[
        &order.map(OrderId::number),
        actor,
        action,
        &since.map(OffsetDateTime::from),
        &before.unwrap_or(i64::MAX),
        &i64::from(*limit),
    ];
    pool.read(Sql::AdminActionsPage, parameters, rows::action).await
}

pub(crate) async fn retrying(pool: &Pool) -> Result<Vec<RetryingGroup>, StoreError> {
    pool.read(Sql::SagasRetryingGroups, &[], rows::retrying_group).await
}

pub(crate) async fn queues(pool: &Pool, now: Time) -> Result<Vec<QueueView>, StoreError> {
    let at: &Params<'_> = &[&OffsetDateTime::from(now)];
    let mut acquired = pool.acquire().await?;
    let (depths, paused) = loop {
        let connection = acquired.statements()?;
        let read = try_join!(
            biased;
            connection.read(Sql::QueuesDepth, at, rows::queue_depth),
            connection.read(Sql::QueuesRead, &[], rows::paused_queue),
        );
        if let Some(read) = acquired.settle(read).await? {
            break read;
        }
    };
    drop(acquired);
    let mut paused: BTreeMap<Queue, Paused> = paused.into_iter().flatten().collect();
    let mut views = QueueView::all_empty();
    views.extend(depths.into_iter().map(|view| (view.queue, view)));
    Ok(views.into_values().map(|view| QueueView { paused: paused.remove(&view.queue), ..view }).collect())
}

pub(crate) async fn heartbeat(pool: &Pool, now: Time, heartbeat: &Heartbeat) -> Result<(), StoreError> {
    pool.execute(
        Sql::WorkersHeartbeat,
        &[
            &heartbeat.name,
            &heartbeat.host,
            &i64::from(heartbeat.pid),
            &heartbeat.version,
            &json(&heartbeat.pools)?,
            &json(&heartbeat.definitions)?,
            &i64::try_from(heartbeat.in_flight).unwrap_or(i64::MAX),
            &OffsetDateTime::from(heartbeat.started_at),
            &OffsetDateTime::from(now - WORKERS_KEPT),
            &OffsetDateTime::from(now),
            &heartbeat.providers.as_ref().map(json).transpose()?,
        ],
    )
    .await?;
    Ok(())
}

pub(crate) async fn deregister(pool: &Pool, now: Time, name: &str) -> Result<(), StoreError> {
    pool.execute(Sql::WorkersDeregister, &[&name, &OffsetDateTime::from(now)]).await?;
    Ok(())
}

pub(crate) async fn workers(pool: &Pool) -> Result<Vec<WorkerView>, StoreError> {
    pool.read(Sql::WorkersRead, &[], rows::worker).await
}
