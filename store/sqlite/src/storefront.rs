//! What the API reads and keeps before there is an order: carts, the catalogue, versions of orders, secrets.

use std::collections::BTreeMap;

use holdfast_saga::ports::StoreError;
use holdfast_saga::records::view::{OrderVersion, ProductFilter};
use holdfast_saga::records::{Identity, Product, Stock, Versions};
use holdfast_shared::{CartId, CustomerId, OrderId, Sku, Time};
use holdfast_store_rows::{self as rows, Columns, unreadable};
use sqlx::SqliteConnection;

use crate::connections::Connections;
use crate::error::{commit_error, store_error};
use crate::load::{STOCK_READ, VERSIONS_READ};
use crate::params::{self, order_numbers};
use crate::row::{self, FileRow};
use crate::statement::{read, shared_sql, sql};

pub(crate) async fn open_cart_of(
    connection: &mut SqliteConnection,
    customer: CustomerId,
) -> Result<Option<CartId>, StoreError> {
    let statement = sqlx::query(shared_sql!("carts_open_of_customer")).bind(customer.0.to_string());
    let id = |row: &FileRow| {
        let id = Columns::of(row).uuid("id");
        id.map(CartId).map_err(|reason| unreadable("a cart", reason))
    };
    Ok(read(connection, statement, id).await?.pop())
}

pub(crate) async fn known_customer(
    connections: &Connections,
    identity: &Identity,
) -> Result<Option<CustomerId>, StoreError> {
    match read_customer(&mut *connections.read().await?, identity).await? {
        None => return Ok(None),
        Some((id, rows::Issuer::Kept)) => return Ok(Some(id)),
        Some((_, rows::Issuer::Unknown)) => {}
    }
    let Identity { issuer, sub } = identity.clone();
    let mut tx = connections.write().await?;
    let name = sqlx::query(shared_sql!("customers_name_issuer")).bind(issuer).bind(sub);
    name.execute(&mut *tx).await.map_err(store_error)?;
    // Another issuer may have been faster.
    let known = read_customer(&mut tx, identity).await?;
    tx.commit().await.map_err(commit_error)?;
    Ok(known.map(|(id, _)| id))
}

/// Adds a customer with the id `fresh`, unless there is one with this identity.
pub(crate) async fn add_customer(
    connections: &Connections,
    now: Time,
    identity: &Identity,
    fresh: CustomerId,
) -> Result<(), StoreError> {
    let Identity { issuer, sub } = identity.clone();
    let mut tx = connections.write().await?;
    let insert = sqlx::query(shared_sql!("customers_insert")).bind(fresh.0.to_string());
    let insert = insert.bind(issuer).bind(sub).bind(now.as_micros());
    insert.execute(&mut *tx).await.map_err(store_error)?;
    tx.commit().await.map_err(commit_error)
}

async fn read_customer(
    connection: &mut SqliteConnection,
    identity: &Identity,
) -> Result<Option<(CustomerId, rows::Issuer)>, StoreError> {
    let Identity { issuer, sub } = identity.clone();
    let statement = sqlx::query(shared_sql!("customers_read")).bind(issuer).bind(sub);
    Ok(read(connection, statement, rows::customer).await?.pop())
}

pub(crate) async fn products(
    connection: &mut SqliteConnection,
    filter: &ProductFilter,
) -> Result<Vec<Product>, StoreError> {
    let statement = if filter.skus.is_empty() {
        sqlx::query(sql!("products_page"))
    } else {
        sqlx::query(sql!("products_page_named")).bind(params::rows(&filter.skus)?)
    };
    // No SKU is empty, so all of them lie behind that.
    let after = filter.after.as_ref().map_or_else(String::new, Sku::to_string);
    let statement = statement.bind(after).bind(filter.active).bind(filter.limit);
    read(connection, statement, rows::product).await
}

pub(crate) async fn levels(
    connection: &mut SqliteConnection,
    skus: &[Sku],
) -> Result<Vec<(Sku, Stock)>, StoreError> {
    let statement = sqlx::query(STOCK_READ).bind(params::rows(skus)?);
    read(connection, statement, rows::stock).await
}

pub(crate) async fn versions(
    connection: &mut SqliteConnection,
    sku: &Sku,
) -> Result<Option<Versions>, StoreError> {
    let statement = sqlx::query(VERSIONS_READ).bind(params::rows([sku])?);
    let found = read(connection, statement, rows::versions).await?;
    Ok(found.into_iter().map(|(_, versions)| versions).next())
}

pub(crate) async fn pending(connection: &mut SqliteConnection, at_most: u64) -> Result<u64, StoreError> {
    count(connection, shared_sql!("orders_count_pending"), at_most).await
}

pub(crate) async fn at_work(connection: &mut SqliteConnection, at_most: u64) -> Result<u64, StoreError> {
    count(connection, shared_sql!("orders_count_at_work"), at_most).await
}

async fn count(
    connection: &mut SqliteConnection,
    sql: &'static str,
    at_most: u64,
) -> Result<u64, StoreError> {
    let at_most = i64::try_from(at_most).unwrap_or(i64::MAX);
    let statement = sqlx::query(sql).bind(at_most);
    let row = statement.fetch_one(connection).await.map_err(store_error)?;
    Ok(row::number(&FileRow(row))?.unsigned_abs())
}

pub(crate) async fn order_versions(
    connection: &mut SqliteConnection,
    orders: &[OrderId],
) -> Result<BTreeMap<OrderId, OrderVersion>, StoreError> {
    let statement = sqlx::query(sql!("orders_version")).bind(order_numbers(orders)?);
    Ok(read(connection, statement, rows::order_version).await?.into_iter().collect())
}

pub(crate) async fn secret(
    connections: &Connections,
    now: Time,
    name: &str,
    fresh: [u8; 32],
) -> Result<[u8; 32], StoreError> {
    let mut tx = connections.write().await?;
    let insert = sqlx::query(shared_sql!("secrets_insert")).bind(name).bind(&fresh[..]).bind(now.as_micros());
    insert.execute(&mut *tx).await.map_err(store_error)?;
    let kept: Vec<u8> = sqlx::query_scalar(shared_sql!("secrets_read"))
        .bind(name)
        .fetch_one(&mut *tx)
        .await
        .map_err(store_error)?;
    tx.commit().await.map_err(commit_error)?;
    kept.try_into().map_err(|_| unreadable(format_args!("secret {name:?}"), "value: is not 32 bytes long"))
}
