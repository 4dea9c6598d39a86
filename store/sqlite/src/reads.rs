//! The unlocked reads of orders, sagas and stock. Each sees one snapshot.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_saga::ports::StoreError;
use holdfast_saga::records::history::LogRow;
use holdfast_saga::records::saga::Saga;
use holdfast_saga::records::signal::Signal;
use holdfast_saga::records::slot;
use holdfast_saga::records::view::{
    OrderFilter, OrderRecords, OrderView, Pending, SagaCount, SagaFilter, ShownState,
};
use holdfast_saga::records::{Order, Stock};
use holdfast_shared::{CustomerId, OrderId, SagaId, Sku, Time};
use holdfast_store_rows::{self as rows, Decoded, unreadable};
use sqlx::SqliteConnection;

use crate::claim::read_signals;
use crate::load::{STOCK_READ, read_orders, read_payments};
use crate::notifications;
use crate::params::{self, NEWEST, json, order_numbers, saga_keys};
use crate::row;
use crate::statement::{Statement, read, shared_sql, sql};

fn text<T: Into<&'static str>>(value: Option<T>) -> Option<&'static str> {
    value.map(Into::into)
}

pub(crate) async fn orders(
    snapshot: &mut SqliteConnection,
    filter: &OrderFilter,
) -> Result<Vec<OrderView>, StoreError> {
    let page = if let Some(customer) = filter.customer {
        page_of_customer(filter, customer)?
    } else {
        page_of_all(filter)?
    };
    let numbers = read(&mut *snapshot, page, row::number).await?;
    let ids: Vec<OrderId> = numbers.into_iter().map(OrderId::new).collect();
    views(snapshot, &ids).await
}

fn page_of_all(filter: &OrderFilter) -> Result<Statement, StoreError> {
    let before = filter.before.map_or(NEWEST, OrderId::number);
    let statement = match filter.needs_attention {
        Some(true) => filtered(sqlx::query(sql!("orders_page_needing_attention")), filter)?,
        Some(false) => filtered(sqlx::query(sql!("orders_page")), filter)?.bind(Some(false)),
        None => filtered(sqlx::query(sql!("orders_page")), filter)?.bind(None::<bool>),
    };
    Ok(statement.bind(before).bind(filter.limit))
}

fn page_of_customer(filter: &OrderFilter, customer: CustomerId) -> Result<Statement, StoreError> {
    let statement = sqlx::query(sql!("orders_page_of_customer")).bind(customer.0.to_string());
    let before = filter.before.map_or(NEWEST, OrderId::number);
    Ok(filtered(statement, filter)?.bind(before).bind(filter.needs_attention).bind(filter.limit))
}

/// What every page of orders filters by.
fn filtered(statement: Statement, filter: &OrderFilter) -> Result<Statement, StoreError> {
    let statuses = if filter.statuses.is_empty() { None } else { Some(json(&filter.statuses)?) };
    Ok(statement
        .bind(statuses)
        .bind(text(filter.method))
        .bind(text(filter.reason))
        .bind(filter.email.clone())
        .bind(filter.since.map(Time::as_micros))
        .bind(filter.until.map(Time::as_micros))
        .bind(filter.phone_ungrouped())
        .bind(filter.total_min)
        .bind(filter.total_max))
}

/// The orders of `ids` that exist, newest first, each with what belongs to it.
pub(crate) async fn views(
    snapshot: &mut SqliteConnection,
    ids: &[OrderId],
) -> Result<Vec<OrderView>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let orders = read_orders(snapshot, ids).await?;
    let payments = read_payments(snapshot, ids).await?;
    let mut payments: BTreeMap<OrderId, _> =
        payments.into_iter().map(|payment| (payment.order, payment)).collect();
    let statement = sqlx::query(sql!("reservations_read")).bind(order_numbers(ids)?);
    let reservations = read(&mut *snapshot, statement, rows::reservation).await?;
    let reservations: BTreeMap<OrderId, _> = reservations.into_iter().collect();
    let statement = sqlx::query(sql!("orders_with_dead_saga")).bind(order_numbers(ids)?);
    let dead: BTreeSet<i64> = read(&mut *snapshot, statement, row::number).await?.into_iter().collect();
    let statement = sqlx::query(sql!("sagas_pending")).bind(order_numbers(ids)?).bind(json(&Pending::SAGAS)?);
    let sagas = read(&mut *snapshot, statement, |row| rows::saga(row, None)).await?;
    let checkouts: Vec<SagaId> = ids.iter().map(|id| id.saga(slot::CHECKOUT)).collect();
    let signals = read_signals(snapshot, checkouts.iter()).await?;
    let mut pending = rows::pending_by_order(&orders, signals, sagas);
    let view = |order: Order| OrderView {
        pending: pending.remove(&order.id),
        payment: payments.remove(&order.id),
        reservation: reservations.get(&order.id).copied(),
        needs_attention: dead.contains(&order.id.number()),
        order,
    };
    Ok(orders.into_iter().map(view).collect())
}

/// An order with everything that happened to it, all of one snapshot.
pub(crate) async fn order_records(
    snapshot: &mut SqliteConnection,
    id: OrderId,
) -> Result<Option<OrderRecords>, StoreError> {
    let Some(order) = views(&mut *snapshot, &[id]).await?.pop() else { return Ok(None) };
    let between = |statement: Statement| {
        let (first, last) = id.sagas().into_inner();
        statement.bind(first.key()).bind(last.key())
    };
    let sagas = sagas_of(&mut *snapshot, id).await?;
    let statement = between(sqlx::query(shared_sql!("saga_log_between")));
    let log = read(&mut *snapshot, statement, rows::log_row).await?;
    let statement = between(sqlx::query(shared_sql!("signals_unread_between")));
    let inbox = readable_signals(read(&mut *snapshot, statement, rows::signal).await?)?;
    let actions = notifications::admin_actions(snapshot, id).await?;
    Ok(Some(OrderRecords { order, sagas, log, inbox, actions }))
}

/// One saga. One that cannot be read is an error here: a caller who asks for it by its id gets the reason.
pub(crate) async fn saga(snapshot: &mut SqliteConnection, id: SagaId) -> Result<Option<Saga>, StoreError> {
    let statement = sqlx::query(sql!("sagas_read")).bind(saga_keys([&id])?);
    let found = read(snapshot, statement, |row| rows::saga(row, None)).await?.pop();
    let found = found.transpose().map_err(|(id, reason)| unreadable(format_args!("saga {id}"), reason))?;
    Ok(found.map(|saga| *saga))
}

pub(crate) async fn sagas_of(
    snapshot: &mut SqliteConnection,
    order: OrderId,
) -> Result<Vec<Saga>, StoreError> {
    let statement = sqlx::query(shared_sql!("sagas_of_order"))
        .bind(order.sagas().start().key())
        .bind(order.sagas().end().key());
    readable(snapshot, statement).await
}

pub(crate) async fn sagas(
    snapshot: &mut SqliteConnection,
    filter: &SagaFilter,
) -> Result<Vec<Saga>, StoreError> {
    let before = filter.before.map_or(NEWEST, SagaId::key);
    let statement = match filter.state {
        Some(ShownState::Retrying) => sqlx::query(shared_sql!("sagas_retrying" then "sagas_retrying_page"))
            .bind(filter.definition.clone()),
        Some(ShownState::Dead) => sqlx::query(sql!("sagas_page_dead")).bind(filter.definition.clone()),
        other => sqlx::query(shared_sql!("sagas_page")).bind(filter.definition.clone()).bind(text(other)),
    };
    readable(snapshot, statement.bind(before).bind(filter.limit)).await
}

/// The sagas that can be read. One that cannot must not hide the others: it is dead or soon will be,
/// and asking for it by its id says why.
async fn readable(snapshot: &mut SqliteConnection, statement: Statement) -> Result<Vec<Saga>, StoreError> {
    let mut sagas = Vec::new();
    for found in read(snapshot, statement, |row| rows::saga(row, None)).await? {
        match found {
            Ok(saga) => sagas.push(*saga),
            Err((id, reason)) => {
                tracing::warn!(saga.id = %id, "saga {id} is left out of a list, its row cannot be read: {reason}");
            }
        }
    }
    Ok(sagas)
}

pub(crate) async fn log(snapshot: &mut SqliteConnection, saga: SagaId) -> Result<Vec<LogRow>, StoreError> {
    let statement = sqlx::query(shared_sql!("saga_log_read")).bind(saga.key());
    read(snapshot, statement, rows::log_row).await
}

pub(crate) async fn inbox(snapshot: &mut SqliteConnection, saga: SagaId) -> Result<Vec<Signal>, StoreError> {
    readable_signals(read_signals(snapshot, std::iter::once(&saga)).await?)
}

/// The signals, if all of them can be read.
fn readable_signals(signals: Vec<Decoded<Signal>>) -> Result<Vec<Signal>, StoreError> {
    let refused = |(id, reason)| unreadable(format_args!("saga {id}"), reason);
    signals.into_iter().map(|signal| signal.map_err(refused)).collect()
}

pub(crate) async fn stock(
    snapshot: &mut SqliteConnection,
    sku: Option<&Sku>,
    limit: u32,
) -> Result<Vec<(Sku, Stock)>, StoreError> {
    let statement = match sku {
        Some(sku) => sqlx::query(STOCK_READ).bind(params::rows([sku])?),
        None => sqlx::query(shared_sql!("stock_page")).bind(limit),
    };
    read(snapshot, statement, rows::stock).await
}

pub(crate) async fn saga_counts(snapshot: &mut SqliteConnection) -> Result<Vec<SagaCount>, StoreError> {
    read(snapshot, sqlx::query(shared_sql!("sagas_count")), rows::saga_count).await
}

pub(crate) async fn unsettled(snapshot: &mut SqliteConnection) -> Result<Vec<SagaCount>, StoreError> {
    read(snapshot, sqlx::query(shared_sql!("sagas_count_unsettled")), rows::saga_count).await
}
