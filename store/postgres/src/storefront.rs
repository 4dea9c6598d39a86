//! What the API reads and keeps before there is an order: carts, the catalogue, versions of orders, secrets.

use std::collections::BTreeMap;

use holdfast_saga::ports::StoreError;
use holdfast_saga::records::view::{OrderVersion, ProductFilter};
use holdfast_saga::records::{Cart, Identity, Product, Stock, Versions};
use holdfast_shared::{CartId, CustomerId, OrderId, Sku, Time};
use holdfast_store_rows::{self as rows, unreadable};
use time::OffsetDateTime;

use crate::params::numbers;
use crate::pool::Pool;
use crate::row;
use crate::statement::Sql;

pub(crate) async fn cart(pool: &Pool, id: CartId) -> Result<Option<Cart>, StoreError> {
    Ok(pool.read(Sql::CartsRead, &[&id.0], rows::cart).await?.pop())
}

pub(crate) async fn open_cart_of(pool: &Pool, customer: CustomerId) -> Result<Option<CartId>, StoreError> {
    Ok(pool.read(Sql::CartsOpenOfCustomer, &[&customer.0], |row| row.value(0).map(CartId)).await?.pop())
}

pub(crate) async fn known_customer(
    pool: &Pool,
    Identity { issuer, sub }: &Identity,
) -> Result<Option<CustomerId>, StoreError> {
    let read = async || pool.read(Sql::CustomersRead, &[issuer, sub], rows::customer).await;
    match read().await?.pop() {
        None => Ok(None),
        Some((id, rows::Issuer::Kept)) => Ok(Some(id)),
        Some((_, rows::Issuer::Unknown)) => {
            pool.execute(Sql::CustomersNameIssuer, &[issuer, sub]).await?;
            // Another issuer may have been faster.
            Ok(read().await?.pop().map(|(id, _)| id))
        }
    }
}

/// Adds a customer with the id `fresh`, unless there is one with this identity.
pub(crate) async fn add_customer(
    pool: &Pool,
    now: Time,
    Identity { issuer, sub }: &Identity,
    fresh: CustomerId,
) -> Result<(), StoreError> {
    let now = OffsetDateTime::from(now);
    pool.execute(Sql::CustomersInsert, &[&fresh.0, issuer, sub, &now]).await?;
    Ok(())
}

pub(crate) async fn products(pool: &Pool, filter: &ProductFilter) -> Result<Vec<Product>, StoreError> {
    // No SKU is empty, so all of them lie behind this.
    let after = filter.after.as_ref().map_or("", Sku::as_str);
    let (active, limit) = (filter.active, i64::from(filter.limit));
    if filter.skus.is_empty() {
        return pool.read(Sql::ProductsPage, &[&after, &active, &limit], rows::product).await;
    }
    let skus: Vec<&str> = filter.skus.iter().map(Sku::as_str).collect();
    pool.read(Sql::ProductsPageNamed, &[&skus, &after, &active, &limit], rows::product).await
}

pub(crate) async fn levels(pool: &Pool, skus: &[Sku]) -> Result<Vec<(Sku, Stock)>, StoreError> {
    let skus: Vec<&str> = skus.iter().map(Sku::as_str).collect();
    pool.read(Sql::StockRead, &[&skus], rows::stock).await
}

pub(crate) async fn versions(pool: &Pool, sku: &Sku) -> Result<Option<Versions>, StoreError> {
    let found = pool.read(Sql::StockVersions, &[&[sku.as_str()].as_slice()], rows::versions).await?;
    Ok(found.into_iter().map(|(_, versions)| versions).next())
}

/// What `sql` counts, up to `at_most`.
pub(crate) async fn count(pool: &Pool, sql: Sql, at_most: u64) -> Result<u64, StoreError> {
    let at_most = i64::try_from(at_most).unwrap_or(i64::MAX);
    Ok(pool.read_one(sql, &[&at_most], row::number).await?.unsigned_abs())
}

pub(crate) async fn order_versions(
    pool: &Pool,
    orders: &[OrderId],
) -> Result<BTreeMap<OrderId, OrderVersion>, StoreError> {
    let versions = pool.read(Sql::OrdersVersion, &[&numbers(orders)], rows::order_version).await?;
    Ok(versions.into_iter().collect())
}

pub(crate) async fn secret(
    pool: &Pool,
    now: Time,
    name: &str,
    fresh: [u8; 32],
) -> Result<[u8; 32], StoreError> {
    let read = async || pool.read(Sql::SecretsRead, &[&name], |row| row.value(0)).await;
    let kept: Option<Vec<u8>> = read().await?.pop();
    let kept = if let Some(kept) = kept {
        kept
    } else {
        pool.execute(Sql::SecretsInsert, &[&name, &fresh.as_slice(), &OffsetDateTime::from(now)]).await?;
        // Another process may have been faster.
        pool.read_one(Sql::SecretsRead, &[&name], |row| row.value(0)).await?
    };
    kept.try_into().map_err(|_| unreadable(format_args!("secret {name:?}"), "value: is not 32 bytes long"))
}
