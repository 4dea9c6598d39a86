//! Everything the audit needs to know, page by page, all of one snapshot.

use futures_util::TryStreamExt;
use holdfast_saga::ports::StoreError;
use holdfast_saga::records::audit_fact::{Fact, OrderFact, PaymentFact, RefundFact, StockFact};
use holdfast_shared::{OrderId, SagaId, SagaState, StepKey};
use sqlx::{FromRow, SqliteConnection};

use crate::decode::{Reason, RefundRow, parse};
use crate::error::{store_error, unreadable};
use crate::sql;

/// A page of orders with their sagas fits into a few megabytes.
const PAGE: usize = 5_000;

type Visit<'v> = &'v mut (dyn FnMut(Fact) + Send);

/// `snapshot` must be inside a transaction: that is what makes it one.
pub(crate) async fn facts(snapshot: &mut SqliteConnection, visit: Visit<'_>) -> Result<(), StoreError> {
    stock(snapshot, visit).await?;
    let mut last = 0;
    loop {
        let mut page = orders(snapshot, last).await?;
        let ended = page.len() < PAGE;
        // The last page answers for everything behind it, too: sagas there have no order.
        let until = match page.last() {
            Some(order) if !ended => order.id.saga(u8::MAX).key(),
            Some(_) | None => i64::MAX,
        };
        let from = first_saga_after(last);
        sagas(snapshot, from, until, &mut page, visit).await?;
        notifications(snapshot, from, until, &mut page).await?;
        refunds(snapshot, from, until, &mut page).await?;
        last = page.last().map_or(last, |order| order.id.number());
        for order in page {
            visit(Fact::Order(order));
        }
        if ended {
            return Ok(());
        }
    }
}

fn first_saga_after(order: i64) -> i64 {
    if order == 0 { i64::MIN } else { OrderId::new(order).saga(u8::MAX).key() + 1 }
}

#[derive(FromRow)]
struct StockColumns {
    sku: String,
    on_hand: i64,
    reserved: i64,
    adjusted: i64,
    confirmed: i64,
    restocked: i64,
    held: i64,
}

async fn stock(snapshot: &mut SqliteConnection, visit: Visit<'_>) -> Result<(), StoreError> {
    let mut rows = sqlx::query_as::<_, StockColumns>(sql!("facts_stock")).fetch(snapshot);
    while let Some(row) = rows.try_next().await.map_err(store_error)? {
        let sku = parse("sku", &row.sku).map_err(|reason| unreadable("stock", reason))?;
        visit(Fact::Stock(StockFact {
            sku: Some(sku),
            on_hand: row.on_hand,
            reserved: row.reserved,
            adjusted: row.adjusted,
            confirmed: row.confirmed,
            restocked: row.restocked,
            held: row.held,
        }));
    }
    Ok(())
}

#[derive(FromRow)]
struct OrderColumns {
    id: i64,
    status: String,
    cancel_reason: Option<String>,
    method: String,
    currency: String,
    total_minor: i64,
    lines_minor: i64,
    payment_status: Option<String>,
    captured_minor: Option<i64>,
    refunded_minor: Option<i64>,
    settled_manually_minor: Option<i64>,
    charge_key: Option<String>,
    reservation_status: Option<String>,
    cart_status: Option<String>,
    cart_order: Option<i64>,
}

impl OrderColumns {
    fn decode(self) -> Result<OrderFact, Reason> {
        let payment = match self.payment_status {
            Some(status) => Some(PaymentFact {
                status: parse("payment", &status)?,
                captured_minor: self.captured_minor.unwrap_or_default(),
                refunded_minor: self.refunded_minor.unwrap_or_default(),
                settled_manually_minor: self.settled_manually_minor.unwrap_or_default(),
                charge: self.charge_key.map(StepKey::from_stored),
            }),
            None => None,
        };
        let cart = match self.cart_status {
            Some(status) => Some((parse("cart", &status)?, self.cart_order.map(OrderId::new))),
            None => None,
        };
        Ok(OrderFact {
            id: OrderId::new(self.id),
            status: parse("status", &self.status)?,
            reason: self.cancel_reason.map(|reason| parse("cancel_reason", &reason)).transpose()?,
            method: parse("method", &self.method)?,
            currency: parse("currency", &self.currency)?,
            total_minor: self.total_minor,
            lines_minor: self.lines_minor,
            payment,
            refunds: Vec::new(),
            reservation: self.reservation_status.map(|status| parse("reservation", &status)).transpose()?,
            cart,
            sagas: Vec::new(),
            notifications: Vec::new(),
        })
    }
}

/// The page of orders after `last`, by number.
async fn orders(snapshot: &mut SqliteConnection, last: i64) -> Result<Vec<OrderFact>, StoreError> {
    let limit = i64::try_from(PAGE).unwrap_or(i64::MAX);
    let rows: Vec<OrderColumns> = sqlx::query_as(sql!("facts_orders"))
        .bind(last)
        .bind(limit)
        .fetch_all(snapshot)
        .await
        .map_err(store_error)?;
    let decode = |row: OrderColumns| {
        let id = row.id;
        row.decode().map_err(|reason| unreadable(format!("order {id}"), reason))
    };
    rows.into_iter().map(decode).collect()
}

/// Gives the orders of `page` their sagas. A saga between them that belongs to none of them is an orphan.
async fn sagas(
    snapshot: &mut SqliteConnection,
    from: i64,
    until: i64,
    page: &mut [OrderFact],
    visit: Visit<'_>,
) -> Result<(), StoreError> {
    let mut rows =
        sqlx::query_as::<_, (i64, String)>(sql!("facts_sagas")).bind(from).bind(until).fetch(snapshot);
    while let Some((key, state)) = rows.try_next().await.map_err(store_error)? {
        let id = SagaId::from_key(key);
        let state: SagaState =
            parse("state", &state).map_err(|reason| unreadable(format!("saga {id}"), reason))?;
        match page.binary_search_by_key(&id.order(), |order| order.id) {
            Ok(at) => page[at].sagas.push((id.slot(), state)),
            Err(_) => visit(Fact::Orphan(id)),
        }
    }
    Ok(())
}

async fn notifications(
    snapshot: &mut SqliteConnection,
    from: i64,
    until: i64,
    page: &mut [OrderFact],
) -> Result<(), StoreError> {
    let mut rows =
        sqlx::query_scalar::<_, i64>(sql!("facts_notifications")).bind(from).bind(until).fetch(snapshot);
    while let Some(key) = rows.try_next().await.map_err(store_error)? {
        let id = SagaId::from_key(key);
        if let Ok(at) = page.binary_search_by_key(&id.order(), |order| order.id) {
            page[at].notifications.push(id.slot());
        }
    }
    Ok(())
}

async fn refunds(
    snapshot: &mut SqliteConnection,
    from: i64,
    until: i64,
    page: &mut [OrderFact],
) -> Result<(), StoreError> {
    let mut rows =
        sqlx::query_as::<_, RefundRow>(sql!("facts_refunds")).bind(from).bind(until).fetch(snapshot);
    while let Some(row) = rows.try_next().await.map_err(store_error)? {
        let id = SagaId::from_key(row.saga_id);
        let refund = row.decode().map_err(|reason| unreadable(format!("the refund of saga {id}"), reason))?;
        if let Ok(at) = page.binary_search_by_key(&id.order(), |order| order.id) {
            page[at].refunds.push(RefundFact::of(&refund));
        }
    }
    Ok(())
}
