//! Writing a batch, set-wise, in the lock order of E4; stock last of all, because every batch wants the same few rows:
//! they are held for no more than the commit.
//!
//! Tables that every order's commits write together share a statement: an order alone pays for each one's start.

mod order;
mod refund;
mod saga;
mod shop;

use holdfast_saga::ports::StoreError;
use holdfast_saga::records::batch_rows::Writes;
use time::OffsetDateTime;
use tokio::try_join;

use crate::operations;
use crate::spare::Lent;

/// Writes everything, sent in one go; the caller commits.
pub(crate) async fn save(lent: &mut Lent, writes: &Writes) -> Result<(), StoreError> {
    let at = OffsetDateTime::from(writes.at);
    let (pipe, begun) = lent.begin()?;
    try_join!(
        biased;
        begun,
        shop::unclaim(pipe, writes),
        saga::save(pipe, writes, at),
        saga::poison(pipe, writes, at),
        saga::consume(pipe, writes, at),
        order::place(pipe, writes, at),
        order::hold(pipe, writes, at),
        order::advance(pipe, writes, at),
        refund::update(pipe, writes, at),
        order::move_notifications(pipe, writes, at),
        shop::hold_carts(pipe, writes),
        shop::move_carts(pipe, writes, at),
        shop::discard_carts(pipe, writes),
        refund::insert(pipe, writes, at),
        saga::signal(pipe, writes, at),
        shop::put_carts(pipe, writes, at),
        shop::put_products(pipe, writes, at),
        shop::open_shelves(pipe, writes),
        shop::insert_adjustments(pipe, writes),
        shop::insert_actions(pipe, writes),
        operations::resume(pipe, writes),
        operations::pause(pipe, writes),
        shop::hold_stock(pipe, writes),
        shop::move_stock(pipe, writes),
    )?;
    Ok(())
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
