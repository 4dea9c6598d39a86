//! Everything the audit needs to know, page by page, all of one snapshot.

use futures_util::TryStreamExt;
use holdfast_saga::ports::StoreError;
use holdfast_saga::records::audit_fact::{Fact, OrderFact, RefundFact};
use holdfast_shared::{OrderId, SagaId, SagaState};
use holdfast_store_rows::{self as rows, Columns, unreadable};
use sqlx::SqliteConnection;

use crate::error::store_error;
use crate::row::{self, FileRow};
use crate::statement::{Statement, read, sql};

/// A page of orders with their sagas fits into a few megabytes.
const PAGE: usize = 5_000;

type Visit<'v> = &'v mut (dyn FnMut(Fact) + Send);

/// `snapshot` must be inside a transaction: that is what makes it one.
pub(crate) async fn visit(snapshot: &mut SqliteConnection, visit: Visit<'_>) -> Result<(), StoreError> {
    let stock = sqlx::query(sql!("stock_audit"));
    each(snapshot, stock, |row| {
        visit(Fact::Stock(rows::stock_fact(row)?));
        Ok(())
    })
    .await?;
    let mut last = 0;
    loop {
        let mut page = orders(snapshot, last).await?;
        let ended = page.len() < PAGE;
        // The last page answers for everything behind it, too: sagas there have no order.
        let until = match page.last() {
            Some(order) if !ended => order.id.sagas().end().key(),
            Some(_) | None => SagaId::standalone(1).key() - 1,
        };
        let range = (first_saga_after(last), until);
        sagas(snapshot, range, &mut page, visit).await?;
        notifications(snapshot, range, &mut page).await?;
        refunds(snapshot, range, &mut page).await?;
        last = page.last().map_or(last, |order| order.id.number());
        for order in page {
            visit(Fact::Order(order));
        }
        if ended {
            return Ok(());
        }
    }
}

/// Looks at one row of a statement after the other, so that memory stays bounded.
async fn each(
    snapshot: &mut SqliteConnection,
    statement: Statement,
    mut look: impl FnMut(&FileRow) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut found = statement.fetch(snapshot);
    while let Some(row) = found.try_next().await.map_err(store_error)? {
        look(&FileRow(row))?;
    }
    Ok(())
}

fn first_saga_after(order: i64) -> i64 {
    if order == 0 { i64::MIN } else { OrderId::new(order).sagas().end().key() + 1 }
}

/// The page of orders after `last`, by number.
async fn orders(snapshot: &mut SqliteConnection, last: i64) -> Result<Vec<OrderFact>, StoreError> {
    let limit = i64::try_from(PAGE).unwrap_or(i64::MAX);
    let statement = sqlx::query(sql!("orders_audit")).bind(last).bind(limit);
    read(snapshot, statement, rows::order_fact).await
}

fn order_of(page: &mut [OrderFact], saga: SagaId) -> Option<&mut OrderFact> {
    let id = saga.order()?;
    let at = page.binary_search_by_key(&id, |order| order.id).ok()?;
    page.get_mut(at)
}

/// Gives the orders of `page` their sagas. A saga between them that belongs to none of them is an orphan.
async fn sagas(
    snapshot: &mut SqliteConnection,
    (from, until): (i64, i64),
    page: &mut [OrderFact],
    visit: Visit<'_>,
) -> Result<(), StoreError> {
    let statement = sqlx::query(sql!("sagas_audit")).bind(from).bind(until);
    each(snapshot, statement, |row| {
        let id = rows::saga_id(row)?;
        let mut columns = Columns::of(row);
        let state = columns.integer("id").and_then(|_| columns.parsed::<SagaState>("state"));
        let state = state.map_err(|reason| unreadable(format_args!("saga {id}"), reason))?;
        match order_of(page, id) {
            Some(order) => order.sagas.push((id.slot().unwrap_or_default(), state)),
            None => visit(Fact::Orphan(id)),
        }
        Ok(())
    })
    .await
}

async fn notifications(
    snapshot: &mut SqliteConnection,
    (from, until): (i64, i64),
    page: &mut [OrderFact],
) -> Result<(), StoreError> {
    let statement = sqlx::query(sql!("notifications_audit")).bind(from).bind(until);
    each(snapshot, statement, |row| {
        let id = SagaId::from_key(row::number(row)?);
        if let Some(order) = order_of(page, id) {
            order.notifications.extend(id.slot());
        }
        Ok(())
    })
    .await
}

async fn refunds(
    snapshot: &mut SqliteConnection,
    (from, until): (i64, i64),
    page: &mut [OrderFact],
) -> Result<(), StoreError> {
    let statement = sqlx::query(sql!("refunds_audit")).bind(from).bind(until);
    each(snapshot, statement, |row| {
        let refund = rows::refund(row)?;
        if let Some(order) = order_of(page, refund.saga) {
            order.refunds.push(RefundFact::of(&refund));
        }
        Ok(())
    })
    .await
}
