//! What an operator does about dead sagas, for many of them in one commit.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_shared::{Actor, SagaId, Time};

use super::action::DeadLetterAction;
use super::preview::{Preview, preview};
use crate::engine::definition::Definition;
use crate::engine::discard::discardable;
use crate::engine::registry::Registry;
use crate::flows::REGISTRY;
use crate::ports::{Claim, Hint, Store, StoreError, Tx};
use crate::records::batch_rows::World;
use crate::records::saga::Saga;
use crate::records::signal::{Signal, SignalBody};
use crate::shop::answer::{Answer, Answered, Conflict};
use crate::shop::audit_trail::record_action;

/// So many go into one commit: enough that the commit costs nothing each, few enough that nobody waits for
/// their locks.
pub const BATCH: usize = 256;

/// Does `action` to those of `sagas` that are dead, in one commit, and answers for each of them.
///
/// Each is judged under its lock: settled sagas and living ones are left alone, so doing it again does nothing
/// twice. An `Err` of the store means that nothing was written, except [`StoreError::CommitUnknown`].
pub async fn act(
    store: &dyn Store,
    registry: &Registry,
    sagas: &[SagaId],
    action: &DeadLetterAction,
    by: &Actor,
) -> Result<Vec<(SagaId, Answer)>, StoreError> {
    let mut tx = store.begin().await?;
    let looked = Looked::at(&mut *tx, sagas).await?;
    let mut world = World { now: looked.now, ..World::default() };
    world.writes.at = looked.now;
    let mut answers = Vec::with_capacity(looked.asked.len());
    for id in &looked.asked {
        let answer = looked.judge(*id, registry, action);
        if let Ok((saga, _)) = &answer {
            world.writes.signals.push(action.signal(saga, by));
            let detail = match action {
                DeadLetterAction::Retry { reason } => {
                    let stopped_at = saga.progress.error.as_deref().unwrap_or_default();
                    reason.as_ref().map_or_else(
                        || stopped_at.to_owned(),
                        |reason| format!("{reason} (it had stopped: {stopped_at})"),
                    )
                }
                DeadLetterAction::Discard { reason } => reason.clone(),
            };
            record_action(&mut world, by, action.action(), id.order(), &format!("saga {id}"), &detail);
        }
        let accepted = |(saga, _): (&Saga, _)| Answered::Accepted(Hint { saga: *id, queue: saga.queue });
        answers.push((*id, answer.map_or_else(Into::into, |found| Ok(accepted(found)))));
    }
    if !world.writes.is_empty() {
        tx.save(&world.writes).await?;
    }
    Ok(answers)
}

/// Lets a dead saga go on. Settled sagas and living ones are left alone.
pub async fn retry(
    store: &dyn Store,
    saga: SagaId,
    reason: Option<String>,
    by: &Actor,
) -> Result<Answer, StoreError> {
    let answers = act(store, &REGISTRY, &[saga], &DeadLetterAction::Retry { reason }, by).await?;
    let answer = answers.into_iter().next().map(|(_, answer)| answer);
    Ok(answer.unwrap_or(Err(Conflict::UnknownSaga(saga))))
}

/// What [`act`] would answer for each of `sagas`, and what would come of it. Nothing is written.
pub async fn preview_actions(
    store: &dyn Store,
    registry: &Registry,
    sagas: &[SagaId],
    action: &DeadLetterAction,
) -> Result<Vec<(SagaId, DryRun)>, StoreError> {
    let mut tx = store.begin().await?;
    let looked = Looked::at(&mut *tx, sagas).await?;
    let planned = looked.asked.iter().map(|id| {
        let planned = match looked.judge(*id, registry, action) {
            Ok((saga, Some(definition))) => {
                DryRun::Would(Some(preview(saga, definition, action, looked.now)))
            }
            Ok((_, None)) => DryRun::Would(None),
            Err(stays) => DryRun::Stays(stays.into()),
        };
        (*id, planned)
    });
    Ok(planned.collect())
}

/// What would come of a action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DryRun {
    /// It would be done. What follows, unless this binary does not know what the saga runs.
    Would(Option<Preview>),
    /// Nothing would be done: it is so already, or something stands against it.
    Stays(Answer),
}

/// Why a action changes nothing.
enum Stays {
    Already(String),
    Conflict(Conflict),
}

impl From<Stays> for Answer {
    fn from(stays: Stays) -> Self {
        match stays {
            Stays::Already(message) => Ok(Answered::Already(message)),
            Stays::Conflict(conflict) => Err(conflict),
        }
    }
}

/// Locked sagas with their unread signals.
struct Looked {
    now: Time,
    /// Those that were asked for, sorted, each once.
    asked: Vec<SagaId>,
    found: BTreeMap<SagaId, (Box<Saga>, Vec<Signal>)>,
    unreadable: BTreeMap<SagaId, String>,
}

impl Looked {
    async fn at(tx: &mut dyn Tx, sagas: &[SagaId]) -> Result<Self, StoreError> {
        let asked: Vec<SagaId> = sagas.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
        // As answers to calls are: waited for, whoever holds them, and a row that cannot be read hides no other.
        let claim = Claim { outcomes: &asked, ..Claim::default() };
        let claimed = tx.claim(&claim).await?;
        Ok(Self {
            now: claimed.now,
            found: claimed.sagas.into_iter().map(|(saga, inbox)| (saga.id, (saga, inbox))).collect(),
            unreadable: claimed.unreadable.into_iter().collect(),
            asked,
        })
    }

    /// The saga, and its definition if it is known, when nothing stands against the action.
    fn judge(
        &self,
        id: SagaId,
        registry: &Registry,
        action: &DeadLetterAction,
    ) -> Result<(&Saga, Option<&'static Definition>), Stays> {
        match (self.found.get(&id), self.unreadable.get(&id)) {
            (Some((saga, inbox)), _) => {
                let definition = registry.find(&saga.definition);
                judge(saga, inbox, definition, action)?;
                Ok((saga, definition))
            }
            (None, Some(why)) => stays(format!(
                "saga {id} cannot be read, so nobody can tell what would happen: {why}; repair its row, or \
                 restore it from a backup, then retry it"
            )),
            (None, None) => Err(Stays::Conflict(Conflict::UnknownSaga(id))),
        }
    }
}

fn stays<T>(message: String) -> Result<T, Stays> {
    Err(Stays::Conflict(Conflict::Instead(message)))
}

fn judge(
    saga: &Saga,
    inbox: &[Signal],
    definition: Option<&Definition>,
    action: &DeadLetterAction,
) -> Result<(), Stays> {
    let id = saga.id;
    if !saga.is_stuck() {
        let participle = match action {
            DeadLetterAction::Retry { .. } => "retried",
            DeadLetterAction::Discard { .. } => "discarded",
        };
        return stays(format!("saga {id} is {}, only a dead or parked one is {participle}", saga.state));
    }
    // Where nobody is about to look at it, the same may be said again, and then somebody is.
    let is_due = saga.wake_at.is_some() && !saga.progress.parked;
    for signal in inbox {
        match (&signal.body, action) {
            (SignalBody::Retry { .. }, DeadLetterAction::Retry { .. })
            | (SignalBody::Discard { .. }, DeadLetterAction::Discard { .. })
                if !is_due => {}
            (SignalBody::Retry { .. }, DeadLetterAction::Retry { .. }) => {
                return Err(Stays::Already(format!("saga {id} is about to go on")));
            }
            (SignalBody::Discard { .. }, DeadLetterAction::Discard { .. }) => {
                return Err(Stays::Already(format!("saga {id} is about to be discarded")));
            }
            (SignalBody::Retry { by }, DeadLetterAction::Discard { .. }) => {
                return stays(format!("{by} retried saga {id} a moment ago; discard it if it stops again"));
            }
            (SignalBody::Discard { by, .. }, DeadLetterAction::Retry { .. }) => {
                return stays(format!("{by} discarded saga {id} a moment ago"));
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
    match (action, definition) {
        (DeadLetterAction::Retry { .. }, _) => Ok(()),
        (DeadLetterAction::Discard { .. }, Some(definition)) => {
            discardable(saga, definition).map(|_| ()).or_else(stays)
        }
        (DeadLetterAction::Discard { .. }, None) => {
            let (name, version) = (&saga.definition.name, saga.definition.version);
            stays(format!(
                "saga {id} runs {name} version {version}, which this binary does not know; discard it with the \
                 release that does"
            ))
        }
    }
}
