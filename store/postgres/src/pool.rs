//! A bounded set of connections.
//!
//! Behind each connection is a process of Postgres with caches of its own: used in turn, all of them are cold, and a
//! lone order costs half as much again. So callers use the same one, as long as one is enough.
//!
//! There are two pools, one for transactions and one for everything else: a read never waits for a batch.
//!
//! A connection may die while nobody uses it: after quiet, in a failover, by an administrator. Whoever finds it dead gets
//! a fresh one, once, and asks again; nobody else hears of it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use holdfast_saga::ports::StoreError;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout};
use tokio::try_join;
use tokio_postgres::error::Severity;

use crate::connect::{ConnectConfig, OpenError};
use crate::error::{store_error, with_cause};
use crate::idle::IdleConnections;
use crate::pipeline::{Params, PipelinedConnection};
use crate::row::PgRow;
use crate::statement::Sql;
use crate::write_gate::{self, Verdict, WriteGate};

/// How long a caller waits for a connection.
const ACQUIRE_MAX: Duration = Duration::from_secs(5);

/// How long a caller waits for a server that is starting, or has no connection to spare: a person waits behind it.
const STARTING_MAX: Duration = Duration::from_secs(1);

/// How long a caller waits before it tries again to reach such a server.
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
    idle: Arc<IdleConnections>,
    /// One permit for each connection that may be in use.
    permits: Arc<Semaphore>,
    max: usize,
    gate: WriteGate,
}

/// A connection in use. Dropped, it goes back once the server has answered everything; a transaction that was not
/// committed is rolled back.
#[derive(Debug)]
pub(crate) struct PooledConnection {
    /// `None` once it went back.
    connection: Option<PipelinedConnection>,
    /// Whether it was opened before this use, and may have died since.
    was_idle: bool,
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
        let (idle, gate) = (Arc::<IdleConnections>::default(), WriteGate::default());
        tokio::spawn(IdleConnections::give_back(Arc::downgrade(&idle)));
        let shared = Arc::new(Shared { config, prepared, waits_for_server, idle, permits, max, gate });
        Self { shared }
    }

    /// Refuses while the database may not be written. It costs no round trip while it may.
    pub(crate) async fn may_write(&self) -> Result<(), StoreError> {
        match self.shared.gate.verdict() {
            Verdict::Open { look: false } => Ok(()),
            Verdict::Open { look: true } => {
                let pool = self.clone();
                tokio::spawn(async move {
                    if let Err(error) = pool.look_whether_writable().await {
                        tracing::debug!("whether the database may be written: {error}");
                    }
                });
                Ok(())
            }
            Verdict::Shut(why) => Err(StoreError::Refused(why.to_owned())),
            Verdict::Unknown => self.look_whether_writable().await,
        }
    }

    /// The same, looked up now.
    pub(crate) async fn look_whether_writable(&self) -> Result<(), StoreError> {
        let refusal = self.read_one(Sql::WritesAllowed, &[], write_gate::refusal).await?;
        self.shared.gate.saw(refusal);
        refusal.map_or(Ok(()), |why| Err(StoreError::Refused(why.to_owned())))
    }

    /// Waits until a connection is free, at most [`ACQUIRE_MAX`].
    pub(crate) async fn acquire(&self) -> Result<PooledConnection, StoreError> {
        let permit = timeout(ACQUIRE_MAX, Arc::clone(&self.shared.permits).acquire_owned()).await;
        let permit = permit.map_err(|_| {
            StoreError::Unavailable(format!(
                "all {} connections of this process for such work are in use, and none became free within \
                 {ACQUIRE_MAX:?}; see in pg_stat_activity what keeps the database busy, or start another process",
                self.shared.max
            ))
        })?;
        let permit = permit.map_err(|_| StoreError::Unavailable("the store is closed".to_owned()))?;
        let (connection, was_idle) = match self.shared.idle.pop() {
            Some(idle) => (idle, true),
            None => self.open().await?,
        };
        let pool = self.clone();
        Ok(PooledConnection {
            connection: Some(connection),
            was_idle,
            before_reuse: None,
            permit: Some(permit),
            pool,
        })
    }

    /// Reads the rows of a statement on a connection of its own.
    pub(crate) async fn read<T>(
        &self,
        sql: Sql,
        params: &Params<'_>,
        decode: impl Fn(&PgRow) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut acquired = self.acquire().await?;
        loop {
            let rows = acquired.statements()?.read(sql, params, &decode).await;
            if let Some(rows) = acquired.settle(rows).await? {
                return Ok(rows);
            }
        }
    }

    /// Reads the one row of a statement that always has one.
    pub(crate) async fn read_one<T>(
        &self,
        sql: Sql,
        params: &Params<'_>,
        decode: impl Fn(&PgRow) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut acquired = self.acquire().await?;
        loop {
            let row = acquired.statements()?.read_one(sql, params, &decode).await;
            if let Some(row) = acquired.settle(row).await? {
                return Ok(row);
            }
        }
    }

    /// Executes a statement that is a transaction by itself, and that may be executed twice: if a connection is found
    /// dead, nothing says whether it was.
    pub(crate) async fn execute(&self, sql: Sql, params: &Params<'_>) -> Result<u64, StoreError> {
        self.may_write().await?;
        let mut acquired = self.acquire().await?;
        loop {
            let connection = acquired.statements()?;
            let writing = async {
                // Before: what waits for it would be sent behind the commit.
                connection.prepare(sql).await?;
                let (begin, commit) =
                    (connection.simple_query("begin read write"), connection.simple_query("commit"));
                let written = try_join!(
                    biased;
                    async { begin.await.map_err(store_error) },
                    connection.execute(sql, params),
                    async { commit.await.map_err(store_error) },
                );
                Ok(written?.1)
            };
            let written = writing.await;
            if let Some(written) = acquired.settle(written).await? {
                return Ok(written);
            }
        }
    }

    /// Closes the idle connections, and those in use when they come back. No other is opened.
    pub(crate) fn close(&self) {
        self.shared.permits.close();
        self.shared.idle.close();
    }

    /// A fresh connection, or one that came back meanwhile; says whether it is the latter.
    async fn open(&self) -> Result<(PipelinedConnection, bool), StoreError> {
        match self.open_fresh(|| self.shared.idle.pop()).await? {
            Opened::Fresh(fresh) => Ok((fresh, false)),
            Opened::Instead(idle) => Ok((idle, true)),
        }
    }

    /// A fresh connection. While the server has none to spare, or starts, `instead` is asked for another one.
    async fn open_fresh<T>(&self, instead: impl Fn() -> Option<T>) -> Result<Opened<T>, StoreError> {
        let deadline = Instant::now() + STARTING_MAX;
        loop {
            let refused = match PipelinedConnection::open(&self.shared.config, self.shared.prepared).await {
                Ok(fresh) => return Ok(Opened::Fresh(fresh)),
                Err(OpenError::Final(refused)) => return Err(refused),
                Err(OpenError::Starting(refused)) => refused,
            };
            if let Some(other) = instead() {
                return Ok(Opened::Instead(other));
            }
            if !self.shared.waits_for_server || Instant::now() + RETRY_DELAY >= deadline {
                return Err(refused);
            }
            sleep(RETRY_DELAY).await;
        }
    }
}

/// What there is to use.
enum Opened<T> {
    Fresh(PipelinedConnection),
    Instead(T),
}

impl PooledConnection {
    /// The connection, as long as it is in use.
    pub(crate) fn get(&self) -> Result<&PipelinedConnection, StoreError> {
        let ended = || StoreError::Unavailable("the transaction has ended".to_owned());
        self.connection.as_ref().ok_or_else(ended)
    }

    /// The connection, for statements that are transactions by themselves. Their answers go to [`Self::settle`]; until
    /// then a drop waits for the server.
    pub(crate) fn statements(&mut self) -> Result<&PipelinedConnection, StoreError> {
        // Nothing but a round trip: it is answered after everything that was sent before.
        self.before_reuse = Some("");
        self.get()
    }

    /// The answer to the last of [`Self::statements`]. `None`: the connection was dead; there is a fresh one, and the same
    /// may be sent again.
    pub(crate) async fn settle<T>(&mut self, answer: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
        match answer {
            Ok(answer) => {
                self.before_reuse = None;
                Ok(Some(answer))
            }
            Err(error) => {
                self.revive(error).await?;
                Ok(None)
            }
        }
    }

    /// Puts a fresh connection in the place of one that had died before it was used; otherwise returns `error`, which is
    /// what became of the use. Whatever was sent must be sent again, and may have been done once already.
    pub(crate) async fn revive(&mut self, error: StoreError) -> Result<(), StoreError> {
        if !self.was_idle || !self.is_dead(&error).await {
            return Err(error);
        }
        tracing::debug!("a connection to Postgres had died before it was used; another one takes its place");
        self.was_idle = false;
        self.before_reuse = None;
        drop(self.connection.take());
        // Those that are idle may have died as well.
        let Opened::Fresh(fresh) = self.pool.open_fresh(|| None::<Infallible>).await?;
        self.connection = Some(fresh);
        Ok(())
    }

    async fn is_dead(&self, error: &StoreError) -> bool {
        match (error, &self.connection) {
            // What ended it may arrive before its end does.
            (StoreError::Unavailable(_), Some(connection)) => {
                connection.is_closed() || connection.simple_query("").await.is_err()
            }
            _ => false,
        }
    }

    /// Begins a batch's transaction, unless it has begun: poll its future before the first statement's.
    pub(crate) async fn begin_batch(
        &mut self,
    ) -> Result<(&PipelinedConnection, impl Future<Output = Result<(), StoreError>>), StoreError> {
        self.begin("begin read write").await
    }

    /// Begins a transaction with `text`, unless it has begun: poll its future before the first statement's.
    pub(crate) async fn begin(
        &mut self,
        text: &'static str,
    ) -> Result<(&PipelinedConnection, impl Future<Output = Result<(), StoreError>>), StoreError> {
        let mut has_begun = self.before_reuse.replace("rollback").is_some();
        let connection = self.get()?;
        if !has_begun && !connection.is_guarded() {
            // What is sent behind a `begin` that is refused would be committed by itself.
            connection.simple_query(text).await.map_err(store_error)?;
            has_begun = true;
        }
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
            self.pool.shared.idle.push(connection);
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
            self.pool.shared.idle.push(connection);
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
        pool.shared.idle.push(connection);
    }
    drop(permit);
}
