//! Deleting what is settled and old. Never an order, money, stock, or anything dead.

use std::time::Duration;

use holdfast_saga::ports::StoreError;
use holdfast_shared::{SagaId, Time};
use time::OffsetDateTime;

use crate::pool::Pool;
use crate::row::PgRow;
use crate::statement::Sql;

/// Providers repeat their events for days; for this long a repeated one is recognised.
const SIGNALS_KEPT: Duration = Duration::from_hours(30 * 24);
/// Rows that one statement of a walk looks at: a few milliseconds.
const STRETCH: i64 = 1_000;

pub(crate) async fn prune(pool: &Pool, now: Time, before: Time, limit: u32) -> Result<u64, StoreError> {
    let signals_before = OffsetDateTime::from(before.min(now - SIGNALS_KEPT));
    let (before, limit) = (OffsetDateTime::from(before), i64::from(limit));
    let keys = pool.execute(Sql::IdempotencyKeysPrune, &[&before, &limit]).await?;
    let of_orders = walk(pool, Sql::SagasPrune, before, limit, 0).await?;
    let standalone = walk(pool, Sql::SagasPrune, before, limit, SagaId::standalone(1).key() - 1).await?;
    let signals = walk(pool, Sql::SignalsPrune, signals_before, limit, 0).await?;
    Ok(of_orders + standalone + signals + keys)
}

/// From the oldest row behind `after` on, past what has to stay, to the first stretch of which something was deleted or all is young.
async fn walk(
    pool: &Pool,
    sql: Sql,
    before: OffsetDateTime,
    limit: i64,
    mut after: i64,
) -> Result<u64, StoreError> {
    loop {
        let decode = |row: &PgRow| Ok((row.value::<i64>(0)?, row.value::<Option<i64>>(1)?));
        match pool.read_one(sql, &[&before, &limit, &STRETCH, &after], decode).await? {
            (0, Some(last)) => after = last,
            (pruned, _) => return Ok(pruned.unsigned_abs()),
        }
    }
}
