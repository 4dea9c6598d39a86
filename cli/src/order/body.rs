//! An order as it is shown: the JSON that scripts hold on to, and the tables for people.
//!
//! What would open a door is left out: the payment token, the cart's id, the buyer's payment link.

use holdfast_saga::context::slot;
use holdfast_saga::plan::next_move;
use holdfast_saga::rows::Payment;
use holdfast_saga::timeline::{Explanation, Line, Story};
use holdfast_saga::view::OrderView;
use holdfast_shared::{
    Address, CancelReason, Contact, Line as OrderLine, Money, OrderId, OrderStatus, PaymentMethod,
    PaymentStatus, ReservationStatus, SagaId, SagaState, Sku, Time,
};
use serde::Serialize;
use uuid::Uuid;

use crate::output::{pairs, table};
use crate::redact::redact;

/// An order, as in lists.
#[derive(Debug, Serialize)]
pub(super) struct OrderBody {
    id: Uuid,
    pub(super) number: OrderId,
    status: OrderStatus,
    payment_method: PaymentMethod,
    lines: Vec<LineBody>,
    totals: TotalsBody,
    payment: Option<PaymentBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cancel_reason: Option<CancelReason>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    needs_attention: bool,
    accepted_at: Time,
    updated_at: Time,
}

#[derive(Debug, Serialize)]
struct LineBody {
    sku: Sku,
    quantity: u32,
    unit_price: Money,
    total: Money,
}

#[derive(Debug, Serialize)]
struct TotalsBody {
    total: Money,
}

#[derive(Debug, Serialize)]
struct PaymentBody {
    status: PaymentStatus,
    provider: String,
    amount: Money,
    captured: Money,
    refunded: Money,
}

/// One order, whole.
#[derive(Debug, Serialize)]
pub(super) struct OrderPage {
    #[serde(flatten)]
    order: OrderBody,
    reservation: Option<ReservationStatus>,
    contact: Contact,
    shipping_address: Address,
    #[serde(skip_serializing_if = "Option::is_none")]
    notes: Option<String>,
    sagas: Vec<SagaBody>,
}

#[derive(Debug, Serialize)]
struct SagaBody {
    id: SagaId,
    definition: String,
    state: SagaState,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_move: Option<String>,
}

/// Why an order stands where it stands.
#[derive(Debug, Serialize)]
pub(super) struct ExplainedBody {
    id: Uuid,
    number: OrderId,
    status: OrderStatus,
    #[serde(flatten)]
    explanation: Explanation,
}

impl OrderBody {
    pub(super) fn new(view: &OrderView) -> Self {
        let order = &view.order;
        Self {
            id: view.public_id(),
            number: order.id,
            status: order.status,
            payment_method: order.method,
            lines: order.lines.iter().map(|line| LineBody::new(line, order.total)).collect(),
            totals: TotalsBody { total: order.total },
            payment: view.payment.as_ref().map(PaymentBody::new),
            cancel_reason: order.cancel_reason,
            needs_attention: view.needs_attention,
            accepted_at: order.accepted_at,
            updated_at: order.updated_at,
        }
    }

    pub(super) fn row(&self) -> Vec<String> {
        vec![
            self.number.to_string(),
            self.standing(),
            self.payment_method.to_string(),
            self.totals.total.to_string(),
            self.lines.len().to_string(),
            self.accepted_at.to_string(),
            if self.needs_attention { "yes" } else { "" }.to_owned(),
        ]
    }

    fn standing(&self) -> String {
        match self.cancel_reason {
            Some(reason) => format!("{} ({reason})", self.status),
            None => self.status.to_string(),
        }
    }
}

impl LineBody {
    fn new(line: &OrderLine, total: Money) -> Self {
        let unit_price = Money::new(line.unit_price_minor, total.currency);
        // A line is never worth more than its order, whose total was proven to fit.
        let line_total = unit_price.times(line.quantity).unwrap_or(total);
        Self { sku: line.sku.clone(), quantity: line.quantity, unit_price, total: line_total }
    }
}

impl PaymentBody {
    fn new(payment: &Payment) -> Self {
        let currency = payment.amount.currency;
        Self {
            status: payment.status,
            provider: payment.provider.clone(),
            amount: payment.amount,
            captured: Money::new(payment.captured_minor, currency),
            refunded: Money::new(payment.refunded_minor, currency),
        }
    }
}

impl OrderPage {
    pub(super) fn new(story: &Story) -> Self {
        let order = &story.order.order;
        let saga = |saga: &holdfast_saga::saga::Saga| SagaBody {
            id: saga.id,
            definition: saga.definition.name.clone(),
            state: saga.state,
            error: saga.progress.error.as_deref().map(|error| redact(&story.discreet(error))),
            next_move: (saga.state == SagaState::Dead).then(|| next_move(saga)),
        };
        Self {
            order: OrderBody::new(&story.order),
            reservation: story.order.reservation,
            contact: order.contact.clone(),
            shipping_address: order.shipping_address.clone(),
            notes: order.notes.clone(),
            sagas: story.sagas.iter().map(saga).collect(),
        }
    }

    pub(super) fn table(&self) -> String {
        let order = &self.order;
        let payment = order.payment.as_ref().map_or_else(
            || "none yet".to_owned(),
            |book| format!("{} ({} captured, {} refunded)", book.status, book.captured, book.refunded),
        );
        let head = [
            ("order", order.number.to_string()),
            ("id", order.id.to_string()),
            ("status", order.standing()),
            ("paid by", order.payment_method.to_string()),
            ("total", order.totals.total.to_string()),
            ("payment", payment),
            ("stock", self.reservation.map_or_else(|| "not reserved".to_owned(), |held| held.to_string())),
            ("contact", contact(&self.contact)),
            ("ship to", address(&self.shipping_address)),
            ("notes", self.notes.clone().unwrap_or_default()),
            ("accepted", order.accepted_at.to_string()),
            ("updated", order.updated_at.to_string()),
        ];
        let line = |line: &LineBody| {
            vec![
                line.sku.to_string(),
                line.quantity.to_string(),
                line.unit_price.to_string(),
                line.total.to_string(),
            ]
        };
        let lines = table(&["SKU", "QUANTITY", "EACH", "TOTAL"], order.lines.iter().map(line));
        let head = pairs(head.into_iter().filter(|(_, value)| !value.is_empty()));
        format!("{head}\n{lines}\n{}{}", self.sagas(), self.attention())
    }

    fn sagas(&self) -> String {
        let row = |saga: &SagaBody| {
            let error = saga.error.clone().unwrap_or_default();
            vec![saga.id.to_string(), saga.definition.clone(), saga.state.to_string(), error]
        };
        table(&["SAGA", "DEFINITION", "STATE", "LAST ERROR"], self.sagas.iter().map(row))
    }

    fn attention(&self) -> String {
        let moves = self.sagas.iter().filter_map(|saga| saga.next_move.clone());
        let told = pairs(moves.map(|next_move| ("needs attention", next_move)));
        if told.trim().is_empty() {
            String::new()
        } else {
            format!(
                "
{told}"
            )
        }
    }
}

impl ExplainedBody {
    pub(super) fn new(story: &Story, explanation: Explanation) -> Self {
        let Explanation { happened, now, next, unblocks } = explanation;
        let happened = happened.into_iter().map(|line| Line { words: redact(&line.words), ..line }).collect();
        Self {
            id: story.order.public_id(),
            number: story.order.order.id,
            status: story.order.order.status,
            explanation: Explanation { happened, now: redact(&now), next, unblocks },
        }
    }

    pub(super) fn table(&self) -> String {
        let Explanation { happened, now, next, unblocks } = &self.explanation;
        // One saga tells most stories; its id would only be in the way.
        let checkout = self.number.saga(slot::CHECKOUT);
        let saga = |saga: SagaId| if saga == checkout { String::new() } else { saga.to_string() };
        let row = |line: &Line| vec![line.at.to_string(), saga(line.saga), line.words.clone()];
        let story = table(&["AT", "SAGA", "WHAT HAPPENED"], happened.iter().map(row));
        let rest = pairs([("now", now.clone()), ("next", next.clone()), ("unblocks", unblocks.clone())]);
        format!("{story}\n{rest}")
    }
}

fn contact(contact: &Contact) -> String {
    [Some(&contact.email), contact.phone.as_ref()]
        .into_iter()
        .flatten()
        .cloned()
        .collect::<Vec<_>>()
        .join(", ")
}

fn address(address: &Address) -> String {
    let town = format!("{} {}", address.postal_code, address.city);
    let parts = [
        Some(&address.name),
        Some(&address.line1),
        address.line2.as_ref(),
        Some(&town),
        address.region.as_ref(),
        Some(&address.country),
    ];
    parts.into_iter().flatten().cloned().collect::<Vec<_>>().join(", ")
}
