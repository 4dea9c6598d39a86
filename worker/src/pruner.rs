//! Deletes old settled sagas and idempotency keys, a few at a time.

use std::sync::Arc;
use std::time::Duration;

use holdfast_saga::ports::Store;
use holdfast_shared::Time;
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
        // Seconds of clock skew do not matter for an age of days.
        let pruned = store.prune(Time::system_now() - keep, BATCH).await;
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
