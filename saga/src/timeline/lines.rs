//! What happened to an order, line by line.

use holdfast_shared::{SagaState, Time};

use super::story::{Audience, Line, Story};
use super::{buyer, phrases};
use crate::records::AdminAction;
use crate::records::history::{Entry, LogRow};
use crate::records::saga::Saga;
use crate::records::signal::Signal;
use crate::records::slot;

/// What happened to the order, oldest first. An unread signal stands where it arrived.
pub fn timeline(story: &Story) -> Vec<Line> {
    let mut lines = vec![accepted(story)];
    for saga in &story.sagas {
        lines.extend(history(story, saga));
    }
    lines.extend(acts(story));
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

/// What happened to a saga that serves no order, oldest first.
pub(crate) fn history_of_standalone(saga: &Saga, log: &[LogRow]) -> Vec<Line> {
    let lines = |row: &LogRow| {
        let texts = phrases::commit(saga, &row.entries).into_iter();
        let at = row.at;
        texts.map(move |text| Line { at, saga: saga.id, text }).collect::<Vec<_>>()
    };
    log.iter().flat_map(lines).collect()
}

/// How it began.
pub(super) fn accepted(story: &Story) -> Line {
    let order = &story.order.order;
    Line { at: order.accepted_at, saga: order.id.saga(slot::CHECKOUT), text: phrases::accepted(order) }
}

/// What people did with their hands, oldest first. The checkout is what brought the order to where they take over.
pub(super) fn acts(story: &Story) -> Vec<Line> {
    let act = |action: &AdminAction| {
        let text = match story.audience {
            Audience::Shop => phrases::by_hand(action)?,
            Audience::Buyer => buyer::by_hand(action)?.to_owned(),
        };
        let text = story.redact_token(&text);
        Some(Line { at: action.at, saga: story.order.order.id.saga(slot::CHECKOUT), text })
    };
    story.actions.iter().filter_map(act).collect()
}

/// What the commits of one saga decided after the one of fence `seen`; all of it, its birth included, without one.
pub(super) fn history_since(story: &Story, saga: &Saga, seen: Option<i64>) -> Vec<Line> {
    let mut lines = Vec::new();
    let (begun, commit) = match story.audience {
        Audience::Shop => (phrases::begun(saga), phrases::commit as fn(&Saga, &[Entry]) -> Vec<String>),
        Audience::Buyer => (buyer::begun(saga), buyer::commit as fn(&Saga, &[Entry]) -> Vec<String>),
    };
    if let Some(text) = begun.filter(|_| seen.is_none()) {
        lines.push(line(story, saga, saga.created_at, &text));
    }
    let mut death_is_logged = false;
    let new = |row: &&LogRow| row.saga == saga.id && seen.is_none_or(|seen| row.fence > seen);
    for row in story.log.iter().filter(new) {
        death_is_logged = row.entries.iter().any(|entry| matches!(entry, Entry::Dead { .. }));
        lines.extend(commit(saga, &row.entries).iter().map(|text| line(story, saga, row.at, text)));
    }
    // A row that nobody could plan died without a history of its own.
    let is_news = seen.is_none_or(|seen| saga.fence > seen);
    if saga.state == SagaState::Dead && !death_is_logged && is_news {
        let why = saga.progress.error.as_deref().unwrap_or("nobody knows why");
        let text = match story.audience {
            Audience::Shop => format!("stopped, an operator must act: {why}"),
            Audience::Buyer => buyer::DELAYED.to_owned(),
        };
        lines.push(line(story, saga, saga.updated_at, &text));
    }
    lines.sort_by_key(|line| line.at);
    lines
}

fn line(story: &Story, saga: &Saga, at: Time, text: &str) -> Line {
    Line { at, saga: saga.id, text: story.redact_token(text) }
}
