//! Locking and reading everything that is no saga of the batch, in the one order of E4: sent in that order, in one go.

use std::collections::BTreeMap;

use holdfast_saga::ports::StoreError;
use holdfast_saga::records::KeyClaim;
use holdfast_saga::records::batch_rows::{Footprint, World};
use holdfast_saga::records::saga::Saga;
use holdfast_saga::records::signal::Signal;
use holdfast_saga::records::view::Paused;
use holdfast_shared::{OrderId, Queue, SagaId, Sku, Time};
use holdfast_store_rows::{self as rows, Decoded, unreadable};
use time::OffsetDateTime;
use tokio::try_join;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::claim;
use crate::params::numbers;
use crate::pipeline::{Params, PipelinedConnection};
use crate::pool::PooledConnection;
use crate::row::{self, PgRow};
use crate::statement::Sql;

pub(crate) async fn load(
    transaction: &mut PooledConnection,
    footprint: &Footprint,
    now: Option<Time>,
    world: &mut World,
) -> Result<(), StoreError> {
    let ids: Vec<i64> = footprint.sagas.iter().map(|id| id.key()).collect();
    let order_ids = numbers(&footprint.orders);
    let cart_ids: Vec<Uuid> = footprint.carts.iter().map(|id| id.0).collect();
    let no_context = BTreeMap::new();
    let (connection, begun) = transaction.begin_batch().await?;
    let (
        (),
        sagas,
        signals,
        orders,
        lines,
        payments,
        refunds,
        carts,
        keys,
        products,
        in_carts,
        paused,
        levels,
        stock,
        versions,
        request_keys,
    ) = try_join!(
        biased;
        begun,
        claim::lock(connection, &ids, &no_context, true),
        claim::unread(connection, &ids),
        by_id(connection, Sql::OrdersLock, order_ids.clone(), rows::order),
        by_id(connection, Sql::OrderLinesRead, order_ids, rows::line),
        by_id(connection, Sql::PaymentsLock, numbers(&footprint.payments), rows::payment),
        by_id(connection, Sql::RefundsRead, numbers(&footprint.refunds), rows::refund),
        by_id(connection, Sql::CartsLock, cart_ids.clone(), rows::cart),
        by_id(connection, Sql::IdempotencyKeysRead, footprint.keys.clone(), LookedUpKey::decode),
        by_id(connection, Sql::ProductsRead, names(&footprint.products), rows::product),
        by_id(connection, Sql::ProductsOfCarts, if footprint.products_of_carts { cart_ids } else { vec![] }, rows::product),
        lock_paused(connection, footprint.pauses),
        by_id(connection, Sql::StockRead, names(&footprint.levels), rows::stock),
        by_id(connection, Sql::StockLock, names(&footprint.stock), rows::stock),
        by_id(connection, Sql::StockVersions, names(&footprint.versions), rows::versions),
        by_id(connection, Sql::RequestKeysRead, footprint.request_keys.clone(), rows::request_key),
    )?;
    let seen = keys.first().map(|key| key.seen_at).or_else(|| sagas.first().map(|row| row.seen_at));
    world.now = claim::present(connection, now.or(seen)).await?;
    world.taken.extend(keys.into_iter().filter_map(|key| key.taken).map(|taken| (taken.key, taken)));
    let sagas = sagas.into_iter().map(|row| row.saga).collect();
    world.sagas.extend(with_inboxes(sagas, signals)?.into_iter().map(|found| (found.0.id, found)));
    let mut lines = rows::lines_by_order(lines);
    for mut order in orders {
        order.lines = lines.remove(&order.id).unwrap_or_default();
        world.orders.insert(order.id, order);
    }
    world.payments.extend(payments.into_iter().map(|payment| (payment.order, payment)));
    world.refunds.extend(refunds.into_iter().map(|refund| (refund.saga, refund)));
    world.carts.extend(carts.into_iter().map(|cart| (cart.id, cart)));
    world.products.extend(products.into_iter().chain(in_carts).map(|product| (product.sku.clone(), product)));
    world.stock.extend(levels.into_iter().chain(stock));
    world.versions.extend(versions);
    world.request_keys.extend(request_keys);
    if let Some(paused) = paused {
        world.paused = paused;
    }
    Ok(())
}

/// The rows that a statement finds by their ids; where no id is requested for, nothing is sent.
async fn by_id<I: ToSql + Sync, T>(
    connection: &PipelinedConnection,
    sql: Sql,
    ids: Vec<I>,
    decode: impl Fn(&PgRow) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    connection.read(sql, &[&ids], decode).await
}

/// An idempotency key that was looked up, and the database's present when it was.
struct LookedUpKey {
    taken: Option<KeyClaim>,
    seen_at: Time,
}

impl LookedUpKey {
    fn decode(row: &PgRow) -> Result<Self, StoreError> {
        let is_taken = row.value::<Option<i64>>(2)?.is_some();
        let taken = is_taken.then(|| rows::taken_key(row)).transpose()?;
        Ok(Self { taken, seen_at: row.value::<OffsetDateTime>(3)?.into() })
    }
}

/// The numbers of new orders.
pub(crate) async fn draw_order_numbers(
    transaction: &mut PooledConnection,
    count: usize,
) -> Result<Vec<OrderId>, StoreError> {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let params: &Params<'_> = &[&count];
    let (connection, begun) = transaction.begin_batch().await?;
    let ((), mut numbers) = try_join!(
        biased;
        begun,
        connection.read(Sql::OrderNumbersDraw, params, row::number),
    )?;
    numbers.sort_unstable();
    Ok(numbers.into_iter().map(OrderId::new).collect())
}

/// If it is `wanted`, waits for other commits that pause or resume queues, then reads which are paused.
async fn lock_paused(
    connection: &PipelinedConnection,
    wanted: bool,
) -> Result<Option<BTreeMap<Queue, Paused>>, StoreError> {
    if !wanted {
        return Ok(None);
    }
    let (_, paused) = try_join!(
        biased;
        connection.execute(Sql::QueuesLock, &[]),
        connection.read(Sql::QueuesRead, &[], rows::paused_queue),
    )?;
    Ok(Some(paused.into_iter().flatten().collect()))
}

/// The sagas with their inboxes, if all of them can be read.
fn with_inboxes(
    sagas: Vec<Decoded<Box<Saga>>>,
    signals: Vec<Decoded<Signal>>,
) -> Result<Vec<rows::SagaInbox>, StoreError> {
    let refused = |(id, reason): (SagaId, String)| unreadable(format_args!("saga {id}"), reason);
    let sagas = sagas.into_iter().collect::<Result<Vec<Box<Saga>>, _>>().map_err(refused)?;
    let (sagas, with_unreadable_signals) = rows::with_inboxes(sagas, signals);
    match with_unreadable_signals.into_iter().next() {
        Some(found) => Err(refused(found)),
        None => Ok(sagas),
    }
}

fn names(skus: &[Sku]) -> Vec<String> {
    skus.iter().map(Sku::to_string).collect()
}
