//! Orders and what belongs to each: lines, reservation, payment, notifications.

use holdfast_saga::ports::{KEY_TAKEN, StoreError};
use holdfast_saga::records::batch_rows::Writes;
use holdfast_saga::records::{Notification, Payment};
use time::OffsetDateTime;

use crate::params::{all_moved, json, numbers, word};
use crate::pipeline::PipelinedConnection;
use crate::row;
use crate::statement::Sql;

/// Writes new orders with their lines and idempotency keys. It waits for another transaction that writes the same key.
pub(super) async fn insert(
    connection: &PipelinedConnection,
    writes: &Writes,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    if writes.new_orders.is_empty() && writes.keys.is_empty() {
        return Ok(());
    }
    let orders = || writes.new_orders.values();
    let lines: Vec<_> = orders().flat_map(|order| order.lines.iter().map(|line| (order.id, line))).collect();
    let quantities: Vec<i32> = lines
        .iter()
        .map(|(order, line)| {
            i32::try_from(line.quantity).map_err(|error| {
                StoreError::Data(format!("order {order}: quantity {}: {error}", line.quantity))
            })
        })
        .collect::<Result<_, _>>()?;
    let keys = connection
        .read_one(
            Sql::OrdersInsert,
            &[
                &numbers(writes.new_orders.keys()),
                &orders().map(|order| word(order.status)).collect::<Vec<_>>(),
                &orders().map(|order| word(order.method)).collect::<Vec<_>>(),
                &orders().map(|order| order.cart.0).collect::<Vec<_>>(),
                &orders().map(|order| order.customer.map(|customer| customer.0)).collect::<Vec<_>>(),
                &orders().map(|order| json(&order.contact)).collect::<Result<Vec<_>, _>>()?,
                &orders().map(|order| json(&order.shipping_address)).collect::<Result<Vec<_>, _>>()?,
                &orders().map(|order| order.notes.as_deref()).collect::<Vec<_>>(),
                &orders().map(|order| order.total.amount_minor).collect::<Vec<_>>(),
                &orders().map(|order| order.total.currency.to_string()).collect::<Vec<_>>(),
                &at,
                &lines.iter().map(|(order, _)| order.number()).collect::<Vec<_>>(),
                &lines.iter().map(|(_, line)| line.sku.as_str()).collect::<Vec<_>>(),
                &quantities,
                &lines.iter().map(|(_, line)| line.unit_price_minor).collect::<Vec<_>>(),
                &writes.keys.iter().map(|claim| claim.key).collect::<Vec<_>>(),
                &writes.keys.iter().map(|claim| claim.body).collect::<Vec<_>>(),
                &numbers(writes.keys.iter().map(|claim| &claim.order)),
            ],
            row::number,
        )
        .await?;
    if keys.unsigned_abs() < writes.keys.len() as u64 {
        return Err(StoreError::Contention(KEY_TAKEN.to_owned()));
    }
    Ok(())
}

/// Opens the reservation and the payment of orders.
pub(super) async fn open(
    connection: &PipelinedConnection,
    writes: &Writes,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    let opened_reservations: Vec<_> =
        writes.reservations.iter().filter(|(_, (from, _))| from.is_none()).collect();
    let payments: Vec<&Payment> =
        writes.payments.values().filter(|(from, _)| from.is_none()).map(|(_, row)| row).collect();
    if opened_reservations.is_empty() && payments.is_empty() {
        return Ok(());
    }
    let opened = || payments.iter().copied();
    connection
        .execute(
            Sql::OrdersOpen,
            &[
                &numbers(opened_reservations.iter().map(|(order, _)| *order)),
                &opened_reservations.iter().map(|(_, (_, to))| word(*to)).collect::<Vec<_>>(),
                &opened().map(|row| row.order.number()).collect::<Vec<_>>(),
                &opened().map(|row| row.provider.as_str()).collect::<Vec<_>>(),
                &opened().map(|row| word(row.status)).collect::<Vec<_>>(),
                &opened().map(|row| row.amount.amount_minor).collect::<Vec<_>>(),
                &opened().map(|row| row.amount.currency.to_string()).collect::<Vec<_>>(),
                &opened().map(|row| row.captured_minor).collect::<Vec<_>>(),
                &opened().map(|row| row.refunded_minor).collect::<Vec<_>>(),
                &opened().map(|row| row.settled_manually_minor).collect::<Vec<_>>(),
                &charges(opened()),
                &opened().map(|row| json(&row.details)).collect::<Result<Vec<_>, _>>()?,
                &at,
            ],
        )
        .await?;
    Ok(())
}

/// Moves orders, reservations and payments on, and saves notifications.
pub(super) async fn advance(
    connection: &PipelinedConnection,
    writes: &Writes,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    let orders = &writes.orders;
    let reservations: Vec<_> =
        writes.reservations.iter().filter_map(|(order, (from, to))| Some((order, (*from)?, *to))).collect();
    let payments: Vec<_> = writes.payments.values().filter_map(|(from, row)| Some(((*from)?, row))).collect();
    let notifications_saved: Vec<&Notification> =
        writes.notifications.values().filter(|(from, _)| from.is_none()).map(|(_, row)| row).collect();
    if orders.is_empty() && reservations.is_empty() && payments.is_empty() && notifications_saved.is_empty() {
        return Ok(());
    }
    let steps = || orders.values();
    let paid = || payments.iter().map(|(_, row)| *row);
    let saved = || notifications_saved.iter().copied();
    let (moved_orders, moved_reservations, moved_payments) = connection
        .read_one(
            Sql::OrdersAdvance,
            &[
                &at,
                &numbers(orders.keys()),
                &steps().map(|step| word(step.from)).collect::<Vec<_>>(),
                &steps().map(|step| word(step.to)).collect::<Vec<_>>(),
                &steps().map(|step| step.reason.map(word)).collect::<Vec<_>>(),
                &numbers(reservations.iter().map(|(order, ..)| *order)),
                &reservations.iter().map(|(_, from, _)| word(*from)).collect::<Vec<_>>(),
                &reservations.iter().map(|(.., to)| word(*to)).collect::<Vec<_>>(),
                &paid().map(|row| row.order.number()).collect::<Vec<_>>(),
                &payments.iter().map(|(from, _)| word(*from)).collect::<Vec<_>>(),
                &paid().map(|row| word(row.status)).collect::<Vec<_>>(),
                &paid().map(|row| row.captured_minor).collect::<Vec<_>>(),
                &paid().map(|row| row.refunded_minor).collect::<Vec<_>>(),
                &paid().map(|row| row.settled_manually_minor).collect::<Vec<_>>(),
                &charges(paid()),
                &paid().map(|row| json(&row.details)).collect::<Result<Vec<_>, _>>()?,
                &saved().map(|row| row.saga.key()).collect::<Vec<_>>(),
                &saved().map(|row| word(row.notice)).collect::<Vec<_>>(),
                &saved().map(|row| row.channel.as_str()).collect::<Vec<_>>(),
                &saved().map(|row| word(row.status)).collect::<Vec<_>>(),
            ],
            |row| Ok((row.value::<i64>(0)?, row.value::<i64>(1)?, row.value::<i64>(2)?)),
        )
        .await?;
    all_moved("orders", orders.len(), moved_orders.unsigned_abs())?;
    all_moved("reservations", reservations.len(), moved_reservations.unsigned_abs())?;
    all_moved("payments", payments.len(), moved_payments.unsigned_abs())
}

pub(super) async fn move_notifications(
    connection: &PipelinedConnection,
    writes: &Writes,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    let moves: Vec<_> =
        writes.notifications.values().filter_map(|(from, row)| Some(((*from)?, row))).collect();
    if moves.is_empty() {
        return Ok(());
    }
    let found = connection
        .execute(
            Sql::NotificationsMove,
            &[
                &moves.iter().map(|(_, row)| row.saga.key()).collect::<Vec<_>>(),
                &moves.iter().map(|(from, _)| word(*from)).collect::<Vec<_>>(),
                &moves.iter().map(|(_, row)| word(row.status)).collect::<Vec<_>>(),
                &at,
            ],
        )
        .await?;
    all_moved("notifications", moves.len(), found)
}

fn charges<'a>(rows: impl Iterator<Item = &'a Payment>) -> Vec<Option<String>> {
    rows.map(|row| row.charge.as_ref().map(ToString::to_string)).collect()
}
