//! The history of an order in plain words: what happened, what it waits for, what comes next.
//!
//! Everything is told from rows that were read before; nothing here decides anything, and no payment
//! token ever gets into the words.

mod buyer;
mod conditions;
mod cursor;
mod next_move;
mod outlook;
mod phrases;

use holdfast_shared::{OrderId, SagaId, SagaState, Time};
use serde::Serialize;

pub use conditions::{Blocker, Conditions};
pub use cursor::{InvalidSeen, Seen, since};
pub use next_move::next_move;
pub use outlook::{Explanation, OVERDUE, explain};

use crate::engine::definition::Definition;
use crate::ports::{Store, StoreError};
use crate::records::AdminAction;
use crate::records::history::{Entry, LogRow};
use crate::records::saga::Saga;
use crate::records::signal::Signal;
use crate::records::slot;
use crate::records::view::OrderView;

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
    /// Who is told.
    pub audience: Audience,
}

/// Who is told a story.
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
    /// The parts are read one after the other, so a shop at work may be a commit further in a later one. The order
    /// comes last: how it stands is never older than what is told of it.
    pub async fn read(store: &dyn Store, order: OrderId) -> Result<Option<Self>, StoreError> {
        let sagas = store.sagas_of(order).await?;
        let (mut log, mut inbox) = (Vec::new(), Vec::new());
        for saga in &sagas {
            log.extend(store.log(saga.id).await?);
            inbox.extend(store.inbox(saga.id).await?);
        }
        let actions = store.admin_actions(order).await?;
        let order = store.order(order).await?;
        Ok(order.map(|order| Self { order, sagas, log, inbox, actions, audience: Audience::Shop }))
    }

    /// `words` without the buyer's payment token, should somebody have put it there.
    pub fn redact_token(&self, words: &str) -> String {
        redact_token(&self.sagas, words)
    }

    fn unread(&self, saga: SagaId) -> impl Iterator<Item = &Signal> {
        self.inbox.iter().filter(move |signal| signal.saga == saga)
    }
}

/// What happened to the order, oldest first. What was told and not read yet stands where it came in.
pub fn timeline(story: &Story) -> Vec<Line> {
    let mut lines = vec![accepted(story)];
    for saga in &story.sagas {
        lines.extend(history(story, saga));
    }
    lines.extend(deeds(story));
    // Stable, so what one commit decided keeps its order.
    lines.sort_by_key(|line| line.at);
    lines
}

/// What happened to one saga of `story`, oldest first.
pub fn history(story: &Story, saga: &Saga) -> Vec<Line> {
    let mut lines = history_since(story, saga, None);
    if story.audience == Audience::Shop {
        let unread = |signal: &Signal| line(story, saga, signal.created_at, &phrases::unread(&signal.body));
        lines.extend(story.unread(saga.id).map(unread));
        lines.sort_by_key(|line| line.at);
    }
    lines
}

/// How it began.
fn accepted(story: &Story) -> Line {
    let order = &story.order.order;
    Line { at: order.accepted_at, saga: order.id.saga(slot::CHECKOUT), words: phrases::accepted(order) }
}

/// What people did with their hands, oldest first. The checkout is what brought the order to where they take over.
fn deeds(story: &Story) -> Vec<Line> {
    let deed = |action: &AdminAction| {
        let words = match story.audience {
            Audience::Shop => phrases::by_hand(action)?,
            Audience::Buyer => buyer::by_hand(action)?.to_owned(),
        };
        let words = story.redact_token(&words);
        Some(Line { at: action.at, saga: story.order.order.id.saga(slot::CHECKOUT), words })
    };
    story.actions.iter().filter_map(deed).collect()
}

/// What the commits of one saga decided after the one of fence `seen`; all of it, its birth included, without one.
fn history_since(story: &Story, saga: &Saga, seen: Option<i64>) -> Vec<Line> {
    let mut lines = Vec::new();
    let (begun, commit) = match story.audience {
        Audience::Shop => (phrases::begun(saga), phrases::commit as fn(&Saga, &[Entry]) -> Vec<String>),
        Audience::Buyer => (buyer::begun(saga), buyer::commit as fn(&Saga, &[Entry]) -> Vec<String>),
    };
    if let Some(words) = begun.filter(|_| seen.is_none()) {
        lines.push(line(story, saga, saga.created_at, &words));
    }
    let mut told_of_death = false;
    let new = |row: &&LogRow| row.saga == saga.id && seen.is_none_or(|seen| row.fence > seen);
    for row in story.log.iter().filter(new) {
        told_of_death = row.entries.iter().any(|entry| matches!(entry, Entry::Dead { .. }));
        lines.extend(commit(saga, &row.entries).iter().map(|words| line(story, saga, row.at, words)));
    }
    // A row that nobody could plan died without a history of its own.
    let is_news = seen.is_none_or(|seen| saga.fence > seen);
    if saga.state == SagaState::Dead && !told_of_death && is_news {
        let why = saga.progress.error.as_deref().unwrap_or("nobody knows why");
        let words = match story.audience {
            Audience::Shop => format!("stopped, an operator must act: {why}"),
            Audience::Buyer => buyer::DELAYED.to_owned(),
        };
        lines.push(line(story, saga, saga.updated_at, &words));
    }
    lines.sort_by_key(|line| line.at);
    lines
}

fn line(story: &Story, saga: &Saga, at: Time, words: &str) -> Line {
    Line { at, saga: saga.id, words: story.redact_token(words) }
}

/// `words` without the payment token that one of `sagas` holds, should somebody have put it there.
pub fn redact_token(sagas: &[Saga], words: &str) -> String {
    without_token(sagas.iter().find_map(|saga| saga.context.token()), words)
}

/// `words` without `token`, should somebody have put it there.
pub(crate) fn without_token(token: Option<&str>, words: &str) -> String {
    let token = token.filter(|token| !token.is_empty());
    token.map_or_else(|| words.to_owned(), |token| words.replace(token, HIDDEN))
}

/// The name of the stage or undo `saga` stands at.
pub fn step(saga: &Saga, definition: &Definition) -> &'static str {
    definition.position(&saga.progress).step
}

#[cfg(test)]
mod tests;
