//! What an order depends on besides itself: brakes that operators pulled, and workers that are there or not.

use std::collections::BTreeMap;

use holdfast_shared::{Queue, Time};
use serde::Serialize;

use crate::ports::{Store, StoreError};
use crate::records::saga::DefinitionId;
use crate::records::view::{Paused, QueueView, WorkerView};

/// The shop around an order, at one instant.
#[derive(Debug, Clone, PartialEq)]
pub struct Conditions {
    /// The present.
    pub now: Time,
    /// The queues that are paused.
    pub paused: BTreeMap<Queue, Paused>,
    /// The workers that are known.
    pub workers: Vec<WorkerView>,
}

/// Something that keeps a saga from being planned, in a form for programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Blocker {
    /// An operator paused its queue.
    QueuePaused {
        /// The queue.
        queue: Queue,
        /// Who did.
        by: String,
        /// When it was paused.
        since: Time,
        /// Why, if they said so.
        reason: Option<String>,
    },
    /// No worker that is alive serves its queue.
    NoWorker {
        /// The queue.
        queue: Queue,
    },
    /// No worker that is alive knows what it runs.
    UnknownDefinition {
        /// The definition that the saga runs.
        definition: String,
        /// Which version of it.
        version: i32,
    },
    /// The worker that holds it does not say anything any more.
    WorkerSilent {
        /// Its name.
        worker: String,
        /// When it was heard last.
        since: Time,
        /// When another one may take over.
        taken_over_at: Time,
    },
}

impl Conditions {
    /// Reads them.
    pub async fn read(store: &dyn Store) -> Result<Self, StoreError> {
        Self::around(store, &store.queues().await?).await
    }

    /// The same, when the queues have been read.
    pub(crate) async fn around(store: &dyn Store, queues: &[QueueView]) -> Result<Self, StoreError> {
        let paused = queues.iter().filter_map(|view| Some((view.queue, view.paused.clone()?)));
        Ok(Self { now: store.now().await?, paused: paused.collect(), workers: store.workers().await? })
    }

    /// Whether some worker that is alive takes sagas of `queue`.
    pub fn serves(&self, queue: Queue) -> bool {
        self.serving(queue) > 0
    }

    /// How many workers that are alive take sagas of `queue`.
    pub fn serving(&self, queue: Queue) -> usize {
        self.alive().filter(|worker| worker.heartbeat.serves(queue)).count()
    }

    /// Whether some worker that is alive knows `definition`.
    pub(super) fn knows(&self, definition: &DefinitionId) -> bool {
        self.alive().any(|worker| worker.heartbeat.definitions.contains(definition))
    }

    /// The worker of this name, if it is known and cannot be counted on.
    pub(super) fn gone(&self, name: &str) -> Option<&WorkerView> {
        self.workers.iter().find(|worker| worker.heartbeat.name == name && !worker.is_alive(self.now))
    }

    fn alive(&self) -> impl Iterator<Item = &WorkerView> {
        self.workers.iter().filter(|worker| worker.is_alive(self.now))
    }
}
