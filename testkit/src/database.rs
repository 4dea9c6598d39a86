//! A database of its own for every test: in memory, in a temporary file, or on a real Postgres.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use holdfast_saga::memory::MemoryStore;
use holdfast_saga::ports::Store;
use holdfast_shared::{Clock, ManualClock, SystemClock, Time};
use holdfast_store_postgres::PostgresStore;
use holdfast_store_sqlite::SqliteStore;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, Row as _};
use tempfile::TempDir;
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use uuid::Uuid;

/// When every test that owns its clock begins.
pub const NOON: Time = Time::from_micros(1_700_000_000_000_000);

/// Few are faster, and many tests share one server.
const CONNECTIONS: u32 = 5;

/// Everybody who uses the server holds it; a test that restarts it holds it alone.
static SERVER: RwLock<()> = RwLock::const_new(());

/// One store, empty, and what tests need to know about it.
#[derive(Debug)]
pub struct Database {
    /// The store.
    pub store: Arc<dyn Store>,
    home: Home,
}

#[derive(Debug)]
enum Home {
    Memory,
    Sqlite(TempDir),
    Postgres(PostgresDatabase),
}

/// A database on a Postgres server, dropped with this value.
#[derive(Debug)]
pub struct PostgresDatabase {
    name: String,
    /// Where it is.
    pub url: String,
    server: Option<RwLockReadGuard<'static, ()>>,
    is_used_again: bool,
}

/// Databases that wait for the next test, and how many are in use. The last one to leave drops them all.
static WAITING: Mutex<(Vec<PostgresDatabase>, usize)> = Mutex::new((Vec::new(), 0));

fn waiting() -> MutexGuard<'static, (Vec<PostgresDatabase>, usize)> {
    WAITING.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Database {
    /// A shop in memory.
    #[expect(clippy::unused_async, reason = "all three open alike")]
    pub async fn memory(clock: Arc<dyn Clock>) -> Self {
        Self { store: Arc::new(MemoryStore::new(clock)), home: Home::Memory }
    }

    /// A shop in a temporary file.
    pub async fn sqlite(clock: Arc<dyn Clock>) -> Self {
        let folder = tempfile::tempdir().expect("makes a folder");
        let url = format!("sqlite://{}/shop.db", folder.path().display());
        let store = SqliteStore::open(&url, clock).await.expect("opens");
        store.migrate().await.expect("migrates");
        Self { store: Arc::new(store), home: Home::Sqlite(folder) }
    }

    /// A shop on Postgres, with the test's own clock.
    pub async fn postgres(clock: Arc<dyn Clock>) -> Self {
        let database = PostgresDatabase::create().await;
        let store = database.store().await.with_clock(clock);
        Self { store: Arc::new(store), home: Home::Postgres(database) }
    }

    /// The same, for short tests that leave nothing running: emptied and used again, which is faster.
    pub async fn postgres_used_before(clock: Arc<dyn Clock>) -> Self {
        let database = PostgresDatabase::used_before().await;
        let store = database.store().await.with_clock(clock);
        Self { store: Arc::new(store), home: Home::Postgres(database) }
    }

    /// A shop on Postgres that goes by the server's clock, as in production.
    pub async fn postgres_by_its_own_clock() -> Self {
        let database = PostgresDatabase::create().await;
        let store = database.store().await;
        Self { store: Arc::new(store), home: Home::Postgres(database) }
    }

    /// The same shop as another process sees it: other connections, the real clock.
    pub async fn another_process(&self) -> Arc<dyn Store> {
        match &self.home {
            Home::Memory => panic!("memory has no second process"),
            Home::Sqlite(folder) => {
                let url = format!("sqlite://{}/shop.db", folder.path().display());
                Arc::new(SqliteStore::open(&url, Arc::new(SystemClock)).await.expect("opens"))
            }
            Home::Postgres(database) => Arc::new(database.store().await),
        }
    }

    /// Where the database on Postgres is.
    pub fn on_postgres(&self) -> &PostgresDatabase {
        match &self.home {
            Home::Postgres(database) => database,
            Home::Memory | Home::Sqlite(_) => panic!("this shop is not on Postgres"),
        }
    }

    /// Whether it is in memory.
    pub const fn is_in_memory(&self) -> bool {
        matches!(self.home, Home::Memory)
    }

    /// Whether it is on Postgres.
    pub const fn is_on_postgres(&self) -> bool {
        matches!(self.home, Home::Postgres(_))
    }

    /// Does `sql` past the store, as an operator with a shell could.
    pub async fn execute(&self, sql: &str) {
        self.try_execute(sql).await.expect("executes");
    }

    /// The same, where the database may say no.
    pub async fn try_execute(&self, sql: &str) -> Result<(), sqlx::Error> {
        let sql = AssertSqlSafe(sql.to_owned());
        match &self.home {
            Home::Memory => panic!("memory speaks no SQL"),
            Home::Sqlite(folder) => {
                let mut shell = sqlite_shell(folder).await;
                sqlx::raw_sql(sql).execute(&mut shell).await?;
            }
            Home::Postgres(database) => {
                let mut shell = database.shell().await;
                sqlx::raw_sql(sql).execute(&mut shell).await?;
            }
        }
        Ok(())
    }

    /// The rows that `sql` asks for. Each of its columns is a text.
    pub async fn texts(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        let sql = AssertSqlSafe(sql.to_owned());
        match &self.home {
            Home::Memory => panic!("memory speaks no SQL"),
            Home::Sqlite(folder) => {
                let rows = sqlx::query(sql).fetch_all(&mut sqlite_shell(folder).await).await.expect("reads");
                rows.iter().map(|row| (0..row.len()).map(|at| row.get(at)).collect()).collect()
            }
            Home::Postgres(database) => {
                let rows = sqlx::query(sql).fetch_all(&mut database.shell().await).await.expect("reads");
                rows.iter().map(|row| (0..row.len()).map(|at| row.get(at)).collect()).collect()
            }
        }
    }

    /// The one number that `sql` asks for.
    pub async fn number(&self, sql: &str) -> i64 {
        let sql = AssertSqlSafe(sql.to_owned());
        match &self.home {
            Home::Memory => panic!("memory speaks no SQL"),
            Home::Sqlite(folder) => {
                let mut shell = sqlite_shell(folder).await;
                sqlx::query_scalar(sql).fetch_one(&mut shell).await.expect("reads")
            }
            Home::Postgres(database) => {
                let mut shell = database.shell().await;
                let number = sqlx::query_scalar(sql).fetch_one(&mut shell).await.expect("reads");
                shell.close().await.expect("closes");
                number
            }
        }
    }
}

async fn sqlite_shell(folder: &TempDir) -> sqlx::SqliteConnection {
    let file = SqliteConnectOptions::new().filename(folder.path().join("shop.db"));
    file.connect().await.expect("connects")
}

/// A clock that stands at [`NOON`].
pub fn noon_clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(NOON))
}

/// The server that tests may do with as they please.
fn server_url() -> String {
    std::env::var("HOLDFAST_TEST_POSTGRES_URL").expect(
        "HOLDFAST_TEST_POSTGRES_URL is not set: run `make test`, or `scripts/with-servers cargo test`",
    )
}

/// Waits until nobody uses the server, and keeps everybody off it.
pub async fn server_alone() -> RwLockWriteGuard<'static, ()> {
    SERVER.write().await
}

impl PostgresDatabase {
    /// An empty shop. While it lives nobody restarts the server, so a test has one of them at most.
    pub async fn create() -> Self {
        let server = SERVER.read().await;
        let mut database = Self::create_alone().await;
        database.server = Some(server);
        database
    }

    async fn used_before() -> Self {
        let server = SERVER.read().await;
        let used = {
            let mut waiting = waiting();
            waiting.1 += 1;
            waiting.0.pop()
        };
        let mut database = match used {
            Some(database) => database,
            None => Self::create_alone().await,
        };
        (database.server, database.is_used_again) = (Some(server), true);
        database
    }

    /// The same, for a test that holds [`server_alone`].
    pub async fn create_alone() -> Self {
        let server = server_url();
        let name = format!("holdfast_test_{}", Uuid::now_v7().simple());
        let mut admin = PgConnection::connect(&server).await.expect("connects to the test server");
        let create = AssertSqlSafe(format!("create database {name}"));
        sqlx::raw_sql(create).execute(&mut admin).await.expect("creates a database");
        admin.close().await.expect("closes");
        let slash = server.rfind('/').expect("the URL names a database");
        let database =
            Self { url: format!("{}/{name}", &server[..slash]), name, server: None, is_used_again: false };
        let store = database.store().await;
        store.migrate().await.expect("migrates");
        store.close();
        database
    }

    /// A store with connections of its own.
    pub async fn store(&self) -> PostgresStore {
        PostgresStore::connect(&self.url, CONNECTIONS).await.expect("connects")
    }

    /// A connection past the store, without any of its settings.
    pub async fn shell(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.expect("connects")
    }
}

impl Drop for PostgresDatabase {
    fn drop(&mut self) {
        if !self.is_used_again {
            do_at(server_url(), format!("drop database if exists {} with (force)", self.name));
        } else if do_at(self.url.clone(), EMPTY.to_owned()) {
            let emptied =
                Self { name: self.name.clone(), url: self.url.clone(), server: None, is_used_again: false };
            waiting().0.push(emptied);
        }
        let unused = {
            let mut waiting = waiting();
            waiting.1 -= usize::from(self.is_used_again);
            if waiting.1 == 0 { std::mem::take(&mut waiting.0) } else { Vec::new() }
        };
        drop(unused);
        self.server.take();
    }
}

/// Emptied in one transaction: far faster than a new database, or than truncating.
const EMPTY: &str = "
    delete from products; delete from stock; delete from stock_adjustments; delete from carts;
    delete from orders; delete from order_lines; delete from reservations; delete from payments;
    delete from refunds; delete from idempotency_keys; delete from sagas; delete from saga_log;
    delete from signals; delete from notifications; delete from admin_actions; delete from queues;
    delete from secrets; delete from workers; delete from request_keys;
    update shop set epoch = 1, forked_from = null, first_order = 1, missing_order = null";

/// Whether `sql` could be done. On a thread of its own: the test's runtime may be ending.
fn do_at(url: String, sql: String) -> bool {
    let done = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
        runtime.block_on(async {
            let mut connection = PgConnection::connect(&url).await.ok()?;
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.ok()
        })
    });
    matches!(done.join(), Ok(Some(_)))
}
