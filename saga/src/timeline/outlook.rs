//! "Why is this one not moving?": what an order waits for, what comes next, what would unblock it.

use holdfast_shared::{OrderStatus, SagaState};

use serde::Serialize;

use super::conditions::{Blocker, Conditions};
use super::diagnosis::{Diagnosis, NOTHING, Outlook};

use super::lines::timeline;

use super::next_move::if_it_comes_back;

use super::phrases::because;

use super::story::{Line, Story};

use crate::engine::registry::Registry;

use crate::records::saga::Saga;

use crate::records::slot;

/// Where an order stands, for somebody who has to answer for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Where it stands and what it is waiting for.
    pub now: String,
    /// What will happen next, and when.
    pub next: String,
    /// What would unblock it.
    pub unblocks: String,
    /// What keeps its sagas from being taken up, for programs.
    pub blockers: Vec<Blocker>,
    /// What happened, oldest first.
    pub happened: Vec<Line>,
}

/// Explains `story` as it stands under `conditions`, as far as a binary that knows `registry` can tell.
pub fn explain(story: &Story, registry: &Registry, conditions: &Conditions) -> Explanation {
    let mut moving: Vec<&Saga> = story.sagas.iter().filter(|saga| !saga.state.is_settled()).collect();
    moving.sort_by_key(|saga| (rank(saga), saga.id));
    let now = conditions.now;
    let mut blockers = Vec::new();
    let mut outlooks = Vec::with_capacity(moving.len());
    for saga in moving {
        let diagnosis = Diagnosis { story, saga, conditions, now };
        let blocker = diagnosis.blocker(registry);
        outlooks.push(diagnosis.outlook(registry).behind(blocker.as_ref()));
        blockers.extend(blocker.filter(|blocker| !blockers.contains(blocker)));
    }
    if outlooks.is_empty() {
        outlooks.push(settled(story));
    }
    let order = &story.order.order;
    let text = |part: fn(&Outlook) -> &String| story.redact_token(&joined(outlooks.iter().map(part)));
    Explanation {
        now: format!("order {} is {}: {}", order.id, order.status, text(|outlook| &outlook.now)),
        next: text(|outlook| &outlook.next),
        unblocks: text(|outlook| &outlook.unblocks),
        blockers,
        happened: timeline(story),
    }
}

/// What needs somebody first, then what moves the order, then messages and late money.
fn rank(saga: &Saga) -> u8 {
    match (saga.state, slot::kind_of(saga.id)) {
        (SagaState::Dead, _) => 0,
        (_, Some(slot::CHECKOUT | slot::CANCELLATION)) => 1,
        _ => 2,
    }
}

fn joined<'a>(parts: impl Iterator<Item = &'a String>) -> String {
    let mut distinct: Vec<&str> = Vec::new();
    for part in parts {
        if !distinct.contains(&part.as_str()) {
            distinct.push(part);
        }
    }
    // Where there is something to do, "nothing" is not worth saying.
    if distinct.len() > 1 {
        distinct.retain(|part| *part != NOTHING);
    }
    distinct.join("; also, ")
}

/// Nothing moves: that is the end, or nothing at all looks after the order.
fn settled(story: &Story) -> Outlook {
    let order = &story.order.order;
    let end = |now: String, next: &str| Outlook { now, next: next.to_owned(), unblocks: NOTHING.to_owned() };
    match order.status {
        OrderStatus::Confirmed => end("everything is done".to_owned(), "the shop prepares it"),
        OrderStatus::Processing => end("the shop prepares it".to_owned(), "the shop ships it"),
        OrderStatus::Shipped => Outlook {
            unblocks: if_it_comes_back(order).to_owned(),
            ..end("it is on its way to the customer".to_owned(), "an admin marks it as delivered")
        },
        OrderStatus::Delivered => end("it has arrived".to_owned(), "nothing, this is its end"),
        OrderStatus::Cancelled => {
            let why = order.cancel_reason.map_or("nobody knows why", because);
            end(format!("everything is undone, because {why}"), "nothing, this is its end")
        }
        OrderStatus::PendingPayment | OrderStatus::PendingConfirmation | OrderStatus::Cancelling => Outlook {
            now: "no saga looks after it".to_owned(),
            next: "nothing, by itself".to_owned(),
            unblocks: "this must never be: run `holdfast audit` and restore the missing rows from a backup"
                .to_owned(),
        },
    }
}
