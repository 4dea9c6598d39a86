//! Pausing a queue: while it is paused, only the answers to calls under way are claimed from it.

use holdfast_shared::{Actor, Queue};

use crate::ports::{Store, StoreError};
use crate::records::batch_rows::{Footprint, World};
use crate::records::view::Paused;
use crate::shop::answer::Answered;
use crate::shop::audit_trail::record_action;

/// What an operator does to a queue.
enum PauseAction {
    /// For a reason, if one was given.
    Pull(Option<String>),
    Release,
}

/// Stops claims from `queue`. Calls under way end, and what they achieved is written down.
///
/// A queue that is paused already stays paused by whom it was.
pub async fn pause(
    store: &dyn Store,
    queue: Queue,
    reason: Option<String>,
    by: &Actor,
) -> Result<Answered, StoreError> {
    set_paused(store, queue, PauseAction::Pull(reason), by).await
}

/// Lets claims from `queue` go on.
pub async fn resume(store: &dyn Store, queue: Queue, by: &Actor) -> Result<Answered, StoreError> {
    set_paused(store, queue, PauseAction::Release, by).await
}

async fn set_paused(
    store: &dyn Store,
    queue: Queue,
    set_paused: PauseAction,
    by: &Actor,
) -> Result<Answered, StoreError> {
    let mut tx = store.begin().await?;
    let mut world = World::default();
    tx.load(&Footprint { pauses: true, ..Footprint::default() }, &mut world).await?;
    world.writes.at = world.now;
    let name = by.name().to_owned();
    let (action, detail, message) = match (world.paused.get(&queue), set_paused) {
        (Some(paused), PauseAction::Pull(_)) => {
            return Ok(Answered::Already(format!("queue {queue} is {paused}")));
        }
        (None, PauseAction::Release) => return Ok(Answered::Already(format!("queue {queue} is running"))),
        (None, PauseAction::Pull(reason)) => {
            let detail = reason.clone().unwrap_or_default();
            world.writes.pauses.insert(queue, Some(Paused { at: world.now, by: name, reason }));
            ("queue.pause", detail, format!("queue {queue} is paused; calls under way may end"))
        }
        (Some(paused), PauseAction::Release) => {
            let detail = format!("it was {paused}");
            world.writes.pauses.insert(queue, None);
            ("queue.resume", detail, format!("queue {queue} is running again"))
        }
    };
    record_action(&mut world, by, action, None, &format!("queue {queue}"), &detail);
    tx.save(&world.writes).await?;
    Ok(Answered::Done(message))
}
