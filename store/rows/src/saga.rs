//! Sagas, their signals and their history. Each row is read alone: one that cannot be read hides no other.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_saga::ports::StoreError;
use holdfast_saga::records::context::Context;
use holdfast_saga::records::history::LogRow;
use holdfast_saga::records::saga::{DefinitionId, Progress, Saga};
use holdfast_saga::records::signal::Signal;
use holdfast_shared::{KeyPrefix, SagaId};

use crate::columns::{Columns, Reason, Row, unreadable};

/// A record of a saga; or the saga whose row cannot be read, and why.
pub type Decoded<T> = Result<T, (SagaId, Reason)>;

/// A saga with its unread signals, in the order in which they were sent.
pub type SagaInbox = (Box<Saga>, Vec<Signal>);

/// The id of the saga that a row is about: its first column.
pub fn saga_id<R: Row>(row: &R) -> Result<SagaId, StoreError> {
    match row.integer(0) {
        Ok(Some(key)) => Ok(SagaId::from_key(key)),
        Ok(None) => Err(unreadable("a row of a saga", format!("{}: is null", row.name(0)))),
        Err(cause) => Err(unreadable("a row of a saga", format!("{}: {cause}", row.name(0)))),
    }
}

/// A row of `sagas`. A context that is `known` is not read again.
///
/// The outer error is about the whole answer, the inner one about this row alone.
pub fn saga<R: Row>(row: &R, known: Option<&Arc<Context>>) -> Result<Decoded<Box<Saga>>, StoreError> {
    let id = saga_id(row)?;
    Ok(read_saga(row, known).map_err(|reason| (id, reason)))
}

fn read_saga<R: Row>(row: &R, known: Option<&Arc<Context>>) -> Result<Box<Saga>, Reason> {
    let mut columns = Columns::of(row);
    let id = SagaId::from_key(columns.integer("id")?);
    let name = columns.text("definition")?;
    let version = columns.number("version")?;
    let queue = columns.parsed("queue")?;
    let state = columns.parsed("state")?;
    let fence = columns.integer("fence")?;
    let leased_until = columns.optional_time("leased_until")?;
    let wake_at = columns.optional_time("wake_at")?;
    let progress = columns.str("progress")?;
    let context = columns.optional_str("context")?;
    let context = known.map_or_else(|| read_context(context), |known| Ok(Arc::clone(known)))?;
    let progress = read_progress(progress, columns.optional_text("poison")?)?;
    Ok(Box::new(Saga {
        id,
        definition: DefinitionId { name, version },
        queue,
        state,
        fence,
        leased_until,
        wake_at,
        progress,
        context,
        key_prefix: KeyPrefix::from_stored(columns.text("key_prefix")?),
        created_at: columns.time("created_at")?,
        updated_at: columns.time("updated_at")?,
    }))
}

fn read_context(text: Option<&str>) -> Result<Arc<Context>, Reason> {
    let text = text.ok_or("context: is null")?;
    // The document itself stays out of the reason: it holds a payment token.
    Context::from_json(text).map(Arc::new).map_err(|error| format!("context: {error}"))
}

/// Why a saga's row was quarantined outweighs the error that the saga itself stopped at.
pub(crate) fn read_progress(text: &str, poison: Option<String>) -> Result<Progress, Reason> {
    let mut progress: Progress = serde_json::from_str(text).map_err(|error| format!("progress: {error}"))?;
    if poison.is_some() {
        progress.error = poison;
    }
    Ok(progress)
}

/// A row of `signals`.
pub fn signal<R: Row>(row: &R) -> Result<Decoded<Signal>, StoreError> {
    let saga = saga_id(row)?;
    Ok(read_signal(row).map_err(|reason| (saga, reason)))
}

fn read_signal<R: Row>(row: &R) -> Result<Signal, Reason> {
    let mut columns = Columns::of(row);
    let saga = SagaId::from_key(columns.integer("saga_id")?);
    let seq = columns.integer("seq")?;
    let dedupe = columns.text("dedupe")?;
    let body = columns.json("body").map_err(|reason| format!("signal {dedupe}: {reason}"))?;
    Ok(Signal { saga, seq, dedupe, body, created_at: columns.time("created_at")? })
}

/// A row of `saga_log`.
pub fn log_row<R: Row>(row: &R) -> Result<LogRow, StoreError> {
    let saga = saga_id(row)?;
    let read = || -> Result<LogRow, Reason> {
        let mut columns = Columns::of(row);
        Ok(LogRow {
            saga: SagaId::from_key(columns.integer("saga_id")?),
            fence: columns.integer("fence")?,
            at: columns.time("at")?,
            entries: columns.json("entries")?,
        })
    };
    read().map_err(|reason| unreadable(format_args!("the history of saga {saga}"), reason))
}

/// Gives each saga its inbox. A saga with a signal that cannot be read is left out, and returned with the reason.
pub fn with_inboxes(
    sagas: Vec<Box<Saga>>,
    signals: Vec<Decoded<Signal>>,
) -> (Vec<SagaInbox>, Vec<(SagaId, Reason)>) {
    let mut inboxes: BTreeMap<SagaId, Vec<Signal>> = BTreeMap::new();
    let mut reasons: BTreeMap<SagaId, Reason> = BTreeMap::new();
    for signal in signals {
        match signal {
            Ok(signal) => inboxes.entry(signal.saga).or_default().push(signal),
            Err((saga, reason)) => {
                reasons.entry(saga).or_insert(reason);
            }
        }
    }
    let mut readable = Vec::with_capacity(sagas.len());
    let mut unreadable = Vec::new();
    for saga in sagas {
        if let Some(reason) = reasons.remove(&saga.id) {
            unreadable.push((saga.id, reason));
        } else {
            let inbox = inboxes.remove(&saga.id).unwrap_or_default();
            readable.push((saga, inbox));
        }
    }
    (readable, unreadable)
}
