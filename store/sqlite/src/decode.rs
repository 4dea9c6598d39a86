//! From rows to what the rules know. A row that does not parse says why, and harms no other row.

use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use holdfast_saga::records::saga::{DefinitionId, Progress, Saga};
use holdfast_saga::records::signal::Signal;
use holdfast_saga::records::view::NotificationView;
use holdfast_saga::records::{
    AdminAction, Cart, KeyClaim, Notification, Order, Payment, Product, Refund, Stock,
};
use holdfast_shared::{CartId, Currency, KeyPrefix, Line, Money, OrderId, SagaId, Sku, StepKey, Time};
use serde::de::DeserializeOwned;
use sqlx::FromRow;
use uuid::Uuid;

/// Why a row could not be read.
pub(crate) type Reason = String;

/// Reads `text` as what the column `column` should hold.
pub(crate) fn parse<T>(column: &str, text: &str) -> Result<T, Reason>
where
    T: FromStr,
    T::Err: Display,
{
    text.parse().map_err(|error| format!("{column} {text:?}: {error}"))
}

/// Reads the JSON that the column `column` holds.
pub(crate) fn from_json<T: DeserializeOwned>(column: &str, text: &str) -> Result<T, Reason> {
    serde_json::from_str(text).map_err(|error| format!("{column}: {error}"))
}

fn optional<T>(column: &str, text: Option<&str>) -> Result<Option<T>, Reason>
where
    T: FromStr,
    T::Err: Display,
{
    text.map(|text| parse(column, text)).transpose()
}

fn money(amount_minor: i64, currency: &str) -> Result<Money, Reason> {
    let currency: Currency = parse("currency", currency)?;
    Ok(Money::new(amount_minor, currency))
}

/// A row of `sagas`.
#[derive(Debug, FromRow)]
pub(crate) struct SagaRow {
    pub(crate) id: i64,
    definition: String,
    version: i64,
    queue: String,
    state: String,
    fence: i64,
    leased_until: Option<i64>,
    wake_at: Option<i64>,
    progress: String,
    context: String,
    poison: Option<String>,
    key_prefix: String,
    created_at: i64,
    updated_at: i64,
}

/// Where a saga stands. Why its row was given up outweighs what it stopped at.
pub(crate) fn progress(text: &str, poison: Option<String>) -> Result<Progress, Reason> {
    let mut progress: Progress = from_json("progress", text)?;
    if poison.is_some() {
        progress.error = poison;
    }
    Ok(progress)
}

impl SagaRow {
    pub(crate) fn decode(self) -> Result<Saga, Reason> {
        let progress = progress(&self.progress, self.poison)?;
        let version =
            i32::try_from(self.version).map_err(|error| format!("version {}: {error}", self.version))?;
        Ok(Saga {
            id: SagaId::from_key(self.id),
            key_prefix: KeyPrefix::from_stored(self.key_prefix),
            definition: DefinitionId { name: self.definition, version },
            queue: parse("queue", &self.queue)?,
            state: parse("state", &self.state)?,
            fence: self.fence,
            leased_until: self.leased_until.map(Time::from_micros),
            wake_at: self.wake_at.map(Time::from_micros),
            progress,
            context: Arc::new(from_json("context", &self.context)?),
            created_at: Time::from_micros(self.created_at),
            updated_at: Time::from_micros(self.updated_at),
        })
    }
}

/// A row of `signals`.
#[derive(Debug, FromRow)]
pub(crate) struct SignalRow {
    pub(crate) saga_id: i64,
    seq: i64,
    dedupe: String,
    body: String,
    created_at: i64,
}

impl SignalRow {
    pub(crate) fn decode(self) -> Result<Signal, Reason> {
        let body =
            from_json("body", &self.body).map_err(|reason| format!("signal {}: {reason}", self.dedupe))?;
        Ok(Signal {
            seq: self.seq,
            saga: SagaId::from_key(self.saga_id),
            dedupe: self.dedupe,
            body,
            created_at: Time::from_micros(self.created_at),
        })
    }
}

/// A row of `orders`.
#[derive(Debug, FromRow)]
pub(crate) struct OrderRow {
    pub(crate) id: i64,
    status: String,
    cancel_reason: Option<String>,
    method: String,
    cart_id: String,
    customer: Option<String>,
    contact: String,
    shipping_address: String,
    notes: Option<String>,
    total_minor: i64,
    currency: String,
    accepted_at: i64,
    updated_at: i64,
}

impl OrderRow {
    pub(crate) fn decode(self, lines: Vec<Line>) -> Result<Order, Reason> {
        Ok(Order {
            id: OrderId::new(self.id),
            status: parse("status", &self.status)?,
            cancel_reason: optional("cancel_reason", self.cancel_reason.as_deref())?,
            method: parse("method", &self.method)?,
            cart: CartId(parse::<Uuid>("cart_id", &self.cart_id)?),
            customer: self.customer,
            contact: from_json("contact", &self.contact)?,
            shipping_address: from_json("shipping_address", &self.shipping_address)?,
            notes: self.notes,
            lines,
            total: money(self.total_minor, &self.currency)?,
            accepted_at: Time::from_micros(self.accepted_at),
            updated_at: Time::from_micros(self.updated_at),
        })
    }
}

/// A row of `order_lines`.
#[derive(Debug, FromRow)]
pub(crate) struct LineRow {
    pub(crate) order_id: i64,
    sku: String,
    quantity: i64,
    unit_price_minor: i64,
}

impl LineRow {
    pub(crate) fn decode(self) -> Result<Line, Reason> {
        Ok(Line {
            sku: parse("sku", &self.sku)?,
            quantity: u32::try_from(self.quantity)
                .map_err(|error| format!("quantity {}: {error}", self.quantity))?,
            unit_price_minor: self.unit_price_minor,
        })
    }
}

/// A row of `payments`.
#[derive(Debug, FromRow)]
pub(crate) struct PaymentRow {
    pub(crate) order_id: i64,
    provider: String,
    status: String,
    amount_minor: i64,
    currency: String,
    captured_minor: i64,
    refunded_minor: i64,
    settled_manually_minor: i64,
    charge_key: Option<String>,
    provider_ref: Option<String>,
    next_action: Option<String>,
}

impl PaymentRow {
    pub(crate) fn decode(self) -> Result<Payment, Reason> {
        Ok(Payment {
            order: OrderId::new(self.order_id),
            provider: self.provider,
            status: parse("status", &self.status)?,
            amount: money(self.amount_minor, &self.currency)?,
            captured_minor: self.captured_minor,
            refunded_minor: self.refunded_minor,
            settled_manually_minor: self.settled_manually_minor,
            charge: self.charge_key.map(StepKey::from_stored),
            provider_ref: self.provider_ref,
            next_action: self.next_action,
        })
    }
}

/// A row of `refunds`.
#[derive(Debug, FromRow)]
pub(crate) struct RefundRow {
    pub(crate) saga_id: i64,
    status: String,
    amount_minor: i64,
    currency: String,
    charge_key: String,
    late: bool,
    settled_manually: bool,
}

impl RefundRow {
    pub(crate) fn decode(self) -> Result<Refund, Reason> {
        Ok(Refund {
            saga: SagaId::from_key(self.saga_id),
            status: parse("status", &self.status)?,
            amount: money(self.amount_minor, &self.currency)?,
            charge: StepKey::from_stored(self.charge_key),
            late: self.late,
            settled_manually: self.settled_manually,
        })
    }
}

/// A row of `carts`.
#[derive(Debug, FromRow)]
pub(crate) struct CartRow {
    pub(crate) id: String,
    owner: Option<String>,
    status: String,
    order_id: Option<i64>,
    items: String,
    updated_at: i64,
}

impl CartRow {
    pub(crate) fn decode(self) -> Result<Cart, Reason> {
        Ok(Cart {
            id: CartId(parse::<Uuid>("id", &self.id)?),
            owner: self.owner,
            status: parse("status", &self.status)?,
            order: self.order_id.map(OrderId::new),
            items: from_json("items", &self.items)?,
            updated_at: Time::from_micros(self.updated_at),
        })
    }
}

/// A row of `products`.
#[derive(Debug, FromRow)]
pub(crate) struct ProductRow {
    pub(crate) sku: String,
    name: String,
    price_minor: i64,
    currency: String,
    active: bool,
}

impl ProductRow {
    pub(crate) fn decode(self) -> Result<Product, Reason> {
        Ok(Product {
            sku: parse("sku", &self.sku)?,
            name: self.name,
            price: money(self.price_minor, &self.currency)?,
            active: self.active,
        })
    }
}

/// A row of `stock`.
#[derive(Debug, FromRow)]
pub(crate) struct StockRow {
    pub(crate) sku: String,
    on_hand: i64,
    reserved: i64,
}

impl StockRow {
    pub(crate) fn decode(self) -> Result<(Sku, Stock), Reason> {
        Ok((parse("sku", &self.sku)?, Stock { on_hand: self.on_hand, reserved: self.reserved }))
    }
}

/// A row of `notifications`, with what its reader needs to know of the order.
#[derive(Debug, FromRow)]
pub(crate) struct NotificationRow {
    pub(crate) saga_id: i64,
    notice: String,
    channel: String,
    recipient: String,
    status: String,
    created_at: i64,
    read_at: Option<i64>,
    customer: Option<String>,
    accepted_at: i64,
}

impl NotificationRow {
    pub(crate) fn decode(self) -> Result<NotificationView, Reason> {
        let saga = SagaId::from_key(self.saga_id);
        Ok(NotificationView {
            notification: Notification {
                saga,
                notice: parse("notice", &self.notice)?,
                channel: parse("channel", &self.channel)?,
                recipient: self.recipient,
                status: parse("status", &self.status)?,
            },
            order_public: saga.order().public(Time::from_micros(self.accepted_at)),
            customer: self.customer,
            created_at: Time::from_micros(self.created_at),
            read_at: self.read_at.map(Time::from_micros),
        })
    }
}

/// A row of `admin_actions`.
#[derive(Debug, FromRow)]
pub(crate) struct ActionRow {
    at: i64,
    actor: String,
    action: String,
    subject: String,
    detail: String,
    order_id: Option<i64>,
}

impl ActionRow {
    pub(crate) fn decode(self) -> AdminAction {
        AdminAction {
            at: Time::from_micros(self.at),
            actor: self.actor,
            action: self.action,
            subject: self.subject,
            detail: self.detail,
            order: self.order_id.map(OrderId::new),
        }
    }
}

/// A row of `idempotency_keys`.
#[derive(Debug, FromRow)]
pub(crate) struct KeyRow {
    pub(crate) key: String,
    body: String,
    order_id: i64,
}

impl KeyRow {
    pub(crate) fn decode(self) -> Result<KeyClaim, Reason> {
        Ok(KeyClaim {
            key: parse("key", &self.key)?,
            body: parse("body", &self.body)?,
            order: OrderId::new(self.order_id),
        })
    }
}
