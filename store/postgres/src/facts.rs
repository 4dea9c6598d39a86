//! The facts of an audit, all of one snapshot, in pages so that memory stays bounded.

use holdfast_saga::ports::StoreError;
use holdfast_saga::records::audit_fact::{Fact, OrderFact, PaymentFact, StockFact};
use holdfast_shared::{OrderId, SagaId, StepKey};
use sqlx::{PgConnection, PgPool};

use crate::decode::{json, word};
use crate::error::store_error;

/// Large enough to hide the round trip, small enough to fit into a cache.
const PAGE: i64 = 5_000;

pub(crate) async fn visit(pool: &PgPool, visit: &mut (dyn FnMut(Fact) + Send)) -> Result<(), StoreError> {
    let mut tx =
        pool.begin_with("begin isolation level repeatable read read only").await.map_err(store_error)?;
    // An audit of millions of orders takes longer than any batch may.
    say(
        &mut tx,
        "set local statement_timeout = 0; set local idle_in_transaction_session_timeout = 0; savepoint by_key; \
         set local enable_seqscan = on; set local enable_bitmapscan = on; set local enable_hashjoin = on; \
         set local enable_mergejoin = on",
    )
    .await?;
    let stock =
        sqlx::query_file!("queries/facts_stock.sql").fetch_all(&mut *tx).await.map_err(store_error)?;
    for row in stock {
        visit(Fact::Stock(StockFact {
            sku: Some(word("sku", &row.sku)?),
            on_hand: row.on_hand,
            reserved: row.reserved,
            adjusted: row.adjusted,
            confirmed: row.confirmed,
            restocked: row.restocked,
            held: row.held,
        }));
    }
    let orphans = sqlx::query_file_scalar!("queries/facts_orphans.sql")
        .fetch_all(&mut *tx)
        .await
        .map_err(store_error)?;
    for id in orphans {
        visit(Fact::Orphan(SagaId::from_key(id)));
    }
    // These read tables whole. A page must not: merged with its payments, each would read all of those before it.
    say(&mut tx, "rollback to by_key").await?;
    let mut after = 0;
    while let Some(last) = page(&mut tx, after, visit).await? {
        after = last;
    }
    tx.rollback().await.map_err(store_error)
}

async fn say(tx: &mut PgConnection, words: &'static str) -> Result<(), StoreError> {
    sqlx::raw_sql(words).execute(tx).await.map_err(store_error)?;
    Ok(())
}

/// One page of orders after `after`; the last number of it, or `None` when there are no more.
async fn page(
    tx: &mut PgConnection,
    after: i64,
    visit: &mut (dyn FnMut(Fact) + Send),
) -> Result<Option<i64>, StoreError> {
    let rows = sqlx::query_file!("queries/facts_orders.sql", after, PAGE)
        .fetch_all(tx)
        .await
        .map_err(store_error)?;
    let last = rows.last().map(|row| row.id);
    for row in rows {
        let payment = match &row.payment_status {
            Some(status) => Some(PaymentFact {
                status: word("payment", status)?,
                captured_minor: row.captured_minor.unwrap_or_default(),
                refunded_minor: row.refunded_minor.unwrap_or_default(),
                settled_manually_minor: row.settled_manually_minor.unwrap_or_default(),
                charge: row.charge_key.map(StepKey::from_stored),
            }),
            None => None,
        };
        let cart = match &row.cart_status {
            Some(status) => Some((word("cart", status)?, row.cart_order.map(OrderId::new))),
            None => None,
        };
        let states = row.saga_states.iter().map(|state| word("saga", state));
        let sagas = row.saga_slots.iter().copied().map(slot).zip(states);
        visit(Fact::Order(OrderFact {
            id: OrderId::new(row.id),
            status: word("order", &row.status)?,
            reason: row.cancel_reason.as_deref().map(|reason| word("reason", reason)).transpose()?,
            method: word("method", &row.method)?,
            currency: word("currency", &row.currency)?,
            total_minor: row.total_minor,
            lines_minor: row.lines_minor,
            payment,
            refunds: json("refunds", &row.refunds)?,
            reservation: row.reservation.as_deref().map(|status| word("reservation", status)).transpose()?,
            cart,
            sagas: sagas.map(|(slot, state)| Ok((slot, state?))).collect::<Result<_, StoreError>>()?,
            notifications: row.notifications.iter().copied().map(slot).collect(),
        }));
    }
    Ok(last)
}

/// The low bits of a saga's key.
fn slot(key: i64) -> u8 {
    SagaId::from_key(key).slot()
}
