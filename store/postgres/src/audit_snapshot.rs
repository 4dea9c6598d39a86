//! The facts of an audit, all of one snapshot, in pages so that memory stays bounded.

use holdfast_saga::ports::StoreError;
use holdfast_saga::records::audit_fact::{Fact, OrderFact};
use holdfast_shared::SagaState;
use holdfast_store_rows::{self as rows, Columns, unreadable};

use crate::error::store_error;
use crate::pipeline::PipelinedConnection;
use crate::pool::Pool;
use crate::row::PgRow;
use crate::statement::Sql;

/// Large enough to hide the round trip, small enough to fit into a cache.
const PAGE: i64 = 5_000;

/// An audit of millions of orders takes longer than any batch may.
const SETTINGS: &str = "
    set local statement_timeout = 0; set local idle_in_transaction_session_timeout = 0; savepoint by_key;
    set local enable_seqscan = on; set local enable_bitmapscan = on; set local enable_hashjoin = on;
    set local enable_mergejoin = on";

pub(crate) async fn visit(pool: &Pool, visit: &mut (dyn FnMut(Fact) + Send)) -> Result<(), StoreError> {
    let mut transaction = pool.acquire().await?;
    let (connection, begun) = transaction.begin("begin isolation level repeatable read read only")?;
    begun.await?;
    connection.simple_query(SETTINGS).await.map_err(store_error)?;
    for stock in connection.read(Sql::StockAudit, &[], rows::stock_fact).await? {
        visit(Fact::Stock(stock));
    }
    for orphan in connection.read(Sql::SagasAuditOrphans, &[], rows::saga_id).await? {
        visit(Fact::Orphan(orphan));
    }
    // These read tables whole. A page must not: merged with its payments, each would read all of those before it.
    connection.simple_query("rollback to by_key").await.map_err(store_error)?;
    let mut after = 0;
    while let Some(last) = page(connection, after, visit).await? {
        after = last;
    }
    transaction.rollback().await;
    Ok(())
}

/// One page of orders after `after`; the last number of it, or `None` when there are no more.
async fn page(
    connection: &PipelinedConnection,
    after: i64,
    visit: &mut (dyn FnMut(Fact) + Send),
) -> Result<Option<i64>, StoreError> {
    let orders = connection.read(Sql::OrdersAudit, &[&after, &PAGE], order_fact).await?;
    let last = orders.last().map(|order| order.id.number());
    for order in orders {
        visit(Fact::Order(order));
    }
    Ok(last)
}

/// An order with all that belongs to it: the columns that both stores have, then those that are arrays.
fn order_fact(row: &PgRow) -> Result<OrderFact, StoreError> {
    let mut columns = Columns::of(row);
    let mut order = rows::order_fact_columns(&mut columns)?;
    let refused = |reason| unreadable(format_args!("order {}", order.id), reason);
    let refunds = columns.json("refunds").map_err(refused)?;
    let at = columns.position();
    let (slots, states): (Vec<i64>, Vec<String>) = (row.value(at)?, row.value(at + 1)?);
    let state =
        |text: &String| text.parse().map_err(|error| refused(format!("saga_states {text:?}: {error}")));
    let states = states.iter().map(state).collect::<Result<Vec<SagaState>, StoreError>>()?;
    let notifications: Vec<i64> = row.value(at + 2)?;
    order.refunds = refunds;
    order.sagas = slots.into_iter().filter_map(slot).zip(states).collect();
    order.notifications = notifications.into_iter().filter_map(slot).collect();
    Ok(order)
}

/// The low bits of a saga's key, which is what the statement returns.
fn slot(bits: i64) -> Option<u32> {
    u32::try_from(bits).ok()
}
