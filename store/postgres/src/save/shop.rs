//! Carts, catalogue, stock and the audit trail.

use holdfast_saga::ports::StoreError;
use holdfast_saga::world::Writes;
use holdfast_shared::OrderId;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{all_moved, json, word};
use crate::error::store_error;

pub(super) async fn move_carts(
    tx: &mut PgConnection,
    writes: &Writes,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    if writes.carts.is_empty() {
        return Ok(());
    }
    let column = || writes.carts.values();
    let result = sqlx::query_file!(
        "queries/carts_move.sql",
        &writes.carts.keys().map(|id| id.0).collect::<Vec<_>>(),
        &column().map(|step| word(step.from)).collect::<Vec<_>>() as _,
        &column().map(|step| word(step.to)).collect::<Vec<_>>() as _,
        &column().map(|step| step.order.number()).collect::<Vec<_>>(),
        at,
    )
    .execute(tx)
    .await
    .map_err(store_error)?;
    all_moved("carts", writes.carts.len(), result.rows_affected())
}

pub(super) async fn discard_carts(tx: &mut PgConnection, writes: &Writes) -> Result<(), StoreError> {
    if writes.discarded_carts.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = writes.discarded_carts.iter().map(|id| id.0).collect();
    let result =
        sqlx::query_file!("queries/carts_discard.sql", &ids).execute(tx).await.map_err(store_error)?;
    all_moved("carts", ids.len(), result.rows_affected())
}

pub(super) async fn move_stock(tx: &mut PgConnection, writes: &Writes) -> Result<(), StoreError> {
    if writes.stock.is_empty() {
        return Ok(());
    }
    let skus: Vec<String> = writes.stock.keys().map(ToString::to_string).collect();
    let on_hand: Vec<i64> = writes.stock.values().map(|step| step.on_hand).collect();
    let reserved: Vec<i64> = writes.stock.values().map(|step| step.reserved).collect();
    sqlx::query_file!("queries/stock_move.sql", &skus, &on_hand, &reserved)
        .execute(tx)
        .await
        .map_err(store_error)?;
    Ok(())
}

pub(super) async fn insert(
    tx: &mut PgConnection,
    writes: &Writes,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    if !writes.put_carts.is_empty() {
        let column = || writes.put_carts.values();
        let items: Vec<String> = column().map(|cart| json(&cart.items)).collect::<Result<_, _>>()?;
        sqlx::query_file!(
            "queries/carts_put.sql",
            &column().map(|cart| cart.id.0).collect::<Vec<_>>(),
            &column().map(|cart| cart.owner.clone()).collect::<Vec<_>>() as _,
            &column().map(|cart| word(cart.status)).collect::<Vec<_>>() as _,
            &column().map(|cart| cart.order.map(OrderId::number)).collect::<Vec<_>>() as _,
            &items,
            at,
        )
        .execute(&mut *tx)
        .await
        .map_err(store_error)?;
    }
    if !writes.put_products.is_empty() {
        let column = || writes.put_products.values();
        sqlx::query_file!(
            "queries/products_put.sql",
            &column().map(|product| product.sku.to_string()).collect::<Vec<_>>(),
            &column().map(|product| product.name.clone()).collect::<Vec<_>>(),
            &column().map(|product| product.price.amount_minor).collect::<Vec<_>>(),
            &column().map(|product| product.price.currency.to_string()).collect::<Vec<_>>(),
            &column().map(|product| product.active).collect::<Vec<_>>(),
            at,
        )
        .execute(&mut *tx)
        .await
        .map_err(store_error)?;
    }
    if !writes.shelves.is_empty() {
        let skus: Vec<String> = writes.shelves.iter().map(ToString::to_string).collect();
        sqlx::query_file!("queries/stock_open.sql", &skus).execute(&mut *tx).await.map_err(store_error)?;
    }
    if !writes.adjustments.is_empty() {
        let column = || writes.adjustments.iter();
        sqlx::query_file!(
            "queries/adjustments_insert.sql",
            &column().map(|row| row.sku.to_string()).collect::<Vec<_>>(),
            &column().map(|row| row.delta).collect::<Vec<_>>(),
            &column().map(|row| row.reason.clone()).collect::<Vec<_>>(),
            &column().map(|row| row.actor.clone()).collect::<Vec<_>>(),
            &column().map(|row| OffsetDateTime::from(row.at)).collect::<Vec<_>>(),
        )
        .execute(&mut *tx)
        .await
        .map_err(store_error)?;
    }
    if !writes.admin_actions.is_empty() {
        let column = || writes.admin_actions.iter();
        sqlx::query_file!(
            "queries/admin_actions_insert.sql",
            &column().map(|row| OffsetDateTime::from(row.at)).collect::<Vec<_>>(),
            &column().map(|row| row.actor.clone()).collect::<Vec<_>>(),
            &column().map(|row| row.action.clone()).collect::<Vec<_>>(),
            &column().map(|row| row.subject.clone()).collect::<Vec<_>>(),
            &column().map(|row| row.detail.clone()).collect::<Vec<_>>(),
            &column().map(|row| row.order.map(OrderId::number)).collect::<Vec<_>>() as _,
        )
        .execute(tx)
        .await
        .map_err(store_error)?;
    }
    Ok(())
}
