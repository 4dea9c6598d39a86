//! Writing a batch, set-wise, in the lock order of E4; stock last of all, because every batch writes the same few rows:
//! they are locked for no longer than the commit.
//!
//! Tables that the commits of every order write together share a statement: an order alone pays for the start of each.

mod order;
mod queue;
mod refund;
mod saga;
mod shop;

use holdfast_saga::ports::StoreError;
use holdfast_saga::records::batch_rows::Writes;
use time::OffsetDateTime;
use tokio::try_join;

use crate::pool::PooledConnection;

/// Writes everything, sent in one go; the caller commits.
pub(crate) async fn save(transaction: &mut PooledConnection, writes: &Writes) -> Result<(), StoreError> {
    let at = OffsetDateTime::from(writes.at);
    let (connection, begun) = transaction.begin_batch().await?;
    try_join!(
        biased;
        begun,
        saga::save(connection, writes, at),
        saga::poison(connection, writes, at),
        saga::consume(connection, writes, at),
        order::insert(connection, writes, at),
        order::open(connection, writes, at),
        order::advance(connection, writes, at),
        refund::update(connection, writes, at),
        order::move_notifications(connection, writes, at),
        shop::lock_carts(connection, writes),
        shop::move_carts(connection, writes, at),
        shop::discard_carts(connection, writes),
        refund::insert(connection, writes, at),
        saga::signal(connection, writes, at),
        shop::put_carts(connection, writes, at),
        shop::put_products(connection, writes, at),
        shop::ensure_stock_rows(connection, writes),
        shop::insert_adjustments(connection, writes),
        shop::insert_request_keys(connection, writes, at),
        shop::insert_actions(connection, writes),
        shop::put_shop(connection, writes),
        queue::resume(connection, writes),
        queue::pause(connection, writes),
        shop::lock_stock(connection, writes),
        shop::move_stock(connection, writes),
    )?;
    Ok(())
}
