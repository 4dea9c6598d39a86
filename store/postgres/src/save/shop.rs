//! Carts, catalogue, stock, the audit trail, and the shop itself.

use std::collections::BTreeSet;

use holdfast_saga::ports::StoreError;
use holdfast_saga::records::StockMove;
use holdfast_saga::records::batch_rows::Writes;
use holdfast_shared::{OrderId, Sku};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::params::{all_moved, json, word};
use crate::pipeline::PipelinedConnection;
use crate::statement::Sql;

/// Locks the carts that move, in their order: one alone has none.
pub(super) async fn lock_carts(connection: &PipelinedConnection, writes: &Writes) -> Result<(), StoreError> {
    if writes.carts.len() > 1 {
        let ids: Vec<Uuid> = writes.carts.keys().map(|id| id.0).collect();
        connection.execute(Sql::CartsLockOnly, &[&ids]).await?;
    }
    Ok(())
}

pub(super) async fn move_carts(
    connection: &PipelinedConnection,
    writes: &Writes,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    if writes.carts.is_empty() {
        return Ok(());
    }
    let column = || writes.carts.values();
    let found = connection
        .execute(
            Sql::CartsMove,
            &[
                &writes.carts.keys().map(|id| id.0).collect::<Vec<_>>(),
                &column().map(|step| word(step.from)).collect::<Vec<_>>(),
                &column().map(|step| word(step.to)).collect::<Vec<_>>(),
                &column().map(|step| step.order.number()).collect::<Vec<_>>(),
                &at,
            ],
        )
        .await?;
    all_moved("carts", writes.carts.len(), found)
}

pub(super) async fn discard_carts(
    connection: &PipelinedConnection,
    writes: &Writes,
) -> Result<(), StoreError> {
    if writes.discarded_carts.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = writes.discarded_carts.iter().map(|id| id.0).collect();
    let found = connection.execute(Sql::CartsDiscard, &[&ids]).await?;
    all_moved("carts", ids.len(), found)
}

/// Locks the levels that move, in their order: one alone has none.
pub(super) async fn lock_stock(connection: &PipelinedConnection, writes: &Writes) -> Result<(), StoreError> {
    if writes.stock.len() > 1 {
        let skus: Vec<&str> = writes.stock.keys().map(Sku::as_str).collect();
        connection.execute(Sql::StockLockOnly, &[&skus]).await?;
    }
    Ok(())
}

/// Moves levels; one that is not there moves from zero.
pub(super) async fn move_stock(connection: &PipelinedConnection, writes: &Writes) -> Result<(), StoreError> {
    if writes.stock.is_empty() {
        return Ok(());
    }
    let all: Vec<(&str, StockMove)> = writes.stock.iter().map(|(sku, step)| (sku.as_str(), *step)).collect();
    let found: BTreeSet<String> = moved(connection, &all).await?.into_iter().collect();
    if found.len() < all.len() {
        let missing: Vec<_> = all.into_iter().filter(|(sku, _)| !found.contains(*sku)).collect();
        let skus: Vec<&str> = missing.iter().map(|(sku, _)| *sku).collect();
        connection.execute(Sql::StockEnsure, &[&skus]).await?;
        moved(connection, &missing).await?;
    }
    Ok(())
}

async fn moved(
    connection: &PipelinedConnection,
    steps: &[(&str, StockMove)],
) -> Result<Vec<String>, StoreError> {
    connection
        .read(
            Sql::StockMove,
            &[
                &steps.iter().map(|(sku, _)| *sku).collect::<Vec<_>>(),
                &steps.iter().map(|(_, step)| step.on_hand).collect::<Vec<_>>(),
                &steps.iter().map(|(_, step)| step.reserved).collect::<Vec<_>>(),
            ],
            |row| row.value(0),
        )
        .await
}

pub(super) async fn put_carts(
    connection: &PipelinedConnection,
    writes: &Writes,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    if writes.put_carts.is_empty() {
        return Ok(());
    }
    let column = || writes.put_carts.values();
    connection
        .execute(
            Sql::CartsPut,
            &[
                &column().map(|cart| cart.id.0).collect::<Vec<_>>(),
                &column().map(|cart| cart.owner.map(|owner| owner.0)).collect::<Vec<_>>(),
                &column().map(|cart| word(cart.status)).collect::<Vec<_>>(),
                &column().map(|cart| cart.order.map(OrderId::number)).collect::<Vec<_>>(),
                &column().map(|cart| json(&cart.items)).collect::<Result<Vec<_>, _>>()?,
                &at,
            ],
        )
        .await?;
    Ok(())
}

pub(super) async fn put_products(
    connection: &PipelinedConnection,
    writes: &Writes,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    if writes.put_products.is_empty() {
        return Ok(());
    }
    let column = || writes.put_products.values();
    connection
        .execute(
            Sql::ProductsPut,
            &[
                &column().map(|product| product.sku.as_str()).collect::<Vec<_>>(),
                &column().map(|product| product.name.as_str()).collect::<Vec<_>>(),
                &column().map(|product| product.price.amount_minor).collect::<Vec<_>>(),
                &column().map(|product| product.price.currency.to_string()).collect::<Vec<_>>(),
                &column().map(|product| product.active).collect::<Vec<_>>(),
                &at,
            ],
        )
        .await?;
    Ok(())
}

pub(super) async fn ensure_stock_rows(
    connection: &PipelinedConnection,
    writes: &Writes,
) -> Result<(), StoreError> {
    if writes.shelves.is_empty() {
        return Ok(());
    }
    let skus: Vec<&str> = writes.shelves.iter().map(Sku::as_str).collect();
    connection.execute(Sql::StockEnsure, &[&skus]).await?;
    Ok(())
}

pub(super) async fn insert_adjustments(
    connection: &PipelinedConnection,
    writes: &Writes,
) -> Result<(), StoreError> {
    if writes.adjustments.is_empty() {
        return Ok(());
    }
    let column = || writes.adjustments.iter();
    connection
        .execute(
            Sql::StockAdjustmentsInsert,
            &[
                &column().map(|row| row.sku.as_str()).collect::<Vec<_>>(),
                &column().map(|row| row.delta).collect::<Vec<_>>(),
                &column().map(|row| row.reason.as_str()).collect::<Vec<_>>(),
                &column().map(|row| row.actor.as_str()).collect::<Vec<_>>(),
                &column().map(|row| OffsetDateTime::from(row.at)).collect::<Vec<_>>(),
            ],
        )
        .await?;
    Ok(())
}

pub(super) async fn insert_request_keys(
    connection: &PipelinedConnection,
    writes: &Writes,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    if writes.request_keys.is_empty() {
        return Ok(());
    }
    let keys: Vec<Uuid> = writes.request_keys.iter().map(|dedupe| dedupe.key).collect();
    let bodies: Vec<Uuid> = writes.request_keys.iter().map(|dedupe| dedupe.body).collect();
    connection.execute(Sql::RequestKeysInsert, &[&keys, &bodies, &at]).await?;
    Ok(())
}

pub(super) async fn insert_actions(
    connection: &PipelinedConnection,
    writes: &Writes,
) -> Result<(), StoreError> {
    if writes.admin_actions.is_empty() {
        return Ok(());
    }
    let column = || writes.admin_actions.iter();
    connection
        .execute(
            Sql::AdminActionsInsert,
            &[
                &column().map(|row| OffsetDateTime::from(row.at)).collect::<Vec<_>>(),
                &column().map(|row| row.actor.as_str()).collect::<Vec<_>>(),
                &column().map(|row| row.action.as_str()).collect::<Vec<_>>(),
                &column().map(|row| row.subject.as_str()).collect::<Vec<_>>(),
                &column().map(|row| row.detail.as_str()).collect::<Vec<_>>(),
                &column().map(|row| row.order.map(OrderId::number)).collect::<Vec<_>>(),
            ],
        )
        .await?;
    Ok(())
}

/// Writes the shop's row, and keeps orders from its used numbers.
pub(super) async fn put_shop(connection: &PipelinedConnection, writes: &Writes) -> Result<(), StoreError> {
    let Some((epoch, shop)) = &writes.shop else { return Ok(()) };
    let found = connection
        .execute(
            Sql::ShopPut,
            &[
                &shop.id.to_string(),
                &shop.epoch,
                &shop.home,
                &shop.forked_from.map(|id| id.to_string()),
                &shop.first_order.number(),
                &shop.missing_order.map(OrderId::number),
                epoch,
            ],
        )
        .await?;
    all_moved("shop", 1, found)?;
    connection.execute(Sql::OrderNumbersSkip, &[&shop.last_number]).await?;
    Ok(())
}
