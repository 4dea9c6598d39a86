//! What operators read from the tables, and what workers say of themselves.

use std::collections::BTreeMap;

use holdfast_shared::{Queue, SagaId, SagaState, Time};

use super::Tables;
use crate::ports::WORKERS_KEPT;
use crate::records::saga::{DefinitionId, Saga};
use crate::records::slot;
use crate::records::view::{DeadRow, Heartbeat, Paused, QueueView, RetryingGroup, WorkerView};

impl Tables {
    pub(super) fn dead(&self, before: Option<SagaId>, limit: u32) -> Vec<DeadRow> {
        let newest_first = self.sagas.values().rev().filter(|saga| saga.state == SagaState::Dead);
        let behind = newest_first.filter(|saga| before.is_none_or(|before| saga.id < before));
        behind.take(limit as usize).map(|saga| self.dead_row(saga)).collect()
    }

    fn dead_row(&self, saga: &Saga) -> DeadRow {
        let checkout = saga.id.order().and_then(|order| self.sagas.get(&order.saga(slot::CHECKOUT)));
        DeadRow {
            id: saga.id,
            definition: saga.definition.clone(),
            progress: Ok(saga.progress.clone()),
            since: saga.updated_at,
            wake_at: saga.wake_at,
            token: checkout.and_then(|checkout| checkout.context.token()).map(str::to_owned),
        }
    }

    pub(super) fn retrying(&self) -> Vec<RetryingGroup> {
        let mut groups: BTreeMap<_, RetryingGroup> = BTreeMap::new();
        for saga in self.sagas.values().filter(|saga| saga.is_retrying()) {
            let Some(wake_at) = saga.wake_at else { continue };
            let DefinitionId { name, version } = &saga.definition;
            let phase = saga.progress.phase;
            let place = (<&str>::from(saga.queue), name, *version, <&str>::from(phase), saga.progress.stage);
            let tries = saga.progress.tries_in_vain();
            let group = groups.entry(place).or_insert_with(|| RetryingGroup {
                queue: saga.queue,
                definition: saga.definition.clone(),
                phase,
                stage: saga.progress.stage,
                sagas: 0,
                tries_max: tries,
                worst: saga.id,
                next_try: wake_at,
            });
            group.sagas += 1;
            group.next_try = group.next_try.min(wake_at);
            if tries > group.tries_max {
                (group.tries_max, group.worst) = (tries, saga.id);
            }
        }
        groups.into_values().collect()
    }

    pub(super) fn queues(&self, now: Time) -> Vec<QueueView> {
        let mut views = QueueView::all_empty();
        for saga in self.sagas.values() {
            let Some(view) = views.get_mut(&saga.queue) else { continue };
            view.dead += u64::from(saga.state == SagaState::Dead);
            if saga.is_leased(now) {
                view.in_flight += 1;
            } else if let Some(due) = saga.wake_at.filter(|at| *at <= now) {
                // One whose lease ran out could not be taken before.
                let due = due.max(saga.leased_until.unwrap_or(due));
                view.due += 1;
                view.oldest_due = Some(view.oldest_due.map_or(due, |oldest| oldest.min(due)));
            }
        }
        for (queue, paused) in &self.paused {
            if let Some(view) = views.get_mut(queue) {
                view.paused = Some(paused.clone());
            }
        }
        views.into_values().collect()
    }

    pub(super) fn brake(&mut self, pauses: &BTreeMap<Queue, Option<Paused>>) {
        for (queue, pause) in pauses {
            match pause {
                Some(pause) => self.paused.insert(*queue, pause.clone()),
                None => self.paused.remove(queue),
            };
        }
    }

    pub(super) fn heartbeat(&mut self, heartbeat: &Heartbeat, now: Time) {
        let view = WorkerView { heartbeat: heartbeat.clone(), heartbeat_at: now, left_at: None };
        self.workers.insert(heartbeat.name.clone(), view);
        self.workers.retain(|_, worker| now.since(worker.heartbeat_at) < WORKERS_KEPT);
    }

    pub(super) fn deregister(&mut self, name: &str, now: Time) {
        if let Some(worker) = self.workers.get_mut(name) {
            worker.left_at = Some(now);
        }
    }
}
