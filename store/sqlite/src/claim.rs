//! Claiming: which sagas a batch gets, each with its unread signals.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_saga::ports::{Claim, Claimed, StoreError};
use holdfast_saga::records::saga::Saga;
use holdfast_saga::records::signal::Signal;
use holdfast_shared::{SagaId, Time};
use serde::Serialize;
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row, SqliteConnection};

use crate::decode::{Reason, SagaRow, SignalRow};
use crate::error::store_error;
use crate::params::{self, Statement, saga_keys};
use crate::sql;

/// A definition, as the statements name it.
#[derive(Serialize)]
struct Known<'a> {
    name: &'a str,
    version: i32,
}

/// Sagas that could be read, and those that could not.
#[derive(Debug, Default)]
pub(crate) struct Read {
    pub(crate) sagas: Vec<(Saga, Vec<Signal>)>,
    pub(crate) unreadable: Vec<(SagaId, Reason)>,
}

/// Nothing is ever locked by somebody else here: whoever claims is the one writer.
pub(crate) async fn claim(
    connection: &mut SqliteConnection,
    claim: &Claim<'_>,
    now: Time,
) -> Result<Claimed, StoreError> {
    let queues = params::rows(claim.queues)?;
    let known = claim.definitions.iter().map(|id| Known { name: &id.name, version: id.version });
    let definitions = params::rows(known)?;
    let outcomes: BTreeSet<SagaId> = claim.outcomes.iter().copied().collect();
    let hints: BTreeSet<SagaId> = claim.hints.iter().copied().filter(|id| !outcomes.contains(id)).collect();

    let mut rows = Vec::new();
    if !outcomes.is_empty() {
        let statement = sqlx::query(sql!("sagas_by_id")).bind(saga_keys(&outcomes)?);
        rows.extend(statement.fetch_all(&mut *connection).await.map_err(store_error)?);
    }
    if !hints.is_empty() {
        let statement = sqlx::query(sql!("sagas_hinted"))
            .bind(saga_keys(&hints)?)
            .bind(now.as_micros())
            .bind(queues.clone())
            .bind(definitions.clone());
        rows.extend(statement.fetch_all(&mut *connection).await.map_err(store_error)?);
    }
    if claim.due_max > 0 {
        let statement = sqlx::query(sql!("sagas_due"))
            .bind(now.as_micros())
            .bind(queues)
            .bind(definitions)
            .bind(saga_keys(outcomes.union(&hints))?)
            .bind(i64::try_from(claim.due_max).unwrap_or(i64::MAX));
        rows.extend(statement.fetch_all(&mut *connection).await.map_err(store_error)?);
    }
    let Read { sagas, unreadable } = with_signals(connection, &rows).await?;
    Ok(Claimed { now, sagas, locked: Vec::new(), unreadable })
}

/// Reads sagas with their unread signals, row by row.
pub(crate) async fn read_sagas(
    connection: &mut SqliteConnection,
    sagas: Statement,
) -> Result<Read, StoreError> {
    let rows = sagas.fetch_all(&mut *connection).await.map_err(store_error)?;
    with_signals(connection, &rows).await
}

async fn with_signals(connection: &mut SqliteConnection, rows: &[SqliteRow]) -> Result<Read, StoreError> {
    let mut read = Read::default();
    let mut sagas = Vec::with_capacity(rows.len());
    for row in rows {
        match decode_saga(row)? {
            Ok(saga) => sagas.push(saga),
            Err(unreadable) => read.unreadable.push(unreadable),
        }
    }
    let mut inboxes = read_inboxes(connection, sagas.iter().map(|saga| &saga.id)).await?;
    for saga in sagas {
        match inboxes.remove(&saga.id).unwrap_or_else(|| Ok(Vec::new())) {
            Ok(signals) => read.sagas.push((saga, signals)),
            Err(reason) => read.unreadable.push((saga.id, reason)),
        }
    }
    Ok(read)
}

/// The outer error is the database's, the inner one this row's own.
pub(crate) fn decode_saga(row: &SqliteRow) -> Result<Result<Saga, (SagaId, Reason)>, StoreError> {
    let id = SagaId::from_key(row.try_get("id").map_err(store_error)?);
    let saga = SagaRow::from_row(row).map_err(|error| error.to_string()).and_then(SagaRow::decode);
    Ok(saga.map_err(|reason| (id, reason)))
}

/// The unread signals of `sagas`, in order; or, of a saga one of whose signals cannot be read, why.
pub(crate) async fn read_inboxes(
    connection: &mut SqliteConnection,
    sagas: impl Iterator<Item = &SagaId>,
) -> Result<BTreeMap<SagaId, Result<Vec<Signal>, Reason>>, StoreError> {
    let mut inboxes: BTreeMap<SagaId, Result<Vec<Signal>, Reason>> = BTreeMap::new();
    let sagas: Vec<&SagaId> = sagas.collect();
    if sagas.is_empty() {
        return Ok(inboxes);
    }
    let statement = sqlx::query(sql!("signals_unread")).bind(saga_keys(sagas)?);
    for row in statement.fetch_all(connection).await.map_err(store_error)? {
        let id = SagaId::from_key(row.try_get("saga_id").map_err(store_error)?);
        let signal = SignalRow::from_row(&row).map_err(|error| error.to_string()).and_then(SignalRow::decode);
        let inbox = inboxes.entry(id).or_insert_with(|| Ok(Vec::new()));
        match (inbox.as_mut(), signal) {
            (Ok(signals), Ok(signal)) => signals.push(signal),
            (Ok(_), Err(reason)) => *inbox = Err(reason),
            (Err(_), _) => {}
        }
    }
    Ok(inboxes)
}
