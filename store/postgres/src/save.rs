//! Writing a batch: one statement a table, set-wise, in the lock order of E4, inserts after
//! updates; stock last of all, because every batch wants the same few rows: they are held for no more than the commit.

mod money;
mod order;
mod saga;
mod shop;

use holdfast_saga::ports::StoreError;
use holdfast_saga::world::Writes;
use sqlx::PgConnection;
use sqlx::postgres::PgQueryResult;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::error::store_error;
use crate::operations;

/// Writes everything; the caller commits.
pub(crate) async fn save(tx: &mut PgConnection, writes: &Writes) -> Result<(), StoreError> {
    let at = OffsetDateTime::from(writes.at);
    if !writes.unclaimed.is_empty() {
        let keys: &[Uuid] = &writes.unclaimed;
        sqlx::query_file!("queries/keys_unclaim.sql", keys).execute(&mut *tx).await.map_err(store_error)?;
    }
    saga::update(tx, writes, at).await?;
    saga::poison(tx, writes, at).await?;
    saga::consume(tx, writes, at).await?;
    order::update(tx, writes, at).await?;
    money::update(tx, writes, at).await?;
    order::move_notifications(tx, writes, at).await?;
    shop::move_carts(tx, writes, at).await?;
    shop::discard_carts(tx, writes).await?;
    order::insert(tx, writes, at).await?;
    money::insert(tx, writes, at).await?;
    saga::insert(tx, writes, at).await?;
    shop::insert(tx, writes, at).await?;
    operations::brake(tx, writes).await?;
    shop::move_stock(tx, writes).await
}

/// Every row that should have moved did, or the batch is not saved.
fn all_moved(table: &'static str, expected: usize, result: &PgQueryResult) -> Result<(), StoreError> {
    let (expected, found) = (expected as u64, result.rows_affected());
    if expected == found { Ok(()) } else { Err(StoreError::Mismatch { table, expected, found }) }
}

/// A document as Postgres takes it.
fn json<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Data(format!("cannot be written: {error}")))
}

/// A word of the vocabulary as Postgres takes it.
fn word(word: impl Into<&'static str>) -> &'static str {
    word.into()
}
