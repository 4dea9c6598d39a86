//! A store in memory: the same three moves over plain maps.
//!
//! It is what the simulation runs on, and the shortest description of what a store must do.
//! Nothing in it survives the process.

mod audit;
mod operations;
mod queries;
mod storefront;
mod tables;
mod tx;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use holdfast_shared::{
    CartId, Clock, CustomerId, KeySource, OrderId, Queue, ReservationStatus, SagaId, ShopId, Sku, Time,
};
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::records::history::LogRow;
use crate::records::saga::Saga;
use crate::records::signal::Signal;
use crate::records::view::{Paused, WorkerView};
use crate::records::{
    AdminAction, Cart, Identity, KeyClaim, Notification, Order, Payment, Product, Refund, Shop, Stock,
    StockAdjustment, Versions,
};

/// The shop that a store in memory is of, unless it is given another.
const SHOP: &str = "00c0ffee42";

/// All tables. Cloning it is a snapshot.
#[derive(Debug, Clone)]
pub struct Tables {
    shop: Shop,
    keys: BTreeMap<Uuid, (KeyClaim, Time)>,
    last_order: i64,
    sagas: BTreeMap<SagaId, Saga>,
    log: BTreeMap<(SagaId, i64), LogRow>,
    /// With the instant they were read, once they were.
    signals: BTreeMap<(SagaId, String), (Signal, Option<Time>)>,
    last_signal: i64,
    orders: BTreeMap<OrderId, Order>,
    payments: BTreeMap<OrderId, Payment>,
    refunds: BTreeMap<SagaId, Refund>,
    reservations: BTreeMap<OrderId, ReservationStatus>,
    notifications: BTreeMap<SagaId, Notification>,
    /// When each was saved, and first read.
    notified: BTreeMap<SagaId, (Time, Option<Time>)>,
    carts: BTreeMap<CartId, Cart>,
    products: BTreeMap<Sku, Product>,
    stock: BTreeMap<Sku, Stock>,
    versions: BTreeMap<Sku, Versions>,
    request_keys: BTreeMap<Uuid, Uuid>,
    adjustments: Vec<StockAdjustment>,
    admin_actions: Vec<AdminAction>,
    secrets: BTreeMap<String, [u8; 32]>,
    customers: BTreeMap<Identity, CustomerId>,
    paused: BTreeMap<Queue, Paused>,
    workers: BTreeMap<String, WorkerView>,
}

impl Tables {
    fn of(shop: Shop) -> Self {
        Self {
            shop,
            keys: BTreeMap::new(),
            last_order: 0,
            sagas: BTreeMap::new(),
            log: BTreeMap::new(),
            signals: BTreeMap::new(),
            last_signal: 0,
            orders: BTreeMap::new(),
            payments: BTreeMap::new(),
            refunds: BTreeMap::new(),
            reservations: BTreeMap::new(),
            notifications: BTreeMap::new(),
            notified: BTreeMap::new(),
            carts: BTreeMap::new(),
            products: BTreeMap::new(),
            stock: BTreeMap::new(),
            versions: BTreeMap::new(),
            request_keys: BTreeMap::new(),
            adjustments: Vec::new(),
            admin_actions: Vec::new(),
            secrets: BTreeMap::new(),
            customers: BTreeMap::new(),
            paused: BTreeMap::new(),
            workers: BTreeMap::new(),
        }
    }
}

/// The store. Clones share the tables.
#[derive(Debug, Clone)]
pub struct MemoryStore {
    keys: KeySource,
    /// Where it is: no two stores are at the same place.
    here: String,
    tables: Arc<Mutex<Tables>>,
    clock: Arc<dyn Clock>,
}

impl MemoryStore {
    /// An empty store whose present is `clock`'s. Its keys repeat: it is for tests and simulations.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::of_shop(SHOP.parse().expect("is a shop id"), clock)
    }

    /// The same, of another shop.
    pub fn of_shop(shop: ShopId, clock: Arc<dyn Clock>) -> Self {
        static STORES: AtomicU64 = AtomicU64::new(0);
        let here = format!("memory/{}", STORES.fetch_add(1, Ordering::Relaxed));
        let shop = Shop {
            id: shop,
            epoch: 1,
            home: Some(here.clone()),
            here: here.clone(),
            forked_from: None,
            first_order: OrderId::new(1),
            missing_order: None,
            last_number: 0,
        };
        let keys = KeySource::seeded(shop.id, 0);
        Self { keys, here, tables: Arc::new(Mutex::new(Tables::of(shop))), clock }
    }

    /// The same, whose keys are others than those of a store that was opened before it.
    #[must_use]
    pub fn with_key_seed(self, seed: u64) -> Self {
        Self { keys: KeySource::seeded(self.keys.shop(), seed), ..self }
    }

    /// A copy of everything, as a crash at this instant would leave it.
    pub async fn snapshot(&self) -> Tables {
        self.tables.lock().await.clone()
    }

    /// Puts a copy back.
    pub async fn restore(&self, tables: Tables) {
        *self.tables.lock().await = tables;
    }
}
