//! All that is known of an order, and its lines of history. No payment token leaves it.

use holdfast_shared::{OrderId, SagaId, Time};
use serde::Serialize;

use crate::engine::definition::Definition;
use crate::ports::{Store, StoreError};
use crate::records::AdminAction;
use crate::records::context::without_token;
use crate::records::history::LogRow;
use crate::records::saga::Saga;
use crate::records::signal::Signal;
use crate::records::view::{OrderRecords, OrderView};

/// All that is known of an order.
#[derive(Debug, Clone, PartialEq)]
pub struct Story {
    /// The order.
    pub order: OrderView,
    /// Its sagas, by slot. Pruned ones are gone, with their history.
    pub sagas: Vec<Saga>,
    /// Their histories, each oldest first.
    pub log: Vec<LogRow>,
    /// Their unread signals.
    pub inbox: Vec<Signal>,
    /// What admins and operators did to it, oldest first.
    pub actions: Vec<AdminAction>,
    /// Who reads it.
    pub audience: Audience,
}

/// Who reads a story.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Audience {
    /// Those who run the shop: everything.
    #[default]
    Shop,
    /// The buyer: what became of their order, and nothing of how the shop works inside.
    Buyer,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// When it happened.
    pub at: Time,
    /// To which saga.
    pub saga: SagaId,
    /// The sentence.
    pub text: String,
}

impl Story {
    /// Reads all of it; `None` when there is no such order.
    pub async fn read(store: &dyn Store, order: OrderId) -> Result<Option<Self>, StoreError> {
        let records = store.order_records(order).await?;
        Ok(records.map(|OrderRecords { order, sagas, log, inbox, actions }| Self {
            order,
            sagas,
            log,
            inbox,
            actions,
            audience: Audience::Shop,
        }))
    }

    /// `text` without the buyer's payment token, should somebody have put it there.
    pub fn redact_token(&self, text: &str) -> String {
        redact_token(&self.sagas, text)
    }

    pub(super) fn unread(&self, saga: SagaId) -> impl Iterator<Item = &Signal> {
        self.inbox.iter().filter(move |signal| signal.saga == saga)
    }
}

/// `text` without the payment token that one of `sagas` holds, should somebody have put it there.
pub fn redact_token(sagas: &[Saga], text: &str) -> String {
    without_token(sagas.iter().find_map(|saga| saga.context.token()), text)
}

/// The name of the stage or undo `saga` stands at.
pub fn step(saga: &Saga, definition: &Definition) -> &'static str {
    definition.position(&saga.progress).step
}
