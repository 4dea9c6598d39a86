//! Locking and reading everything that is no saga of the batch, in the one order of E4: sent in that order, in one go.

use std::collections::BTreeMap;

use holdfast_saga::ports::StoreError;
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
use crate::pipeline::PipelinedConnection;
use crate::pool::PooledConnection;
use crate::row::PgRow;
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
        claimed,
        sagas,
        signals,
        orders,
        lines,
        payments,
        refunds,
        carts,
        products,
        paused,
        levels,
        stock,
        versions,
        request_keys,
    ) = try_join!(
        biased;
        begun,
        claim_keys(connection, &footprint.keys, now),
        claim::lock(connection, &ids, &no_context, true),
        claim::unread(connection, &ids),
        by_id(connection, Sql::OrdersLock, order_ids.clone(), rows::order),
        by_id(connection, Sql::OrderLinesRead, order_ids, rows::line),
        by_id(connection, Sql::PaymentsLock, numbers(&footprint.payments), rows::payment),
        by_id(connection, Sql::RefundsRead, numbers(&footprint.refunds), rows::refund),
        by_id(connection, Sql::CartsLock, cart_ids, rows::cart),
        by_id(connection, Sql::ProductsRead, names(&footprint.products), rows::product),
        lock_paused(connection, footprint.pauses),
        by_id(connection, Sql::StockRead, names(&footprint.levels), rows::stock),
        by_id(connection, Sql::StockLock, names(&footprint.stock), rows::stock),
        by_id(connection, Sql::StockVersions, names(&footprint.versions), rows::versions),
        by_id(connection, Sql::RequestKeysRead, footprint.request_keys.clone(), rows::request_key),
    )?;
    let seen = claimed.first().map(|key| key.created_at).or_else(|| sagas.first().map(|row| row.seen_at));
    let is_claimed =
        |key: &Uuid| world.claimed.contains_key(key) || claimed.iter().any(|row| row.key == *key);
    let taken: Vec<Uuid> =
        footprint.keys.iter().map(|(key, _)| *key).filter(|key| !is_claimed(key)).collect();
    let (taken, now) = try_join!(
        biased;
        by_id(connection, Sql::IdempotencyKeysRead, taken, rows::taken_key),
        claim::present(connection, now.or(seen)),
    )?;
    // Only now: a claim that was lost with its connection must not be remembered when all of this is made once more.
    world.claimed.extend(claimed.into_iter().map(|claimed| (claimed.key, claimed.order)));
    world.now = now;
    world.taken.extend(taken.into_iter().map(|taken| (taken.key, taken)));
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
    world.products.extend(products.into_iter().map(|product| (product.sku.clone(), product)));
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

/// A key that this transaction has claimed, and the database's present when it did.
struct ClaimedKey {
    key: Uuid,
    order: OrderId,
    created_at: Time,
}

async fn claim_keys(
    connection: &PipelinedConnection,
    requested: &[(Uuid, Uuid)],
    now: Option<Time>,
) -> Result<Vec<ClaimedKey>, StoreError> {
    if requested.is_empty() {
        return Ok(Vec::new());
    }
    let (keys, bodies): (Vec<Uuid>, Vec<Uuid>) = requested.iter().copied().unzip();
    let decode = |row: &PgRow| {
        let (key, order) = rows::claimed_key(row)?;
        Ok(ClaimedKey { key, order, created_at: row.value::<OffsetDateTime>(2)?.into() })
    };
    let now = now.map(OffsetDateTime::from);
    connection.read(Sql::IdempotencyKeysClaim, &[&keys, &bodies, &now], decode).await
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
