//! Locking and reading everything that is no saga of the batch, in the one order of E4.

use std::collections::BTreeMap;

use holdfast_saga::ports::StoreError;
use holdfast_saga::rows::{KeyClaim, Stock};
use holdfast_saga::world::{Footprint, World};
use holdfast_shared::{CartId, Line, OrderId, Sku, Time};
use sqlx::{PgConnection, PgExecutor};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::decode::{CartRow, LineRow, OrderRow, PaymentRow, ProductRow, RefundRow, word};
use crate::error::{store_error, unreadable};
use crate::tx::database_now;
use crate::{claim, operations};

pub(crate) async fn load(
    tx: &mut PgConnection,
    footprint: &Footprint,
    mut now: Option<Time>,
    world: &mut World,
) -> Result<(), StoreError> {
    if !footprint.keys.is_empty() {
        now = keys(tx, &footprint.keys, now, world).await?;
    }
    world.now = match now {
        Some(now) => now,
        None => database_now(&mut *tx).await?,
    };
    if !footprint.sagas.is_empty() {
        sagas(tx, footprint, world).await?;
    }
    if !footprint.orders.is_empty() {
        orders(tx, &footprint.orders, world).await?;
    }
    if !footprint.payments.is_empty() {
        let ids: Vec<i64> = footprint.payments.iter().map(|id| id.number()).collect();
        let rows = sqlx::query_file_as!(PaymentRow, "queries/payments_lock.sql", &ids)
            .fetch_all(&mut *tx)
            .await
            .map_err(store_error)?;
        for row in rows {
            let payment = row.decode()?;
            world.payments.insert(payment.order, payment);
        }
    }
    if !footprint.refunds.is_empty() {
        refunds(tx, &footprint.refunds, world).await?;
    }
    if !footprint.carts.is_empty() {
        carts(tx, &footprint.carts, world).await?;
    }
    if !footprint.products.is_empty() {
        products(tx, &footprint.products, world).await?;
    }
    if footprint.pauses {
        world.paused = operations::lock_paused(&mut *tx).await?;
    }
    if !footprint.levels.is_empty() {
        let skus = names(&footprint.levels);
        let query = sqlx::query_file_as!(LevelRow, "queries/stock_read.sql", &skus);
        levels(query.fetch_all(&mut *tx).await.map_err(store_error)?, world)?;
    }
    if !footprint.stock.is_empty() {
        let skus = names(&footprint.stock);
        let query = sqlx::query_file_as!(LevelRow, "queries/stock_lock.sql", &skus);
        levels(query.fetch_all(&mut *tx).await.map_err(store_error)?, world)?;
    }
    Ok(())
}

struct LevelRow {
    sku: String,
    on_hand: i64,
    reserved: i64,
}

fn levels(rows: Vec<LevelRow>, world: &mut World) -> Result<(), StoreError> {
    for LevelRow { sku, on_hand, reserved } in rows {
        world.stock.insert(word("sku", &sku)?, Stock { on_hand, reserved });
    }
    Ok(())
}

/// Claims keys; returns the present, which the claim tells.
async fn keys(
    tx: &mut PgConnection,
    asked: &[(Uuid, Uuid)],
    now: Option<Time>,
    world: &mut World,
) -> Result<Option<Time>, StoreError> {
    let (keys, bodies): (Vec<Uuid>, Vec<Uuid>) = asked.iter().copied().unzip();
    let given = now.map(OffsetDateTime::from);
    let claimed = sqlx::query_file!("queries/keys_claim.sql", &keys, &bodies, given)
        .fetch_all(&mut *tx)
        .await
        .map_err(store_error)?;
    let now = now.or_else(|| claimed.first().map(|row| row.created_at.into()));
    world.claimed.extend(claimed.into_iter().map(|row| (row.key, OrderId::new(row.order_id))));
    let taken: Vec<Uuid> = keys.into_iter().filter(|key| !world.claimed.contains_key(key)).collect();
    if taken.is_empty() {
        return Ok(now);
    }
    let rows =
        sqlx::query_file!("queries/keys_taken.sql", &taken).fetch_all(&mut *tx).await.map_err(store_error)?;
    for row in rows {
        let claim = KeyClaim { key: row.key, body: row.body, order: OrderId::new(row.order_id) };
        world.taken.insert(row.key, claim);
    }
    Ok(now)
}

async fn sagas(tx: &mut PgConnection, footprint: &Footprint, world: &mut World) -> Result<(), StoreError> {
    let ids: Vec<i64> = footprint.sagas.iter().map(|id| id.key()).collect();
    let mut sagas = Vec::with_capacity(ids.len());
    for row in claim::lock(tx, &ids, true).await? {
        sagas.push(row.decode(None).map_err(|(id, reason)| unreadable(&format!("saga {id}"), reason))?);
    }
    let (sagas, blamed) = claim::with_signals(tx, sagas).await?;
    if let Some((id, reason)) = blamed.into_iter().next() {
        return Err(unreadable(&format!("a signal of saga {id}"), reason));
    }
    world.sagas.extend(sagas.into_iter().map(|(saga, inbox)| (saga.id, (saga, inbox))));
    Ok(())
}

async fn orders(tx: &mut PgConnection, asked: &[OrderId], world: &mut World) -> Result<(), StoreError> {
    let ids: Vec<i64> = asked.iter().map(|id| id.number()).collect();
    let rows = sqlx::query_file_as!(OrderRow, "queries/orders_lock.sql", &ids)
        .fetch_all(&mut *tx)
        .await
        .map_err(store_error)?;
    let mut lines = lines(&mut *tx, &ids).await?;
    for row in rows {
        let order = OrderId::new(row.id);
        world.orders.insert(order, row.decode(lines.remove(&order).unwrap_or_default())?);
    }
    Ok(())
}

/// The lines of some orders, each sorted by SKU.
pub(crate) async fn lines(
    executor: impl PgExecutor<'_>,
    orders: &[i64],
) -> Result<BTreeMap<OrderId, Vec<Line>>, StoreError> {
    let rows = sqlx::query_file_as!(LineRow, "queries/order_lines_read.sql", orders)
        .fetch_all(executor)
        .await
        .map_err(store_error)?;
    let mut lines: BTreeMap<OrderId, Vec<Line>> = BTreeMap::new();
    for row in rows {
        lines.entry(OrderId::new(row.order_id)).or_default().push(row.decode()?);
    }
    Ok(lines)
}

async fn refunds(tx: &mut PgConnection, asked: &[OrderId], world: &mut World) -> Result<(), StoreError> {
    let ids: Vec<i64> = asked.iter().map(|id| id.number()).collect();
    let rows = sqlx::query_file_as!(RefundRow, "queries/refunds_read.sql", &ids)
        .fetch_all(tx)
        .await
        .map_err(store_error)?;
    for row in rows {
        let refund = row.decode()?;
        world.refunds.insert(refund.saga, refund);
    }
    Ok(())
}

async fn carts(tx: &mut PgConnection, asked: &[CartId], world: &mut World) -> Result<(), StoreError> {
    let ids: Vec<Uuid> = asked.iter().map(|id| id.0).collect();
    let rows = sqlx::query_file_as!(CartRow, "queries/carts_lock.sql", &ids)
        .fetch_all(tx)
        .await
        .map_err(store_error)?;
    for row in rows {
        let cart = row.decode()?;
        world.carts.insert(cart.id, cart);
    }
    Ok(())
}

async fn products(tx: &mut PgConnection, asked: &[Sku], world: &mut World) -> Result<(), StoreError> {
    let skus = names(asked);
    let rows = sqlx::query_file_as!(ProductRow, "queries/products_read.sql", &skus)
        .fetch_all(tx)
        .await
        .map_err(store_error)?;
    for row in rows {
        let product = row.decode()?;
        world.products.insert(product.sku.clone(), product);
    }
    Ok(())
}

fn names(skus: &[Sku]) -> Vec<String> {
    skus.iter().map(Sku::to_string).collect()
}
