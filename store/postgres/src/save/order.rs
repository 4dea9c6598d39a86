//! Orders with their lines, reservations and messages.

use holdfast_saga::ports::StoreError;
use holdfast_saga::rows::Notification;
use holdfast_saga::world::Writes;
use holdfast_shared::OrderId;
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{all_moved, json, word};
use crate::error::{store_error, unreadable};

pub(super) async fn update(
    tx: &mut PgConnection,
    writes: &Writes,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    if !writes.orders.is_empty() {
        let column = || writes.orders.values();
        let result = sqlx::query_file!(
            "queries/orders_move.sql",
            &numbers(writes.orders.keys()),
            &column().map(|step| word(step.from)).collect::<Vec<_>>() as _,
            &column().map(|step| word(step.to)).collect::<Vec<_>>() as _,
            &column().map(|step| step.reason.map(word)).collect::<Vec<_>>() as _,
            at,
        )
        .execute(&mut *tx)
        .await
        .map_err(store_error)?;
        all_moved("orders", writes.orders.len(), &result)?;
    }
    let moves: Vec<_> =
        writes.reservations.iter().filter_map(|(order, (from, to))| Some((order, (*from)?, *to))).collect();
    if !moves.is_empty() {
        let result = sqlx::query_file!(
            "queries/reservations_move.sql",
            &numbers(moves.iter().map(|(order, ..)| *order)),
            &moves.iter().map(|(_, from, _)| word(*from)).collect::<Vec<_>>() as _,
            &moves.iter().map(|(.., to)| word(*to)).collect::<Vec<_>>() as _,
        )
        .execute(tx)
        .await
        .map_err(store_error)?;
        all_moved("reservations", moves.len(), &result)?;
    }
    Ok(())
}

pub(super) async fn move_notifications(
    tx: &mut PgConnection,
    writes: &Writes,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    let moves: Vec<_> =
        writes.notifications.values().filter_map(|(from, row)| Some(((*from)?, row))).collect();
    if moves.is_empty() {
        return Ok(());
    }
    let result = sqlx::query_file!(
        "queries/notifications_move.sql",
        &moves.iter().map(|(_, row)| row.saga.key()).collect::<Vec<_>>(),
        &moves.iter().map(|(from, _)| word(*from)).collect::<Vec<_>>() as _,
        &moves.iter().map(|(_, row)| word(row.status)).collect::<Vec<_>>() as _,
        at,
    )
    .execute(tx)
    .await
    .map_err(store_error)?;
    all_moved("notifications", moves.len(), &result)
}

pub(super) async fn insert(
    tx: &mut PgConnection,
    writes: &Writes,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    insert_orders(tx, writes, at).await?;
    let held: Vec<_> = writes.reservations.iter().filter(|(_, (from, _))| from.is_none()).collect();
    if !held.is_empty() {
        let ids = numbers(held.iter().map(|(order, _)| *order));
        let statuses: Vec<&str> = held.iter().map(|(_, (_, to))| word(*to)).collect();
        sqlx::query_file!("queries/reservations_insert.sql", &ids, &statuses as _)
            .execute(&mut *tx)
            .await
            .map_err(store_error)?;
    }
    let new: Vec<&Notification> =
        writes.notifications.values().filter(|(from, _)| from.is_none()).map(|(_, row)| row).collect();
    if !new.is_empty() {
        sqlx::query_file!(
            "queries/notifications_insert.sql",
            &new.iter().map(|row| row.saga.key()).collect::<Vec<_>>(),
            &new.iter().map(|row| word(row.notice)).collect::<Vec<_>>() as _,
            &new.iter().map(|row| word(row.channel)).collect::<Vec<_>>() as _,
            &new.iter().map(|row| row.recipient.clone()).collect::<Vec<_>>(),
            &new.iter().map(|row| word(row.status)).collect::<Vec<_>>() as _,
            at,
        )
        .execute(tx)
        .await
        .map_err(store_error)?;
    }
    Ok(())
}

async fn insert_orders(tx: &mut PgConnection, writes: &Writes, at: OffsetDateTime) -> Result<(), StoreError> {
    if writes.new_orders.is_empty() {
        return Ok(());
    }
    let column = || writes.new_orders.values();
    let contacts: Vec<String> = column().map(|order| json(&order.contact)).collect::<Result<_, _>>()?;
    let addresses: Vec<String> =
        column().map(|order| json(&order.shipping_address)).collect::<Result<_, _>>()?;
    sqlx::query_file!(
        "queries/orders_insert.sql",
        &numbers(writes.new_orders.keys()),
        &column().map(|order| word(order.status)).collect::<Vec<_>>() as _,
        &column().map(|order| word(order.method)).collect::<Vec<_>>() as _,
        &column().map(|order| order.cart.0).collect::<Vec<_>>(),
        &column().map(|order| order.customer.clone()).collect::<Vec<_>>() as _,
        &contacts,
        &addresses,
        &column().map(|order| order.notes.clone()).collect::<Vec<_>>() as _,
        &column().map(|order| order.total.amount_minor).collect::<Vec<_>>(),
        &column().map(|order| order.total.currency.to_string()).collect::<Vec<_>>(),
        at,
    )
    .execute(&mut *tx)
    .await
    .map_err(store_error)?;
    let lines: Vec<_> = column().flat_map(|order| order.lines.iter().map(|line| (order.id, line))).collect();
    let quantities: Vec<i32> = lines
        .iter()
        .map(|(order, line)| {
            i32::try_from(line.quantity).map_err(|error| unreadable(&order.to_string(), error))
        })
        .collect::<Result<_, _>>()?;
    sqlx::query_file!(
        "queries/order_lines_insert.sql",
        &lines.iter().map(|(order, _)| order.number()).collect::<Vec<_>>(),
        &lines.iter().map(|(_, line)| line.sku.to_string()).collect::<Vec<_>>(),
        &quantities,
        &lines.iter().map(|(_, line)| line.unit_price_minor).collect::<Vec<_>>(),
    )
    .execute(tx)
    .await
    .map_err(store_error)?;
    Ok(())
}

fn numbers<'a>(orders: impl Iterator<Item = &'a OrderId>) -> Vec<i64> {
    orders.map(|order| order.number()).collect()
}
