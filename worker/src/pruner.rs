//! Forgetting what is settled, a little at a time.

use std::sync::Arc;
use std::time::Duration;

use holdfast_saga::ports::Store;
use holdfast_shared::Time;
use tokio::sync::watch;
use tokio::time::sleep;

/// Rows in one go: a few milliseconds of the database.
const BITE: u32 = 500;
/// Between two looks when there was nothing to prune.
const REST: Duration = Duration::from_mins(10);
/// Between two bites, so that orders go first.
const PAUSE: Duration = Duration::from_millis(250);

pub(crate) async fn run(store: Arc<dyn Store>, keep: Duration, mut stop: watch::Receiver<bool>) {
    loop {
        // Days do not care about seconds of skew between this clock and the database's.
        let pruned = store.prune(Time::system_now() - keep, BITE).await;
        if let Err(error) = &pruned {
            tracing::warn!("pruning is tried again in {REST:?}: {error}");
        }
        let wait = if pruned.is_ok_and(|rows| rows > 0) { PAUSE } else { REST };
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = sleep(wait) => {}
        }
    }
}
