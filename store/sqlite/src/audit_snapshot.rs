//! The facts of an audit, all of one snapshot, in stretches of orders so that memory stays bounded.

use std::ops::RangeInclusive;

use holdfast_saga::ports::StoreError;
use holdfast_saga::records::audit_fact::Fact;
use holdfast_shared::SagaId;
use holdfast_store_rows::{self as rows, Readable, Reading};
use sqlx::SqliteConnection;

use crate::row::{self, FileRow};
use crate::statement::{Statement, read, shared_sql, sql};

/// A stretch of orders with their sagas fits into a few megabytes.
const STRETCH: usize = 2_000;

type Visit<'v> = &'v mut (dyn FnMut(Fact) + Send);

/// `snapshot` must be inside a transaction: that is what makes it one.
pub(crate) async fn visit(snapshot: &mut SqliteConnection, visit: Visit<'_>) -> Result<(), StoreError> {
    let stock = sqlx::query(sql!("stock_audit"));
    for row in each(snapshot, stock, rows::stock_fact).await? {
        visit(rows::fact_of(row, Fact::Stock));
    }
    let loose = sqlx::query(shared_sql!("loose_rows"));
    for row in each(snapshot, loose, rows::loose_row).await? {
        visit(rows::fact_of(row, Fact::Loose));
    }
    let mut first = i64::MIN;
    loop {
        let limit = i64::try_from(STRETCH).unwrap_or(i64::MAX);
        let ids = sqlx::query(shared_sql!("orders_numbers_from")).bind(first).bind(limit);
        let ids = read(&mut *snapshot, ids, row::number).await?;
        let last = if ids.len() < STRETCH { None } else { ids.last().copied() };
        stretch(snapshot, first..=last.unwrap_or(i64::MAX)).await?.facts().for_each(&mut *visit);
        match last {
            Some(last) => first = last + 1,
            None => return Ok(()),
        }
    }
}

/// Each row by itself: one that cannot be read hides no other.
async fn each<T>(
    snapshot: &mut SqliteConnection,
    statement: Statement,
    decode: fn(&FileRow) -> Readable<T>,
) -> Result<Vec<Readable<T>>, StoreError> {
    read(snapshot, statement, |row| Ok(decode(row))).await
}

/// Every row of these orders. The last stretch answers for everything behind it, too.
async fn stretch(
    snapshot: &mut SqliteConnection,
    orders: RangeInclusive<i64>,
) -> Result<Reading, StoreError> {
    let sagas = SagaId::of_orders(&orders);
    let of_orders = |statement: Statement| statement.bind(*orders.start()).bind(*orders.end());
    let of_sagas = |statement: Statement| statement.bind(sagas.start().key()).bind(sagas.end().key());
    let mut reading = Reading::default();
    let statement = of_orders(sqlx::query(shared_sql!("orders_columns" + "where id between $1 and $2")));
    reading.stretch.orders = reading.readable(each(snapshot, statement, rows::order).await?);
    let statement = of_orders(sqlx::query(shared_sql!("order_lines_between")));
    reading.stretch.lines = reading.readable(each(snapshot, statement, rows::line).await?);
    let statement =
        of_orders(sqlx::query(shared_sql!("payments_columns" + "where order_id between $1 and $2")));
    reading.stretch.payments = reading.readable(each(snapshot, statement, rows::payment).await?);
    let statement = of_orders(sqlx::query(shared_sql!("reservations_between")));
    reading.stretch.reservations = reading.readable(each(snapshot, statement, rows::reservation).await?);
    let statement = of_orders(sqlx::query(shared_sql!("carts_of_orders_between")));
    reading.stretch.carts = reading.readable(each(snapshot, statement, rows::cart).await?);
    let statement = of_sagas(sqlx::query(shared_sql!("refunds_between")));
    reading.stretch.refunds = reading.readable(each(snapshot, statement, rows::refund).await?);
    let statement = of_sagas(sqlx::query(shared_sql!("sagas_of_order")));
    let found = read(&mut *snapshot, statement, |row| rows::saga(row, None)).await?;
    reading.stretch.sagas = reading.decoded(found);
    let statement = of_sagas(sqlx::query(shared_sql!("signals_unread_between")));
    let found = read(&mut *snapshot, statement, rows::signal).await?;
    reading.stretch.signals = reading.decoded(found);
    let statement = of_sagas(sqlx::query(shared_sql!("notifications_between")));
    reading.stretch.notifications =
        reading.readable(each(snapshot, statement, rows::notification_row).await?);
    let statement = of_sagas(sqlx::query(shared_sql!("saga_log_last_between")));
    reading.stretch.logged = read(snapshot, statement, rows::last_logged).await?;
    Ok(reading)
}
