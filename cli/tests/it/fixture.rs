//! A shop with a database of its own, and a worker that a test can start.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use holdfast_log_channel::LogChannel;
use holdfast_saga::engine::batch::{BatchInput, CommitFailures, Engine};
use holdfast_saga::engine::definition::Definition;
use holdfast_saga::engine::execute_call::execute_call;
use holdfast_saga::flows::REGISTRY;
use holdfast_saga::ports::{Channels, Gateways, Providers, Store};
use holdfast_saga::records::batch_rows::{Footprint, World};
use holdfast_saga::records::context::Origin;
use holdfast_saga::records::slot;
use holdfast_saga::records::view::Heartbeat;
use holdfast_saga::records::{Cart, CartItem, Product, StockAdjustment, StockMove};
use holdfast_saga::shop::checkout::{AcceptPolicy, CheckoutRequest, accept, digest};
use holdfast_saga::shop::order::{self, Verb};
use holdfast_sandbox::{DurableSandbox, SandboxControl as _};
use holdfast_shared::{
    Actor, Address, CartId, CartStatus, Clock, Contact, Currency, ManualClock, Money, OrderId, PaymentMethod,
    Queue, SagaId, Sku, StepKey, Time,
};
use holdfast_store_postgres::PostgresStore;
use holdfast_store_sqlite::SqliteStore;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};
use strum::IntoEnumIterator as _;
use tokio::runtime::Runtime;
use uuid::Uuid;

use crate::binary::{Ran, run_on, sqlite_url};

/// The price of every product.
const PRICE: Money = Money::new(1_999, Currency::EUR);

/// The shop lives in the past, so that its clock can be moved forward without overtaking the real one.
const AGO: Duration = Duration::from_hours(6);

/// How far the clock moves when nothing is due: shorter than any window of a flow.
const STEP: Duration = Duration::from_secs(5);

/// Longer than anything that is waited for takes on a busy machine.
pub(crate) const MAX_WAIT: Duration = Duration::from_mins(1);

/// A shop.
pub(crate) struct Shop {
    pub(crate) url: String,
    dir: tempfile::TempDir,
    pub(crate) runtime: Runtime,
    store: Arc<dyn Store>,
    clock: Arc<ManualClock>,
    sandbox: Arc<DurableSandbox>,
    outside: Gateways,
    _server: Option<ServerDatabase>,
}

impl Shop {
    /// In a file.
    pub(crate) fn sqlite() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let url = sqlite_url(&dir.path().join("shop.db"));
        Self::open(url, dir, None, |url, clock| async move {
            let store = SqliteStore::open(&url, clock).await.expect("the file opens");
            store.migrate().await.expect("the file migrates");
            Arc::new(store) as Arc<dyn Store>
        })
    }

    /// In a database of its own.
    pub(crate) fn postgres() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let server = ServerDatabase::create();
        Self::open(server.url.clone(), dir, Some(server), |url, clock| async move {
            let store = PostgresStore::connect(&url, 2).await.expect("Postgres answers").with_clock(clock);
            store.migrate().await.expect("the database migrates");
            Arc::new(store) as Arc<dyn Store>
        })
    }

    fn open<F>(
        url: String,
        dir: tempfile::TempDir,
        server: Option<ServerDatabase>,
        store: impl FnOnce(String, Arc<dyn Clock>) -> F,
    ) -> Self
    where
        F: Future<Output = Arc<dyn Store>>,
    {
        let runtime = runtime();
        let clock = Arc::new(ManualClock::new(Time::system_now() - AGO));
        let (store, sandbox) = runtime.block_on(async {
            let store = store(url.clone(), clock.clone()).await;
            let sandbox = DurableSandbox::open(dir.path().join("sandbox.db"), clock.clone());
            (store, Arc::new(sandbox.await.expect("the sandbox opens")))
        });
        let outside = Gateways::new(Providers::of(sandbox.clone()), Channels::of(Arc::new(LogChannel)));
        Self { url, dir, runtime, store, clock, sandbox, outside, _server: server }
    }

    /// Runs the binary against this shop.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        run_on(&self.url, arguments)
    }

    /// Where the provider's ledger are.
    pub(crate) fn ledger(&self) -> PathBuf {
        self.dir.path().join("sandbox.db")
    }

    /// Puts a product on the shelf.
    pub(crate) fn stock(&self, sku: &str, on_hand: i64) {
        let sku: Sku = sku.parse().expect("a SKU");
        let product = Product { sku: sku.clone(), name: sku.to_string(), price: PRICE, active: true };
        let reason = "first delivery".to_owned();
        self.write(|world| {
            let adjustment = StockAdjustment {
                sku: sku.clone(),
                delta: on_hand,
                reason,
                actor: "test".to_owned(),
                at: world.now,
            };
            world.writes.put_products.insert(sku.clone(), product);
            world.writes.stock.insert(sku.clone(), StockMove { on_hand, reserved: 0 });
            world.writes.adjustments.push(adjustment);
        });
    }

    /// Accepts an order of `quantity` pieces, paid by card with `token`, or in cash without one.
    pub(crate) fn order(&self, sku: &str, quantity: u32, token: Option<&str>) -> OrderId {
        let cart = CartId(Uuid::now_v7());
        self.write(|world| {
            let sku = sku.parse().expect("a SKU");
            world.writes.put_carts.insert(
                cart,
                Cart {
                    id: cart,
                    owner: None,
                    status: CartStatus::Open,
                    order: None,
                    items: vec![CartItem { sku, quantity }],
                    updated_at: world.now,
                },
            );
        });
        let request = CheckoutRequest {
            key: digest(&[&cart.to_string()]),
            body: digest(&["body"]),
            cart,
            customer: None,
            method: if token.is_some() { PaymentMethod::Card } else { PaymentMethod::Cod },
            token: token.map(str::to_owned),
            contact: Contact { email: "ann@example.com".to_owned(), phone: None },
            shipping_address: Address {
                name: "Ann\u{1b}[31m".to_owned(),
                line1: "1 Main St".to_owned(),
                line2: None,
                city: "Berlin".to_owned(),
                region: None,
                postal_code: "10115".to_owned(),
                country: "DE".to_owned(),
            },
            expected_total: None,
            notes: None,
            origin: Origin::default(),
            may_place: true,
        };
        let policy = AcceptPolicy::new("sandbox");
        let answers =
            self.runtime.block_on(accept(&*self.store, &policy, &[request])).expect("it is answered");
        answers.into_iter().next().expect("one answer").expect("it is accepted").order
    }

    /// Asks something of an order, as the admin's console would.
    pub(crate) fn ask(&self, order: OrderId, verb: Verb) {
        let by = Actor::Admin("maria".to_owned());
        let answer = self.runtime.block_on(order::ask(&*self.store, order, verb, &by));
        answer.expect("it is answered").expect("it is accepted");
    }

    /// Lets a worker work for so long, by the shop's own clock.
    pub(crate) fn work(&self, span: Duration) {
        self.wait_for_locks();
        let engine = Engine {
            store: self.store.clone(),
            registry: REGISTRY,
            worker: "w1".to_owned(),
            lease: Duration::from_secs(30),
            queues: Queue::iter().collect(),
        };
        let until = self.clock.now() + span;
        self.runtime.block_on(async {
            let commit_failures = CommitFailures::default();
            let mut outcomes = Vec::new();
            loop {
                let slots = Queue::iter().map(|queue| (queue, 100)).collect();
                let work = BatchInput {
                    outcomes: std::mem::take(&mut outcomes),
                    hints: vec![],
                    due_max: 100,
                    slots,
                };
                let ran = engine.run(work, &commit_failures).await;
                assert!(ran.error.is_none() && ran.not_committed.is_empty(), "{ran:?}");
                let mut moved = false;
                for done in ran.committed {
                    moved |= !done.moved.is_empty();
                    for call in done.calls {
                        outcomes.push(call.outcome(execute_call(&call, &self.outside).await));
                    }
                }
                if !moved && outcomes.is_empty() {
                    if self.clock.now() >= until {
                        return;
                    }
                    self.clock.advance(STEP.min(until.since(self.clock.now())));
                }
            }
        });
    }

    /// What a process locked, the server lets go a moment after the process has ended; until then a worker
    /// passes it over and looks again, which this fixture's does not.
    fn wait_for_locks(&self) {
        const BUSY: &str = "select count(*) from pg_stat_activity where datname = current_database() \
                            and backend_type = 'client backend' and pid <> pg_backend_pid() and xact_start is not null";
        if self.url.starts_with("sqlite") {
            return;
        }
        let since = Instant::now();
        while self.count(BUSY) > 0 {
            assert!(since.elapsed() < MAX_WAIT, "somebody keeps a transaction open on {}", self.url);
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// A worker of this name says that it is there, at the shop's own present.
    pub(crate) fn heartbeat(&self, name: &str) {
        let heartbeat = Heartbeat {
            name: name.to_owned(),
            host: "here".to_owned(),
            pid: std::process::id(),
            version: "0.1.0".to_owned(),
            pools: Queue::iter().map(|queue| (queue, 4)).collect(),
            definitions: REGISTRY.all().map(Definition::id).collect(),
            providers: None,
            in_flight: 0,
            started_at: self.clock.now(),
        };
        self.runtime.block_on(self.store.heartbeat(&heartbeat)).expect("it is heard");
    }

    /// What the binary wrote, it wrote at the real present: the shop's own clock goes there.
    pub(crate) fn catch_up(&self) {
        self.clock.set(Time::system_now());
    }

    /// A confirmed order whose cancellation cannot give the money back: its saga is dead.
    pub(crate) fn dead_order(&self) -> (OrderId, SagaId) {
        let order = self.order("cd-1", 1, Some("tok_refund_fails"));
        self.work(Duration::from_secs(1));
        self.ask(order, Verb::Cancel);
        self.work(Duration::from_mins(10));
        (order, order.saga(slot::CANCELLATION))
    }

    /// Makes the provider give back the money of `order` from now on.
    pub(crate) fn allow_refunds(&self, order: OrderId) {
        let checkout = self.runtime.block_on(self.store.saga(order.saga(slot::CHECKOUT)));
        let checkout = checkout.expect("the store answers").expect("the saga is kept");
        let charge = StepKey::new(&checkout.key_prefix, "take_payment", 1);
        self.runtime.block_on(self.sandbox.allow_refunds(&charge)).expect("it is allowed");
    }

    /// Counts rows.
    pub(crate) fn count(&self, query: &str) -> i64 {
        let query = AssertSqlSafe(query.to_owned());
        self.runtime.block_on(async {
            if self.url.starts_with("sqlite") {
                let mut connection = SqliteConnection::connect(&self.url).await.expect("the file opens");
                sqlx::query_scalar(query).fetch_one(&mut connection).await.expect("the query runs")
            } else {
                let mut connection = PgConnection::connect(&self.url).await.expect("Postgres answers");
                sqlx::query_scalar(query).fetch_one(&mut connection).await.expect("the query runs")
            }
        })
    }

    /// Changes the database behind everybody's back.
    pub(crate) fn sql(&self, statement: &str) {
        sql(&self.runtime, &self.url, statement);
    }

    fn write(&self, change: impl FnOnce(&mut World)) {
        self.runtime.block_on(async {
            let mut tx = self.store.begin().await.expect("a transaction begins");
            let mut world = World::default();
            tx.load(&Footprint::default(), &mut world).await.expect("it is read");
            world.writes.at = world.now;
            change(&mut world);
            tx.save(&world.writes).await.expect("it is saved");
        });
    }
}

/// Runs one statement on the database at `url`.
pub(crate) fn sql_on(url: &str, statement: &str) {
    sql(&runtime(), url, statement);
}

fn sql(runtime: &Runtime, url: &str, statement: &str) {
    let statement = AssertSqlSafe(statement.to_owned());
    runtime.block_on(async {
        if url.starts_with("sqlite") {
            let mut connection = SqliteConnection::connect(url).await.expect("the file opens");
            sqlx::raw_sql(statement).execute(&mut connection).await.expect("the statement runs");
        } else {
            let mut connection = PgConnection::connect(url).await.expect("Postgres answers");
            sqlx::raw_sql(statement).execute(&mut connection).await.expect("the statement runs");
        }
    });
}

/// Everybody who uses the server holds it; a test that stops it holds it alone.
static SERVER: RwLock<()> = RwLock::new(());

/// An empty database on the test's Postgres. It is gone when this is dropped.
#[derive(Debug)]
pub(crate) struct ServerDatabase {
    pub(crate) url: String,
    _server: Option<RwLockReadGuard<'static, ()>>,
}

impl ServerDatabase {
    /// While it lives nobody stops the server, so a test has one of them at most.
    pub(crate) fn create() -> Self {
        let server = SERVER.read().unwrap_or_else(PoisonError::into_inner);
        Self { url: create_database(), _server: Some(server) }
    }

    /// The same, for a test that holds [`server_alone`].
    pub(crate) fn create_alone() -> Self {
        Self { url: create_database(), _server: None }
    }
}

/// Waits until nobody uses the server, and keeps everybody off it.
pub(crate) fn server_alone() -> RwLockWriteGuard<'static, ()> {
    SERVER.write().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for ServerDatabase {
    fn drop(&mut self) {
        drop_database(&self.url);
    }
}

/// An empty database on the test's Postgres: its URL.
fn create_database() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let server = server();
    let name = format!("cli_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    sql_on(&server, &format!("create database {name}"));
    let (base, _) = server.rsplit_once('/').expect("the URL names a database");
    format!("{base}/{name}")
}

/// Drops a database that [`create_database`] made.
fn drop_database(url: &str) {
    let name = url.rsplit('/').next().unwrap_or(url);
    let statement = format!("drop database {name} with (force)");
    // A runtime inside of a runtime is not allowed; a thread has none yet.
    let dropped = std::thread::spawn(move || sql_on(&server(), &statement)).join();
    assert!(dropped.is_ok() || std::thread::panicking(), "{url} was not dropped");
}

fn server() -> String {
    std::env::var("HOLDFAST_TEST_POSTGRES_URL").expect(
        "HOLDFAST_TEST_POSTGRES_URL is not set: run `make test`, which starts a Postgres for the tests",
    )
}

pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
}
