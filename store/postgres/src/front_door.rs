//! What the shop's front door reads and keeps: carts, the catalogue, order_versions, secrets; nothing here locks.

use std::collections::BTreeMap;

use holdfast_saga::ports::StoreError;
use holdfast_saga::records::view::{OrderVersion, ProductFilter};
use holdfast_saga::records::{Cart, Product};
use holdfast_shared::{CartId, OrderId, ShopId, Sku, Time};
use sqlx::PgPool;
use time::OffsetDateTime;

use crate::decode::{CartRow, ProductRow, word};
use crate::error::{store_error, unreadable};

pub(crate) async fn shop(pool: &PgPool) -> Result<ShopId, StoreError> {
    let id = sqlx::query_file_scalar!("queries/shop.sql").fetch_one(pool).await.map_err(store_error)?;
    word("shop id", &id)
}

pub(crate) async fn cart(pool: &PgPool, id: CartId) -> Result<Option<Cart>, StoreError> {
    let row = sqlx::query_file_as!(CartRow, "queries/carts_read.sql", id.0)
        .fetch_optional(pool)
        .await
        .map_err(store_error)?;
    row.map(CartRow::decode).transpose()
}

pub(crate) async fn open_cart_of(pool: &PgPool, customer: &str) -> Result<Option<CartId>, StoreError> {
    let id = sqlx::query_file_scalar!("queries/carts_open_of.sql", customer)
        .fetch_optional(pool)
        .await
        .map_err(store_error)?;
    Ok(id.map(CartId))
}

pub(crate) async fn products(pool: &PgPool, filter: &ProductFilter) -> Result<Vec<Product>, StoreError> {
    // No SKU is empty, so all of them lie behind this.
    let after = filter.after.as_ref().map_or("", Sku::as_str);
    let limit = i64::from(filter.limit);
    let rows = if filter.skus.is_empty() {
        let page = sqlx::query_file_as!(ProductRow, "queries/products_page.sql", after, filter.active, limit);
        page.fetch_all(pool).await
    } else {
        let skus: Vec<String> = filter.skus.iter().map(Sku::to_string).collect();
        let path = sqlx::query_file_as!(
            ProductRow,
            "queries/products_named.sql",
            &skus,
            after,
            filter.active,
            limit
        );
        path.fetch_all(pool).await
    };
    rows.map_err(store_error)?.into_iter().map(ProductRow::decode).collect()
}

pub(crate) async fn pending(pool: &PgPool, at_most: u64) -> Result<u64, StoreError> {
    let at_most = i64::try_from(at_most).unwrap_or(i64::MAX);
    let pending = sqlx::query_file_scalar!("queries/orders_pending.sql", at_most)
        .fetch_one(pool)
        .await
        .map_err(store_error)?;
    Ok(pending.unsigned_abs())
}

pub(crate) async fn order_versions(
    pool: &PgPool,
    orders: &[OrderId],
) -> Result<BTreeMap<OrderId, OrderVersion>, StoreError> {
    let ids: Vec<i64> = orders.iter().map(|id| id.number()).collect();
    let rows =
        sqlx::query_file!("queries/orders_pulse.sql", &ids).fetch_all(pool).await.map_err(store_error)?;
    let order_version = |updated_at: OffsetDateTime, fences, sagas| OrderVersion {
        updated_at: updated_at.into(),
        fences,
        sagas,
    };
    let order_versions = rows.into_iter();
    Ok(order_versions
        .map(|row| (OrderId::new(row.id), order_version(row.updated_at, row.fences, row.sagas)))
        .collect())
}

pub(crate) async fn secret(
    pool: &PgPool,
    now: Time,
    name: &str,
    fresh: [u8; 32],
) -> Result<[u8; 32], StoreError> {
    sqlx::query_file!("queries/secrets_keep.sql", name, &fresh[..], OffsetDateTime::from(now))
        .execute(pool)
        .await
        .map_err(store_error)?;
    let kept = sqlx::query_file_scalar!("queries/secrets_read.sql", name)
        .fetch_one(pool)
        .await
        .map_err(store_error)?;
    kept.try_into().map_err(|_| unreadable(&format!("secret {name:?}"), "it is not 32 bytes long"))
}
