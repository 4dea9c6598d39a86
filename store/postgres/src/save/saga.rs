//! Sagas, their history and their signals.

use holdfast_saga::ports::StoreError;
use holdfast_saga::records::batch_rows::Writes;
use holdfast_saga::records::saga::Saga;
use holdfast_shared::Time;
use time::OffsetDateTime;

use super::{all_moved, json, word};
use crate::pipe::Pipe;
use crate::statement::Sql;

/// Moves sagas, starts others, and tells the history of both.
pub(super) async fn save(pipe: &Pipe, writes: &Writes, at: OffsetDateTime) -> Result<(), StoreError> {
    let Writes { sagas: rows, new_sagas, log, .. } = writes;
    if rows.is_empty() && new_sagas.is_empty() && log.is_empty() {
        return Ok(());
    }
    let moved = || rows.values().map(|(_, saga)| saga);
    let born = || new_sagas.values();
    let progress = |saga: &Saga| json(&saga.progress);
    let (found,): (i64,) = pipe
        .row(
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
                &born().map(|saga| saga.id.key()).collect::<Vec<_>>(),
                &born().map(|saga| saga.definition.name.as_str()).collect::<Vec<_>>(),
                &born().map(|saga| saga.definition.version).collect::<Vec<_>>(),
                &born().map(|saga| word(saga.queue)).collect::<Vec<_>>(),
                &born().map(|saga| word(saga.state)).collect::<Vec<_>>(),
                &born().map(|saga| saga.fence).collect::<Vec<_>>(),
                &instants(born().map(|saga| saga.leased_until)),
                &instants(born().map(|saga| saga.wake_at)),
                &born().map(progress).collect::<Result<Vec<_>, _>>()?,
                &born().map(|saga| json(&*saga.context)).collect::<Result<Vec<_>, _>>()?,
                &born().map(|saga| saga.key_prefix.as_str()).collect::<Vec<_>>(),
                &log.iter().map(|row| row.saga.key()).collect::<Vec<_>>(),
                &log.iter().map(|row| row.fence).collect::<Vec<_>>(),
                &log.iter().map(|row| json(&row.entries)).collect::<Result<Vec<_>, _>>()?,
            ],
        )
        .await?;
    all_moved("sagas", rows.len(), found.unsigned_abs())
}

pub(super) async fn poison(pipe: &Pipe, writes: &Writes, at: OffsetDateTime) -> Result<(), StoreError> {
    if writes.poisoned.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = writes.poisoned.keys().map(|id| id.key()).collect();
    let reasons: Vec<String> = writes.poisoned.values().cloned().collect();
    let found = pipe.execute(Sql::SagasPoison, &[&ids, &reasons, &at]).await?;
    all_moved("sagas", ids.len(), found)
}

pub(super) async fn consume(pipe: &Pipe, writes: &Writes, at: OffsetDateTime) -> Result<(), StoreError> {
    if writes.consumed.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = writes.sagas.keys().map(|id| id.key()).collect();
    let found = pipe.execute(Sql::SignalsConsume, &[&ids, &writes.consumed, &at]).await?;
    all_moved("signals", writes.consumed.len(), found)
}

/// Puts signals into inboxes.
pub(super) async fn signal(pipe: &Pipe, writes: &Writes, at: OffsetDateTime) -> Result<(), StoreError> {
    if writes.signals.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = writes.signals.iter().map(|signal| signal.saga.key()).collect();
    let dedupe: Vec<String> = writes.signals.iter().map(|signal| signal.dedupe.clone()).collect();
    let bodies: Vec<String> =
        writes.signals.iter().map(|signal| json(&signal.body)).collect::<Result<_, _>>()?;
    pipe.execute(Sql::SignalsInsert, &[&ids, &dedupe, &bodies, &at]).await?;
    Ok(())
}

fn instants(times: impl Iterator<Item = Option<Time>>) -> Vec<Option<OffsetDateTime>> {
    times.map(|time| time.map(Into::into)).collect()
}
