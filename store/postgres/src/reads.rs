//! What readers see; nothing here locks.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_saga::ports::StoreError;
use holdfast_saga::records::Stock;
use holdfast_saga::records::history::LogRow;
use holdfast_saga::records::saga::Saga;
use holdfast_saga::records::signal::Signal;
use holdfast_saga::records::view::{OrderFilter, OrderView, SagaCount, SagaFilter};
use holdfast_shared::{OrderId, SagaId, Sku};
use sqlx::PgPool;
use time::OffsetDateTime;

use crate::decode::{LineRow, OrderRow, PaymentRow, SagaRow, SignalRow, json, word};
use crate::error::{store_error, unreadable};
use crate::load::by_order;

pub(crate) async fn orders(pool: &PgPool, filter: &OrderFilter) -> Result<Vec<OrderView>, StoreError> {
    let before = filter.before.map(OrderId::number);
    let (status, method) = (filter.status.map(<&str>::from), filter.method.map(<&str>::from));
    let (reason, limit) = (filter.reason.map(<&str>::from), i64::from(filter.limit));
    let ids = if let Some(customer) = &filter.customer {
        let page = sqlx::query_file_scalar!(
            "queries/order_list_of_customer.sql",
            customer,
            status,
            method,
            reason,
            before.unwrap_or(i64::MAX),
            filter.needs_attention,
            limit,
        );
        page.fetch_all(pool).await
    } else {
        let page = sqlx::query_file_scalar!(
            "queries/order_list.sql",
            status,
            method,
            reason,
            before,
            filter.needs_attention,
            limit,
        );
        page.fetch_all(pool).await
    };
    views(pool, &ids.map_err(store_error)?).await
}

/// Orders with what belongs to them, newest first.
pub(crate) async fn views(pool: &PgPool, ids: &[i64]) -> Result<Vec<OrderView>, StoreError> {
    let rows = sqlx::query_file_as!(OrderRow, "queries/orders_read.sql", ids)
        .fetch_all(pool)
        .await
        .map_err(store_error)?;
    let payments = sqlx::query_file_as!(PaymentRow, "queries/payments_read.sql", ids)
        .fetch_all(pool)
        .await
        .map_err(store_error)?;
    let mut payments: BTreeMap<i64, PaymentRow> =
        payments.into_iter().map(|row| (row.order_id, row)).collect();
    let held =
        sqlx::query_file!("queries/reservations_read.sql", ids).fetch_all(pool).await.map_err(store_error)?;
    let mut held: BTreeMap<i64, String> = held.into_iter().map(|row| (row.order_id, row.status)).collect();
    let dead = sqlx::query_file_scalar!("queries/orders_with_dead_saga.sql", ids)
        .fetch_all(pool)
        .await
        .map_err(store_error)?;
    let dead: BTreeSet<i64> = dead.into_iter().collect();
    let lines = sqlx::query_file_as!(LineRow, "queries/order_lines_read.sql", ids)
        .fetch_all(pool)
        .await
        .map_err(store_error)?;
    let mut lines = by_order(lines)?;
    let mut views = Vec::with_capacity(rows.len());
    for row in rows {
        let id = row.id;
        views.push(OrderView {
            order: row.decode(lines.remove(&OrderId::new(id)).unwrap_or_default())?,
            payment: payments.remove(&id).map(PaymentRow::decode).transpose()?,
            reservation: held.remove(&id).map(|status| word("reservation", &status)).transpose()?,
            needs_attention: dead.contains(&id),
        });
    }
    views.sort_by_key(|view| std::cmp::Reverse(view.order.id));
    Ok(views)
}

pub(crate) async fn sagas_between(
    pool: &PgPool,
    first: SagaId,
    last: SagaId,
) -> Result<Vec<Saga>, StoreError> {
    let rows = sqlx::query_file_as!(SagaRow, "queries/saga_read.sql", first.key(), last.key())
        .fetch_all(pool)
        .await
        .map_err(store_error)?;
    Ok(readable(rows))
}

/// One saga. One that cannot be read is an error here: whoever asks for it by its id is told why.
pub(crate) async fn saga(pool: &PgPool, id: SagaId) -> Result<Option<Saga>, StoreError> {
    let row = sqlx::query_file_as!(SagaRow, "queries/saga_read.sql", id.key(), id.key())
        .fetch_optional(pool)
        .await
        .map_err(store_error)?;
    let saga =
        |row: SagaRow| row.decode(None).map_err(|(id, reason)| unreadable(&format!("saga {id}"), reason));
    row.map(saga).transpose()
}

pub(crate) async fn sagas(pool: &PgPool, filter: &SagaFilter) -> Result<Vec<Saga>, StoreError> {
    let rows = sqlx::query_file_as!(
        SagaRow,
        "queries/saga_list.sql",
        filter.definition,
        filter.state.map(<&str>::from),
        filter.before.map(SagaId::key),
        i64::from(filter.limit),
    )
    .fetch_all(pool)
    .await
    .map_err(store_error)?;
    Ok(readable(rows))
}

/// The sagas that can be read. One that cannot must not hide the others: it is dead or soon will be,
/// and asking for it by its id says why.
fn readable(rows: Vec<SagaRow>) -> Vec<Saga> {
    let saga = |row: SagaRow| match row.decode(None) {
        Ok(saga) => Some(saga),
        Err((id, reason)) => {
            tracing::warn!(saga.id = %id, "saga {id} is left out of a list, its row cannot be read: {reason}");
            None
        }
    };
    rows.into_iter().filter_map(saga).collect()
}

pub(crate) async fn log(pool: &PgPool, saga: SagaId) -> Result<Vec<LogRow>, StoreError> {
    let rows =
        sqlx::query_file!("queries/log_read.sql", saga.key()).fetch_all(pool).await.map_err(store_error)?;
    let row = |entries: String, fence, at: OffsetDateTime| {
        Ok(LogRow { saga, fence, at: at.into(), entries: json("log entries", &entries)? })
    };
    rows.into_iter().map(|found| row(found.entries, found.fence, found.at)).collect()
}

pub(crate) async fn inbox(pool: &PgPool, saga: SagaId) -> Result<Vec<Signal>, StoreError> {
    let rows = sqlx::query_file_as!(SignalRow, "queries/signals_unread.sql", &[saga.key()])
        .fetch_all(pool)
        .await
        .map_err(store_error)?;
    let signal =
        |row: SignalRow| row.decode().map_err(|(id, reason)| unreadable(&format!("saga {id}"), reason));
    rows.into_iter().map(signal).collect()
}

pub(crate) async fn stock(
    pool: &PgPool,
    sku: Option<&Sku>,
    limit: u32,
) -> Result<Vec<(Sku, Stock)>, StoreError> {
    let rows = sqlx::query_file!("queries/stock_list.sql", sku.map(Sku::as_str), i64::from(limit))
        .fetch_all(pool)
        .await
        .map_err(store_error)?;
    let level = |sku: String, on_hand, reserved| Ok((word("sku", &sku)?, Stock { on_hand, reserved }));
    rows.into_iter().map(|row| level(row.sku, row.on_hand, row.reserved)).collect()
}

pub(crate) async fn saga_counts(pool: &PgPool) -> Result<Vec<SagaCount>, StoreError> {
    let rows = sqlx::query_file_as!(CensusRow, "queries/saga_counts.sql")
        .fetch_all(pool)
        .await
        .map_err(store_error)?;
    rows.into_iter().map(CensusRow::decode).collect()
}

pub(crate) async fn unsettled(pool: &PgPool) -> Result<Vec<SagaCount>, StoreError> {
    let rows = sqlx::query_file_as!(CensusRow, "queries/census_unsettled.sql")
        .fetch_all(pool)
        .await
        .map_err(store_error)?;
    rows.into_iter().map(CensusRow::decode).collect()
}

struct CensusRow {
    definition: String,
    state: String,
    sagas: i64,
}

impl CensusRow {
    fn decode(self) -> Result<SagaCount, StoreError> {
        let Self { definition, state, sagas } = self;
        Ok(SagaCount { definition, state: word("state", &state)?, sagas: sagas.unsigned_abs() })
    }
}
