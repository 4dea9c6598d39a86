//! The shop's own row, and where its database is.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::UNIX_EPOCH;

use holdfast_saga::ports::StoreError;
use holdfast_saga::records::Shop;
use holdfast_shared::{OrderId, SagaId, ShopId};
use holdfast_store_rows as rows;
use sqlx::SqliteConnection;

use crate::connections::Connections;
use crate::error::{commit_error, store_error};
use crate::row::{FileRow, number};
use crate::statement::{read, shared_sql, sql};

pub(crate) async fn id(connections: &Connections) -> Result<ShopId, StoreError> {
    Ok(row(&mut *connections.read().await?).await?.id)
}

pub(crate) async fn shop(connections: &Connections) -> Result<Shop, StoreError> {
    let mut connection = connections.read().await?;
    let shop = row(&mut connection).await?;
    let last = sqlx::query(sql!("order_numbers_last")).fetch_one(&mut *connection).await;
    let last_number = number(&FileRow(last.map_err(store_error)?))?;
    Ok(Shop { here: here(connections.path())?, last_number, ..shop })
}

async fn row(connection: &mut SqliteConnection) -> Result<Shop, StoreError> {
    let row = sqlx::query(shared_sql!("shop_read")).fetch_one(connection).await.map_err(store_error)?;
    rows::shop(&FileRow(row))
}

/// The file's own number, and when it was made: a number that is free again is given to the next file.
fn here(path: &Path) -> Result<String, StoreError> {
    let unreadable = |error: std::io::Error| StoreError::Unavailable(format!("{}: {error}", path.display()));
    let found = std::fs::metadata(path).map_err(unreadable)?;
    // Some file systems do not know it.
    let made = found.created().ok().and_then(|made| made.duration_since(UNIX_EPOCH).ok());
    let made = made.map_or_else(String::new, |made| format!(" made at {}", made.as_micros()));
    Ok(format!("inode {}{made}", found.ino()))
}

/// A new database is at home where it is. One that has a home is left alone.
pub(crate) async fn adopt(connections: &Connections) -> Result<(), StoreError> {
    if row(&mut *connections.read().await?).await?.home.is_some() {
        return Ok(());
    }
    let mut tx = connections.write().await?;
    let adopt = sqlx::query(shared_sql!("shop_adopt")).bind(here(connections.path())?);
    adopt.execute(&mut *tx).await.map_err(store_error)?;
    tx.commit().await.map_err(commit_error)
}

/// Writes the row, if it has this epoch, and keeps orders from its used numbers.
pub(crate) async fn put(
    connection: &mut SqliteConnection,
    epoch: i64,
    shop: &Shop,
) -> Result<(), StoreError> {
    let put = sqlx::query(shared_sql!("shop_put"))
        .bind(shop.id.to_string())
        .bind(shop.epoch)
        .bind(shop.home.clone())
        .bind(shop.forked_from.map(|id| id.to_string()))
        .bind(shop.first_order.number())
        .bind(shop.missing_order.map(OrderId::number))
        .bind(epoch);
    let found = put.execute(&mut *connection).await.map_err(store_error)?.rows_affected();
    if found != 1 {
        return Err(StoreError::Mismatch { table: "shop", expected: 1, found });
    }
    let skip = sqlx::query(sql!("order_numbers_skip")).bind(shop.last_number);
    skip.execute(connection).await.map_err(store_error)?;
    Ok(())
}

pub(crate) async fn parked(
    connection: &mut SqliteConnection,
    after: Option<SagaId>,
    limit: u32,
) -> Result<Vec<SagaId>, StoreError> {
    let after = after.map_or(0, SagaId::key);
    // What a document says of a truth value is a number here.
    let statement = sqlx::query(shared_sql!("sagas_parked")).bind(1).bind(after).bind(limit);
    read(connection, statement, rows::saga_id).await
}
