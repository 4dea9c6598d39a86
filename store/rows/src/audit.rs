//! The facts of the audit.

use holdfast_saga::ports::StoreError;
use holdfast_saga::records::audit_fact::{OrderFact, PaymentFact, StockFact};
use holdfast_shared::{OrderId, StepKey};

use crate::columns::{Columns, Reason, Row, unreadable};

/// The level of a SKU, beside what its movements add up to.
pub fn stock_fact<R: Row>(row: &R) -> Result<StockFact, StoreError> {
    let mut columns = Columns::of(row);
    let mut read = || -> Result<StockFact, Reason> {
        Ok(StockFact {
            sku: Some(columns.parsed("sku")?),
            on_hand: columns.integer("on_hand")?,
            reserved: columns.integer("reserved")?,
            adjusted: columns.integer("adjusted")?,
            confirmed: columns.integer("confirmed")?,
            restocked: columns.integer("restocked")?,
            held: columns.integer("held")?,
        })
    };
    read().map_err(|reason| unreadable("the stock of a SKU", reason))
}

/// An order with its payment, its reservation and its cart; its refunds, sagas and notifications are left empty.
pub fn order_fact<R: Row>(row: &R) -> Result<OrderFact, StoreError> {
    let mut columns = Columns::of(row);
    order_fact_columns(&mut columns)
}

/// The same, for a statement that has further columns behind these.
pub fn order_fact_columns<R: Row>(columns: &mut Columns<'_, R>) -> Result<OrderFact, StoreError> {
    let number = columns.integer("id").map_err(|reason| unreadable("an order", reason))?;
    let id = OrderId::new(number);
    read_order_fact(columns, id).map_err(|reason| unreadable(format_args!("order {id}"), reason))
}

fn read_order_fact<R: Row>(columns: &mut Columns<'_, R>, id: OrderId) -> Result<OrderFact, Reason> {
    let status = columns.parsed("status")?;
    let reason = columns.optional_parsed("cancel_reason")?;
    let method = columns.parsed("method")?;
    let currency = columns.parsed("currency")?;
    let total_minor = columns.integer("total_minor")?;
    let lines_minor = columns.integer("lines_minor")?;
    let provider = columns.optional_text("payment_provider")?.unwrap_or_default();
    let payment_status = columns.optional_parsed("payment_status")?;
    let captured_minor = columns.optional_integer("captured_minor")?.unwrap_or_default();
    let refunded_minor = columns.optional_integer("refunded_minor")?.unwrap_or_default();
    let settled_manually_minor = columns.optional_integer("settled_manually_minor")?.unwrap_or_default();
    let charge = columns.optional_text("charge_key")?.map(StepKey::from_stored);
    let reservation = columns.optional_parsed("reservation_status")?;
    let cart_status = columns.optional_parsed("cart_status")?;
    let cart_order = columns.optional_integer("cart_order")?.map(OrderId::new);
    let payment = payment_status.map(|status| PaymentFact {
        provider,
        status,
        captured_minor,
        refunded_minor,
        settled_manually_minor,
        charge,
    });
    Ok(OrderFact {
        id,
        status,
        reason,
        method,
        currency,
        total_minor,
        lines_minor,
        payment,
        refunds: Vec::new(),
        reservation,
        cart: cart_status.map(|status| (status, cart_order)),
        sagas: Vec::new(),
        notifications: Vec::new(),
    })
}
