//! An order on the command line: the API's JSON with what only an operator sees, and tables.
//!
//! It never shows anything that grants access: the payment token, the cart's id, the buyer's payment link.

use holdfast_contract::order::{LineBody, OrderBody, OrderDetails, PaymentBody};
use holdfast_saga::records::slot;
use holdfast_saga::records::view::OrderView;
use holdfast_saga::timeline::{Explanation, Line, Story, folded, moment, next_move};
use holdfast_shared::{Address, Contact, OrderId, OrderStatus, ReservationStatus, SagaId, SagaState, Time};
use serde::Serialize;
use uuid::Uuid;

use crate::output::{age, dated, pairs, plain, table};
use crate::redact::redact;
use crate::saga::shown_state;

/// One order with its sagas.
#[derive(Debug, Serialize)]
pub(super) struct OrderPage {
    #[serde(flatten)]
    details: OrderDetails,
    /// The payment provider, once it was called.
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<String>,
    reservation: Option<ReservationStatus>,
    sagas: Vec<SagaBody>,
}

#[derive(Debug, Serialize)]
struct SagaBody {
    id: SagaId,
    definition: String,
    state: SagaState,
    retrying: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_move: Option<String>,
}

/// Why an order has its status.
#[derive(Debug, Serialize)]
pub(super) struct ExplainedBody {
    id: Uuid,
    number: OrderId,
    status: OrderStatus,
    #[serde(flatten)]
    explanation: Explanation,
}

/// An order in a list.
pub(super) fn order(view: &OrderView) -> OrderBody {
    let mut order = OrderBody::new(view);
    if let Some(payment) = &mut order.payment {
        payment.next_action = None;
    }
    order
}

/// The row of an order in a table.
pub(super) fn row(order: &OrderBody, now: Time) -> Vec<String> {
    vec![
        order.number.to_string(),
        status(order),
        order.payment_method.to_string(),
        order.totals.total.to_string(),
        order.lines.len().to_string(),
        age(order.accepted_at, now),
        if order.needs_attention { "yes" } else { "" }.to_owned(),
    ]
}

fn payment(payment: &PaymentBody) -> String {
    let settled =
        payment.settled_manually.map(|amount| format!(", {amount} settled manually")).unwrap_or_default();
    format!("{} ({} captured, {} refunded{settled})", payment.status, payment.captured, payment.refunded)
}

fn status(order: &OrderBody) -> String {
    match order.cancel_reason {
        Some(reason) => format!("{} ({reason})", order.status),
        None => order.status.to_string(),
    }
}

impl OrderPage {
    pub(super) fn new(story: &Story) -> Self {
        let view = &story.order;
        let saga = |saga: &holdfast_saga::records::saga::Saga| SagaBody {
            id: saga.id,
            definition: saga.definition.name.clone(),
            state: saga.state,
            retrying: saga.is_retrying(),
            error: saga.progress.error.as_deref().map(|error| redact(&story.redact_token(error))),
            next_move: (saga.state == SagaState::Dead).then(|| next_move(saga)),
        };
        let mut details = OrderDetails::new(view);
        details.order = order(view);
        Self {
            details,
            provider: view.payment.as_ref().map(|payment| payment.provider.clone()),
            reservation: view.reservation,
            sagas: story.sagas.iter().map(saga).collect(),
        }
    }

    pub(super) fn table(&self, now: Time) -> String {
        let OrderDetails { order, contact: buyer, shipping_address, notes, .. } = &self.details;
        let head = [
            ("order", order.number.to_string()),
            ("id", order.id.to_string()),
            ("status", status(order)),
            ("paid by", order.payment_method.to_string()),
            ("total", order.totals.total.to_string()),
            ("payment", order.payment.as_ref().map(payment).unwrap_or_default()),
            ("stock", self.reservation.map_or_else(|| "not reserved".to_owned(), |held| held.to_string())),
            ("contact", contact(buyer)),
            ("ship to", address(shipping_address)),
            ("notes", notes.clone().unwrap_or_default()),
            ("accepted", dated(order.accepted_at, now)),
            ("updated", dated(order.updated_at, now)),
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
            let state = shown_state(saga.state, saga.retrying).to_owned();
            vec![saga.id.to_string(), saga.definition.clone(), state, error]
        };
        table(&["SAGA", "DEFINITION", "STATE", "LAST ERROR"], self.sagas.iter().map(row))
    }

    fn attention(&self) -> String {
        let moves = self.sagas.iter().filter_map(|saga| saga.next_move.clone());
        let text = pairs(moves.map(|next_move| ("needs attention", next_move)));
        if text.trim().is_empty() { String::new() } else { format!("\n{text}") }
    }
}

impl ExplainedBody {
    pub(super) fn new(story: &Story, explanation: Explanation) -> Self {
        let Explanation { now, next, unblocks, blockers, happened } = explanation;
        let happened = happened.into_iter().map(|line| Line { text: redact(&line.text), ..line }).collect();
        Self {
            id: story.order.public_id(),
            number: story.order.order.id,
            status: story.order.order.status,
            explanation: Explanation { now: redact(&now), next, unblocks, blockers, happened },
        }
    }

    pub(super) fn happened(&self) -> &[Line] {
        &self.explanation.happened
    }

    /// First how it stands, then the story.
    pub(super) fn table(&self) -> String {
        let row = |line: &Line| vec![moment(line.at), self.saga(line), line.text.clone()];
        let story = folded(self.happened());
        let story = table(&["AT", "SAGA", "WHAT HAPPENED"], story.iter().map(row));
        format!("{}\n{story}", self.outlook())
    }

    /// How it stands, what comes next, and what would unblock it.
    pub(super) fn outlook(&self) -> String {
        let Explanation { now, next, unblocks, .. } = &self.explanation;
        pairs([("now", now.clone()), ("next", next.clone()), ("unblocks", unblocks.clone())])
    }

    /// Lines of the story without a header.
    pub(super) fn lines(&self, lines: &[Line]) -> String {
        let line =
            |line: &Line| format!("{}  {:<8} {}\n", moment(line.at), self.saga(line), plain(&line.text));
        lines.iter().map(line).collect()
    }

    /// Most orders have one saga; its id would be noise.
    fn saga(&self, line: &Line) -> String {
        if line.saga == self.number.saga(slot::CHECKOUT) { String::new() } else { line.saga.to_string() }
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
    let city = format!("{} {}", address.postal_code, address.city).trim_start().to_owned();
    let parts = [
        Some(&address.name),
        Some(&address.line1),
        address.line2.as_ref(),
        Some(&city),
        address.region.as_ref(),
        Some(&address.country),
    ];
    parts.into_iter().flatten().cloned().collect::<Vec<_>>().join(", ")
}
