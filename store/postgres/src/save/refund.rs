//! Money that goes back.

use holdfast_saga::ports::StoreError;
use holdfast_saga::rows::Refund;
use holdfast_saga::world::Writes;
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{all_moved, word};
use crate::error::store_error;

pub(super) async fn update(
    tx: &mut PgConnection,
    writes: &Writes,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    let refunds: Vec<_> = writes.refunds.values().filter_map(|(from, row)| Some(((*from)?, row))).collect();
    if refunds.is_empty() {
        return Ok(());
    }
    let result = sqlx::query_file!(
        "queries/refunds_move.sql",
        &refunds.iter().map(|(_, row)| row.saga.key()).collect::<Vec<_>>(),
        &refunds.iter().map(|(from, _)| word(*from)).collect::<Vec<_>>() as _,
        &refunds.iter().map(|(_, row)| word(row.status)).collect::<Vec<_>>() as _,
        &refunds.iter().map(|(_, row)| row.amount.amount_minor).collect::<Vec<_>>(),
        &refunds.iter().map(|(_, row)| row.settled_by_hand).collect::<Vec<_>>(),
        at,
    )
    .execute(tx)
    .await
    .map_err(store_error)?;
    all_moved("refunds", refunds.len(), result.rows_affected())
}

pub(super) async fn insert(
    tx: &mut PgConnection,
    writes: &Writes,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    let refunds: Vec<&Refund> =
        writes.refunds.values().filter(|(from, _)| from.is_none()).map(|(_, row)| row).collect();
    if refunds.is_empty() {
        return Ok(());
    }
    let column = || refunds.iter().copied();
    sqlx::query_file!(
        "queries/refunds_insert.sql",
        &column().map(|row| row.saga.key()).collect::<Vec<_>>(),
        &column().map(|row| word(row.status)).collect::<Vec<_>>() as _,
        &column().map(|row| row.amount.amount_minor).collect::<Vec<_>>(),
        &column().map(|row| row.amount.currency.to_string()).collect::<Vec<_>>(),
        &column().map(|row| row.charge.to_string()).collect::<Vec<_>>(),
        &column().map(|row| row.late).collect::<Vec<_>>(),
        &column().map(|row| row.settled_by_hand).collect::<Vec<_>>(),
        at,
    )
    .execute(tx)
    .await
    .map_err(store_error)?;
    Ok(())
}
