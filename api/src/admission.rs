//! The bound on undecided orders: beyond it, new checkouts are refused for now. Orders that wait for their buyer or for the
//! shop do not count: they are no work, and anybody can place them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use holdfast_saga::ports::{Store, StoreError};
use tokio::sync::{Notify, watch};

/// How often undecided orders are counted while checkouts arrive. A count costs the database up to a hundredth of that.
const COUNT_INTERVAL: Duration = Duration::from_secs(1);

/// The bound. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Admission {
    pending: Arc<AtomicU64>,
    /// Notified by every checkout.
    checkouts: Arc<Notify>,
    max: u64,
}

impl Admission {
    /// Counts in the background until `stop`.
    pub(crate) fn start(store: Arc<dyn Store>, max: u64, mut stop: watch::Receiver<bool>) -> Self {
        let (pending, checkouts) = (Arc::new(AtomicU64::new(0)), Arc::new(Notify::new()));
        let (counted, arrived) = (Arc::clone(&pending), Arc::clone(&checkouts));
        tokio::spawn(async move {
            loop {
                match at_work(&*store, max).await {
                    Ok(count) => counted.store(count, Ordering::Relaxed),
                    // While the database does not answer, no checkout is accepted anyway.
                    Err(error) => tracing::debug!("undecided orders could not be counted: {error}"),
                }
                let next = async {
                    tokio::time::sleep(COUNT_INTERVAL).await;
                    arrived.notified().await;
                };
                tokio::select! {
                    () = next => {}
                    _ = stop.wait_for(|stop| *stop) => return,
                }
            }
        });
        Self { pending, checkouts, max }
    }

    /// Whether another order may be accepted.
    pub(crate) fn is_open(&self) -> bool {
        self.checkouts.notify_one();
        self.pending.load(Ordering::Relaxed) < self.max
    }
}

/// The undecided orders that are work, if they can be as many as `max`: only then each of them is looked at.
async fn at_work(store: &dyn Store, max: u64) -> Result<u64, StoreError> {
    match store.pending(max).await? {
        pending if pending < max => Ok(pending),
        _ => store.at_work(max).await,
    }
}
