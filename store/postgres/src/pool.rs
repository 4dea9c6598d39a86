//! A bounded set of connections, the last used on top.
//!
//! Behind each connection is a process of Postgres with caches of its own: used in turn, all of them are cold, and a
//! lone order costs half as much again. So callers use the same one, as long as one is enough.
//!
//! There are two pools, one for transactions and one for everything else: a read never waits for a batch.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use holdfast_saga::ports::StoreError;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::error::Severity;

use crate::connect::{ConnectConfig, OpenError};
use crate::error::{store_error, with_cause};
use crate::pipeline::{Params, PipelinedConnection};
use crate::row::PgRow;
use crate::statement::Sql;

/// How long a caller waits for a connection.
const ACQUIRE_MAX: Duration = Duration::from_secs(5);

/// How long a caller waits before it tries again to reach a server that is starting.
const RETRY_DELAY: Duration = Duration::from_millis(50);

#[derive(Debug, Clone)]
pub(crate) struct Pool {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    config: ConnectConfig,
    /// Prepared on each connection when it is opened.
    prepared: &'static [Sql],
    /// Whether a caller waits for a server that is starting.
    waits_for_server: bool,
    idle: Mutex<Vec<PipelinedConnection>>,
    /// One permit for each connection that may be in use.
    permits: Arc<Semaphore>,
}

/// A connection in use. Dropped, it goes back once the server has answered everything; a transaction that was not
/// committed is rolled back.
#[derive(Debug)]
pub(crate) struct PooledConnection {
    /// `None` once it went back.
    connection: Option<PipelinedConnection>,
    /// What the server must have executed before another caller may use the connection.
    before_reuse: Option<&'static str>,
    permit: Option<OwnedSemaphorePermit>,
    pool: Pool,
}

impl Pool {
    /// At most `max` connections for transactions.
    pub(crate) fn of_transactions(config: ConnectConfig, max: usize) -> Self {
        // A batch that finds no server is made again by its worker: it does not wait here.
        Self::new(config.writing_in_transactions_only(), Sql::OF_TRANSACTIONS, false, max)
    }

    /// At most `max` connections for single statements.
    pub(crate) fn of_reads(config: ConnectConfig, max: usize) -> Self {
        Self::new(config, &[], true, max)
    }

    fn new(config: ConnectConfig, prepared: &'static [Sql], waits_for_server: bool, max: usize) -> Self {
        let permits = Arc::new(Semaphore::new(max));
        Self {
            shared: Arc::new(Shared { config, prepared, waits_for_server, idle: Mutex::default(), permits }),
        }
    }

    /// Waits until a connection is free, at most [`ACQUIRE_MAX`].
    pub(crate) async fn acquire(&self) -> Result<PooledConnection, StoreError> {
        let deadline = Instant::now() + ACQUIRE_MAX;
        let permit = timeout(ACQUIRE_MAX, Arc::clone(&self.shared.permits).acquire_owned()).await;
        let permit = permit.map_err(|_| {
            StoreError::Unavailable(format!("no connection became free within {ACQUIRE_MAX:?}"))
        })?;
        let permit = permit.map_err(|_| StoreError::Unavailable("the store is closed".to_owned()))?;
        let connection = match self.pop() {
            Some(idle) => idle,
            None => self.open(deadline).await?,
        };
        let pool = self.clone();
        Ok(PooledConnection { connection: Some(connection), before_reuse: None, permit: Some(permit), pool })
    }

    /// Reads the rows of a statement on a connection of its own.
    pub(crate) async fn read<T>(
        &self,
        sql: Sql,
        params: &Params<'_>,
        decode: impl Fn(&PgRow) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut acquired = self.acquire().await?;
        let rows = acquired.statements()?.read(sql, params, decode).await?;
        acquired.has_answered();
        Ok(rows)
    }

    /// Reads the one row of a statement that always has one.
    pub(crate) async fn read_one<T>(
        &self,
        sql: Sql,
        params: &Params<'_>,
        decode: impl Fn(&PgRow) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut acquired = self.acquire().await?;
        let row = acquired.statements()?.read_one(sql, params, decode).await?;
        acquired.has_answered();
        Ok(row)
    }

    /// Executes a statement that is a transaction by itself; returns how many rows it wrote.
    pub(crate) async fn execute(&self, sql: Sql, params: &Params<'_>) -> Result<u64, StoreError> {
        let mut acquired = self.acquire().await?;
        let written = acquired.statements()?.execute(sql, params).await?;
        acquired.has_answered();
        Ok(written)
    }

    /// Closes the idle connections, and those in use when they come back. No other is opened.
    pub(crate) fn close(&self) {
        self.shared.permits.close();
        self.idle().clear();
    }

    async fn open(&self, deadline: Instant) -> Result<PipelinedConnection, StoreError> {
        let Shared { config, prepared, waits_for_server, .. } = &*self.shared;
        loop {
            match PipelinedConnection::open(config, prepared).await {
                Err(OpenError::Starting(_))
                    if *waits_for_server && Instant::now() + RETRY_DELAY < deadline =>
                {
                    sleep(RETRY_DELAY).await;
                }
                opened => return Ok(opened?),
            }
        }
    }

    fn pop(&self) -> Option<PipelinedConnection> {
        let mut idle = self.idle();
        while let Some(connection) = idle.pop() {
            if !connection.is_closed() {
                return Some(connection);
            }
        }
        None
    }

    fn put_back(&self, connection: PipelinedConnection) {
        let mut idle = self.idle();
        // Checked behind the lock: `close` clears the list after it has closed the permits.
        if !self.shared.permits.is_closed() && !connection.is_closed() {
            idle.push(connection);
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<PipelinedConnection>> {
        self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PooledConnection {
    /// The connection, as long as it is in use.
    pub(crate) fn get(&self) -> Result<&PipelinedConnection, StoreError> {
        let ended = || StoreError::Unavailable("the transaction has ended".to_owned());
        self.connection.as_ref().ok_or_else(ended)
    }

    /// The connection, for statements that are transactions by themselves. Call [`Self::has_answered`] after the last
    /// answer; until then a drop waits for the server.
    pub(crate) fn statements(&mut self) -> Result<&PipelinedConnection, StoreError> {
        // Nothing but a round trip: it is answered after everything that was sent before.
        self.before_reuse = Some("");
        self.get()
    }

    /// No statement waits for its answer any more.
    pub(crate) fn has_answered(&mut self) {
        self.before_reuse = None;
    }

    /// Begins a batch's transaction, unless it has begun: poll its future before the first statement's.
    pub(crate) fn begin_batch(
        &mut self,
    ) -> Result<(&PipelinedConnection, impl Future<Output = Result<(), StoreError>>), StoreError> {
        self.begin("begin read write")
    }

    /// Begins a transaction with `text`, unless it has begun: poll its future before the first statement's.
    pub(crate) fn begin(
        &mut self,
        text: &'static str,
    ) -> Result<(&PipelinedConnection, impl Future<Output = Result<(), StoreError>>), StoreError> {
        let has_begun = self.before_reuse.replace("rollback").is_some();
        let connection = self.get()?;
        let begun = async move {
            if has_begun { Ok(()) } else { connection.simple_query(text).await.map_err(store_error) }
        };
        Ok((connection, begun))
    }

    /// Commits. Unless the server refuses it and lives on, nothing says whether it happened.
    pub(crate) async fn commit(mut self) -> Result<(), StoreError> {
        if let Err(error) = self.get()?.simple_query("commit").await {
            drop(self.connection.take());
            let is_refused = error.as_db_error().is_some_and(|answer| {
                // An error that is fatal to the connection may have come after the commit, and before its answer.
                answer.parsed_severity() == Some(Severity::Error)
            });
            return Err(if is_refused {
                store_error(error)
            } else {
                StoreError::CommitUnknown(with_cause(&error))
            });
        }
        if let Some(connection) = self.connection.take() {
            self.pool.put_back(connection);
        }
        Ok(())
    }

    /// Undoes what the transaction did, and ends it.
    pub(crate) async fn rollback(&mut self) {
        if let Some(connection) = self.connection.take() {
            end(connection, self.before_reuse, self.pool.clone(), self.permit.take()).await;
        }
    }
}

impl Drop for PooledConnection {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        if self.before_reuse.is_none() {
            self.pool.put_back(connection);
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(end(connection, self.before_reuse, self.pool.clone(), self.permit.take()));
    }
}

/// Makes a connection ready for its next use; the permit is free once it is.
async fn end(
    connection: PipelinedConnection,
    before_reuse: Option<&'static str>,
    pool: Pool,
    permit: Option<OwnedSemaphorePermit>,
) {
    let is_ready = match before_reuse {
        None => true,
        Some(text) => connection.simple_query(text).await.is_ok(),
    };
    if is_ready {
        pool.put_back(connection);
    }
    drop(permit);
}
