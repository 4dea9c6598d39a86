//! What an operator does about dead sagas, for many of them in one commit.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_shared::{Actor, SagaId, SagaState};

use super::{Answer, Answered, Conflict, already, instead, trace};
use crate::dead::discardable;
use crate::definition::Registry;
use crate::ports::{Claim, Hint, Store, StoreError};
use crate::saga::Saga;
use crate::signal::{NewSignal, Signal, SignalBody};
use crate::world::World;

/// So many go into one commit: enough that the commit costs nothing each, few enough that nobody waits for
/// their locks.
pub const BATCH: usize = 256;

/// What is done about a dead saga.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// It goes on where it stopped.
    Retry,
    /// Somebody takes responsibility for the step it stopped at.
    Discard {
        /// Why.
        reason: String,
    },
}

impl Deed {
    const fn action(&self) -> &'static str {
        match self {
            Self::Retry => "saga.retry",
            Self::Discard { .. } => "saga.discard",
        }
    }

    fn signal(&self, saga: &Saga, by: &Actor) -> NewSignal {
        // Each death is answered once: the fence tells one from the next.
        let (dedupe, body) = match self {
            Self::Retry => (format!("retry:{}", saga.fence), SignalBody::Retry { by: by.clone() }),
            Self::Discard { reason } => {
                let body = SignalBody::Discard { by: by.clone(), reason: reason.clone() };
                (format!("discard:{}", saga.fence), body)
            }
        };
        NewSignal { saga: saga.id, dedupe, body }
    }
}

/// Does `deed` to those of `sagas` that are dead, in one commit, and answers for each of them.
///
/// Each is judged under its lock: settled sagas and living ones are left alone, so doing it again does nothing
/// twice. An `Err` of the store means that nothing was written, except [`StoreError::CommitUnknown`].
pub async fn act(
    store: &dyn Store,
    registry: &Registry,
    sagas: &[SagaId],
    deed: &Deed,
    by: &Actor,
) -> Result<Vec<(SagaId, Answer)>, StoreError> {
    let mut tx = store.begin().await?;
    let asked: Vec<SagaId> = sagas.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
    // As answers to calls are: waited for, whoever holds them, and a row that cannot be read hides no other.
    let claim = Claim { outcomes: &asked, hints: &[], due_max: 0, queues: &[], definitions: &[] };
    let claimed = tx.claim(&claim).await?;
    let mut world = World { now: claimed.now, ..World::default() };
    world.writes.at = claimed.now;
    let found: BTreeMap<_, _> =
        claimed.sagas.into_iter().map(|(saga, inbox)| (saga.id, (saga, inbox))).collect();
    let unreadable: BTreeMap<SagaId, String> = claimed.unreadable.into_iter().collect();
    let mut answers = Vec::with_capacity(asked.len());
    for id in asked {
        let answer = match (found.get(&id), unreadable.get(&id)) {
            (Some((saga, inbox)), _) => judge(saga, inbox, registry, deed),
            (None, Some(why)) => instead(format!(
                "saga {id} cannot be read, so nobody can tell what would happen: {why}; repair its row, or \
                 restore it from a backup, then retry it"
            )),
            (None, None) => Err(Conflict::UnknownSaga(id)),
        };
        if let (Ok(Answered::Accepted(_)), Some((saga, _))) = (&answer, found.get(&id)) {
            world.writes.signals.push(deed.signal(saga, by));
            let detail = match deed {
                Deed::Retry => saga.progress.error.clone().unwrap_or_default(),
                Deed::Discard { reason } => reason.clone(),
            };
            trace(&mut world, by, deed.action(), id.order(), &format!("saga {id}"), &detail);
        }
        answers.push((id, answer));
    }
    if !world.writes.is_empty() {
        tx.save(&world.writes).await?;
    }
    Ok(answers)
}

fn judge(saga: &Saga, inbox: &[Signal], registry: &Registry, deed: &Deed) -> Answer {
    let id = saga.id;
    if saga.state != SagaState::Dead {
        let participle = match deed {
            Deed::Retry => "retried",
            Deed::Discard { .. } => "discarded",
        };
        return instead(format!("saga {id} is {}, only a dead one is {participle}", saga.state));
    }
    for signal in inbox {
        match (&signal.body, deed) {
            (SignalBody::Retry { .. }, Deed::Retry) => {
                return already(format!("saga {id} is about to go on"));
            }
            (SignalBody::Discard { .. }, Deed::Discard { .. }) => {
                return already(format!("saga {id} is about to be discarded"));
            }
            (SignalBody::Retry { by }, Deed::Discard { .. }) => {
                return instead(format!("{by} retried saga {id} a moment ago; discard it if it stops again"));
            }
            (SignalBody::Discard { by, .. }, Deed::Retry) => {
                return instead(format!("{by} discarded saga {id} a moment ago"));
            }
            (
                SignalBody::Confirmation { .. }
                | SignalBody::Cancel { .. }
                | SignalBody::PaymentEvent { .. }
                | SignalBody::LateOutcome { .. },
                _,
            ) => {}
        }
    }
    if let Deed::Discard { .. } = deed {
        let Some(definition) = registry.find(&saga.definition) else {
            let (name, version) = (&saga.definition.name, saga.definition.version);
            return instead(format!(
                "saga {id} runs {name} version {version}, which this binary does not know; discard it with the \
                 release that does"
            ));
        };
        discardable(saga, definition).map_err(Conflict::Instead)?;
    }
    Ok(Answered::Accepted(Hint { saga: id, queue: saga.queue }))
}
