//! Forgetting what is settled and old. Never an order, money, stock, or anything dead.

use std::time::Duration;

use holdfast_saga::ports::StoreError;
use holdfast_shared::Time;

use crate::error::{commit_error, store_error};
use crate::{SqliteStore, params, sql};

/// Providers repeat their events for days; for this long a repeated one is recognised.
const DEDUPE_MIN: Duration = Duration::from_hours(30 * 24);

/// What may go is searched for on a reader; the writer's turn is only as long as the deleting.
pub(crate) async fn prune(store: &SqliteStore, before: Time, limit: u32) -> Result<u64, StoreError> {
    let heard_before = before.min(store.now() - DEDUPE_MIN);
    let sagas: Vec<i64> = {
        let mut snapshot = store.read().await?;
        sqlx::query_scalar(sql!("prunable_sagas"))
            .bind(before.as_micros())
            .bind(limit)
            .fetch_all(&mut *snapshot)
            .await
            .map_err(store_error)?
    };
    let mut tx = store.write().await?;
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
    Ok(gone + prune_signals(store, heard_before, limit).await?)
}

/// Signals go after their sagas, in a turn of their own: until then they only wait for one more call.
async fn prune_signals(store: &SqliteStore, before: Time, limit: u32) -> Result<u64, StoreError> {
    let signals: Vec<i64> = {
        let mut snapshot = store.read().await?;
        sqlx::query_scalar(sql!("prunable_signals"))
            .bind(before.as_micros())
            .bind(limit)
            .fetch_all(&mut *snapshot)
            .await
            .map_err(store_error)?
    };
    if signals.is_empty() {
        return Ok(0);
    }
    let mut tx = store.write().await?;
    let gone = sqlx::query(sql!("signals_prune")).bind(params::rows(signals)?).execute(&mut *tx).await;
    let gone = gone.map_err(store_error)?.rows_affected();
    tx.commit().await.map_err(commit_error)?;
    Ok(gone)
}
