//! What operators see: dead sagas, queues, workers, counts.

use holdfast_saga::ports::StoreError;
use holdfast_saga::records::saga::DefinitionId;
use holdfast_saga::records::view::{
    DeadRow, Heartbeat, OrderVersion, Paused, QueueView, RetryingGroup, SagaCount, WorkerView,
};
use holdfast_shared::{OrderId, Queue, SagaId};

use crate::columns::{Columns, Reason, Row, unreadable};
use crate::saga::{read_progress, saga_id};

/// A dead saga without its context. Progress that cannot be read is part of the record: it hides no other row.
pub fn dead_row<R: Row>(row: &R) -> Result<DeadRow, StoreError> {
    let id = saga_id(row)?;
    let read = || -> Result<DeadRow, Reason> {
        let mut columns = Columns::of(row);
        columns.integer("id")?;
        let name = columns.text("definition")?;
        let definition = DefinitionId { name, version: columns.number("version")? };
        let progress = columns.str("progress")?;
        Ok(DeadRow {
            id,
            definition,
            progress: read_progress(progress, columns.optional_text("poison")?),
            wake_at: columns.optional_time("wake_at")?,
            since: columns.time("updated_at")?,
            token: columns.optional_text("token")?,
        })
    };
    read().map_err(|reason| unreadable(format_args!("saga {id}"), reason))
}

/// How much waits in a queue; whether it is paused is another statement's answer.
pub fn queue_depth<R: Row>(row: &R) -> Result<QueueView, StoreError> {
    let mut columns = Columns::of(row);
    let mut read = || -> Result<QueueView, Reason> {
        Ok(QueueView {
            queue: columns.parsed("queue")?,
            due: columns.number("due")?,
            oldest_due: columns.optional_time("oldest_due")?,
            in_flight: columns.number("in_flight")?,
            dead: columns.number("dead")?,
            paused: None,
        })
    };
    read().map_err(|reason| unreadable("the depth of a queue", reason))
}

/// Sagas that try again at the same place.
pub fn retrying_group<R: Row>(row: &R) -> Result<RetryingGroup, StoreError> {
    let mut columns = Columns::of(row);
    let mut read = || -> Result<RetryingGroup, Reason> {
        Ok(RetryingGroup {
            queue: columns.parsed("queue")?,
            definition: DefinitionId {
                name: columns.text("definition")?,
                version: columns.number("version")?,
            },
            phase: columns.parsed("phase")?,
            stage: columns.number("stage")?,
            sagas: columns.number("sagas")?,
            tries_max: columns.number("tries_max")?,
            worst: SagaId::from_key(columns.integer("worst")?),
            next_try: columns.time("next_try")?,
        })
    };
    read().map_err(|reason| unreadable("sagas that are retrying", reason))
}

/// A row of `queues`: a queue that is paused. `None` for a queue that only a newer binary knows.
pub fn paused_queue<R: Row>(row: &R) -> Result<Option<(Queue, Paused)>, StoreError> {
    let mut columns = Columns::of(row);
    let mut read = || -> Result<Option<(Queue, Paused)>, Reason> {
        let Ok(queue) = columns.str("queue")?.parse() else { return Ok(None) };
        let paused = Paused {
            at: columns.time("paused_at")?,
            by: columns.text("paused_by")?,
            reason: columns.optional_text("reason")?,
        };
        Ok(Some((queue, paused)))
    };
    read().map_err(|reason| unreadable("a paused queue", reason))
}

/// A row of `workers`.
pub fn worker<R: Row>(row: &R) -> Result<WorkerView, StoreError> {
    let mut columns = Columns::of(row);
    let name = columns.text("name").map_err(|reason| unreadable("a worker", reason))?;
    let mut read = || -> Result<WorkerView, Reason> {
        let heartbeat = Heartbeat {
            name: name.clone(),
            host: columns.text("host")?,
            pid: columns.number("pid")?,
            version: columns.text("version")?,
            pools: columns.json("pools")?,
            definitions: columns.json("definitions")?,
            providers: columns.optional_json("providers")?,
            in_flight: columns.number("in_flight")?,
            started_at: columns.time("started_at")?,
        };
        Ok(WorkerView {
            heartbeat,
            heartbeat_at: columns.time("heartbeat_at")?,
            left_at: columns.optional_time("left_at")?,
        })
    };
    read().map_err(|reason| unreadable(format_args!("worker {name}"), reason))
}

/// How many sagas of a definition are in a state.
pub fn saga_count<R: Row>(row: &R) -> Result<SagaCount, StoreError> {
    let mut columns = Columns::of(row);
    let mut read = || -> Result<SagaCount, Reason> {
        Ok(SagaCount {
            definition: columns.text("definition")?,
            state: columns.parsed("state")?,
            sagas: columns.number("sagas")?,
        })
    };
    read().map_err(|reason| unreadable("a count of sagas", reason))
}

/// What changes whenever anything about an order does.
pub fn order_version<R: Row>(row: &R) -> Result<(OrderId, OrderVersion), StoreError> {
    let mut columns = Columns::of(row);
    let mut read = || -> Result<(OrderId, OrderVersion), Reason> {
        let id = columns.order("id")?;
        let version = OrderVersion {
            updated_at: columns.time("updated_at")?,
            fences: columns.integer("fences")?,
            sagas: columns.integer("sagas")?,
        };
        Ok((id, version))
    };
    read().map_err(|reason| unreadable("the version of an order", reason))
}
