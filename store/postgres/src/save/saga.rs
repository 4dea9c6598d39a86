//! Sagas, their history and their signals.

use holdfast_saga::ports::StoreError;
use holdfast_saga::records::batch_rows::Writes;
use holdfast_saga::records::saga::Saga;
use time::OffsetDateTime;

use crate::params::{all_moved, instants, json, word};
use crate::pipeline::PipelinedConnection;
use crate::row;
use crate::statement::Sql;

/// Moves sagas, starts others, and writes the history of both.
pub(super) async fn save(
    connection: &PipelinedConnection,
    writes: &Writes,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    let Writes { sagas: rows, new_sagas, log, .. } = writes;
    if rows.is_empty() && new_sagas.is_empty() && log.is_empty() {
        return Ok(());
    }
    let moved = || rows.values().map(|(_, saga)| &**saga);
    let started = || new_sagas.values().map(|saga| &**saga);
    let progress = |saga: &Saga| json(&saga.progress);
    let found = connection
        .read_one(
            Sql::SagasSave,
            &[
                &moved().map(|saga| saga.id.key()).collect::<Vec<_>>(),
                &rows.values().map(|(was, _)| *was).collect::<Vec<_>>(),
                &moved().map(|saga| saga.fence).collect::<Vec<_>>(),
                &moved().map(|saga| word(saga.queue)).collect::<Vec<_>>(),
                &moved().map(|saga| word(saga.state)).collect::<Vec<_>>(),
                &instants(moved().map(|saga| saga.leased_until)),
                &instants(moved().map(|saga| saga.wake_at)),
                &moved().map(progress).collect::<Result<Vec<_>, _>>()?,
                &at,
                &started().map(|saga| saga.id.key()).collect::<Vec<_>>(),
                &started().map(|saga| saga.definition.name.as_str()).collect::<Vec<_>>(),
                &started().map(|saga| saga.definition.version).collect::<Vec<_>>(),
                &started().map(|saga| word(saga.queue)).collect::<Vec<_>>(),
                &started().map(|saga| word(saga.state)).collect::<Vec<_>>(),
                &started().map(|saga| saga.fence).collect::<Vec<_>>(),
                &instants(started().map(|saga| saga.leased_until)),
                &instants(started().map(|saga| saga.wake_at)),
                &started().map(progress).collect::<Result<Vec<_>, _>>()?,
                &started().map(|saga| json(&*saga.context)).collect::<Result<Vec<_>, _>>()?,
                &started().map(|saga| saga.key_prefix.as_str()).collect::<Vec<_>>(),
                &log.iter().map(|row| row.saga.key()).collect::<Vec<_>>(),
                &log.iter().map(|row| row.fence).collect::<Vec<_>>(),
                &log.iter().map(|row| json(&row.entries)).collect::<Result<Vec<_>, _>>()?,
            ],
            row::number,
        )
        .await?;
    all_moved("sagas", rows.len(), found.unsigned_abs())
}

pub(super) async fn poison(
    connection: &PipelinedConnection,
    writes: &Writes,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    if writes.poisoned.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = writes.poisoned.keys().map(|id| id.key()).collect();
    let reasons: Vec<String> = writes.poisoned.values().cloned().collect();
    let found = connection.execute(Sql::SagasPoison, &[&ids, &reasons, &at]).await?;
    all_moved("sagas", ids.len(), found)
}

pub(super) async fn consume(
    connection: &PipelinedConnection,
    writes: &Writes,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    if writes.consumed.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = writes.sagas.keys().map(|id| id.key()).collect();
    let found = connection.execute(Sql::SignalsConsume, &[&ids, &writes.consumed, &at]).await?;
    all_moved("signals", writes.consumed.len(), found)
}

/// Puts signals into inboxes.
pub(super) async fn signal(
    connection: &PipelinedConnection,
    writes: &Writes,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    if writes.signals.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = writes.signals.iter().map(|signal| signal.saga.key()).collect();
    let dedupe: Vec<String> = writes.signals.iter().map(|signal| signal.dedupe.clone()).collect();
    let bodies: Vec<String> =
        writes.signals.iter().map(|signal| json(&signal.body)).collect::<Result<_, _>>()?;
    connection.execute(Sql::SignalsInsert, &[&ids, &dedupe, &bodies, &at]).await?;
    Ok(())
}
