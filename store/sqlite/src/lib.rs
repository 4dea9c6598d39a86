//! Holdfast's store on `SQLite`: one file, one writer, the same promises as on Postgres.
//!
//! Every write goes through the one connection of the writing pool; waiting for it is the queue.
//! Readers have connections of their own and never wait for the writer, nor it for them. No rule of
//! the shop is decided here.

mod claim;
mod decode;
mod encode;
mod encode_sagas;
mod error;
mod facts;
mod front_door;
mod load;
mod operations;
mod params;
mod prune;
mod reads;
mod save;
mod schema;
mod told;
mod tx;

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use holdfast_saga::ports::StoreError;
use holdfast_shared::{Clock, ShopId, Time};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Connection as _, Sqlite, SqliteConnection, Transaction};
use tokio::sync::OnceCell;

use crate::error::store_error;

/// The text of `queries/<name>.sql`.
macro_rules! sql {
    ($name:literal) => {
        include_str!(concat!("../queries/", $name, ".sql"))
    };
}
pub(crate) use sql;

/// Other processes, such as the CLI beside a running shop, may hold the file this long.
const BUSY_MAX: Duration = Duration::from_secs(5);

/// How long a transaction waits for its turn: longer than the file may be busy, shorter than
/// callers' patience.
const TURN_MAX: Duration = Duration::from_secs(10);

/// Reads are short; more connections than this only divide two cores further.
const READERS: u32 = 4;

/// More than there are statements, so that none is ever prepared twice.
const STATEMENTS: usize = 128;

/// A shop's database in one `SQLite` file.
///
/// Clones share the same connections. Dropping the last one closes them in the background;
/// [`Self::close`] waits for it.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    writer: SqlitePool,
    readers: SqlitePool,
    clock: Arc<dyn Clock>,
    shop: Arc<OnceCell<ShopId>>,
}

impl SqliteStore {
    /// Opens `url` (`sqlite://path`), creating the file if it is missing. Its present is `clock`'s.
    ///
    /// The schema may still be missing or old afterwards: [`Self::migrate`] brings it up to date,
    /// [`Self::check_schema`] only looks. A schema that is too new for this binary is refused here.
    pub async fn open(url: &str, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let options = options(url)?;
        let path = options.get_filename().to_owned();
        Self::open_with(options, clock).await.map_err(|error| at(&path, error))
    }

    async fn open_with(options: SqliteConnectOptions, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let reading = options.clone().read_only(true);
        let writing = options
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        // Connected at once: a file that cannot be used is refused here, not at the first order.
        let writer = pool(1)
            .after_release(|connection, _| Box::pin(is_clean(connection)))
            .connect_with(writing)
            .await
            .map_err(store_error)?;
        let readers = pool(READERS).connect_lazy_with(reading);
        let store = Self { writer, readers, clock, shop: Arc::default() };
        store.check_journal().await?;
        store.check_not_too_new().await?;
        Ok(store)
    }

    /// Closes all connections, waiting for those in use. Nothing is lost without it: it only tidies the files up.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// Readers go on while the one writer writes only with a write-ahead log.
    async fn check_journal(&self) -> Result<(), StoreError> {
        let mode: String =
            sqlx::query_scalar(sql!("journal_mode")).fetch_one(&self.writer).await.map_err(store_error)?;
        if mode == "wal" {
            return Ok(());
        }
        Err(StoreError::Refused(format!(
            "the database cannot keep a write-ahead log there (its journal mode stays {mode}): \
             put the file on a local disk"
        )))
    }

    /// The writer's next turn. Dropping it undoes everything.
    async fn write(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        self.writer.begin_with("begin immediate").await.map_err(store_error)
    }

    /// One snapshot to read from; the writer does not wait for it.
    async fn read(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        self.readers.begin().await.map_err(store_error)
    }

    fn now(&self) -> Time {
        self.clock.now()
    }
}

fn pool(connections: u32) -> SqlitePoolOptions {
    // A connection to a file does not go stale: it is neither tested nor ever given up for its age.
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(TURN_MAX)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
}

/// Whether a connection that comes back may be used again.
///
/// A full disk or a failed write makes `SQLite` roll back by itself. The driver is not told, its own rollback
/// then fails, and to every later `begin` it says that it is still inside the old transaction.
async fn is_clean(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    if connection.is_in_transaction() {
        // A rollback may be under way: what is asked after it is answered after it.
        connection.ping().await?;
    }
    Ok(!connection.is_in_transaction())
}

fn options(url: &str) -> Result<SqliteConnectOptions, StoreError> {
    if !url.starts_with("sqlite:") {
        return Err(StoreError::Refused(format!(
            "{url:?} is no address of a SQLite file: sqlite://<path> is expected"
        )));
    }
    if url.contains(":memory:") || url.contains("mode=memory") {
        return Err(StoreError::Refused(
            "a database in memory would forget its orders: name a file, sqlite://<path>".to_owned(),
        ));
    }
    let options = SqliteConnectOptions::from_str(url).map_err(store_error)?;
    Ok(options.busy_timeout(BUSY_MAX).foreign_keys(true).statement_cache_capacity(STATEMENTS))
}

/// Says which file a refusal is about.
fn at(path: &Path, error: StoreError) -> StoreError {
    match error {
        StoreError::Refused(words) => StoreError::Refused(format!("{}: {words}", path.display())),
        StoreError::Unavailable(_)
        | StoreError::Contention(_)
        | StoreError::Data(_)
        | StoreError::Mismatch { .. }
        | StoreError::CommitUnknown(_) => error,
    }
}
