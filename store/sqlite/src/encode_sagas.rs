//! From sagas, their history and their signals to columns.

use holdfast_saga::records::context::Context;
use holdfast_saga::records::history::{Entry, LogRow};
use holdfast_saga::records::saga::{Progress, Saga};
use holdfast_saga::records::signal::{NewSignal, SignalBody};
use holdfast_shared::{Queue, SagaId, SagaState, Time};
use serde::Serialize;

#[derive(Serialize)]
pub(crate) struct MovedSaga<'a> {
    id: i64,
    fence_before: i64,
    queue: Queue,
    state: SagaState,
    fence: i64,
    leased_until: Option<i64>,
    wake_at: Option<i64>,
    progress: &'a Progress,
    updated_at: i64,
}

impl<'a> MovedSaga<'a> {
    pub(crate) fn new((fence_before, saga): &'a (i64, Box<Saga>)) -> Self {
        Self {
            id: saga.id.key(),
            fence_before: *fence_before,
            queue: saga.queue,
            state: saga.state,
            fence: saga.fence,
            leased_until: saga.leased_until.map(Time::as_micros),
            wake_at: saga.wake_at.map(Time::as_micros),
            progress: &saga.progress,
            updated_at: saga.updated_at.as_micros(),
        }
    }
}

#[derive(Serialize)]
pub(crate) struct NewSaga<'a> {
    id: i64,
    definition: &'a str,
    version: i32,
    queue: Queue,
    state: SagaState,
    fence: i64,
    leased_until: Option<i64>,
    wake_at: Option<i64>,
    progress: &'a Progress,
    context: &'a Context,
    key_prefix: &'a str,
    created_at: i64,
    updated_at: i64,
}

impl<'a> NewSaga<'a> {
    pub(crate) fn new(saga: &'a Saga) -> Self {
        Self {
            id: saga.id.key(),
            definition: &saga.definition.name,
            version: saga.definition.version,
            queue: saga.queue,
            state: saga.state,
            fence: saga.fence,
            leased_until: saga.leased_until.map(Time::as_micros),
            wake_at: saga.wake_at.map(Time::as_micros),
            progress: &saga.progress,
            context: &saga.context,
            key_prefix: saga.key_prefix.as_str(),
            created_at: saga.created_at.as_micros(),
            updated_at: saga.updated_at.as_micros(),
        }
    }
}

#[derive(Serialize)]
pub(crate) struct Poisoned<'a> {
    id: i64,
    reason: &'a str,
}

impl<'a> Poisoned<'a> {
    pub(crate) fn new((id, reason): (&'a SagaId, &'a String)) -> Self {
        Self { id: id.key(), reason }
    }
}

#[derive(Serialize)]
pub(crate) struct LoggedCommit<'a> {
    saga: i64,
    fence: i64,
    at: i64,
    entries: &'a [Entry],
}

impl<'a> LoggedCommit<'a> {
    pub(crate) fn new(row: &'a LogRow) -> Self {
        Self { saga: row.saga.key(), fence: row.fence, at: row.at.as_micros(), entries: &row.entries }
    }
}

#[derive(Serialize)]
pub(crate) struct SentSignal<'a> {
    saga: i64,
    dedupe: &'a str,
    body: &'a SignalBody,
}

impl<'a> SentSignal<'a> {
    pub(crate) fn new(signal: &'a NewSignal) -> Self {
        Self { saga: signal.saga.key(), dedupe: &signal.dedupe, body: &signal.body }
    }
}
