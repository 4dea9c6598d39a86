//! The history of an order in plain words: what happened, what it waits for, what comes next.
//!
//! Everything is told from rows that were read before; nothing here decides anything, and no payment
//! token ever gets into the words.

mod outlook;
mod words;

use holdfast_shared::{OrderId, SagaId, SagaState, Time};
use serde::Serialize;

pub use outlook::{Explanation, OVERDUE, explain};

use crate::context::{Context, slot};
use crate::definition::Definition;
use crate::log::{Entry, LogRow};
use crate::ports::{Store, StoreError};
use crate::rows::AdminAction;
use crate::saga::Saga;
use crate::signal::Signal;
use crate::view::OrderView;

/// What a payment token is replaced with.
const HIDDEN: &str = "(the payment token)";

/// All that is known of an order.
#[derive(Debug, Clone, PartialEq)]
pub struct Story {
    /// The order.
    pub order: OrderView,
    /// Its sagas, by slot. Pruned ones are gone, with their history.
    pub sagas: Vec<Saga>,
    /// Their histories, each oldest first.
    pub log: Vec<LogRow>,
    /// What they were told and have not read yet.
    pub inbox: Vec<Signal>,
    /// What admins and operators did to it, oldest first.
    pub actions: Vec<AdminAction>,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// When.
    pub at: Time,
    /// To which saga.
    pub saga: SagaId,
    /// What.
    pub words: String,
}

impl Story {
    /// Reads all of it; `None` when there is no such order.
    ///
    /// The parts are read one after the other, so a shop at work may be a commit further in a later one.
    pub async fn read(store: &dyn Store, order: OrderId) -> Result<Option<Self>, StoreError> {
        let Some(view) = store.order(order).await? else {
            return Ok(None);
        };
        let mut known = Self {
            order: view,
            sagas: store.sagas_of(order).await?,
            log: Vec::new(),
            inbox: Vec::new(),
            actions: store.admin_actions(order).await?,
        };
        for saga in &known.sagas {
            known.log.extend(store.log(saga.id).await?);
            known.inbox.extend(store.inbox(saga.id).await?);
        }
        Ok(Some(known))
    }

    /// `words` without the buyer's payment token, should somebody have put it there.
    pub fn discreet(&self, words: &str) -> String {
        discreet(&self.sagas, words)
    }

    fn unread(&self, saga: SagaId) -> impl Iterator<Item = &Signal> {
        self.inbox.iter().filter(move |signal| signal.saga == saga)
    }
}

/// What happened to the order, oldest first. What was told and not read yet stands where it came in.
pub fn timeline(story: &Story) -> Vec<Line> {
    let mut lines = vec![Line {
        at: story.order.order.accepted_at,
        saga: story.order.order.id.saga(slot::CHECKOUT),
        words: words::accepted(&story.order.order),
    }];
    for saga in &story.sagas {
        lines.extend(history(story, saga));
    }
    // The checkout is what brought the order to where people take over.
    let by_hand = |action: &AdminAction| {
        let words = story.discreet(&words::by_hand(action)?);
        Some(Line { at: action.at, saga: story.order.order.id.saga(slot::CHECKOUT), words })
    };
    lines.extend(story.actions.iter().filter_map(by_hand));
    // Stable, so what one commit decided keeps its order.
    lines.sort_by_key(|line| line.at);
    lines
}

/// What happened to one saga of `story`, oldest first.
pub fn history(story: &Story, saga: &Saga) -> Vec<Line> {
    let line = |at, words: &str| Line { at, saga: saga.id, words: story.discreet(words) };
    let mut lines = Vec::new();
    if let Some(words) = words::begun(saga) {
        lines.push(line(saga.created_at, &words));
    }
    let mut told_of_death = false;
    for row in story.log.iter().filter(|row| row.saga == saga.id) {
        told_of_death = row.entries.iter().any(|entry| matches!(entry, Entry::Dead { .. }));
        lines.extend(words::commit(saga, &row.entries).iter().map(|words| line(row.at, words)));
    }
    // A row that nobody could plan died without a history of its own.
    if saga.state == SagaState::Dead && !told_of_death {
        let why = saga.progress.error.as_deref().unwrap_or("nobody knows why");
        lines.push(line(saga.updated_at, &format!("stopped, an operator must act: {why}")));
    }
    lines.extend(story.unread(saga.id).map(|signal| line(signal.created_at, &words::unread(&signal.body))));
    lines.sort_by_key(|line| line.at);
    lines
}

/// `words` without the payment token that one of `sagas` holds, should somebody have put it there.
pub fn discreet(sagas: &[Saga], words: &str) -> String {
    let token = sagas.iter().find_map(|saga| match &*saga.context {
        Context::Checkout(checkout) => checkout.token.as_deref().filter(|token| !token.is_empty()),
        Context::Notice(_)
        | Context::Cancellation(_)
        | Context::LateRefund(_)
        | Context::GrantedRefund(_) => None,
    });
    token.map_or_else(|| words.to_owned(), |token| words.replace(token, HIDDEN))
}

/// The name of the stage or undo `saga` stands at.
pub fn step(saga: &Saga, definition: &Definition) -> &'static str {
    definition.stand(&saga.progress).step
}

#[cfg(test)]
mod tests;
