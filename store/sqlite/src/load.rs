//! Loading a footprint. The writer's turn is the lock, so reading is all there is to do.

use std::collections::BTreeSet;

use holdfast_saga::ports::StoreError;
use holdfast_saga::records::batch_rows::{Footprint, World};
use holdfast_saga::records::{Cart, Order, Payment};
use holdfast_shared::{CartId, OrderId, SagaId};
use holdfast_store_rows::{self as rows, unreadable};
use sqlx::SqliteConnection;

use crate::claim::read_sagas;
use crate::error::store_error;
use crate::operations;
use crate::params::{self, order_numbers, saga_keys};
use crate::statement::{read, shared_sql, sql};

/// The levels of the SKUs in `$1`.
pub(crate) const STOCK_READ: &str =
    shared_sql!("stock_columns" + "where sku in (select value from json_each($1)) order by sku");

/// The versions of named stock levels.
pub(crate) const VERSIONS_READ: &str =
    shared_sql!("stock_versions" + "where stock.sku in (select value from json_each($1))");

pub(crate) async fn load(
    connection: &mut SqliteConnection,
    footprint: &Footprint,
    world: &mut World,
) -> Result<(), StoreError> {
    if !footprint.sagas.is_empty() {
        load_sagas(connection, &footprint.sagas, world).await?;
    }
    if !footprint.orders.is_empty() {
        let orders = read_orders(connection, &footprint.orders).await?;
        world.orders.extend(orders.into_iter().map(|order| (order.id, order)));
    }
    if !footprint.payments.is_empty() {
        let payments = read_payments(connection, &footprint.payments).await?;
        world.payments.extend(payments.into_iter().map(|payment| (payment.order, payment)));
    }
    if !footprint.refunds.is_empty() {
        let statement = sqlx::query(sql!("refunds_read")).bind(order_numbers(&footprint.refunds)?);
        let refunds = read(connection, statement, rows::refund).await?;
        world.refunds.extend(refunds.into_iter().map(|refund| (refund.saga, refund)));
    }
    if !footprint.carts.is_empty() {
        let carts = read_carts(connection, &footprint.carts).await?;
        world.carts.extend(carts.into_iter().map(|cart| (cart.id, cart)));
    }
    if !footprint.keys.is_empty() {
        let statement = sqlx::query(sql!("idempotency_keys_read")).bind(params::rows(&footprint.keys)?);
        let taken = read(connection, statement, rows::taken_key).await?;
        world.taken.extend(taken.into_iter().map(|taken| (taken.key, taken)));
    }
    let in_carts = world.carts.values().filter(|_| footprint.products_of_carts).flat_map(|cart| &cart.items);
    let skus: BTreeSet<_> = footprint.products.iter().chain(in_carts.map(|item| &item.sku)).collect();
    if !skus.is_empty() {
        let statement = sqlx::query(sql!("products_read")).bind(params::rows(skus)?);
        let products = read(connection, statement, rows::product).await?;
        world.products.extend(products.into_iter().map(|product| (product.sku.clone(), product)));
    }
    if footprint.pauses {
        world.paused = operations::paused(&mut *connection).await?;
    }
    if !footprint.versions.is_empty() {
        let statement = sqlx::query(VERSIONS_READ).bind(params::rows(&footprint.versions)?);
        world.versions.extend(read(connection, statement, rows::versions).await?);
    }
    if !footprint.request_keys.is_empty() {
        let statement = sqlx::query(sql!("request_keys_read")).bind(params::rows(&footprint.request_keys)?);
        world.request_keys.extend(read(connection, statement, rows::request_key).await?);
    }
    // The single writer holds every row anyway.
    let levels: BTreeSet<_> = footprint.stock.iter().chain(&footprint.levels).collect();
    if !levels.is_empty() {
        let statement = sqlx::query(STOCK_READ).bind(params::rows(levels)?);
        world.stock.extend(read(connection, statement, rows::stock).await?);
    }
    Ok(())
}

/// The numbers of new orders.
pub(crate) async fn draw_order_numbers(
    connection: &mut SqliteConnection,
    count: usize,
) -> Result<Vec<OrderId>, StoreError> {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let last: i64 = sqlx::query_scalar(sql!("order_numbers_draw"))
        .bind(count)
        .fetch_one(connection)
        .await
        .map_err(store_error)?;
    Ok((last - count + 1..=last).map(OrderId::new).collect())
}

async fn load_sagas(
    connection: &mut SqliteConnection,
    ids: &[SagaId],
    world: &mut World,
) -> Result<(), StoreError> {
    let statement = sqlx::query(sql!("sagas_read")).bind(saga_keys(ids)?);
    let (sagas, broken) = read_sagas(connection, statement).await?;
    if let Some((id, reason)) = broken.first() {
        return Err(unreadable(format_args!("saga {id}"), reason));
    }
    world.sagas.extend(sagas.into_iter().map(|(saga, signals)| (saga.id, (saga, signals))));
    Ok(())
}

/// Carts, in no particular order.
pub(crate) async fn read_carts(
    connection: &mut SqliteConnection,
    ids: &[CartId],
) -> Result<Vec<Cart>, StoreError> {
    let statement = sqlx::query(sql!("carts_read")).bind(params::rows(ids)?);
    read(connection, statement, rows::cart).await
}

/// Orders with their lines, newest first.
pub(crate) async fn read_orders(
    connection: &mut SqliteConnection,
    ids: &[OrderId],
) -> Result<Vec<Order>, StoreError> {
    let ids = order_numbers(ids)?;
    let statement = sqlx::query(shared_sql!(
        "orders_columns" + "where id in (select value from json_each($1)) order by id desc"
    ))
    .bind(ids.clone());
    let mut orders = read(&mut *connection, statement, rows::order).await?;
    let statement = sqlx::query(sql!("order_lines_read")).bind(ids);
    let mut lines = rows::lines_by_order(read(connection, statement, rows::line).await?);
    for order in &mut orders {
        order.lines = lines.remove(&order.id).unwrap_or_default();
    }
    Ok(orders)
}

/// Payments, in no particular order.
pub(crate) async fn read_payments(
    connection: &mut SqliteConnection,
    orders: &[OrderId],
) -> Result<Vec<Payment>, StoreError> {
    let statement =
        sqlx::query(shared_sql!("payments_columns" + "where order_id in (select value from json_each($1))"))
            .bind(order_numbers(orders)?);
    read(connection, statement, rows::payment).await
}
