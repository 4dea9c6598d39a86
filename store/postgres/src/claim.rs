//! Locking the sagas of a batch.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use holdfast_saga::context::Context;
use holdfast_saga::ports::{Claim, Claimed, StoreError};
use holdfast_saga::saga::Saga;
use holdfast_saga::signal::Signal;
use holdfast_shared::{Queue, SagaId, Time};
use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::decode::{SagaRow, SignalRow};
use crate::error::store_error;
use crate::tx::database_now;

pub(crate) async fn claim(
    tx: &mut PgConnection,
    claim: &Claim<'_>,
    mut now: Option<Time>,
) -> Result<Claimed, StoreError> {
    let outcomes = keys(claim.outcomes);
    // Its row is locked by this very transaction, which skips no lock of its own.
    let hints: Vec<i64> = keys(claim.hints).into_iter().filter(|id| !outcomes.contains(id)).collect();
    let known: BTreeMap<SagaId, &Arc<Context>> =
        claim.contexts.iter().map(|(id, context)| (*id, context)).collect();
    let mut rows = Vec::new();
    if !outcomes.is_empty() {
        let are_known = claim.outcomes.iter().all(|id| known.contains_key(id));
        rows = lock(tx, &outcomes, !are_known).await?;
        now = now.or_else(|| seen_at(&rows));
    }
    let mut locked = Vec::new();
    if !hints.is_empty() || claim.due_max > 0 {
        let filter = Filter::of(claim, now);
        let mut claimed = filter.claim_due(tx, &hints, &outcomes, claim.due_max).await?;
        now = now.or_else(|| seen_at(&claimed));
        let found: BTreeSet<i64> = claimed.iter().map(|row| row.id).collect();
        let missing: Vec<i64> = hints.iter().copied().filter(|id| !found.contains(id)).collect();
        if !missing.is_empty() {
            locked = filter.still_claimable(tx, &missing).await?;
        }
        rows.append(&mut claimed);
    }
    let now = match now {
        Some(now) => now,
        None => database_now(&mut *tx).await?,
    };
    let mut unreadable = Vec::new();
    let mut sagas = Vec::with_capacity(rows.len());
    for row in rows {
        let context = known.get(&row.id()).copied();
        match row.decode(context) {
            Ok(saga) => sagas.push(saga),
            Err(blame) => unreadable.push(blame),
        }
    }
    let (sagas, mut blamed) = with_signals(tx, sagas).await?;
    unreadable.append(&mut blamed);
    Ok(Claimed { now, sagas, locked, unreadable })
}

/// Locks sagas by id, whoever holds them; reads their contexts only if asked to.
pub(crate) async fn lock(
    tx: &mut PgConnection,
    ids: &[i64],
    with_contexts: bool,
) -> Result<Vec<SagaRow>, StoreError> {
    let query = sqlx::query_file_as!(SagaRow, "queries/sagas_lock.sql", ids, with_contexts);
    query.fetch_all(tx).await.map_err(store_error)
}

type WithSignals = Vec<(Saga, Vec<Signal>)>;

/// Reads the inboxes, after the locks: a signal that is committed later finds `wake_at` and sets it again.
pub(crate) async fn with_signals(
    tx: &mut PgConnection,
    sagas: Vec<Saga>,
) -> Result<(WithSignals, Vec<(SagaId, String)>), StoreError> {
    if sagas.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let ids: Vec<i64> = sagas.iter().map(|saga| saga.id.key()).collect();
    let rows = sqlx::query_file_as!(SignalRow, "queries/signals_unread.sql", &ids)
        .fetch_all(tx)
        .await
        .map_err(store_error)?;
    let mut inboxes: BTreeMap<SagaId, Vec<Signal>> = BTreeMap::new();
    let mut blamed: BTreeMap<SagaId, String> = BTreeMap::new();
    for row in rows {
        match row.decode() {
            Ok(signal) => inboxes.entry(signal.saga).or_default().push(signal),
            Err((saga, reason)) => {
                blamed.insert(saga, reason);
            }
        }
    }
    let readable = sagas.into_iter().filter(|saga| !blamed.contains_key(&saga.id));
    let sagas = readable.map(|saga| (inboxes.remove(&saga.id).unwrap_or_default(), saga));
    Ok((sagas.map(|(inbox, saga)| (saga, inbox)).collect(), blamed.into_iter().collect()))
}

/// What every claim but an outcome's must fit.
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

    async fn claim_due(
        &self,
        tx: &mut PgConnection,
        hints: &[i64],
        outcomes: &[i64],
        due_max: usize,
    ) -> Result<Vec<SagaRow>, StoreError> {
        // A hinted saga is found by its hint, so the sweep leaves it out.
        let apart: Vec<i64> = hints.iter().chain(outcomes).copied().collect();
        sqlx::query_file_as!(
            SagaRow,
            "queries/claim_due.sql",
            hints,
            self.now,
            &self.queues,
            &self.names,
            &self.versions,
            &apart,
            i64::try_from(due_max).unwrap_or(i64::MAX),
        )
        .fetch_all(tx)
        .await
        .map_err(store_error)
    }

    async fn still_claimable(
        &self,
        tx: &mut PgConnection,
        missing: &[i64],
    ) -> Result<Vec<SagaId>, StoreError> {
        let ids = sqlx::query_file_scalar!(
            "queries/still_claimable.sql",
            missing,
            self.now,
            &self.queues,
            &self.names,
            &self.versions,
        )
        .fetch_all(tx)
        .await
        .map_err(store_error)?;
        Ok(ids.into_iter().map(SagaId::from_key).collect())
    }
}

fn seen_at(rows: &[SagaRow]) -> Option<Time> {
    rows.first().map(|row| row.seen_at.into())
}

fn keys(ids: &[SagaId]) -> Vec<i64> {
    ids.iter().map(|id| id.key()).collect()
}
