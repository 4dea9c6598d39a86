//! Writing a batch, set-wise, in the lock order of E4; stock last of all, because every batch wants the same few rows:
//! they are held for no more than the commit.
//!
//! Tables that every order's commits write together share a statement: an order alone waits for each round trip.

mod order;
mod refund;
mod saga;
mod shop;

use holdfast_saga::ports::StoreError;
use holdfast_saga::world::Writes;
use sqlx::PgConnection;
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
    saga::save(tx, writes, at).await?;
    saga::poison(tx, writes, at).await?;
    saga::consume(tx, writes, at).await?;
    order::place(tx, writes, at).await?;
    order::hold(tx, writes, at).await?;
    order::advance(tx, writes, at).await?;
    refund::update(tx, writes, at).await?;
    order::move_notifications(tx, writes, at).await?;
    shop::move_carts(tx, writes, at).await?;
    shop::discard_carts(tx, writes).await?;
    refund::insert(tx, writes, at).await?;
    saga::signal(tx, writes, at).await?;
    shop::insert(tx, writes, at).await?;
    operations::brake(tx, writes).await?;
    shop::move_stock(tx, writes).await
}

/// Every row that should have moved did, or the batch is not saved.
fn all_moved(table: &'static str, expected: usize, found: u64) -> Result<(), StoreError> {
    let expected = expected as u64;
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
