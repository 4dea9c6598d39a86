//! Sagas, their history and their signals.

use holdfast_saga::ports::StoreError;
use holdfast_saga::world::Writes;
use holdfast_shared::Time;
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{all_moved, json, word};
use crate::error::store_error;

pub(super) async fn update(
    tx: &mut PgConnection,
    writes: &Writes,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    let rows = &writes.sagas;
    if rows.is_empty() {
        return Ok(());
    }
    let column = || rows.values().map(|(_, saga)| saga);
    let progress: Vec<String> = column().map(|saga| json(&saga.progress)).collect::<Result<_, _>>()?;
    let result = sqlx::query_file!(
        "queries/sagas_update.sql",
        &column().map(|saga| saga.id.key()).collect::<Vec<_>>(),
        &rows.values().map(|(was, _)| *was).collect::<Vec<_>>(),
        &column().map(|saga| saga.fence).collect::<Vec<_>>(),
        &column().map(|saga| word(saga.queue)).collect::<Vec<_>>() as _,
        &column().map(|saga| word(saga.state)).collect::<Vec<_>>() as _,
        &instants(column().map(|saga| saga.leased_until)) as _,
        &instants(column().map(|saga| saga.wake_at)) as _,
        &progress,
        at,
    )
    .execute(tx)
    .await
    .map_err(store_error)?;
    all_moved("sagas", rows.len(), &result)
}

pub(super) async fn poison(
    tx: &mut PgConnection,
    writes: &Writes,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    if writes.poisoned.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = writes.poisoned.keys().map(|id| id.key()).collect();
    let reasons: Vec<String> = writes.poisoned.values().cloned().collect();
    let result = sqlx::query_file!("queries/sagas_poison.sql", &ids, &reasons, at)
        .execute(tx)
        .await
        .map_err(store_error)?;
    all_moved("sagas", ids.len(), &result)
}

pub(super) async fn consume(
    tx: &mut PgConnection,
    writes: &Writes,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    if writes.consumed.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = writes.sagas.keys().map(|id| id.key()).collect();
    let result = sqlx::query_file!("queries/signals_consume.sql", &ids, &writes.consumed, at)
        .execute(tx)
        .await
        .map_err(store_error)?;
    all_moved("signals", writes.consumed.len(), &result)
}

pub(super) async fn insert(
    tx: &mut PgConnection,
    writes: &Writes,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    if !writes.new_sagas.is_empty() {
        let column = || writes.new_sagas.values();
        let progress: Vec<String> = column().map(|saga| json(&saga.progress)).collect::<Result<_, _>>()?;
        let context: Vec<String> = column().map(|saga| json(&*saga.context)).collect::<Result<_, _>>()?;
        sqlx::query_file!(
            "queries/sagas_insert.sql",
            &column().map(|saga| saga.id.key()).collect::<Vec<_>>(),
            &column().map(|saga| saga.definition.name.clone()).collect::<Vec<_>>(),
            &column().map(|saga| saga.definition.version).collect::<Vec<_>>(),
            &column().map(|saga| word(saga.queue)).collect::<Vec<_>>() as _,
            &column().map(|saga| word(saga.state)).collect::<Vec<_>>() as _,
            &column().map(|saga| saga.fence).collect::<Vec<_>>(),
            &instants(column().map(|saga| saga.leased_until)) as _,
            &instants(column().map(|saga| saga.wake_at)) as _,
            &progress,
            &context,
            at,
        )
        .execute(&mut *tx)
        .await
        .map_err(store_error)?;
    }
    if !writes.log.is_empty() {
        let ids: Vec<i64> = writes.log.iter().map(|row| row.saga.key()).collect();
        let fences: Vec<i64> = writes.log.iter().map(|row| row.fence).collect();
        let entries: Vec<String> =
            writes.log.iter().map(|row| json(&row.entries)).collect::<Result<_, _>>()?;
        sqlx::query_file!("queries/log_insert.sql", &ids, &fences, &entries, at)
            .execute(&mut *tx)
            .await
            .map_err(store_error)?;
    }
    if !writes.signals.is_empty() {
        let ids: Vec<i64> = writes.signals.iter().map(|signal| signal.saga.key()).collect();
        let dedupe: Vec<String> = writes.signals.iter().map(|signal| signal.dedupe.clone()).collect();
        let bodies: Vec<String> =
            writes.signals.iter().map(|signal| json(&signal.body)).collect::<Result<_, _>>()?;
        sqlx::query_file!("queries/signals_insert.sql", &ids, &dedupe, &bodies, at)
            .execute(tx)
            .await
            .map_err(store_error)?;
    }
    Ok(())
}

fn instants(times: impl Iterator<Item = Option<Time>>) -> Vec<Option<OffsetDateTime>> {
    times.map(|time| time.map(Into::into)).collect()
}
