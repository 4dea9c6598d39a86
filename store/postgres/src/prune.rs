//! Forgetting what is settled and old. Never an order, money, stock, or anything dead.

use std::time::Duration;

use holdfast_saga::ports::StoreError;
use holdfast_shared::Time;
use sqlx::PgPool;
use time::OffsetDateTime;

use crate::error::store_error;

/// Providers repeat their events for days; for this long a repeated one is recognised.
const SIGNALS_KEPT: Duration = Duration::from_hours(30 * 24);
/// Rows that one statement of a walk looks at: a few milliseconds.
const STRETCH: i64 = 1_000;

pub(crate) async fn prune(pool: &PgPool, now: Time, before: Time, limit: u32) -> Result<u64, StoreError> {
    let (at, limit) = (OffsetDateTime::from(before), i64::from(limit));
    let heard_before = OffsetDateTime::from(before.min(now - SIGNALS_KEPT));
    let keys =
        sqlx::query_file!("queries/prune_keys.sql", at, limit).execute(pool).await.map_err(store_error)?;
    // From the oldest on, past what has to stay, to the first stretch of which something went or all is young.
    let mut sagas = (0, Some(0));
    while let (0, Some(after)) = sagas {
        let stretch = sqlx::query_file!("queries/prune_sagas.sql", at, limit, STRETCH, after);
        let stretch = stretch.fetch_one(pool).await.map_err(store_error)?;
        sagas = (stretch.pruned, stretch.last);
    }
    let mut signals = (0, Some(0));
    while let (0, Some(after)) = signals {
        let stretch = sqlx::query_file!("queries/prune_signals.sql", heard_before, limit, STRETCH, after);
        let stretch = stretch.fetch_one(pool).await.map_err(store_error)?;
        signals = (stretch.pruned, stretch.last);
    }
    Ok(sagas.0.unsigned_abs() + signals.0.unsigned_abs() + keys.rows_affected())
}
