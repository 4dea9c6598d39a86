//! Deletes old settled sagas and idempotency keys, a few at a time.

use std::sync::Arc;
use std::time::Duration;

use holdfast_saga::ports::{Store, StoreError};
use tokio::sync::watch;
use tokio::time::sleep;

/// Rows in one statement: a few milliseconds of the database.
const BATCH: u32 = 500;
/// The wait when there was nothing to prune.
const IDLE_INTERVAL: Duration = Duration::from_mins(10);
/// The wait between two batches, so that orders go first.
const BATCH_INTERVAL: Duration = Duration::from_millis(250);

pub(crate) async fn run(store: Arc<dyn Store>, keep: Duration, mut stop: watch::Receiver<bool>) {
    loop {
        let pruned = prune(&*store, keep).await;
        if let Err(error) = &pruned {
            tracing::warn!("pruning failed and will be retried in {IDLE_INTERVAL:?}: {error}");
        }
        let wait = if pruned.is_ok_and(|rows| rows > 0) { BATCH_INTERVAL } else { IDLE_INTERVAL };
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = sleep(wait) => {}
        }
    }
}

/// An age by the clock that wrote the rows: this machine's may have been set.
async fn prune(store: &dyn Store, keep: Duration) -> Result<u64, StoreError> {
    store.prune(store.now().await? - keep, BATCH).await
}
