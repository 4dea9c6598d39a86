//! The connections to the file: one that writes, some that read.

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use holdfast_saga::ports::StoreError;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Connection as _, Sqlite, SqliteConnection, Transaction};

use crate::error::{commit_error, store_error};
use crate::statement::sql;

/// Other processes, such as the CLI beside a running shop, may hold the file this long.
const BUSY_MAX: Duration = Duration::from_secs(5);

/// How long a transaction waits for its turn: longer than the file may be busy, shorter than
/// callers' patience.
const TURN_MAX: Duration = Duration::from_secs(10);

/// Reads are short; more connections than this only divide two cores further.
const READERS: u32 = 4;

/// More than there are statements, so that none is ever prepared twice.
const STATEMENTS: usize = 128;

/// Every write goes through `writer`, whose one connection is the lock of the whole file; waiting for it is the queue.
#[derive(Debug, Clone)]
pub(crate) struct Connections {
    writer: SqlitePool,
    readers: SqlitePool,
    path: Arc<Path>,
}

impl Connections {
    /// Opens the file of `url`, and creates it if it is missing. A file that cannot be used is refused here, not at the
    /// first order.
    pub(crate) async fn open(url: &str) -> Result<Self, StoreError> {
        let options = options(url)?;
        let path: Arc<Path> = options.get_filename().into();
        let opened = Self::open_with(options, Arc::clone(&path)).await;
        opened.map_err(|error| in_file(&path, error))
    }

    async fn open_with(options: SqliteConnectOptions, path: Arc<Path>) -> Result<Self, StoreError> {
        let reading = options.clone().read_only(true);
        let writing = options
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let writer = pool(1)
            .after_release(|connection, _| Box::pin(is_clean(connection)))
            .connect_with(writing)
            .await
            .map_err(store_error)?;
        let connections = Self { writer, readers: pool(READERS).connect_lazy_with(reading), path };
        connections.check_journal().await?;
        Ok(connections)
    }

    /// Where the file is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Says which file a refusal is about.
    pub(crate) fn in_file(&self, error: StoreError) -> StoreError {
        in_file(&self.path, error)
    }

    /// Closes all connections, waiting for those in use. Nothing is lost without it: it only tidies the files up.
    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// The writer's next turn. Dropping it undoes everything.
    pub(crate) async fn write(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        self.writer.begin_with("begin immediate").await.map_err(store_error)
    }

    /// Commits what changes nothing: a file that cannot be written says so.
    pub(crate) async fn try_write(&self) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        sqlx::query(sql!("write_probe")).execute(&mut *tx).await.map_err(store_error)?;
        tx.commit().await.map_err(commit_error)
    }

    /// One snapshot to read from; the writer does not wait for it.
    pub(crate) async fn read(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        self.readers.begin().await.map_err(store_error)
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
/// A full disk or a failed write makes `SQLite` roll back by itself. The driver does not learn of it, its own rollback
/// then fails, and it answers every later `begin` that it is still inside the old transaction.
async fn is_clean(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    if connection.is_in_transaction() {
        // A rollback may be under way: a ping is answered after it.
        connection.ping().await?;
    }
    Ok(!connection.is_in_transaction())
}

pub(crate) fn options(url: &str) -> Result<SqliteConnectOptions, StoreError> {
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

fn in_file(path: &Path, error: StoreError) -> StoreError {
    match error {
        StoreError::Refused(detail) => StoreError::Refused(format!("{}: {detail}", path.display())),
        StoreError::Unavailable(_)
        | StoreError::Contention(_)
        | StoreError::Data(_)
        | StoreError::Mismatch { .. }
        | StoreError::CommitUnknown(_) => error,
    }
}
