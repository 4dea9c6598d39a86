//! What operators read and brake, and what workers say of themselves.

use std::collections::BTreeMap;

use holdfast_saga::ports::{StoreError, WORKERS_KEPT};
use holdfast_saga::records::batch_rows::Writes;
use holdfast_saga::records::saga::DefinitionId;
use holdfast_saga::records::view::{DeadRow, Heartbeat, Paused, QueueView, WorkerView};
use holdfast_shared::{Queue, SagaId, Time};
use sqlx::PgPool;
use time::OffsetDateTime;
use tokio::try_join;

use crate::decode::{json, progress, word};
use crate::error::{store_error, unreadable};
use crate::pipe::{Pipe, rows};
use crate::statement::Sql;

/// A cursor before which everything lies.
const NEWEST: i64 = i64::MAX;

pub(crate) async fn dead(
    pool: &PgPool,
    before: Option<SagaId>,
    limit: u32,
) -> Result<Vec<DeadRow>, StoreError> {
    let before = before.map_or(NEWEST, SagaId::key);
    let rows = sqlx::query_file!("queries/dead_list.sql", before, i64::from(limit))
        .fetch_all(pool)
        .await
        .map_err(store_error)?;
    let rows = rows.into_iter().map(|row| DeadRow {
        id: SagaId::from_key(row.id),
        definition: DefinitionId { name: row.definition, version: row.version },
        progress: progress(&row.progress, row.poison).map_err(|error| error.to_string()),
        since: row.updated_at.into(),
        wake_at: row.wake_at.map(Into::into),
        token: row.token,
    });
    Ok(rows.collect())
}

pub(crate) async fn queues(pool: &PgPool, now: Time) -> Result<Vec<QueueView>, StoreError> {
    let rows = sqlx::query_file!("queries/queues_depth.sql", OffsetDateTime::from(now))
        .fetch_all(pool)
        .await
        .map_err(store_error)?;
    let paused = sqlx::query_file_as!(PausedRow, "queries/queues_paused.sql")
        .fetch_all(pool)
        .await
        .map_err(store_error)?;
    let mut paused = known(paused);
    let mut views = QueueView::all_empty();
    for row in rows {
        let queue: Queue = word("queue", &row.queue)?;
        let view = QueueView {
            queue,
            due: row.due.unsigned_abs(),
            oldest_due: row.oldest_due.map(Into::into),
            in_flight: row.in_flight.unsigned_abs(),
            dead: row.dead.unsigned_abs(),
            paused: None,
        };
        views.insert(queue, view);
    }
    Ok(views.into_values().map(|view| QueueView { paused: paused.remove(&view.queue), ..view }).collect())
}

/// The queues that are paused. One that this binary does not know is none of its business.
fn known(rows: Vec<PausedRow>) -> BTreeMap<Queue, Paused> {
    let paused = rows.into_iter().filter_map(|row| {
        let paused = Paused { at: row.paused_at.into(), by: row.paused_by, reason: row.reason };
        Some((row.queue.parse().ok()?, paused))
    });
    paused.collect()
}

rows! {
    struct PausedRow {
        queue: String,
        paused_at: OffsetDateTime,
        paused_by: String,
        reason: Option<String>,
    }
}

/// If it is `wanted`, waits for whoever else brakes, then reads which queues are paused.
pub(crate) async fn lock_paused(
    pipe: &Pipe,
    wanted: bool,
) -> Result<Option<BTreeMap<Queue, Paused>>, StoreError> {
    if !wanted {
        return Ok(None);
    }
    let (_, rows) = try_join!(biased; pipe.execute(Sql::QueuesLock, &[]), pipe.rows(Sql::QueuesPaused, &[]))?;
    Ok(Some(known(rows)))
}

pub(crate) async fn resume(pipe: &Pipe, writes: &Writes) -> Result<(), StoreError> {
    let resumed = writes.pauses.iter().filter(|(_, pause)| pause.is_none());
    let resumed: Vec<&str> = resumed.map(|(queue, _)| (*queue).into()).collect();
    if resumed.is_empty() {
        return Ok(());
    }
    pipe.execute(Sql::QueuesResume, &[&resumed]).await?;
    Ok(())
}

pub(crate) async fn pause(pipe: &Pipe, writes: &Writes) -> Result<(), StoreError> {
    let paused: Vec<_> =
        writes.pauses.iter().filter_map(|(queue, pause)| Some((queue, pause.as_ref()?))).collect();
    if paused.is_empty() {
        return Ok(());
    }
    let column = || paused.iter().map(|(_, pause)| *pause);
    pipe.execute(
        Sql::QueuesPause,
        &[
            &paused.iter().map(|(queue, _)| <&str>::from(**queue)).collect::<Vec<_>>(),
            &column().map(|pause| OffsetDateTime::from(pause.at)).collect::<Vec<_>>(),
            &column().map(|pause| pause.by.as_str()).collect::<Vec<_>>(),
            &column().map(|pause| pause.reason.as_deref()).collect::<Vec<_>>(),
        ],
    )
    .await?;
    Ok(())
}

pub(crate) async fn heartbeat(pool: &PgPool, now: Time, heartbeat: &Heartbeat) -> Result<(), StoreError> {
    let written = |error: serde_json::Error| StoreError::Data(format!("cannot be written: {error}"));
    sqlx::query_file!(
        "queries/workers_beat.sql",
        heartbeat.name,
        heartbeat.host,
        i64::from(heartbeat.pid),
        heartbeat.version,
        serde_json::to_string(&heartbeat.pools).map_err(written)?,
        serde_json::to_string(&heartbeat.definitions).map_err(written)?,
        i64::try_from(heartbeat.in_flight).unwrap_or(i64::MAX),
        OffsetDateTime::from(heartbeat.started_at),
        OffsetDateTime::from(now - WORKERS_KEPT),
        OffsetDateTime::from(now),
    )
    .execute(pool)
    .await
    .map_err(store_error)?;
    Ok(())
}

pub(crate) async fn deregister(pool: &PgPool, now: Time, name: &str) -> Result<(), StoreError> {
    sqlx::query_file!("queries/workers_farewell.sql", name, OffsetDateTime::from(now))
        .execute(pool)
        .await
        .map_err(store_error)?;
    Ok(())
}

pub(crate) async fn workers(pool: &PgPool) -> Result<Vec<WorkerView>, StoreError> {
    let rows = sqlx::query_file!("queries/workers_list.sql").fetch_all(pool).await.map_err(store_error)?;
    let mut workers = Vec::with_capacity(rows.len());
    for row in rows {
        let pid =
            u32::try_from(row.pid).map_err(|error| unreadable(&format!("worker {}", row.name), error))?;
        workers.push(WorkerView {
            heartbeat: Heartbeat {
                name: row.name,
                host: row.host,
                pid,
                version: row.version,
                pools: json("pools", &row.pools)?,
                definitions: json("definitions", &row.definitions)?,
                in_flight: row.in_flight.unsigned_abs(),
                started_at: row.started_at.into(),
            },
            heartbeat_at: row.heartbeat_at.into(),
            left_at: row.left_at.map(Into::into),
        });
    }
    Ok(workers)
}
