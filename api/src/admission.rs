//! How much may wait: past a number of undecided orders, new ones are told to come later.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use holdfast_saga::ports::Store;
use tokio::sync::{Notify, watch};

/// Undecided orders are counted this often while somebody checks out: a count costs the database up to a hundredth
/// of that.
const COUNT_EVERY: Duration = Duration::from_secs(1);

/// The bound. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Admission {
    pending: Arc<AtomicU64>,
    /// Somebody wants to know.
    asked: Arc<Notify>,
    max: u64,
}

impl Admission {
    /// Counts in the background until `stop` says so.
    pub(crate) fn start(store: Arc<dyn Store>, max: u64, mut stop: watch::Receiver<bool>) -> Self {
        let (pending, asked) = (Arc::new(AtomicU64::new(0)), Arc::new(Notify::new()));
        let (counted, wanted) = (Arc::clone(&pending), Arc::clone(&asked));
        tokio::spawn(async move {
            loop {
                match store.pending(max).await {
                    Ok(count) => counted.store(count, Ordering::Relaxed),
                    // Nothing is accepted meanwhile anyhow.
                    Err(error) => tracing::debug!("undecided orders could not be counted: {error}"),
                }
                let again = async {
                    tokio::time::sleep(COUNT_EVERY).await;
                    wanted.notified().await;
                };
                tokio::select! {
                    () = again => {}
                    _ = stop.wait_for(|stop| *stop) => return,
                }
            }
        });
        Self { pending, asked, max }
    }

    /// Whether one more may come in.
    pub(crate) fn is_open(&self) -> bool {
        self.asked.notify_one();
        self.pending.load(Ordering::Relaxed) < self.max
    }
}
