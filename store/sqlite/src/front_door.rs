//! What the shop's front door reads and keeps: carts, the catalogue, order_versions, secrets.

use std::collections::BTreeMap;

use holdfast_saga::ports::StoreError;
use holdfast_saga::records::Product;
use holdfast_saga::records::view::{OrderVersion, ProductFilter};
use holdfast_shared::{CartId, OrderId, ShopId, Sku, Time};
use sqlx::SqliteConnection;
use uuid::Uuid;

use crate::decode::{ProductRow, parse};
use crate::error::{commit_error, store_error, unreadable};
use crate::params::{self, order_numbers};
use crate::{SqliteStore, sql};

pub(crate) async fn shop(store: &SqliteStore) -> Result<ShopId, StoreError> {
    let id: String = sqlx::query_scalar(sql!("shop")).fetch_one(&store.readers).await.map_err(store_error)?;
    parse("id", &id).map_err(|reason| unreadable("shop", reason))
}

pub(crate) async fn open_cart_of(
    connection: &mut SqliteConnection,
    customer: &str,
) -> Result<Option<CartId>, StoreError> {
    let id: Option<String> = sqlx::query_scalar(sql!("carts_open_of"))
        .bind(customer)
        .fetch_optional(connection)
        .await
        .map_err(store_error)?;
    let cart = |id: String| Uuid::parse_str(&id).map_err(|error| unreadable(format!("cart {id}"), error));
    Ok(id.map(cart).transpose()?.map(CartId))
}

pub(crate) async fn products(
    connection: &mut SqliteConnection,
    filter: &ProductFilter,
) -> Result<Vec<Product>, StoreError> {
    let statement = if filter.skus.is_empty() {
        sqlx::query_as(sql!("products_page"))
    } else {
        sqlx::query_as(sql!("products_named")).bind(params::rows(&filter.skus)?)
    };
    // No SKU is empty, so all of them lie behind that.
    let after = filter.after.as_ref().map_or("", Sku::as_str);
    let statement = statement.bind(after).bind(filter.active).bind(filter.limit);
    let rows: Vec<ProductRow> = statement.fetch_all(connection).await.map_err(store_error)?;
    let decode = |row: ProductRow| {
        let sku = row.sku.clone();
        row.decode().map_err(|reason| unreadable(format!("product {sku}"), reason))
    };
    rows.into_iter().map(decode).collect()
}

pub(crate) async fn pending(connection: &mut SqliteConnection, at_most: u64) -> Result<u64, StoreError> {
    let pending: i64 = sqlx::query_scalar(sql!("orders_pending"))
        .bind(i64::try_from(at_most).unwrap_or(i64::MAX))
        .fetch_one(connection)
        .await
        .map_err(store_error)?;
    Ok(pending.unsigned_abs())
}

pub(crate) async fn order_versions(
    connection: &mut SqliteConnection,
    orders: &[OrderId],
) -> Result<BTreeMap<OrderId, OrderVersion>, StoreError> {
    let rows: Vec<(i64, i64, i64, i64)> = sqlx::query_as(sql!("orders_pulse"))
        .bind(order_numbers(orders)?)
        .fetch_all(connection)
        .await
        .map_err(store_error)?;
    let order_version = |(order, updated_at, fences, sagas)| {
        (OrderId::new(order), OrderVersion { updated_at: Time::from_micros(updated_at), fences, sagas })
    };
    Ok(rows.into_iter().map(order_version).collect())
}

pub(crate) async fn secret(store: &SqliteStore, name: &str, fresh: [u8; 32]) -> Result<[u8; 32], StoreError> {
    let mut tx = store.write().await?;
    let keep = sqlx::query(sql!("secrets_keep")).bind(name).bind(&fresh[..]).bind(store.now().as_micros());
    keep.execute(&mut *tx).await.map_err(store_error)?;
    let kept: Vec<u8> = sqlx::query_scalar(sql!("secrets_by_name"))
        .bind(name)
        .fetch_one(&mut *tx)
        .await
        .map_err(store_error)?;
    tx.commit().await.map_err(commit_error)?;
    kept.try_into().map_err(|_| unreadable(format!("secret {name:?}"), "it is not 32 bytes long"))
}
