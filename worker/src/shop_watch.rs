//! Whether the database is still the one that its shop goes by. Until that is known, and while it is in doubt, no call is
//! sent (O9).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use holdfast_saga::operations::shop::note_missing;
use holdfast_saga::ports::{Store, StoreError};
use holdfast_saga::records::{Doubt, Shop};
use holdfast_telemetry::Metrics;
use tokio::sync::{Notify, watch};
use tokio::time::sleep;

use crate::last_order::LastOrder;
use crate::redis::Redis;

/// How often a worker looks.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// The same while the database does not answer.
const RETRY_EVERY: Duration = Duration::from_millis(200);

/// What a worker knows of the shop it works for.
#[derive(Debug)]
pub(crate) struct ShopWatch {
    /// `None`: not known, or not any more.
    known: watch::Sender<Option<Arc<Shop>>>,
    /// Raised whenever what is known, or is being read, may be of another database.
    doubts: AtomicU64,
    in_doubt: Notify,
    /// Why calls are held, by the last look.
    held: Mutex<Option<Doubt>>,
}

impl ShopWatch {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            known: watch::Sender::new(None),
            doubts: AtomicU64::new(0),
            in_doubt: Notify::new(),
            held: Mutex::new(None),
        })
    }

    /// The shop, once it is known.
    pub(crate) async fn shop(&self) -> Arc<Shop> {
        loop {
            if let Some(shop) = &*self.known.borrow() {
                return Arc::clone(shop);
            }
            // The sender is `self`, so this ends only when there is a shop.
            let _ = self.known.subscribe().wait_for(Option::is_some).await;
        }
    }

    /// Why no call is sent, if none is.
    pub(crate) fn held(&self) -> Option<String> {
        self.lock_held().as_ref().map(ToString::to_string)
    }

    /// The database was lost for a moment: another one may stand in its place.
    pub(crate) fn look_again(&self) {
        self.doubts.fetch_add(1, Ordering::SeqCst);
        self.known.send_replace(None);
        self.in_doubt.notify_one();
    }

    fn lock_held(&self) -> MutexGuard<'_, Option<Doubt>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks until `stop`.
    pub(crate) async fn run(
        self: Arc<Self>,
        store: Arc<dyn Store>,
        redis: Option<Arc<Redis>>,
        metrics: Metrics,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut last_order = redis.map(LastOrder::new);
        loop {
            let doubts = self.doubts.load(Ordering::SeqCst);
            let next = match look(&*store, last_order.as_mut()).await {
                // What was read before that may be of the other database.
                Ok(_) if self.doubts.load(Ordering::SeqCst) != doubts => continue,
                Ok(found) => {
                    let doubt = found.doubt();
                    metrics.set_shop_held(doubt.is_some());
                    let before = std::mem::replace(&mut *self.lock_held(), doubt.clone());
                    if let Some(doubt) = doubt.as_ref().filter(|_| doubt != before) {
                        tracing::error!("no call is sent, to any provider or channel: {doubt}");
                    }
                    self.known.send_replace(Some(Arc::new(found)));
                    LOOK_EVERY
                }
                Err(error) => {
                    tracing::debug!("the shop could not be read: {error}");
                    self.known.send_replace(None);
                    RETRY_EVERY
                }
            };
            tokio::select! {
                () = sleep(next) => {}
                () = self.in_doubt.notified() => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }
}

async fn look(store: &dyn Store, last_order: Option<&mut LastOrder>) -> Result<Shop, StoreError> {
    let shop = store.shop().await?;
    // The memory of a copy beside the shop would be the shop's own.
    let Some(last_order) = last_order.filter(|_| shop.doubt().is_none()) else { return Ok(shop) };
    let Some(missing) = last_order.missing(store, &shop).await? else { return Ok(shop) };
    note_missing(store, shop, missing).await?;
    store.shop().await
}
