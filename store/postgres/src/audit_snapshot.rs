//! The facts of an audit, all of one snapshot, in stretches of orders so that memory stays bounded.

use std::ops::RangeInclusive;

use holdfast_saga::ports::StoreError;
use holdfast_saga::records::audit_fact::Fact;
use holdfast_shared::SagaId;
use holdfast_store_rows::{self as rows, Readable, Reading};

use crate::error::store_error;
use crate::pipeline::{Params, PipelinedConnection};
use crate::pool::{Pool, PooledConnection};
use crate::row::{self, PgRow};
use crate::statement::Sql;

/// Large enough to hide the round trips, small enough to fit into a cache.
const STRETCH: i64 = 2_000;

/// An audit of millions of orders takes longer than any batch may.
const SETTINGS: &str = "
    set local statement_timeout = 0; set local idle_in_transaction_session_timeout = 0; savepoint by_key;
    set local enable_seqscan = on; set local enable_bitmapscan = on; set local enable_hashjoin = on;
    set local enable_mergejoin = on";

pub(crate) async fn visit(pool: &Pool, visit: &mut (dyn FnMut(Fact) + Send)) -> Result<(), StoreError> {
    let mut transaction = pool.acquire().await?;
    loop {
        let begun = begin(&mut transaction).await;
        match begun {
            Ok(()) => break,
            Err(error) => transaction.revive(error).await?,
        }
    }
    let connection = transaction.get()?;
    for row in each(connection, Sql::StockAudit, &[], rows::stock_fact).await? {
        visit(rows::fact_of(row, Fact::Stock));
    }
    for row in each(connection, Sql::LooseRows, &[], rows::loose_row).await? {
        visit(rows::fact_of(row, Fact::Loose));
    }
    // These read tables whole. A stretch must not: joined with its carts, each would read all of those before it.
    connection.simple_query("rollback to by_key").await.map_err(store_error)?;
    let mut first = i64::MIN;
    loop {
        let ids = connection.read(Sql::OrdersNumbersFrom, &[&first, &STRETCH], row::number).await?;
        let is_full = i64::try_from(ids.len()) == Ok(STRETCH);
        let last = ids.last().copied().filter(|_| is_full);
        let orders = first..=last.unwrap_or(i64::MAX);
        stretch(connection, orders).await?.facts().for_each(&mut *visit);
        match last {
            Some(last) => first = last + 1,
            None => break,
        }
    }
    transaction.rollback().await;
    Ok(())
}

async fn begin(transaction: &mut PooledConnection) -> Result<(), StoreError> {
    let (connection, begun) = transaction.begin("begin isolation level repeatable read read only").await?;
    begun.await?;
    connection.simple_query(SETTINGS).await.map_err(store_error)
}

/// Each row by itself: one that cannot be read hides no other.
async fn each<T>(
    connection: &PipelinedConnection,
    sql: Sql,
    params: &Params<'_>,
    decode: fn(&PgRow) -> Readable<T>,
) -> Result<Vec<Readable<T>>, StoreError> {
    connection.read(sql, params, |row| Ok(decode(row))).await
}

/// Every row of these orders. The last stretch answers for everything behind it, too.
async fn stretch(
    connection: &PipelinedConnection,
    orders: RangeInclusive<i64>,
) -> Result<Reading, StoreError> {
    let sagas = SagaId::of_orders(&orders);
    let by_order: &Params<'_> = &[orders.start(), orders.end()];
    let by_saga: &Params<'_> = &[&sagas.start().key(), &sagas.end().key()];
    let mut reading = Reading::default();
    reading.stretch.orders =
        reading.readable(each(connection, Sql::OrdersBetween, by_order, rows::order).await?);
    reading.stretch.lines =
        reading.readable(each(connection, Sql::OrderLinesBetween, by_order, rows::line).await?);
    reading.stretch.payments =
        reading.readable(each(connection, Sql::PaymentsBetween, by_order, rows::payment).await?);
    reading.stretch.reservations =
        reading.readable(each(connection, Sql::ReservationsBetween, by_order, rows::reservation).await?);
    reading.stretch.carts =
        reading.readable(each(connection, Sql::CartsOfOrdersBetween, by_order, rows::cart).await?);
    reading.stretch.refunds =
        reading.readable(each(connection, Sql::RefundsBetween, by_saga, rows::refund).await?);
    let found = connection.read(Sql::SagasOfOrder, by_saga, |row| rows::saga(row, None)).await?;
    reading.stretch.sagas = reading.decoded(found);
    let found = connection.read(Sql::SignalsUnreadBetween, by_saga, rows::signal).await?;
    reading.stretch.signals = reading.decoded(found);
    reading.stretch.notifications =
        reading.readable(each(connection, Sql::NotificationsBetween, by_saga, rows::notification_row).await?);
    reading.stretch.logged = connection.read(Sql::SagaLogLastBetween, by_saga, rows::last_logged).await?;
    Ok(reading)
}
