//! Waiting for what becomes of sagas that were retried or discarded.

use std::time::{Duration, Instant};

use holdfast_saga::ports::{Store, StoreError};
use holdfast_shared::{SagaId, SagaState};

/// How often the sagas are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What became of one saga: a line for people.
pub(super) struct Fate {
    pub(super) saga: SagaId,
    pub(super) text: String,
    pub(super) ended: bool,
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
            if fate.ended || since.elapsed() >= patience {
                fates.push(fate);
                break;
            }
            tokio::time::sleep(LOOK_EVERY.min(patience.saturating_sub(since.elapsed()))).await;
        }
    }
    Ok(fates)
}

async fn fate(store: &dyn Store, id: SagaId) -> Result<Fate, StoreError> {
    let of = |text: String, ended| Fate { saga: id, text, ended };
    let Some(saga) = store.saga(id).await? else {
        return Ok(of("it was pruned".to_owned(), true));
    };
    let progress = &saga.progress;
    let why = || progress.error.as_deref().unwrap_or("nobody knows why").to_owned();
    Ok(match saga.state {
        SagaState::Completed => of("COMPLETED".to_owned(), true),
        SagaState::Compensated => of("COMPENSATED: everything is undone".to_owned(), true),
        // One that has not been looked at yet is still due.
        SagaState::Dead if saga.wake_at.is_some() => of("nobody has taken it up yet".to_owned(), false),
        SagaState::Dead => of(format!("DEAD again: {}", why()), true),
        SagaState::Running | SagaState::Waiting | SagaState::Compensating if progress.failures > 0 => {
            let next = progress.not_before.map_or_else(String::new, |at| format!(", again at {at}"));
            of(format!("RETRYING after {} failures{next}, last: {}", progress.failures, why()), false)
        }
        state @ (SagaState::Running | SagaState::Waiting | SagaState::Compensating) => {
            of(format!("{state}, not over yet"), false)
        }
    })
}
