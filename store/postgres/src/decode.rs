//! Rows as the rules know them. Each row is read alone: one that cannot be read never hides the others.

use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use holdfast_saga::ports::StoreError;
use holdfast_saga::records::context::Context;
use holdfast_saga::records::saga::{DefinitionId, Progress, Saga};
use holdfast_saga::records::signal::Signal;
use holdfast_saga::records::view::NotificationView;
use holdfast_saga::records::{Cart, Notification, Order, Payment, Product, Refund};
use holdfast_shared::{CartId, KeyPrefix, Line, Money, OrderId, SagaId, StepKey};
use serde::de::DeserializeOwned;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::error::unreadable;
use crate::pipe::rows;

rows! {
    struct SagaRow {
        id: i64,
        definition: String,
        version: i32,
        queue: String,
        state: String,
        fence: i64,
        leased_until: Option<OffsetDateTime>,
        wake_at: Option<OffsetDateTime>,
        progress: String,
        /// `None` where whoever asked has it.
        context: Option<String>,
        poison: Option<String>,
        key_prefix: String,
        created_at: OffsetDateTime,
        updated_at: OffsetDateTime,
        /// The database's present when it was read.
        seen_at: OffsetDateTime,
    }
}

impl SagaRow {
    pub(crate) const fn id(&self) -> SagaId {
        SagaId::from_key(self.id)
    }

    /// The saga, or the reason why there is none in this row. A context that is `known` is not read again.
    pub(crate) fn decode(self, known: Option<&Arc<Context>>) -> Result<Saga, (SagaId, String)> {
        let id = self.id();
        let blame = |error: StoreError| (id, error.to_string());
        let progress = progress(&self.progress, self.poison).map_err(blame)?;
        let context = match known {
            Some(context) => Arc::clone(context),
            None => Arc::new(json("context", self.context.as_deref().unwrap_or_default()).map_err(blame)?),
        };
        Ok(Saga {
            id,
            key_prefix: KeyPrefix::from_stored(self.key_prefix),
            definition: DefinitionId { name: self.definition, version: self.version },
            queue: word("queue", &self.queue).map_err(blame)?,
            state: word("state", &self.state).map_err(blame)?,
            fence: self.fence,
            leased_until: self.leased_until.map(Into::into),
            wake_at: self.wake_at.map(Into::into),
            progress,
            context,
            created_at: self.created_at.into(),
            updated_at: self.updated_at.into(),
        })
    }
}

/// Where a saga stands. Why its row was given up outweighs what it stopped at.
pub(crate) fn progress(text: &str, poison: Option<String>) -> Result<Progress, StoreError> {
    let mut progress: Progress = json("progress", text)?;
    if poison.is_some() {
        progress.error = poison;
    }
    Ok(progress)
}

rows! {
    struct SignalRow {
        saga_id: i64,
        dedupe: String,
        seq: i64,
        body: String,
        created_at: OffsetDateTime,
    }
}

impl SignalRow {
    /// The signal, or the saga it was for and why it cannot be read.
    pub(crate) fn decode(self) -> Result<Signal, (SagaId, String)> {
        let saga = SagaId::from_key(self.saga_id);
        let body = json("signal", &self.body).map_err(|error| (saga, error.to_string()))?;
        Ok(Signal { seq: self.seq, saga, dedupe: self.dedupe, body, created_at: self.created_at.into() })
    }
}

rows! {
    struct OrderRow {
        id: i64,
        status: String,
        cancel_reason: Option<String>,
        method: String,
        cart_id: Uuid,
        customer: Option<String>,
        contact: String,
        shipping_address: String,
        notes: Option<String>,
        total_minor: i64,
        currency: String,
        accepted_at: OffsetDateTime,
        updated_at: OffsetDateTime,
    }
}

impl OrderRow {
    pub(crate) fn decode(self, lines: Vec<Line>) -> Result<Order, StoreError> {
        Ok(Order {
            id: OrderId::new(self.id),
            status: word("order status", &self.status)?,
            cancel_reason: self.cancel_reason.map(|reason| word("cancel reason", &reason)).transpose()?,
            method: word("payment method", &self.method)?,
            cart: CartId(self.cart_id),
            customer: self.customer,
            contact: json("contact", &self.contact)?,
            shipping_address: json("address", &self.shipping_address)?,
            notes: self.notes,
            lines,
            total: Money::new(self.total_minor, word("currency", &self.currency)?),
            accepted_at: self.accepted_at.into(),
            updated_at: self.updated_at.into(),
        })
    }
}

rows! {
    struct LineRow {
        order_id: i64,
        sku: String,
        quantity: i32,
        unit_price_minor: i64,
    }
}

impl LineRow {
    pub(crate) fn decode(self) -> Result<Line, StoreError> {
        Ok(Line {
            sku: word("sku", &self.sku)?,
            quantity: u32::try_from(self.quantity).map_err(|error| unreadable("quantity", error))?,
            unit_price_minor: self.unit_price_minor,
        })
    }
}

rows! {
    struct PaymentRow {
        order_id: i64,
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
}

impl PaymentRow {
    pub(crate) fn decode(self) -> Result<Payment, StoreError> {
        Ok(Payment {
            order: OrderId::new(self.order_id),
            provider: self.provider,
            status: word("payment status", &self.status)?,
            amount: Money::new(self.amount_minor, word("currency", &self.currency)?),
            captured_minor: self.captured_minor,
            refunded_minor: self.refunded_minor,
            settled_manually_minor: self.settled_manually_minor,
            charge: self.charge_key.map(StepKey::from_stored),
            provider_ref: self.provider_ref,
            next_action: self.next_action,
        })
    }
}

rows! {
    struct CartRow {
        id: Uuid,
        owner: Option<String>,
        status: String,
        order_id: Option<i64>,
        items: String,
        updated_at: OffsetDateTime,
    }
}

impl CartRow {
    pub(crate) fn decode(self) -> Result<Cart, StoreError> {
        Ok(Cart {
            id: CartId(self.id),
            owner: self.owner,
            status: word("cart status", &self.status)?,
            order: self.order_id.map(OrderId::new),
            items: json("cart items", &self.items)?,
            updated_at: self.updated_at.into(),
        })
    }
}

rows! {
    struct ProductRow {
        sku: String,
        name: String,
        price_minor: i64,
        currency: String,
        active: bool,
    }
}

impl ProductRow {
    pub(crate) fn decode(self) -> Result<Product, StoreError> {
        Ok(Product {
            sku: word("sku", &self.sku)?,
            name: self.name,
            price: Money::new(self.price_minor, word("currency", &self.currency)?),
            active: self.active,
        })
    }
}

pub(crate) struct NotificationRow {
    pub(crate) saga_id: i64,
    pub(crate) notice: String,
    pub(crate) channel: String,
    pub(crate) recipient: String,
    pub(crate) status: String,
    pub(crate) created_at: OffsetDateTime,
    pub(crate) read_at: Option<OffsetDateTime>,
    pub(crate) customer: Option<String>,
    pub(crate) accepted_at: OffsetDateTime,
}

impl NotificationRow {
    pub(crate) fn decode(self) -> Result<NotificationView, StoreError> {
        let saga = SagaId::from_key(self.saga_id);
        Ok(NotificationView {
            notification: Notification {
                saga,
                notice: word("notice", &self.notice)?,
                channel: word("channel", &self.channel)?,
                recipient: self.recipient,
                status: word("notification status", &self.status)?,
            },
            order_public: saga.order().public(self.accepted_at.into()),
            customer: self.customer,
            created_at: self.created_at.into(),
            read_at: self.read_at.map(Into::into),
        })
    }
}

rows! {
    struct RefundRow {
        saga_id: i64,
        status: String,
        amount_minor: i64,
        currency: String,
        charge_key: String,
        late: bool,
        settled_manually: bool,
    }
}

impl RefundRow {
    pub(crate) fn decode(self) -> Result<Refund, StoreError> {
        Ok(Refund {
            saga: SagaId::from_key(self.saga_id),
            status: word("refund status", &self.status)?,
            amount: Money::new(self.amount_minor, word("currency", &self.currency)?),
            charge: StepKey::from_stored(self.charge_key),
            late: self.late,
            settled_manually: self.settled_manually,
        })
    }
}

/// A word of the vocabulary.
pub(crate) fn word<T>(what: &str, text: &str) -> Result<T, StoreError>
where
    T: FromStr,
    T::Err: Display,
{
    text.parse().map_err(|error| unreadable(&format!("{what} {text:?}"), error))
}

/// A document.
pub(crate) fn json<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| unreadable(what, error))
}
