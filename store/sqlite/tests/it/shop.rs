//! A shop in a temporary folder, and rows to put into it.

use std::sync::Arc;

use holdfast_saga::ports::{Claim, Claimed, Store, StoreError};
use holdfast_saga::records::batch_rows::Writes;
use holdfast_saga::records::context::{Context, Notice, NoticeKind};
use holdfast_saga::records::saga::{DefinitionId, Progress, Saga};
use holdfast_saga::records::{Cart, CartItem, Order};
use holdfast_shared::{
    Address, CartId, CartStatus, Contact, Currency, CustomerId, KeyPrefix, Line, ManualClock, Money, OrderId,
    OrderStatus, PaymentMethod, Queue, SagaId, SagaState, Sku, Time,
};
use holdfast_store_sqlite::SqliteStore;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, SqliteConnection};
use tempfile::TempDir;
use uuid::Uuid;

/// When every test begins.
pub(crate) const NOW: Time = Time::from_micros(1_700_000_000_000_000);

pub(crate) struct Shop {
    pub(crate) store: SqliteStore,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) folder: TempDir,
}

impl Shop {
    /// A migrated, empty shop.
    pub(crate) async fn open() -> Self {
        let shop = Self::open_unmigrated().await;
        shop.store.migrate().await.expect("migrates");
        shop
    }

    pub(crate) async fn open_unmigrated() -> Self {
        let folder = tempfile::tempdir().expect("makes a folder");
        let clock = Arc::new(ManualClock::new(NOW));
        let url = format!("sqlite://{}/shop.db", folder.path().display());
        let store = SqliteStore::open(&url, clock.clone()).await.expect("opens");
        Self { store, clock, folder }
    }

    /// Another program's view of the same file.
    pub(crate) async fn open_again(&self, mode: &str) -> Result<SqliteStore, StoreError> {
        SqliteStore::open(&format!("{}{mode}", self.url()), self.clock.clone()).await
    }

    pub(crate) fn url(&self) -> String {
        format!("sqlite://{}/shop.db", self.folder.path().display())
    }

    /// A connection past the store, as an operator with a shell has it.
    pub(crate) async fn shell(&self) -> SqliteConnection {
        let file = SqliteConnectOptions::new().filename(self.folder.path().join("shop.db"));
        file.connect().await.expect("connects")
    }

    pub(crate) async fn execute(&self, sql: &str) {
        let mut shell = self.shell().await;
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut shell).await.expect("executes");
    }

    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let mut shell = self.shell().await;
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&mut shell).await.expect("reads")
    }

    pub(crate) async fn save(&self, writes: Writes) {
        self.try_save(writes).await.expect("saves");
    }

    pub(crate) async fn try_save(&self, writes: Writes) -> Result<(), StoreError> {
        self.store.begin().await?.save(&Writes { at: NOW, ..writes }).await
    }

    pub(crate) async fn claim(&self, outcomes: &[SagaId], hints: &[SagaId], due_max: usize) -> Claimed {
        let mut tx = self.store.begin().await.expect("begins");
        let claim = Claim {
            outcomes,
            contexts: &[],
            hints,
            due_max,
            queues: &[Queue::Checkout, Queue::Compensation],
            definitions: &[flow()],
        };
        tx.claim(&claim).await.expect("claims")
    }
}

pub(crate) fn flow() -> DefinitionId {
    DefinitionId { name: "flow".to_owned(), version: 1 }
}

pub(crate) fn sku(name: &str) -> Sku {
    name.parse().expect("is a SKU")
}

pub(crate) fn order_id(number: i64) -> OrderId {
    OrderId::new(number)
}

/// The checkout of order `number`.
pub(crate) fn saga_id(number: i64) -> SagaId {
    order_id(number).saga(0)
}

/// What the keys of the checkout of order `number` begin with.
pub(crate) fn key_prefix(number: i64) -> KeyPrefix {
    KeyPrefix::new("00c0ffee42".parse().expect("is a shop id"), order_id(number), 7)
}

/// A saga that is due since `NOW`.
pub(crate) fn saga(id: SagaId) -> Saga {
    Saga {
        id,
        key_prefix: key_prefix(id.order().expect("serves an order").number()),
        definition: flow(),
        queue: Queue::Checkout,
        state: SagaState::Running,
        fence: 1,
        leased_until: None,
        wake_at: Some(NOW),
        progress: Progress::default(),
        context: Arc::new(Context::Notice(Notice {
            channel: "log".to_owned(),
            notice: NoticeKind::OrderConfirmed,
            total: Money::new(1_999, Currency::EUR),
            reason: None,
        })),
        created_at: NOW,
        updated_at: NOW,
    }
}

pub(crate) fn cart_id(number: i64) -> CartId {
    CartId(Uuid::from_u128(number.unsigned_abs().into()))
}

pub(crate) fn cart(number: i64) -> Cart {
    Cart {
        id: cart_id(number),
        owner: Some(CustomerId(Uuid::from_u128(0xada))),
        status: CartStatus::Open,
        order: None,
        items: vec![CartItem { sku: sku("cd-1"), quantity: 2 }],
        updated_at: NOW,
    }
}

/// An order of two CDs and a book, from the cart of the same number.
pub(crate) fn order(number: i64) -> Order {
    let line = |name, quantity, unit_price_minor| Line { sku: sku(name), quantity, unit_price_minor };
    Order {
        id: order_id(number),
        status: OrderStatus::PendingPayment,
        cancel_reason: None,
        method: PaymentMethod::Card,
        cart: cart_id(number),
        customer: Some(CustomerId(Uuid::from_u128(0xada))),
        contact: Contact { email: "ada@example.com".to_owned(), phone: Some("+49 30 123".to_owned()) },
        shipping_address: Address {
            name: "Ada \"L.\" Lovelace".to_owned(),
            line1: "Straße 1".to_owned(),
            line2: None,
            city: "Zürich".to_owned(),
            region: None,
            postal_code: "8000".to_owned(),
            country: "CH".to_owned(),
        },
        notes: Some("ring 'twice'; -- then wait".to_owned()),
        lines: vec![line("book-1", 1, 1_000), line("cd-1", 2, 500)],
        total: Money::new(2_000, Currency::EUR),
        accepted_at: NOW,
        updated_at: NOW,
    }
}

pub(crate) fn with_sagas(sagas: impl IntoIterator<Item = Saga>) -> Writes {
    Writes {
        new_sagas: sagas.into_iter().map(|saga| (saga.id, Box::new(saga))).collect(),
        ..Writes::default()
    }
}

pub(crate) fn with_orders(orders: impl IntoIterator<Item = Order>) -> Writes {
    Writes { new_orders: orders.into_iter().map(|order| (order.id, order)).collect(), ..Writes::default() }
}
