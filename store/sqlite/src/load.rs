//! Loading a footprint. The writer's turn is the lock, so reading is all there is to do.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_saga::ports::StoreError;
use holdfast_saga::records::batch_rows::{Footprint, World};
use holdfast_saga::records::{Cart, Order, Payment};
use holdfast_shared::{CartId, Line, OrderId, SagaId};
use serde::Serialize;
use sqlx::SqliteConnection;
use uuid::Uuid;

use crate::claim::{Read, read_sagas};
use crate::decode::{CartRow, KeyRow, LineRow, OrderRow, PaymentRow, ProductRow, RefundRow, StockRow};
use crate::error::{store_error, unreadable};
use crate::params::{self, order_numbers, saga_keys};
use crate::{operations, sql};

pub(crate) async fn load(
    connection: &mut SqliteConnection,
    footprint: &Footprint,
    world: &mut World,
) -> Result<(), StoreError> {
    if !footprint.keys.is_empty() {
        claim_keys(connection, &footprint.keys, world).await?;
    }
    if !footprint.sagas.is_empty() {
        load_sagas(connection, &footprint.sagas, world).await?;
    }
    if !footprint.orders.is_empty() {
        let orders = read_orders(connection, &footprint.orders).await?;
        world.orders.extend(orders.into_iter().map(|order| (order.id, order)));
    }
    if !footprint.payments.is_empty() {
        world.payments.extend(read_payments(connection, &footprint.payments).await?);
    }
    if !footprint.refunds.is_empty() {
        load_refunds(connection, &footprint.refunds, world).await?;
    }
    if !footprint.carts.is_empty() {
        let carts = read_carts(connection, &footprint.carts).await?;
        world.carts.extend(carts.into_iter().map(|cart| (cart.id, cart)));
    }
    if !footprint.products.is_empty() {
        let statement = sqlx::query_as(sql!("products_by_sku")).bind(params::rows(&footprint.products)?);
        let rows: Vec<ProductRow> = statement.fetch_all(&mut *connection).await.map_err(store_error)?;
        for row in rows {
            let sku = row.sku.clone();
            let product = row.decode().map_err(|reason| unreadable(format!("product {sku}"), reason))?;
            world.products.insert(product.sku.clone(), product);
        }
    }
    if footprint.pauses {
        world.paused = operations::paused(&mut *connection).await?;
    }
    // The single writer holds every row anyway.
    let levels: BTreeSet<_> = footprint.stock.iter().chain(&footprint.levels).collect();
    if !levels.is_empty() {
        let statement = sqlx::query_as(sql!("stock_by_sku")).bind(params::rows(levels)?);
        let rows: Vec<StockRow> = statement.fetch_all(&mut *connection).await.map_err(store_error)?;
        for row in rows {
            let name = row.sku.clone();
            let (sku, stock) = row.decode().map_err(|reason| unreadable(format!("stock {name}"), reason))?;
            world.stock.insert(sku, stock);
        }
    }
    Ok(())
}

/// A key on its way into the table, with the number it gets if nobody was there before.
#[derive(Serialize)]
struct NewKey {
    key: Uuid,
    body: Uuid,
    order: i64,
}

async fn claim_keys(
    connection: &mut SqliteConnection,
    keys: &[(Uuid, Uuid)],
    world: &mut World,
) -> Result<(), StoreError> {
    let count = i64::try_from(keys.len()).unwrap_or(i64::MAX);
    let last: i64 = sqlx::query_scalar(sql!("order_numbers_take"))
        .bind(count)
        .fetch_one(&mut *connection)
        .await
        .map_err(store_error)?;
    let numbered =
        (last - count + 1..).zip(keys).map(|(order, (key, body))| NewKey { key: *key, body: *body, order });
    let claimed: Vec<(String, i64)> = sqlx::query_as(sql!("idempotency_keys_claim"))
        .bind(params::rows(numbered)?)
        .bind(world.now.as_micros())
        .fetch_all(&mut *connection)
        .await
        .map_err(store_error)?;
    for (key, order) in claimed {
        let key =
            Uuid::parse_str(&key).map_err(|error| unreadable(format!("idempotency key {key}"), error))?;
        world.claimed.insert(key, OrderId::new(order));
    }
    let others: Vec<Uuid> =
        keys.iter().map(|(key, _)| *key).filter(|key| !world.claimed.contains_key(key)).collect();
    if others.is_empty() {
        return Ok(());
    }
    let statement = sqlx::query_as(sql!("idempotency_keys_by_key")).bind(params::rows(others)?);
    let rows: Vec<KeyRow> = statement.fetch_all(connection).await.map_err(store_error)?;
    for row in rows {
        let key = row.key.clone();
        let claim = row.decode().map_err(|reason| unreadable(format!("idempotency key {key}"), reason))?;
        world.taken.insert(claim.key, claim);
    }
    Ok(())
}

async fn load_sagas(
    connection: &mut SqliteConnection,
    ids: &[SagaId],
    world: &mut World,
) -> Result<(), StoreError> {
    let statement = sqlx::query(sql!("sagas_by_id")).bind(saga_keys(ids)?);
    let Read { sagas, unreadable: broken } = read_sagas(connection, statement).await?;
    if let Some((id, reason)) = broken.first() {
        return Err(unreadable(format!("saga {id}"), reason));
    }
    world.sagas.extend(sagas.into_iter().map(|(saga, signals)| (saga.id, (saga, signals))));
    Ok(())
}

async fn load_refunds(
    connection: &mut SqliteConnection,
    orders: &[OrderId],
    world: &mut World,
) -> Result<(), StoreError> {
    let statement = sqlx::query_as(sql!("refunds_by_order")).bind(order_numbers(orders)?);
    let rows: Vec<RefundRow> = statement.fetch_all(connection).await.map_err(store_error)?;
    for row in rows {
        let saga = SagaId::from_key(row.saga_id);
        let refund =
            row.decode().map_err(|reason| unreadable(format!("the refund of saga {saga}"), reason))?;
        world.refunds.insert(saga, refund);
    }
    Ok(())
}

/// Carts, in no particular order.
pub(crate) async fn read_carts(
    connection: &mut SqliteConnection,
    ids: &[CartId],
) -> Result<Vec<Cart>, StoreError> {
    let statement = sqlx::query_as(sql!("carts_by_id")).bind(params::rows(ids)?);
    let rows: Vec<CartRow> = statement.fetch_all(connection).await.map_err(store_error)?;
    let decode = |row: CartRow| {
        let id = row.id.clone();
        row.decode().map_err(|reason| unreadable(format!("cart {id}"), reason))
    };
    rows.into_iter().map(decode).collect()
}

/// Orders with their lines, newest first.
pub(crate) async fn read_orders(
    connection: &mut SqliteConnection,
    ids: &[OrderId],
) -> Result<Vec<Order>, StoreError> {
    let ids = order_numbers(ids)?;
    let orders = sqlx::query_as(sql!("orders_by_id")).bind(ids.clone());
    let orders: Vec<OrderRow> = orders.fetch_all(&mut *connection).await.map_err(store_error)?;
    let lines = sqlx::query_as(sql!("order_lines_by_order")).bind(ids);
    let lines: Vec<LineRow> = lines.fetch_all(connection).await.map_err(store_error)?;
    let mut lines_of: BTreeMap<i64, Vec<Line>> = BTreeMap::new();
    for row in lines {
        let order = row.order_id;
        let line = row.decode().map_err(|reason| unreadable(format!("a line of order {order}"), reason))?;
        lines_of.entry(order).or_default().push(line);
    }
    let decode = |row: OrderRow| {
        let id = row.id;
        let lines = lines_of.remove(&id).unwrap_or_default();
        row.decode(lines).map_err(|reason| unreadable(format!("order {id}"), reason))
    };
    orders.into_iter().map(decode).collect()
}

/// Payments, by order.
pub(crate) async fn read_payments(
    connection: &mut SqliteConnection,
    orders: &[OrderId],
) -> Result<BTreeMap<OrderId, Payment>, StoreError> {
    let statement = sqlx::query_as(sql!("payments_by_order")).bind(order_numbers(orders)?);
    let rows: Vec<PaymentRow> = statement.fetch_all(connection).await.map_err(store_error)?;
    let mut payments = BTreeMap::new();
    for row in rows {
        let order = row.order_id;
        let payment =
            row.decode().map_err(|reason| unreadable(format!("the payment of order {order}"), reason))?;
        payments.insert(payment.order, payment);
    }
    Ok(payments)
}
