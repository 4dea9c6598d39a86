//! Locking and reading everything that is no saga of the batch, in the one order of E4: sent in that order, in one go.

use std::collections::BTreeMap;

use holdfast_saga::ports::StoreError;
use holdfast_saga::records::batch_rows::{Footprint, World};
use holdfast_saga::records::{KeyClaim, Stock};
use holdfast_shared::{Line, OrderId, Sku, Time};
use time::OffsetDateTime;
use tokio::try_join;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::decode::{
    CartRow, LineRow, OrderRow, PaymentRow, ProductRow, RefundRow, SagaRow, SignalRow, word,
};
use crate::error::unreadable;
use crate::pipe::{FromRow, Pipe, rows};
use crate::spare::Lent;
use crate::statement::Sql;
use crate::{claim, operations};

pub(crate) async fn load(
    lent: &mut Lent,
    footprint: &Footprint,
    now: Option<Time>,
    world: &mut World,
) -> Result<(), StoreError> {
    let ids: Vec<i64> = footprint.sagas.iter().map(|id| id.key()).collect();
    let order_ids = numbers(&footprint.orders);
    let cart_ids: Vec<Uuid> = footprint.carts.iter().map(|id| id.0).collect();
    let (pipe, begun) = lent.begin()?;
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
    ) = try_join!(
        biased;
        begun,
        claim_keys(pipe, &footprint.keys, now),
        claim::lock(pipe, &ids, true),
        claim::unread(pipe, &ids),
        named::<_, OrderRow>(pipe, Sql::OrdersLock, order_ids.clone()),
        named::<_, LineRow>(pipe, Sql::OrderLinesRead, order_ids),
        named::<_, PaymentRow>(pipe, Sql::PaymentsLock, numbers(&footprint.payments)),
        named::<_, RefundRow>(pipe, Sql::RefundsRead, numbers(&footprint.refunds)),
        named::<_, CartRow>(pipe, Sql::CartsLock, cart_ids),
        named::<_, ProductRow>(pipe, Sql::ProductsRead, names(&footprint.products)),
        operations::lock_paused(pipe, footprint.pauses),
        named::<_, LevelRow>(pipe, Sql::StockRead, names(&footprint.levels)),
        named::<_, LevelRow>(pipe, Sql::StockLock, names(&footprint.stock)),
    )?;
    let told = claimed.first().map(|row| row.created_at).or_else(|| sagas.first().map(|row| row.seen_at));
    world.claimed.extend(claimed.into_iter().map(|row| (row.key, OrderId::new(row.order_id))));
    let taken: Vec<Uuid> =
        footprint.keys.iter().map(|(key, _)| *key).filter(|key| !world.claimed.contains_key(key)).collect();
    let (taken, now) = try_join!(
        biased;
        named::<_, TakenRow>(pipe, Sql::KeysTaken, taken),
        claim::present(pipe, now.or_else(|| told.map(Into::into))),
    )?;
    world.now = now;
    for TakenRow { key, body, order_id } in taken {
        world.taken.insert(key, KeyClaim { key, body, order: OrderId::new(order_id) });
    }
    found_sagas(sagas, signals, world)?;
    let mut lines = by_order(lines)?;
    for row in orders {
        let order = OrderId::new(row.id);
        world.orders.insert(order, row.decode(lines.remove(&order).unwrap_or_default())?);
    }
    for row in payments {
        let payment = row.decode()?;
        world.payments.insert(payment.order, payment);
    }
    for row in refunds {
        let refund = row.decode()?;
        world.refunds.insert(refund.saga, refund);
    }
    for row in carts {
        let cart = row.decode()?;
        world.carts.insert(cart.id, cart);
    }
    for row in products {
        let product = row.decode()?;
        world.products.insert(product.sku.clone(), product);
    }
    if let Some(paused) = paused {
        world.paused = paused;
    }
    for LevelRow { sku, on_hand, reserved } in levels.into_iter().chain(stock) {
        world.stock.insert(word("sku", &sku)?, Stock { on_hand, reserved });
    }
    Ok(())
}

rows! {
    struct ClaimedRow {
        key: Uuid,
        order_id: i64,
        /// The database's present.
        created_at: OffsetDateTime,
    }

    struct TakenRow {
        key: Uuid,
        body: Uuid,
        order_id: i64,
    }

    struct LevelRow {
        sku: String,
        on_hand: i64,
        reserved: i64,
    }
}

/// The rows a statement finds by their ids; where nothing is asked for, nothing is sent.
async fn named<T: ToSql + Sync, R: FromRow>(
    pipe: &Pipe,
    sql: Sql,
    ids: Vec<T>,
) -> Result<Vec<R>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    pipe.rows(sql, &[&ids]).await
}

async fn claim_keys(
    pipe: &Pipe,
    asked: &[(Uuid, Uuid)],
    now: Option<Time>,
) -> Result<Vec<ClaimedRow>, StoreError> {
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let (keys, bodies): (Vec<Uuid>, Vec<Uuid>) = asked.iter().copied().unzip();
    pipe.rows(Sql::KeysClaim, &[&keys, &bodies, &now.map(OffsetDateTime::from)]).await
}

fn found_sagas(rows: Vec<SagaRow>, signals: Vec<SignalRow>, world: &mut World) -> Result<(), StoreError> {
    let mut sagas = Vec::with_capacity(rows.len());
    for row in rows {
        sagas.push(row.decode(None).map_err(|(id, reason)| unreadable(&format!("saga {id}"), reason))?);
    }
    let (sagas, blamed) = claim::with_signals(sagas, signals);
    if let Some((id, reason)) = blamed.into_iter().next() {
        return Err(unreadable(&format!("a signal of saga {id}"), reason));
    }
    world.sagas.extend(sagas.into_iter().map(|(saga, inbox)| (saga.id, (saga, inbox))));
    Ok(())
}

/// The lines of some orders, each as the rows have them: sorted by SKU.
pub(crate) fn by_order(rows: Vec<LineRow>) -> Result<BTreeMap<OrderId, Vec<Line>>, StoreError> {
    let mut lines: BTreeMap<OrderId, Vec<Line>> = BTreeMap::new();
    for row in rows {
        lines.entry(OrderId::new(row.order_id)).or_default().push(row.decode()?);
    }
    Ok(lines)
}

fn numbers(orders: &[OrderId]) -> Vec<i64> {
    orders.iter().map(|id| id.number()).collect()
}

fn names(skus: &[Sku]) -> Vec<String> {
    skus.iter().map(Sku::to_string).collect()
}
