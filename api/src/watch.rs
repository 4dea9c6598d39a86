//! Watching orders for those who want to see them move: one look at the database for all watchers.
//!
//! Orders move in other processes, too, so the database is asked: for all watched orders at once, by
//! primary key, those that moved lately more often than those at rest. Nothing an order's own work
//! does waits for a watcher, however many there are.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use holdfast_saga::ports::Store;
use holdfast_saga::records::view::OrderVersion;
use holdfast_shared::OrderId;
use tokio::sync::{Notify, watch};

/// How often orders that moved lately are looked at: what a watcher waits at most.
const LIVELY_EVERY: Duration = Duration::from_millis(200);
/// How many looks later those at rest are looked at as well.
const RESTING_EVERY: u32 = 10;
/// An order that has not moved for this long is at rest.
const LIVELY_FOR: Duration = Duration::from_secs(30);
/// Orders in one statement.
const AT_ONCE: usize = 5_000;

/// Who watches what. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Watch {
    orders: Arc<Mutex<BTreeMap<OrderId, Watched>>>,
    /// Somebody began to watch.
    begun: Arc<Notify>,
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
    /// Looks in the background until `stop` says so.
    pub(crate) fn start(store: Arc<dyn Store>, stop: watch::Receiver<bool>) -> Self {
        let watch = Self { orders: Arc::default(), begun: Arc::default(), stop };
        tokio::spawn(watch.clone().run(store));
        watch
    }

    /// Begins to watch an order that has not moved for `still`. One that rests is not looked at more often
    /// because somebody new looks on: after a restart everybody does at once. The first wait ends at once, whatever
    /// others have been told before.
    pub(crate) fn watch(&self, order: OrderId, still: Duration) -> Watcher {
        let mut orders = self.orders();
        let watched = orders.entry(order).or_insert_with(|| {
            let moved_at = Instant::now().checked_sub(still).unwrap_or_else(Instant::now);
            Watched { order_version: watch::Sender::new(None), moved_at }
        });
        let mut order_version = watched.order_version.subscribe();
        order_version.mark_changed();
        self.begun.notify_one();
        Watcher { order_version, stop: self.stop.clone() }
    }

    /// Expects an order to move soon: somebody asked for it here. Its watchers need not wait for the next look
    /// at those at rest.
    pub(crate) fn expect(&self, order: OrderId) {
        if let Some(watched) = self.orders().get_mut(&order) {
            watched.moved_at = Instant::now();
        }
    }

    /// Whether this process is about to end.
    pub(crate) fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }

    async fn run(self, store: Arc<dyn Store>) {
        let mut stop = self.stop.clone();
        for round in 0_u32.. {
            let watched = self.due(round.is_multiple_of(RESTING_EVERY));
            for orders in watched.chunks(AT_ONCE) {
                match store.order_versions(orders).await {
                    Ok(order_versions) => self.tell(&order_versions),
                    Err(error) => tracing::debug!("watched orders could not be looked at: {error}"),
                }
            }
            let is_watched = !self.orders().is_empty();
            let next = async {
                tokio::time::sleep(LIVELY_EVERY).await;
                if !is_watched {
                    self.begun.notified().await;
                }
            };
            tokio::select! {
                () = next => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// The orders to look at; those nobody watches any more are forgotten.
    fn due(&self, resting_too: bool) -> Vec<OrderId> {
        let mut orders = self.orders();
        orders.retain(|_, watched| watched.order_version.receiver_count() > 0);
        let due = orders.iter().filter(|(_, watched)| resting_too || watched.moved_at.elapsed() < LIVELY_FOR);
        due.map(|(order, _)| *order).collect()
    }

    fn tell(&self, order_versions: &BTreeMap<OrderId, OrderVersion>) {
        let mut orders = self.orders();
        for (order, order_version) in order_versions {
            let Some(watched) = orders.get_mut(order) else { continue };
            let known = *watched.order_version.borrow();
            if known == Some(*order_version) {
                continue;
            }
            watched.order_version.send_replace(Some(*order_version));
            // The first look shows how an order stands, not that it moves.
            if known.is_some() {
                watched.moved_at = Instant::now();
            }
        }
    }

    fn orders(&self) -> MutexGuard<'_, BTreeMap<OrderId, Watched>> {
        // Each change of the map is whole before it can panic.
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watcher {
    /// Lets the next wait end at once.
    pub(crate) fn look_again(&mut self) {
        self.order_version.mark_changed();
    }

    /// Waits until the order has moved; `false` when this process is about to end.
    pub(crate) async fn moved(&mut self) -> bool {
        tokio::select! {
            biased;
            _ = self.stop.wait_for(|stop| *stop) => false,
            moved = self.order_version.changed() => moved.is_ok(),
        }
    }
}
