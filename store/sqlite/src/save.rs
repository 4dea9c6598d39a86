//! Saving: every field of the writes, each table in one statement for all its rows.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_saga::ports::{KEY_TAKEN, StoreError};
use holdfast_saga::records::batch_rows::Writes;

use crate::encode::{
    ActionRow, AdjustmentRow, CartMoveRow, CartRow, KeyRow, LineRow, NotificationRow, OrderMoveRow, OrderRow,
    PauseRow, PaymentRow, ProductRow, RefundRow, RequestKeyRow, ReservationRow, StockMoveRow,
};
use crate::encode_sagas::{LoggedCommit, MovedSaga, NewSaga, Poisoned, SentSignal};
use crate::error::store_error;
use crate::params::{self, BatchWriter};
use crate::shop;
use crate::statement::sql;

/// Writes all of it; the caller commits, or drops everything on an error.
pub(crate) async fn save(batch: &mut BatchWriter<'_>, writes: &Writes) -> Result<(), StoreError> {
    save_sagas(batch, writes).await?;
    save_orders(batch, writes).await?;
    save_money(batch, writes).await?;
    save_carts(batch, writes).await?;
    save_stock(batch, writes).await?;
    save_queues(batch, writes).await?;
    batch.write(sql!("admin_actions_insert"), writes.admin_actions.iter().map(ActionRow::new)).await?;
    if let Some((epoch, shop)) = &writes.shop {
        shop::put(batch.connection, *epoch, shop).await?;
    }
    Ok(())
}

/// Signals come last: what they wake stays awake.
async fn save_sagas(batch: &mut BatchWriter<'_>, writes: &Writes) -> Result<(), StoreError> {
    batch.update_expecting("sagas", sql!("sagas_move"), writes.sagas.values().map(MovedSaga::new)).await?;
    batch.write(sql!("sagas_insert"), writes.new_sagas.values().map(|saga| NewSaga::new(saga))).await?;
    batch.update_expecting("sagas", sql!("sagas_poison"), writes.poisoned.iter().map(Poisoned::new)).await?;
    batch.write(sql!("saga_log_insert"), writes.log.iter().map(LoggedCommit::new)).await?;
    batch.write(sql!("signals_consume"), &writes.consumed).await?;
    save_signals(batch, writes).await
}

/// A signal that is known already wakes no saga.
async fn save_signals(batch: &mut BatchWriter<'_>, writes: &Writes) -> Result<(), StoreError> {
    if writes.signals.is_empty() {
        return Ok(());
    }
    let woken: Vec<i64> = sqlx::query_scalar(sql!("signals_insert"))
        .bind(params::rows(writes.signals.iter().map(SentSignal::new))?)
        .bind(batch.at.as_micros())
        .fetch_all(&mut *batch.connection)
        .await
        .map_err(store_error)?;
    batch.write(sql!("sagas_wake"), woken.into_iter().collect::<BTreeSet<_>>()).await?;
    Ok(())
}

/// Moves come before inserts: an order that ends makes room for the next one of its cart.
async fn save_orders(batch: &mut BatchWriter<'_>, writes: &Writes) -> Result<(), StoreError> {
    batch
        .update_expecting("orders", sql!("orders_move"), writes.orders.iter().map(OrderMoveRow::new))
        .await?;
    batch.write(sql!("orders_insert"), writes.new_orders.values().map(OrderRow::new)).await?;
    batch.write(sql!("order_lines_insert"), writes.new_orders.values().flat_map(LineRow::of)).await?;
    let inserted = batch.write(sql!("idempotency_keys_insert"), writes.keys.iter().map(KeyRow::new)).await?;
    if inserted < writes.keys.len() as u64 {
        return Err(StoreError::Contention(KEY_TAKEN.to_owned()));
    }

    let (moved, new) = split(&writes.reservations, |id, from, to| ReservationRow::new(*id, from, *to));
    batch.update_expecting("reservations", sql!("reservations_move"), moved).await?;
    batch.write(sql!("reservations_insert"), new).await?;

    let (moved, new) = split(&writes.notifications, |_, from, row| NotificationRow::new(from, row));
    batch.update_expecting("notifications", sql!("notifications_move"), moved).await?;
    batch.write(sql!("notifications_insert"), new).await?;
    Ok(())
}

async fn save_money(batch: &mut BatchWriter<'_>, writes: &Writes) -> Result<(), StoreError> {
    let (moved, new) = split(&writes.payments, |_, from, row| PaymentRow::new(from, row));
    batch.update_expecting("payments", sql!("payments_move"), moved).await?;
    batch.write(sql!("payments_insert"), new).await?;

    let (moved, new) = split(&writes.refunds, |_, from, row| RefundRow::new(from, row));
    batch.update_expecting("refunds", sql!("refunds_move"), moved).await?;
    batch.write(sql!("refunds_insert"), new).await?;
    Ok(())
}

async fn save_carts(batch: &mut BatchWriter<'_>, writes: &Writes) -> Result<(), StoreError> {
    batch.update_expecting("carts", sql!("carts_move"), writes.carts.iter().map(CartMoveRow::new)).await?;
    let discarded = writes.discarded_carts.iter().map(|id| id.0);
    batch.update_expecting("carts", sql!("carts_discard"), discarded).await?;
    batch.write(sql!("carts_put"), writes.put_carts.values().map(CartRow::new)).await?;
    Ok(())
}

async fn save_stock(batch: &mut BatchWriter<'_>, writes: &Writes) -> Result<(), StoreError> {
    batch.write(sql!("products_put"), writes.put_products.values().map(ProductRow::new)).await?;
    batch.write(sql!("stock_ensure"), &writes.shelves).await?;
    batch.write(sql!("stock_move"), writes.stock.iter().map(StockMoveRow::new)).await?;
    batch.write(sql!("stock_adjustments_insert"), writes.adjustments.iter().map(AdjustmentRow::new)).await?;
    let at = writes.at.as_micros();
    batch
        .write(
            sql!("request_keys_insert"),
            writes.request_keys.iter().map(|dedupe| RequestKeyRow::new(dedupe, at)),
        )
        .await?;
    Ok(())
}

/// Pauses queues, and resumes others.
async fn save_queues(batch: &mut BatchWriter<'_>, writes: &Writes) -> Result<(), StoreError> {
    let resumed = writes.pauses.iter().filter(|(_, pause)| pause.is_none()).map(|(queue, _)| queue);
    batch.write(sql!("queues_resume"), resumed).await?;
    batch.write(sql!("queues_pause"), writes.pauses.iter().filter_map(PauseRow::new)).await?;
    Ok(())
}

/// Rows that move from a state, and rows that are new.
fn split<'w, K, S: Copy, T, R>(
    table: &'w BTreeMap<K, (Option<S>, T)>,
    row: impl Fn(&'w K, Option<S>, &'w T) -> R,
) -> (Vec<R>, Vec<R>) {
    let mut moved = Vec::new();
    let mut new = Vec::new();
    for (key, (from, value)) in table {
        let rows = if from.is_some() { &mut moved } else { &mut new };
        rows.push(row(key, *from, value));
    }
    (moved, new)
}
