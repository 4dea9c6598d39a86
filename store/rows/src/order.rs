//! Orders and what belongs to each: lines, reservation, payment, refunds.

use std::collections::BTreeMap;

use holdfast_saga::ports::StoreError;
use holdfast_saga::records::saga::Saga;
use holdfast_saga::records::signal::Signal;
use holdfast_saga::records::view::Pending;
use holdfast_saga::records::{Order, Payment, Refund};
use holdfast_shared::{CartId, CustomerId, Line, OrderId, ReservationStatus, SagaId, StepKey};

use crate::columns::{Columns, Reason, Row, unreadable};
use crate::saga::Decoded;

/// A row of `orders`, without its lines.
pub fn order<R: Row>(row: &R) -> Result<Order, StoreError> {
    of_order(row, "", |columns, id| {
        Ok(Order {
            id,
            status: columns.parsed("status")?,
            cancel_reason: columns.optional_parsed("cancel_reason")?,
            method: columns.parsed("method")?,
            cart: CartId(columns.uuid("cart_id")?),
            customer: columns.optional_uuid("customer")?.map(CustomerId),
            contact: columns.json("contact")?,
            shipping_address: columns.json("shipping_address")?,
            notes: columns.optional_text("notes")?,
            lines: Vec::new(),
            total: columns.money("total_minor", "currency")?,
            accepted_at: columns.time("accepted_at")?,
            updated_at: columns.time("updated_at")?,
        })
    })
}

/// A row of `order_lines`.
pub fn line<R: Row>(row: &R) -> Result<(OrderId, Line), StoreError> {
    of_order(row, "a line of ", |columns, order| {
        let line = Line {
            sku: columns.parsed("sku")?,
            quantity: columns.number("quantity")?,
            unit_price_minor: columns.integer("unit_price_minor")?,
        };
        Ok((order, line))
    })
}

/// The lines of each order, in the order in which they were read.
pub fn lines_by_order(lines: Vec<(OrderId, Line)>) -> BTreeMap<OrderId, Vec<Line>> {
    let mut by_order: BTreeMap<OrderId, Vec<Line>> = BTreeMap::new();
    for (order, line) in lines {
        by_order.entry(order).or_default().push(line);
    }
    by_order
}

/// A row of `reservations`.
pub fn reservation<R: Row>(row: &R) -> Result<(OrderId, ReservationStatus), StoreError> {
    of_order(row, "the reservation of ", |columns, order| Ok((order, columns.parsed("status")?)))
}

/// A row of `payments`.
pub fn payment<R: Row>(row: &R) -> Result<Payment, StoreError> {
    of_order(row, "the payment of ", |columns, order| {
        Ok(Payment {
            order,
            provider: columns.text("provider")?,
            status: columns.parsed("status")?,
            amount: columns.money("amount_minor", "currency")?,
            captured_minor: columns.integer("captured_minor")?,
            refunded_minor: columns.integer("refunded_minor")?,
            settled_manually_minor: columns.integer("settled_manually_minor")?,
            charge: columns.optional_text("charge_key")?.map(StepKey::from_stored),
            details: columns.json("details")?,
        })
    })
}

/// A row of `refunds`.
pub fn refund<R: Row>(row: &R) -> Result<Refund, StoreError> {
    let mut columns = Columns::of(row);
    let key = columns.integer("saga_id").map_err(|reason| unreadable("a refund", reason))?;
    let saga = SagaId::from_key(key);
    let mut read = || -> Result<Refund, Reason> {
        Ok(Refund {
            saga,
            status: columns.parsed("status")?,
            amount: columns.money("amount_minor", "currency")?,
            charge: StepKey::from_stored(columns.text("charge_key")?),
            late: columns.boolean("late")?,
            settled_manually: columns.boolean("settled_manually")?,
        })
    };
    read().map_err(|reason| unreadable(format_args!("the refund of saga {saga}"), reason))
}

/// Reads a row whose first column is an order's number; an error names the order.
fn of_order<'r, R: Row, T>(
    row: &'r R,
    what: &str,
    read: impl FnOnce(&mut Columns<'r, R>, OrderId) -> Result<T, Reason>,
) -> Result<T, StoreError> {
    let mut columns = Columns::of(row);
    let id = columns.order(row.name(0)).map_err(|reason| unreadable("a row of an order", reason))?;
    read(&mut columns, id).map_err(|reason| unreadable(format_args!("{what}order {id}"), reason))
}

/// What is pending of each of these `orders`, of the unread `signals` and the `sagas` that may carry it out. Those that
/// cannot be read are left out: a list shows the rest.
pub fn pending_by_order(
    orders: &[Order],
    signals: Vec<Decoded<Signal>>,
    sagas: Vec<Decoded<Box<Saga>>>,
) -> BTreeMap<OrderId, Pending> {
    let signals: Vec<Signal> = signals.into_iter().flatten().collect();
    let sagas: Vec<Box<Saga>> = sagas.into_iter().flatten().collect();
    let pending = |order: &Order| {
        let signals = signals.iter().filter(|signal| signal.saga.order() == Some(order.id));
        let sagas = sagas.iter().map(|saga| &**saga).filter(|saga| saga.id.order() == Some(order.id));
        Some((order.id, Pending::of(order.status, signals, sagas)?))
    };
    orders.iter().filter_map(pending).collect()
}
