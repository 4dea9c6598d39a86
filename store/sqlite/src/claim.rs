//! Claiming: which sagas a batch gets, each with its unread signals.

use std::collections::BTreeSet;

use holdfast_saga::ports::{Claim, Claimed, StoreError};
use holdfast_saga::records::saga::Saga;
use holdfast_saga::records::signal::Signal;
use holdfast_shared::{SagaId, Time};
use holdfast_store_rows::{self as rows, Decoded, Reason, SagaInbox};
use serde::Serialize;
use sqlx::SqliteConnection;

use crate::params::{self, saga_keys};
use crate::statement::{Statement, read, sql};

/// A definition, as the statements name it.
#[derive(Serialize)]
struct Known<'a> {
    name: &'a str,
    version: i32,
}

/// Sagas that could be read, and those that could not.
pub(crate) type Read = (Vec<SagaInbox>, Vec<(SagaId, Reason)>);

/// No saga is ever locked elsewhere: the transaction that claims is the one writer.
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

    let mut found = Vec::new();
    if !outcomes.is_empty() {
        let statement = sqlx::query(sql!("sagas_read")).bind(saga_keys(&outcomes)?);
        found.append(&mut read(connection, statement, |row| rows::saga(row, None)).await?);
    }
    if !hints.is_empty() {
        let statement = sqlx::query(sql!("sagas_claim_hinted"))
            .bind(saga_keys(&hints)?)
            .bind(now.as_micros())
            .bind(queues.clone())
            .bind(definitions.clone());
        found.append(&mut read(connection, statement, |row| rows::saga(row, None)).await?);
    }
    if claim.due_max > 0 {
        let statement = sqlx::query(sql!("sagas_claim_due"))
            .bind(now.as_micros())
            .bind(queues)
            .bind(definitions)
            .bind(saga_keys(outcomes.union(&hints))?)
            .bind(i64::try_from(claim.due_max).unwrap_or(i64::MAX));
        found.append(&mut read(connection, statement, |row| rows::saga(row, None)).await?);
    }
    let (sagas, unreadable) = with_signals(connection, found).await?;
    Ok(Claimed { now, sagas, locked: Vec::new(), unreadable })
}

/// Reads sagas with their unread signals, row by row.
pub(crate) async fn read_sagas(
    connection: &mut SqliteConnection,
    sagas: Statement,
) -> Result<Read, StoreError> {
    let found = read(connection, sagas, |row| rows::saga(row, None)).await?;
    with_signals(connection, found).await
}

async fn with_signals(
    connection: &mut SqliteConnection,
    found: Vec<Decoded<Box<Saga>>>,
) -> Result<Read, StoreError> {
    let mut sagas = Vec::with_capacity(found.len());
    let mut unreadable = Vec::new();
    for saga in found {
        match saga {
            Ok(saga) => sagas.push(saga),
            Err(reason) => unreadable.push(reason),
        }
    }
    let signals = read_signals(connection, sagas.iter().map(|saga| &saga.id)).await?;
    let (sagas, mut with_unreadable_signals) = rows::with_inboxes(sagas, signals);
    unreadable.append(&mut with_unreadable_signals);
    Ok((sagas, unreadable))
}

/// The unread signals of `sagas`, in the order in which they were sent.
pub(crate) async fn read_signals(
    connection: &mut SqliteConnection,
    sagas: impl Iterator<Item = &SagaId>,
) -> Result<Vec<Decoded<Signal>>, StoreError> {
    let sagas: Vec<&SagaId> = sagas.collect();
    if sagas.is_empty() {
        return Ok(Vec::new());
    }
    let statement = sqlx::query(sql!("signals_unread")).bind(saga_keys(sagas)?);
    read(connection, statement, rows::signal).await
}
