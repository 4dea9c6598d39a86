//! Deleting what is settled and old. Never an order, money, stock, or anything dead.

use std::time::Duration;

use holdfast_saga::ports::StoreError;
use holdfast_shared::{SagaId, Time};

use crate::connections::Connections;
use crate::error::{commit_error, store_error};
use crate::params;
use crate::statement::sql;

/// Providers repeat their events for days; for this long a repeated one is recognised.
const SIGNALS_KEPT: Duration = Duration::from_hours(30 * 24);
/// Rows that a walk looks at at once.
const STRETCH: i64 = 1_000;

/// What may go is searched for on a reader; the writer's turn is only as long as the deleting.
pub(crate) async fn prune(
    connections: &Connections,
    now: Time,
    before: Time,
    limit: u32,
) -> Result<u64, StoreError> {
    let signals_before = before.min(now - SIGNALS_KEPT);
    let mut sagas = prunable(connections, sql!("sagas_prunable"), before, limit, 0).await?;
    let standalone = SagaId::standalone(1).key() - 1;
    sagas.extend(prunable(connections, sql!("sagas_prunable"), before, limit, standalone).await?);
    let mut tx = connections.write().await?;
    let mut gone = 0;
    if !sagas.is_empty() {
        let sagas: Vec<i64> = sqlx::query_scalar(sql!("sagas_prune"))
            .bind(params::rows(sagas)?)
            .bind(before.as_micros())
            .fetch_all(&mut *tx)
            .await
            .map_err(store_error)?;
        gone += sagas.len() as u64;
        let log = sqlx::query(sql!("saga_log_prune")).bind(params::rows(sagas)?);
        log.execute(&mut *tx).await.map_err(store_error)?;
    }
    let keys = sqlx::query(sql!("idempotency_keys_prune")).bind(before.as_micros()).bind(limit);
    gone += keys.execute(&mut *tx).await.map_err(store_error)?.rows_affected();
    tx.commit().await.map_err(commit_error)?;
    Ok(gone + prune_signals(connections, signals_before, limit).await?)
}

/// Signals go after their sagas, in a turn of their own: until then they only wait for one more call.
async fn prune_signals(connections: &Connections, before: Time, limit: u32) -> Result<u64, StoreError> {
    let signals = prunable(connections, sql!("signals_prunable"), before, limit, 0).await?;
    if signals.is_empty() {
        return Ok(0);
    }
    let mut tx = connections.write().await?;
    let gone = sqlx::query(sql!("signals_prune")).bind(params::rows(signals)?).execute(&mut *tx).await;
    let gone = gone.map_err(store_error)?.rows_affected();
    tx.commit().await.map_err(commit_error)?;
    Ok(gone)
}

/// At most `limit` of what may go. Goes on from the oldest row behind `after` past what has to stay, to the first stretch of which
/// something may go or all is young.
async fn prunable(
    connections: &Connections,
    stretch: &'static str,
    before: Time,
    limit: u32,
    mut after: i64,
) -> Result<Vec<i64>, StoreError> {
    let mut snapshot = connections.read().await?;
    loop {
        let seen: Vec<(i64, bool, bool)> = sqlx::query_as(stretch)
            .bind(before.as_micros())
            .bind(after)
            .bind(STRETCH)
            .fetch_all(&mut *snapshot)
            .await
            .map_err(store_error)?;
        let old: Vec<i64> = seen.iter().filter(|(_, _, may_go)| *may_go).map(|(id, ..)| *id).collect();
        let goes_on = old.is_empty() && seen.iter().any(|(_, began_before, _)| *began_before);
        match seen.last() {
            Some((last, ..)) if goes_on => after = *last,
            _ => return Ok(old.into_iter().take(limit as usize).collect()),
        }
    }
}
