//! Locking the sagas of a batch.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use holdfast_saga::ports::{Claim, Claimed, StoreError};
use holdfast_saga::records::context::Context;
use holdfast_saga::records::saga::Saga;
use holdfast_saga::records::signal::Signal;
use holdfast_shared::{Queue, SagaId, Time};
use holdfast_store_rows::{self as rows, Decoded};
use time::OffsetDateTime;
use tokio::try_join;

use crate::pipeline::{Params, PipelinedConnection};
use crate::pool::PooledConnection;
use crate::row::{self, PgRow};
use crate::statement::Sql;

/// Contexts that the caller has: they are not read again.
type Contexts<'a> = BTreeMap<SagaId, &'a Arc<Context>>;

/// A locked saga, and the database's present when it was read.
pub(crate) struct LockedSaga {
    pub(crate) id: SagaId,
    pub(crate) saga: Decoded<Box<Saga>>,
    pub(crate) seen_at: Time,
}

/// The position of `seen_at` behind the columns of a saga.
const SEEN_AT: usize = 14;

impl LockedSaga {
    fn decode(row: &PgRow, known: &Contexts<'_>) -> Result<Self, StoreError> {
        let id = rows::saga_id(row)?;
        let saga = rows::saga(row, known.get(&id).copied())?;
        Ok(Self { id, saga, seen_at: row.value::<OffsetDateTime>(SEEN_AT)?.into() })
    }
}

pub(crate) async fn claim(
    transaction: &mut PooledConnection,
    claim: &Claim<'_>,
    now: Option<Time>,
) -> Result<Claimed, StoreError> {
    let outcomes = keys(claim.outcomes);
    let mut asked: BTreeSet<i64> = outcomes.iter().copied().collect();
    // What has an outcome is locked by this very transaction, which skips no lock of its own.
    let hints: Vec<i64> = keys(claim.hints).into_iter().filter(|id| asked.insert(*id)).collect();
    let known: Contexts<'_> = claim.contexts.iter().map(|(id, context)| (*id, context)).collect();
    let are_known = claim.outcomes.iter().all(|id| known.contains_key(id));
    let by_id: Vec<i64> = asked.iter().copied().collect();
    let filter = Filter::of(claim, now);
    let (connection, begun) = transaction.begin_batch().await?;
    let ((), mut locked, mut claimed, mut signals) = try_join!(
        biased;
        begun,
        lock(connection, &outcomes, &known, !are_known),
        filter.claim(connection, &hints, &by_id, claim.due_max, &known),
        unread(connection, &by_id),
    )?;
    locked.append(&mut claimed);
    let found: BTreeSet<i64> = locked.iter().map(|row| row.id.key()).collect();
    let missing: Vec<i64> = hints.into_iter().filter(|id| !found.contains(id)).collect();
    let due: Vec<i64> = found.difference(&asked).copied().collect();
    let (elsewhere, mut others, now) = try_join!(
        biased;
        filter.still_claimable(connection, &missing),
        unread(connection, &due),
        present(connection, now.or_else(|| locked.iter().map(|row| row.seen_at).max())),
    )?;
    signals.append(&mut others);
    let mut unreadable = Vec::new();
    let mut sagas = Vec::with_capacity(locked.len());
    for row in locked {
        match row.saga {
            Ok(saga) => sagas.push(saga),
            Err(reason) => unreadable.push(reason),
        }
    }
    let (sagas, mut with_unreadable_signals) = rows::with_inboxes(sagas, signals);
    unreadable.append(&mut with_unreadable_signals);
    Ok(Claimed { now, sagas, locked: elsewhere, unreadable })
}

/// Locks sagas by id, waiting for a transaction that holds one. Their contexts are read if `with_contexts`; otherwise
/// all of them must be `known`.
pub(crate) async fn lock(
    connection: &PipelinedConnection,
    ids: &[i64],
    known: &Contexts<'_>,
    with_contexts: bool,
) -> Result<Vec<LockedSaga>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let decode = |row: &PgRow| LockedSaga::decode(row, known);
    connection.read(Sql::SagasLock, &[&ids, &with_contexts], decode).await
}

/// Reads inboxes. Sent behind the locks: a signal that is committed later finds `wake_at` and sets it again.
pub(crate) async fn unread(
    connection: &PipelinedConnection,
    sagas: &[i64],
) -> Result<Vec<Decoded<Signal>>, StoreError> {
    if sagas.is_empty() {
        return Ok(Vec::new());
    }
    connection.read(Sql::SignalsUnread, &[&sagas], rows::signal).await
}

/// The present: as it is `known` already, or the database's.
pub(crate) async fn present(
    connection: &PipelinedConnection,
    known: Option<Time>,
) -> Result<Time, StoreError> {
    match known {
        Some(now) => Ok(now),
        None => connection.read_one(Sql::Now, &[], row::now).await,
    }
}

/// What a saga must fit to be claimed, unless it has an outcome.
struct Filter {
    /// `None`: the database's.
    now: Option<OffsetDateTime>,
    queues: Vec<String>,
    names: Vec<String>,
    versions: Vec<i32>,
}

impl Filter {
    fn of(claim: &Claim<'_>, now: Option<Time>) -> Self {
        Self {
            now: now.map(Into::into),
            queues: claim.queues.iter().map(Queue::to_string).collect(),
            names: claim.definitions.iter().map(|id| id.name.clone()).collect(),
            versions: claim.definitions.iter().map(|id| id.version).collect(),
        }
    }

    async fn claim(
        &self,
        connection: &PipelinedConnection,
        hints: &[i64],
        by_id: &[i64],
        due_max: usize,
        known: &Contexts<'_>,
    ) -> Result<Vec<LockedSaga>, StoreError> {
        if hints.is_empty() && due_max == 0 {
            return Ok(Vec::new());
        }
        let due_max = i64::try_from(due_max).unwrap_or(i64::MAX);
        let Self { now, queues, names, versions } = self;
        let decode = |row: &PgRow| LockedSaga::decode(row, known);
        // A saga that is asked for by its id is found by it, so the sweep leaves it out.
        let params: &Params<'_> = &[&hints, now, queues, names, versions, &by_id, &due_max];
        connection.read(Sql::SagasClaim, params, decode).await
    }

    async fn still_claimable(
        &self,
        connection: &PipelinedConnection,
        missing: &[i64],
    ) -> Result<Vec<SagaId>, StoreError> {
        if missing.is_empty() {
            return Ok(Vec::new());
        }
        let Self { now, queues, names, versions } = self;
        connection.read(Sql::SagasClaimable, &[&missing, now, queues, names, versions], rows::saga_id).await
    }
}

fn keys(ids: &[SagaId]) -> Vec<i64> {
    ids.iter().map(|id| id.key()).collect()
}
