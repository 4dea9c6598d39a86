//! Payments and refunds.

use holdfast_saga::ports::StoreError;
use holdfast_saga::rows::{Payment, Refund};
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
    let payments: Vec<_> = writes.payments.values().filter_map(|(from, row)| Some(((*from)?, row))).collect();
    if !payments.is_empty() {
        let column = || payments.iter().map(|(_, row)| *row);
        let result = sqlx::query_file!(
            "queries/payments_move.sql",
            &column().map(|row| row.order.number()).collect::<Vec<_>>(),
            &payments.iter().map(|(from, _)| word(*from)).collect::<Vec<_>>() as _,
            &column().map(|row| word(row.status)).collect::<Vec<_>>() as _,
            &column().map(|row| row.captured_minor).collect::<Vec<_>>(),
            &column().map(|row| row.refunded_minor).collect::<Vec<_>>(),
            &column().map(|row| row.settled_by_hand_minor).collect::<Vec<_>>(),
            &charges(column()) as _,
            &column().map(|row| row.provider_ref.clone()).collect::<Vec<_>>() as _,
            &column().map(|row| row.next_action.clone()).collect::<Vec<_>>() as _,
            at,
        )
        .execute(&mut *tx)
        .await
        .map_err(store_error)?;
        all_moved("payments", payments.len(), &result)?;
    }
    let refunds: Vec<_> = writes.refunds.values().filter_map(|(from, row)| Some(((*from)?, row))).collect();
    if !refunds.is_empty() {
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
        all_moved("refunds", refunds.len(), &result)?;
    }
    Ok(())
}

pub(super) async fn insert(
    tx: &mut PgConnection,
    writes: &Writes,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    let payments: Vec<&Payment> =
        writes.payments.values().filter(|(from, _)| from.is_none()).map(|(_, row)| row).collect();
    if !payments.is_empty() {
        let column = || payments.iter().copied();
        sqlx::query_file!(
            "queries/payments_insert.sql",
            &column().map(|row| row.order.number()).collect::<Vec<_>>(),
            &column().map(|row| row.provider.clone()).collect::<Vec<_>>(),
            &column().map(|row| word(row.status)).collect::<Vec<_>>() as _,
            &column().map(|row| row.amount.amount_minor).collect::<Vec<_>>(),
            &column().map(|row| row.amount.currency.to_string()).collect::<Vec<_>>(),
            &column().map(|row| row.captured_minor).collect::<Vec<_>>(),
            &column().map(|row| row.refunded_minor).collect::<Vec<_>>(),
            &column().map(|row| row.settled_by_hand_minor).collect::<Vec<_>>(),
            &charges(column()) as _,
            &column().map(|row| row.provider_ref.clone()).collect::<Vec<_>>() as _,
            &column().map(|row| row.next_action.clone()).collect::<Vec<_>>() as _,
            at,
        )
        .execute(&mut *tx)
        .await
        .map_err(store_error)?;
    }
    let refunds: Vec<&Refund> =
        writes.refunds.values().filter(|(from, _)| from.is_none()).map(|(_, row)| row).collect();
    if !refunds.is_empty() {
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
    }
    Ok(())
}

fn charges<'a>(rows: impl Iterator<Item = &'a Payment>) -> Vec<Option<String>> {
    rows.map(|row| row.charge.as_ref().map(ToString::to_string)).collect()
}
