//! Saving: every field of the writes, each table in one statement for all its rows.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_saga::ports::StoreError;
use holdfast_saga::records::batch_rows::Writes;

use crate::encode::{
    ActionRow, AdjustmentRow, CartMoveRow, CartRow, LineRow, NotificationRow, OrderMoveRow, OrderRow,
    PaymentRow, ProductRow, RefundRow, ReservationRow, StockMoveRow,
};
use crate::encode_sagas::{LoggedCommit, MovedSaga, NewSaga, Poisoned, SentSignal};
use crate::error::store_error;
use crate::params::{self, Pen};
use crate::{operations, sql};

/// Writes all of it; the caller commits, or drops everything on an error.
pub(crate) async fn save(pen: &mut Pen<'_>, writes: &Writes) -> Result<(), StoreError> {
    pen.write(sql!("idempotency_keys_unclaim"), &writes.unclaimed).await?;
    save_sagas(pen, writes).await?;
    save_orders(pen, writes).await?;
    save_money(pen, writes).await?;
    save_carts(pen, writes).await?;
    save_shelf(pen, writes).await?;
    operations::brake(pen, writes).await?;
    pen.write(sql!("admin_actions_insert"), writes.admin_actions.iter().map(ActionRow::new)).await?;
    Ok(())
}

/// Signals come last: what they wake stays awake.
async fn save_sagas(pen: &mut Pen<'_>, writes: &Writes) -> Result<(), StoreError> {
    pen.shift("sagas", sql!("sagas_move"), writes.sagas.values().map(MovedSaga::new)).await?;
    pen.write(sql!("sagas_insert"), writes.new_sagas.values().map(NewSaga::new)).await?;
    pen.shift("sagas", sql!("sagas_poison"), writes.poisoned.iter().map(Poisoned::new)).await?;
    pen.write(sql!("saga_log_insert"), writes.log.iter().map(LoggedCommit::new)).await?;
    pen.write(sql!("signals_consume"), &writes.consumed).await?;
    save_signals(pen, writes).await
}

/// A signal that is known already wakes nobody.
async fn save_signals(pen: &mut Pen<'_>, writes: &Writes) -> Result<(), StoreError> {
    if writes.signals.is_empty() {
        return Ok(());
    }
    let woken: Vec<i64> = sqlx::query_scalar(sql!("signals_insert"))
        .bind(params::rows(writes.signals.iter().map(SentSignal::new))?)
        .bind(pen.at.as_micros())
        .fetch_all(&mut *pen.connection)
        .await
        .map_err(store_error)?;
    pen.write(sql!("sagas_wake"), woken.into_iter().collect::<BTreeSet<_>>()).await?;
    Ok(())
}

/// Moves come before births: an order that ends makes room for the next one of its cart.
async fn save_orders(pen: &mut Pen<'_>, writes: &Writes) -> Result<(), StoreError> {
    pen.shift("orders", sql!("orders_move"), writes.orders.iter().map(OrderMoveRow::new)).await?;
    pen.write(sql!("orders_insert"), writes.new_orders.values().map(OrderRow::new)).await?;
    pen.write(sql!("order_lines_insert"), writes.new_orders.values().flat_map(LineRow::of)).await?;

    let (moved, born) = split(&writes.reservations, |id, from, to| ReservationRow::new(*id, from, *to));
    pen.shift("reservations", sql!("reservations_move"), moved).await?;
    pen.write(sql!("reservations_insert"), born).await?;

    let (moved, born) = split(&writes.notifications, |_, from, row| NotificationRow::new(from, row));
    pen.shift("notifications", sql!("notifications_move"), moved).await?;
    pen.write(sql!("notifications_insert"), born).await?;
    Ok(())
}

async fn save_money(pen: &mut Pen<'_>, writes: &Writes) -> Result<(), StoreError> {
    let (moved, born) = split(&writes.payments, |_, from, row| PaymentRow::new(from, row));
    pen.shift("payments", sql!("payments_move"), moved).await?;
    pen.write(sql!("payments_insert"), born).await?;

    let (moved, born) = split(&writes.refunds, |_, from, row| RefundRow::new(from, row));
    pen.shift("refunds", sql!("refunds_move"), moved).await?;
    pen.write(sql!("refunds_insert"), born).await?;
    Ok(())
}

async fn save_carts(pen: &mut Pen<'_>, writes: &Writes) -> Result<(), StoreError> {
    pen.shift("carts", sql!("carts_move"), writes.carts.iter().map(CartMoveRow::new)).await?;
    let discarded = writes.discarded_carts.iter().map(|id| id.0);
    pen.shift("carts", sql!("carts_discard"), discarded).await?;
    pen.write(sql!("carts_put"), writes.put_carts.values().map(CartRow::new)).await?;
    Ok(())
}

async fn save_shelf(pen: &mut Pen<'_>, writes: &Writes) -> Result<(), StoreError> {
    pen.write(sql!("products_put"), writes.put_products.values().map(ProductRow::new)).await?;
    pen.write(sql!("stock_open"), &writes.shelves).await?;
    pen.write(sql!("stock_move"), writes.stock.iter().map(StockMoveRow::new)).await?;
    pen.write(sql!("stock_adjustments_insert"), writes.adjustments.iter().map(AdjustmentRow::new)).await?;
    Ok(())
}

/// Rows that move from a state, and rows that are born.
fn split<'w, K, S: Copy, T, R>(
    table: &'w BTreeMap<K, (Option<S>, T)>,
    row: impl Fn(&'w K, Option<S>, &'w T) -> R,
) -> (Vec<R>, Vec<R>) {
    let mut moved = Vec::new();
    let mut born = Vec::new();
    for (key, (from, value)) in table {
        let rows = if from.is_some() { &mut moved } else { &mut born };
        rows.push(row(key, *from, value));
    }
    (moved, born)
}
