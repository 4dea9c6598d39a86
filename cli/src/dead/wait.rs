//! Waiting for what becomes of sagas that were retried or discarded.

use std::time::{Duration, Instant};

use holdfast_saga::ports::{Store, StoreError};
use holdfast_saga::timeline::moment;
use holdfast_shared::{SagaId, SagaState, redact};

/// How often the sagas are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How far a saga has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It ended, done or undone.
    Well,
    /// It is dead again.
    Dead,
    /// It is not over yet.
    Open,
}

/// What became of one saga.
pub(super) struct Fate {
    pub(super) saga: SagaId,
    pub(super) end: End,
    /// The same for people.
    pub(super) text: String,
}

/// What became of each of `sagas`, once all have ended or `patience` is over.
pub(super) async fn until_ended(
    store: &dyn Store,
    sagas: &[SagaId],
    patience: Duration,
) -> Result<Vec<Fate>, StoreError> {
    let since = Instant::now();
    let mut fates = Vec::with_capacity(sagas.len());
    for saga in sagas {
        loop {
            let fate = fate(store, *saga).await?;
            if fate.end != End::Open || since.elapsed() >= patience {
                fates.push(fate);
                break;
            }
            tokio::time::sleep(LOOK_EVERY.min(patience.saturating_sub(since.elapsed()))).await;
        }
    }
    Ok(fates)
}

async fn fate(store: &dyn Store, id: SagaId) -> Result<Fate, StoreError> {
    let of = |end, text: String| Fate { saga: id, end, text };
    let Some(saga) = store.saga(id).await? else {
        return Ok(of(End::Well, "it was pruned".to_owned()));
    };
    let progress = &saga.progress;
    let why = || redact(progress.error.as_deref().unwrap_or("nobody knows why"));
    Ok(match saga.state {
        SagaState::Completed => of(End::Well, "COMPLETED".to_owned()),
        SagaState::Compensated => of(End::Well, "COMPENSATED: everything is undone".to_owned()),
        // One that has not been looked at yet is still due.
        SagaState::Dead if saga.wake_at.is_some() => of(End::Open, "nobody has taken it up yet".to_owned()),
        SagaState::Dead => of(End::Dead, format!("DEAD again: {}", why())),
        _ if saga.is_retrying() => {
            let next =
                progress.not_before.map_or_else(String::new, |at| format!(", again at {}", moment(at)));
            of(End::Open, format!("RETRYING after {} tries{next}, last: {}", progress.tries_in_vain(), why()))
        }
        state @ (SagaState::Running | SagaState::Waiting | SagaState::Compensating) => {
            of(End::Open, format!("{state}, not over yet"))
        }
    })
}
