//! What operators read and brake, and what workers say of themselves.

use std::collections::BTreeMap;

use holdfast_saga::ports::{StoreError, WORKERS_KEPT};
use holdfast_saga::records::batch_rows::Writes;
use holdfast_saga::records::saga::DefinitionId;
use holdfast_saga::records::view::{DeadRow, Heartbeat, Paused, QueueView, WorkerView};
use holdfast_shared::{Queue, SagaId, Time};
use serde::Serialize;
use sqlx::{FromRow, SqliteConnection};

use crate::decode::{from_json, parse, progress};
use crate::error::{commit_error, store_error, unreadable};
use crate::params::Pen;
use crate::reads::NEWEST;
use crate::{SqliteStore, sql};

#[derive(FromRow)]
struct DeadColumns {
    id: i64,
    definition: String,
    version: i32,
    progress: String,
    poison: Option<String>,
    wake_at: Option<i64>,
    updated_at: i64,
    token: Option<String>,
}

impl DeadColumns {
    fn decode(self) -> DeadRow {
        DeadRow {
            id: SagaId::from_key(self.id),
            definition: DefinitionId { name: self.definition, version: self.version },
            progress: progress(&self.progress, self.poison),
            since: Time::from_micros(self.updated_at),
            wake_at: self.wake_at.map(Time::from_micros),
            token: self.token,
        }
    }
}

pub(crate) async fn dead(
    connection: &mut SqliteConnection,
    before: Option<SagaId>,
    limit: u32,
) -> Result<Vec<DeadRow>, StoreError> {
    let statement = sqlx::query_as(sql!("dead_list")).bind(before.map_or(NEWEST, SagaId::key)).bind(limit);
    let rows: Vec<DeadColumns> = statement.fetch_all(connection).await.map_err(store_error)?;
    Ok(rows.into_iter().map(DeadColumns::decode).collect())
}

#[derive(FromRow)]
struct DepthColumns {
    queue: String,
    due: i64,
    oldest_due: Option<i64>,
    in_flight: i64,
    dead: i64,
}

pub(crate) async fn queues(
    connection: &mut SqliteConnection,
    now: Time,
) -> Result<Vec<QueueView>, StoreError> {
    let statement = sqlx::query_as(sql!("queues_depth")).bind(now.as_micros());
    let rows: Vec<DepthColumns> = statement.fetch_all(&mut *connection).await.map_err(store_error)?;
    let mut paused = paused(connection).await?;
    let mut views = QueueView::all_empty();
    for row in rows {
        let queue = parse("queue", &row.queue).map_err(|reason| unreadable("sagas", reason))?;
        let view = QueueView {
            queue,
            due: row.due.unsigned_abs(),
            oldest_due: row.oldest_due.map(Time::from_micros),
            in_flight: row.in_flight.unsigned_abs(),
            dead: row.dead.unsigned_abs(),
            paused: None,
        };
        views.insert(queue, view);
    }
    Ok(views.into_values().map(|view| QueueView { paused: paused.remove(&view.queue), ..view }).collect())
}

#[derive(FromRow)]
struct PausedColumns {
    queue: String,
    paused_at: i64,
    paused_by: String,
    reason: Option<String>,
}

/// The queues that are paused. One that this binary does not know is none of its business.
pub(crate) async fn paused(connection: &mut SqliteConnection) -> Result<BTreeMap<Queue, Paused>, StoreError> {
    let rows = sqlx::query_as(sql!("queues_paused")).fetch_all(connection).await;
    let rows: Vec<PausedColumns> = rows.map_err(store_error)?;
    let paused = rows.into_iter().filter_map(|row| {
        let at = Time::from_micros(row.paused_at);
        Some((row.queue.parse().ok()?, Paused { at, by: row.paused_by, reason: row.reason }))
    });
    Ok(paused.collect())
}

/// A queue to pause, as the statement names it.
#[derive(Serialize)]
struct PauseRow<'a> {
    queue: Queue,
    at: i64,
    by: &'a str,
    reason: Option<&'a str>,
}

/// Pauses queues, and resumes others.
pub(crate) async fn brake(pen: &mut Pen<'_>, writes: &Writes) -> Result<(), StoreError> {
    let resumed = writes.pauses.iter().filter(|(_, pause)| pause.is_none()).map(|(queue, _)| queue);
    pen.write(sql!("queues_resume"), resumed).await?;
    let paused = writes.pauses.iter().filter_map(|(queue, pause)| {
        let Paused { at, by, reason } = pause.as_ref()?;
        Some(PauseRow { queue: *queue, at: at.as_micros(), by, reason: reason.as_deref() })
    });
    pen.write(sql!("queues_pause"), paused).await?;
    Ok(())
}

pub(crate) async fn heartbeat(store: &SqliteStore, heartbeat: &Heartbeat) -> Result<(), StoreError> {
    let mut tx = store.write().await?;
    let now = store.now();
    let written = |error: serde_json::Error| StoreError::Data(error.to_string());
    sqlx::query(sql!("workers_beat"))
        .bind(&heartbeat.name)
        .bind(&heartbeat.host)
        .bind(i64::from(heartbeat.pid))
        .bind(&heartbeat.version)
        .bind(serde_json::to_string(&heartbeat.pools).map_err(written)?)
        .bind(serde_json::to_string(&heartbeat.definitions).map_err(written)?)
        .bind(i64::try_from(heartbeat.in_flight).unwrap_or(i64::MAX))
        .bind(heartbeat.started_at.as_micros())
        .bind(now.as_micros())
        .execute(&mut *tx)
        .await
        .map_err(store_error)?;
    sqlx::query(sql!("workers_forget"))
        .bind((now - WORKERS_KEPT).as_micros())
        .execute(&mut *tx)
        .await
        .map_err(store_error)?;
    tx.commit().await.map_err(commit_error)
}

pub(crate) async fn deregister(store: &SqliteStore, name: &str) -> Result<(), StoreError> {
    let mut tx = store.write().await?;
    let statement = sqlx::query(sql!("workers_farewell")).bind(name).bind(store.now().as_micros());
    statement.execute(&mut *tx).await.map_err(store_error)?;
    tx.commit().await.map_err(commit_error)
}

#[derive(FromRow)]
struct WorkerColumns {
    name: String,
    host: String,
    pid: i64,
    version: String,
    pools: String,
    definitions: String,
    in_flight: i64,
    started_at: i64,
    heartbeat_at: i64,
    left_at: Option<i64>,
}

impl WorkerColumns {
    fn decode(self) -> Result<WorkerView, StoreError> {
        let what = format!("worker {}", self.name);
        let pid = u32::try_from(self.pid).map_err(|error| unreadable(&what, error))?;
        Ok(WorkerView {
            heartbeat: Heartbeat {
                name: self.name,
                host: self.host,
                pid,
                version: self.version,
                pools: from_json("pools", &self.pools).map_err(|reason| unreadable(&what, reason))?,
                definitions: from_json("definitions", &self.definitions)
                    .map_err(|reason| unreadable(&what, reason))?,
                in_flight: self.in_flight.unsigned_abs(),
                started_at: Time::from_micros(self.started_at),
            },
            heartbeat_at: Time::from_micros(self.heartbeat_at),
            left_at: self.left_at.map(Time::from_micros),
        })
    }
}

pub(crate) async fn workers(connection: &mut SqliteConnection) -> Result<Vec<WorkerView>, StoreError> {
    let rows = sqlx::query_as(sql!("workers_list")).fetch_all(connection).await;
    let rows: Vec<WorkerColumns> = rows.map_err(store_error)?;
    rows.into_iter().map(WorkerColumns::decode).collect()
}
