//! Locking the sagas of a batch.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use holdfast_saga::ports::{Claim, Claimed, StoreError};
use holdfast_saga::records::context::Context;
use holdfast_saga::records::saga::Saga;
use holdfast_saga::records::signal::Signal;
use holdfast_shared::{Queue, SagaId, Time};
use time::OffsetDateTime;
use tokio::try_join;

use crate::decode::{SagaRow, SignalRow};
use crate::pipe::Pipe;
use crate::spare::Lent;
use crate::statement::Sql;

pub(crate) async fn claim(
    lent: &mut Lent,
    claim: &Claim<'_>,
    now: Option<Time>,
) -> Result<Claimed, StoreError> {
    let outcomes = keys(claim.outcomes);
    let mut asked: BTreeSet<i64> = outcomes.iter().copied().collect();
    // What has an outcome is locked by this very transaction, which skips no lock of its own.
    let hints: Vec<i64> = keys(claim.hints).into_iter().filter(|id| asked.insert(*id)).collect();
    let known: BTreeMap<SagaId, &Arc<Context>> =
        claim.contexts.iter().map(|(id, context)| (*id, context)).collect();
    let are_known = claim.outcomes.iter().all(|id| known.contains_key(id));
    let by_id: Vec<i64> = asked.iter().copied().collect();
    let filter = Filter::of(claim, now);
    let (pipe, begun) = lent.begin()?;
    let ((), mut rows, mut claimed, mut signals) = try_join!(
        biased;
        begun,
        lock(pipe, &outcomes, !are_known),
        filter.claim_due(pipe, &hints, &by_id, claim.due_max),
        unread(pipe, &by_id),
    )?;
    rows.append(&mut claimed);
    let found: BTreeSet<i64> = rows.iter().map(|row| row.id).collect();
    let missing: Vec<i64> = hints.into_iter().filter(|id| !found.contains(id)).collect();
    let due: Vec<i64> = found.difference(&asked).copied().collect();
    let (locked, mut others, now) = try_join!(
        biased;
        filter.still_claimable(pipe, &missing),
        unread(pipe, &due),
        present(pipe, now.or_else(|| rows.iter().map(|row| row.seen_at.into()).max())),
    )?;
    signals.append(&mut others);
    let mut unreadable = Vec::new();
    let mut sagas = Vec::with_capacity(rows.len());
    for row in rows {
        let context = known.get(&row.id()).copied();
        match row.decode(context) {
            Ok(saga) => sagas.push(saga),
            Err(blame) => unreadable.push(blame),
        }
    }
    let (sagas, mut blamed) = with_signals(sagas, signals);
    unreadable.append(&mut blamed);
    Ok(Claimed { now, sagas, locked, unreadable })
}

/// Locks sagas by id, whoever holds them; reads their contexts only if asked to.
pub(crate) async fn lock(pipe: &Pipe, ids: &[i64], with_contexts: bool) -> Result<Vec<SagaRow>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    pipe.rows(Sql::SagasLock, &[&ids, &with_contexts]).await
}

/// Reads inboxes. Sent behind the locks: a signal that is committed later finds `wake_at` and sets it again.
pub(crate) async fn unread(pipe: &Pipe, sagas: &[i64]) -> Result<Vec<SignalRow>, StoreError> {
    if sagas.is_empty() {
        return Ok(Vec::new());
    }
    pipe.rows(Sql::SignalsUnread, &[&sagas]).await
}

/// The present: as it is `known` already, or the database's.
pub(crate) async fn present(pipe: &Pipe, known: Option<Time>) -> Result<Time, StoreError> {
    if let Some(now) = known {
        return Ok(now);
    }
    let (now,): (OffsetDateTime,) = pipe.row(Sql::Now, &[]).await?;
    Ok(now.into())
}

type WithSignals = Vec<(Saga, Vec<Signal>)>;

/// Gives each saga its inbox; those with a signal that cannot be read are left out, and blamed.
pub(crate) fn with_signals(sagas: Vec<Saga>, rows: Vec<SignalRow>) -> (WithSignals, Vec<(SagaId, String)>) {
    let mut inboxes: BTreeMap<SagaId, Vec<Signal>> = BTreeMap::new();
    let mut reasons: BTreeMap<SagaId, String> = BTreeMap::new();
    for row in rows {
        match row.decode() {
            Ok(signal) => inboxes.entry(signal.saga).or_default().push(signal),
            Err((saga, reason)) => {
                reasons.insert(saga, reason);
            }
        }
    }
    let mut readable = Vec::with_capacity(sagas.len());
    let mut blamed = Vec::new();
    for saga in sagas {
        if let Some(reason) = reasons.remove(&saga.id) {
            blamed.push((saga.id, reason));
        } else {
            let inbox = inboxes.remove(&saga.id).unwrap_or_default();
            readable.push((saga, inbox));
        }
    }
    (readable, blamed)
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
        pipe: &Pipe,
        hints: &[i64],
        by_id: &[i64],
        due_max: usize,
    ) -> Result<Vec<SagaRow>, StoreError> {
        if hints.is_empty() && due_max == 0 {
            return Ok(Vec::new());
        }
        let due_max = i64::try_from(due_max).unwrap_or(i64::MAX);
        let Self { now, queues, names, versions } = self;
        // A saga that is asked for by its id is found by it, so the sweep leaves it out.
        pipe.rows(Sql::ClaimDue, &[&hints, now, queues, names, versions, &by_id, &due_max]).await
    }

    async fn still_claimable(&self, pipe: &Pipe, missing: &[i64]) -> Result<Vec<SagaId>, StoreError> {
        if missing.is_empty() {
            return Ok(Vec::new());
        }
        let Self { now, queues, names, versions } = self;
        let ids = pipe.rows(Sql::StillClaimable, &[&missing, now, queues, names, versions]).await?;
        Ok(ids.into_iter().map(|(id,)| SagaId::from_key(id)).collect())
    }
}

fn keys(ids: &[SagaId]) -> Vec<i64> {
    ids.iter().map(|id| id.key()).collect()
}
