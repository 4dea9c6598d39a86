//! Queues as operators see them: what is due, what tries again, what is dead, and who takes it.

use std::collections::BTreeMap;

use holdfast_shared::{Queue, SagaId, Time};

use super::saga_list;
use crate::engine::registry::Registry;
use crate::ports::{Store, StoreError};
use crate::records::saga::Progress;
use crate::records::view::{QueueView, RetryingGroup};
use crate::timeline::Conditions;

/// A queue, and all that an operator must know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueState {
    /// How many of its sagas stand where, and whether it is paused.
    pub view: QueueView,
    /// Those that try again by themselves, if there are any.
    pub retrying: Option<Retrying>,
    /// How many live workers serve it.
    pub workers: usize,
}

/// The sagas of a queue that try again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retrying {
    /// How many they are.
    pub sagas: u64,
    /// How many tries of the worst of them failed.
    pub tries_max: u32,
    /// The worst of them.
    pub worst: SagaId,
    /// Why its last try failed, without the buyer's payment token.
    pub error: String,
    /// When the first of them is due again.
    pub next_try: Time,
}

/// All queues, in their order, and the present by the clock of the database.
pub async fn list(store: &dyn Store) -> Result<(Vec<QueueState>, Time), StoreError> {
    let views = store.queues().await?;
    let conditions = Conditions::around(store, &views).await?;
    let groups = store.retrying().await?;
    let mut queues = Vec::new();
    for view in views {
        let workers = conditions.serving(view.queue);
        queues.push(QueueState { retrying: retrying(store, view.queue, &groups).await?, workers, view });
    }
    Ok((queues, conditions.now))
}

async fn retrying(
    store: &dyn Store,
    queue: Queue,
    groups: &[RetryingGroup],
) -> Result<Option<Retrying>, StoreError> {
    let groups = || groups.iter().filter(|group| group.queue == queue);
    let Some(worst) = groups().max_by_key(|group| group.tries_max) else { return Ok(None) };
    Ok(Some(Retrying {
        sagas: groups().map(|group| group.sagas).sum(),
        tries_max: worst.tries_max,
        worst: worst.worst,
        error: last_error(store, worst.worst).await?,
        next_try: groups().map(|group| group.next_try).min().unwrap_or(worst.next_try),
    }))
}

/// Why the last try failed; of one that is held back, the last line of its history says it.
async fn last_error(store: &dyn Store, saga: SagaId) -> Result<String, StoreError> {
    let Some(found) = saga_list::find(store, saga).await? else { return Ok("it has ended since".to_owned()) };
    let error = found.listed.saga.progress.error.as_deref().map(|error| found.listed.redact_token(error));
    let last_line = || found.history.last().map(|line| line.text.clone());
    Ok(error.or_else(last_line).unwrap_or_else(|| "nobody knows why".to_owned()))
}

/// How many sagas of which definition try again at which step. A definition that `registry` does not know is at `unknown`.
pub fn retrying_by_step(
    groups: Vec<RetryingGroup>,
    registry: &Registry,
) -> BTreeMap<(String, &'static str), u64> {
    let mut steps = BTreeMap::new();
    for RetryingGroup { definition, phase, stage, sagas, .. } in groups {
        let progress = Progress { phase, stage, ..Progress::default() };
        let step = registry.find(&definition).map_or("unknown", |known| known.position(&progress).step);
        *steps.entry((definition.name, step)).or_default() += sagas;
    }
    steps
}
