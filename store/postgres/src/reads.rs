//! The reads of orders, sagas and stock; nothing here locks.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_saga::ports::StoreError;
use holdfast_saga::records::history::LogRow;
use holdfast_saga::records::saga::Saga;
use holdfast_saga::records::signal::Signal;
use holdfast_saga::records::slot;
use holdfast_saga::records::view::{
    OrderFilter, OrderRecords, OrderView, Pending, SagaCount, SagaFilter, ShownState,
};
use holdfast_saga::records::{Identity, Stock};
use holdfast_shared::{CustomerId, OrderId, SagaId, Sku};
use holdfast_store_rows::{self as rows, Decoded, unreadable};
use time::OffsetDateTime;
use tokio::try_join;

use crate::pipeline::{Params, PipelinedConnection};
use crate::pool::Pool;
use crate::row;
use crate::statement::Sql;
use crate::storefront;

pub(crate) async fn orders(pool: &Pool, filter: &OrderFilter) -> Result<Vec<OrderView>, StoreError> {
    let before = filter.before.map(OrderId::number);
    let statuses: Vec<&str> = filter.statuses.iter().map(|status| (*status).into()).collect();
    let statuses = Some(statuses).filter(|statuses| !statuses.is_empty());
    let (method, reason) = (filter.method.map(<&str>::from), filter.reason.map(<&str>::from));
    let (email, phone) = (&filter.email, filter.phone_ungrouped());
    let (since, until) = (filter.since.map(OffsetDateTime::from), filter.until.map(OffsetDateTime::from));
    let (min, max) = (filter.total_min, filter.total_max);
    let (needs_attention, limit) = (filter.needs_attention, i64::from(filter.limit));
    let ids = if let Some(CustomerId(customer)) = &filter.customer {
        let before = before.unwrap_or(i64::MAX);
        let parameters: &Params<'_> = &[
            customer,
            &statuses,
            &method,
            &reason,
            email,
            &since,
            &until,
            &phone,
            &min,
            &max,
            &before,
            &needs_attention,
            &limit,
        ];
        pool.read(Sql::OrdersPageOfCustomer, parameters, row::number).await?
    } else {
        let parameters: &Params<'_> = &[
            &statuses,
            &method,
            &reason,
            email,
            &since,
            &until,
            &phone,
            &min,
            &max,
            &before,
            &needs_attention,
            &limit,
        ];
        pool.read(Sql::OrdersPage, parameters, row::number).await?
    };
    views(pool, &ids).await
}

/// The orders of `ids` that exist, newest first, each with what belongs to it: in one round trip.
pub(crate) async fn views(pool: &Pool, ids: &[i64]) -> Result<Vec<OrderView>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut acquired = pool.acquire().await?;
    loop {
        let views = read_views(acquired.statements()?, ids).await;
        if let Some(views) = acquired.settle(views).await? {
            return Ok(views);
        }
    }
}

/// One order, and the customer with this identity, in one round trip.
pub(crate) async fn order_and_customer(
    pool: &Pool,
    id: OrderId,
    identity: &Identity,
) -> Result<(Option<OrderView>, Option<CustomerId>), StoreError> {
    let ids = [id.number()];
    let params: &Params<'_> = &[&identity.issuer, &identity.sub];
    let mut acquired = pool.acquire().await?;
    let (mut views, customers) = loop {
        let connection = acquired.statements()?;
        let read = try_join!(
            biased;
            read_views(connection, &ids),
            connection.read(Sql::CustomersRead, params, rows::customer),
        );
        if let Some(read) = acquired.settle(read).await? {
            break read;
        }
    };
    drop(acquired);
    let customer = match customers.into_iter().next() {
        Some((_, rows::Issuer::Unknown)) => storefront::known_customer(pool, identity).await?,
        Some((customer, rows::Issuer::Kept)) => Some(customer),
        None => None,
    };
    Ok((views.pop(), customer))
}

/// An order with everything that happened to it, in one round trip.
pub(crate) async fn order_records(pool: &Pool, id: OrderId) -> Result<Option<OrderRecords>, StoreError> {
    let ids = [id.number()];
    let sagas = (id.sagas().start().key(), id.sagas().end().key());
    let between: &Params<'_> = &[&sagas.0, &sagas.1];
    let of_order: &Params<'_> = &[&ids[0]];
    let mut acquired = pool.acquire().await?;
    let (sagas, log, inbox, actions, mut views) = loop {
        let connection = acquired.statements()?;
        let read = try_join!(
            biased;
            connection.read(Sql::SagasOfOrder, between, |row| rows::saga(row, None)),
            connection.read(Sql::SagaLogBetween, between, rows::log_row),
            connection.read(Sql::SignalsUnreadBetween, between, rows::signal),
            connection.read(Sql::AdminActionsOfOrder, of_order, rows::admin_action),
            read_views(connection, &ids),
        );
        if let Some(read) = acquired.settle(read).await? {
            break read;
        }
    };
    let Some(order) = views.pop() else { return Ok(None) };
    let sagas = readable(sagas);
    Ok(Some(OrderRecords { order, sagas, log, inbox: read_signals(inbox)?, actions }))
}

/// Sent in one go; the orders newest first.
async fn read_views(connection: &PipelinedConnection, ids: &[i64]) -> Result<Vec<OrderView>, StoreError> {
    let by_id: &Params<'_> = &[&ids];
    let checkouts: Vec<i64> = ids.iter().map(|id| OrderId::new(*id).saga(slot::CHECKOUT).key()).collect();
    let of_checkouts: &Params<'_> = &[&checkouts];
    let pending: &Params<'_> = &[&ids, &Pending::SAGAS.as_slice()];
    let (orders, payments, reservations, dead, lines, signals, sagas) = try_join!(
        biased;
        connection.read(Sql::OrdersRead, by_id, rows::order),
        connection.read(Sql::PaymentsRead, by_id, rows::payment),
        connection.read(Sql::ReservationsRead, by_id, rows::reservation),
        connection.read(Sql::OrdersWithDeadSaga, by_id, row::number),
        connection.read(Sql::OrderLinesRead, by_id, rows::line),
        connection.read(Sql::SignalsUnread, of_checkouts, rows::signal),
        connection.read(Sql::SagasPending, pending, |row| rows::saga(row, None)),
    )?;
    let mut payments: BTreeMap<OrderId, _> =
        payments.into_iter().map(|payment| (payment.order, payment)).collect();
    let reservations: BTreeMap<OrderId, _> = reservations.into_iter().collect();
    let dead: BTreeSet<i64> = dead.into_iter().collect();
    let mut lines = rows::lines_by_order(lines);
    let mut pending = rows::pending_by_order(&orders, signals, sagas);
    let mut views: Vec<OrderView> = orders
        .into_iter()
        .map(|mut order| {
            order.lines = lines.remove(&order.id).unwrap_or_default();
            OrderView {
                payment: payments.remove(&order.id),
                reservation: reservations.get(&order.id).copied(),
                needs_attention: dead.contains(&order.id.number()),
                pending: pending.remove(&order.id),
                order,
            }
        })
        .collect();
    views.sort_by_key(|view| std::cmp::Reverse(view.order.id));
    Ok(views)
}

pub(crate) async fn sagas_between(pool: &Pool, first: SagaId, last: SagaId) -> Result<Vec<Saga>, StoreError> {
    let params = (first.key(), last.key());
    Ok(readable(pool.read(Sql::SagasOfOrder, &[&params.0, &params.1], |row| rows::saga(row, None)).await?))
}

/// One saga. One that cannot be read is an error here: a caller who asks for it by its id gets the reason.
pub(crate) async fn saga(pool: &Pool, id: SagaId) -> Result<Option<Saga>, StoreError> {
    let key = id.key();
    let found = pool.read(Sql::SagasOfOrder, &[&key, &key], |row| rows::saga(row, None)).await?;
    let saga = |found: Decoded<Box<Saga>>| {
        found.map_err(|(id, reason)| unreadable(format_args!("saga {id}"), reason))
    };
    found.into_iter().next().map(saga).transpose().map(|saga| saga.map(|saga| *saga))
}

pub(crate) async fn sagas(pool: &Pool, filter: &SagaFilter) -> Result<Vec<Saga>, StoreError> {
    let SagaFilter { definition, state, .. } = filter;
    let before = filter.before.map_or(i64::MAX, SagaId::key);
    let limit = i64::from(filter.limit);
    let saga = |row: &_| rows::saga(row, None);
    let page = if *state == Some(ShownState::Retrying) {
        pool.read(Sql::SagasRetryingPage, &[definition, &before, &limit], saga).await?
    } else {
        let state = state.map(<&str>::from);
        pool.read(Sql::SagasPage, &[definition, &state, &before, &limit], saga).await?
    };
    Ok(readable(page))
}

/// The sagas that can be read. One that cannot must not hide the others: it is dead or soon will be,
/// and asking for it by its id says why.
fn readable(sagas: Vec<Decoded<Box<Saga>>>) -> Vec<Saga> {
    let saga = |found: Decoded<Box<Saga>>| match found {
        Ok(saga) => Some(*saga),
        Err((id, reason)) => {
            tracing::warn!(saga.id = %id, "saga {id} is left out of a list, its row cannot be read: {reason}");
            None
        }
    };
    sagas.into_iter().filter_map(saga).collect()
}

pub(crate) async fn log(pool: &Pool, saga: SagaId) -> Result<Vec<LogRow>, StoreError> {
    pool.read(Sql::SagaLogRead, &[&saga.key()], rows::log_row).await
}

pub(crate) async fn inbox(pool: &Pool, saga: SagaId) -> Result<Vec<Signal>, StoreError> {
    let keys = [saga.key()];
    read_signals(pool.read(Sql::SignalsUnread, &[&keys.as_slice()], rows::signal).await?)
}

/// The signals, if all of them can be read.
fn read_signals(signals: Vec<Decoded<Signal>>) -> Result<Vec<Signal>, StoreError> {
    let refused = |(id, reason)| unreadable(format_args!("saga {id}"), reason);
    signals.into_iter().map(|signal| signal.map_err(refused)).collect()
}

pub(crate) async fn stock(
    pool: &Pool,
    sku: Option<&Sku>,
    limit: u32,
) -> Result<Vec<(Sku, Stock)>, StoreError> {
    match sku {
        Some(sku) => pool.read(Sql::StockRead, &[&[sku.as_str()].as_slice()], rows::stock).await,
        None => pool.read(Sql::StockPage, &[&i64::from(limit)], rows::stock).await,
    }
}

pub(crate) async fn saga_counts(pool: &Pool) -> Result<Vec<SagaCount>, StoreError> {
    pool.read(Sql::SagasCount, &[], rows::saga_count).await
}

pub(crate) async fn unsettled(pool: &Pool) -> Result<Vec<SagaCount>, StoreError> {
    pool.read(Sql::SagasCountUnsettled, &[], rows::saga_count).await
}
