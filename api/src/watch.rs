//! Watching orders on behalf of event streams: one query for all watchers.
//!
//! Orders also move in other processes, so the database is polled: all watched orders in one query, by primary key,
//! recently active ones more often than idle ones. An order never waits for its watchers, however many there are.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use holdfast_saga::ports::Store;
use holdfast_saga::records::view::OrderVersion;
use holdfast_shared::OrderId;
use tokio::sync::{Notify, watch};

/// How often active orders are polled; a watcher waits no longer than that.
const ACTIVE_INTERVAL: Duration = Duration::from_millis(200);
/// Every so many polls include the idle orders.
const IDLE_POLLS: u32 = 10;
/// An order that has not moved for this long is idle.
const ACTIVE_FOR: Duration = Duration::from_secs(30);
/// Orders in one query.
const BATCH: usize = 5_000;

/// All watched orders. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Watch {
    orders: Arc<Mutex<BTreeMap<OrderId, Watched>>>,
    /// Notified by every new watcher.
    started: Arc<Notify>,
    stop: watch::Receiver<bool>,
}

#[derive(Debug)]
struct Watched {
    order_version: watch::Sender<Option<OrderVersion>>,
    moved_at: Instant,
}

/// One watcher's view of one order.
#[derive(Debug)]
pub(crate) struct Watcher {
    order_version: watch::Receiver<Option<OrderVersion>>,
    stop: watch::Receiver<bool>,
}

impl Watch {
    /// Polls in the background until `stop`.
    pub(crate) fn start(store: Arc<dyn Store>, stop: watch::Receiver<bool>) -> Self {
        let watch = Self { orders: Arc::default(), started: Arc::default(), stop };
        tokio::spawn(watch.clone().run(store));
        watch
    }

    /// Starts to watch an order that has not moved for `idle`. A new watcher does not make an idle order active:
    /// after a restart all streams reconnect at once. The first wait of the watcher ends at once.
    pub(crate) fn watch(&self, order: OrderId, idle: Duration) -> Watcher {
        let mut orders = self.orders();
        let watched = orders.entry(order).or_insert_with(|| {
            let moved_at = Instant::now().checked_sub(idle).unwrap_or_else(Instant::now);
            Watched { order_version: watch::Sender::new(None), moved_at }
        });
        let mut order_version = watched.order_version.subscribe();
        order_version.mark_changed();
        self.started.notify_one();
        Watcher { order_version, stop: self.stop.clone() }
    }

    /// Makes an order active, because a request here will move it.
    pub(crate) fn expect(&self, order: OrderId) {
        if let Some(watched) = self.orders().get_mut(&order) {
            watched.moved_at = Instant::now();
        }
    }

    /// Whether this process is stopping.
    pub(crate) fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }

    async fn run(self, store: Arc<dyn Store>) {
        let mut stop = self.stop.clone();
        for round in 0_u32.. {
            let watched = self.due(round.is_multiple_of(IDLE_POLLS));
            for orders in watched.chunks(BATCH) {
                match store.order_versions(orders).await {
                    Ok(order_versions) => self.publish(&order_versions),
                    Err(error) => tracing::debug!("watched orders could not be polled: {error}"),
                }
            }
            let is_watched = !self.orders().is_empty();
            let next = async {
                tokio::time::sleep(ACTIVE_INTERVAL).await;
                if !is_watched {
                    self.started.notified().await;
                }
            };
            tokio::select! {
                () = next => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// The orders to poll. Those without watchers are forgotten.
    fn due(&self, with_idle: bool) -> Vec<OrderId> {
        let mut orders = self.orders();
        orders.retain(|_, watched| watched.order_version.receiver_count() > 0);
        let due = orders.iter().filter(|(_, watched)| with_idle || watched.moved_at.elapsed() < ACTIVE_FOR);
        due.map(|(order, _)| *order).collect()
    }

    fn publish(&self, order_versions: &BTreeMap<OrderId, OrderVersion>) {
        let mut orders = self.orders();
        for (order, order_version) in order_versions {
            let Some(watched) = orders.get_mut(order) else { continue };
            let known = *watched.order_version.borrow();
            if known == Some(*order_version) {
                continue;
            }
            watched.order_version.send_replace(Some(*order_version));
            // The first poll shows the state of an order, not that it moved.
            if known.is_some() {
                watched.moved_at = Instant::now();
            }
        }
    }

    fn orders(&self) -> MutexGuard<'_, BTreeMap<OrderId, Watched>> {
        // No change of the map can panic half way.
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watcher {
    /// Ends the next wait at once.
    pub(crate) fn look_again(&mut self) {
        self.order_version.mark_changed();
    }

    /// Waits until the order has moved. `false`: this process is stopping.
    pub(crate) async fn moved(&mut self) -> bool {
        tokio::select! {
            biased;
            _ = self.stop.wait_for(|stop| *stop) => false,
            moved = self.order_version.changed() => moved.is_ok(),
        }
    }
}
