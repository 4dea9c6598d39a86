//! A connection that sends statements ahead of the answers to those before.
//!
//! An order that is alone waits for each round trip, and both ends go to sleep and wake up for it. So what does not
//! depend on an answer is sent together: futures that are polled in order are executed in that order, each on what
//! those before it left. Once one fails, the transaction is aborted, and so are those behind it.

use std::time::Duration;

use futures_util::future::try_join_all;
use holdfast_saga::ports::StoreError;
use tokio::sync::OnceCell;
use tokio::time::timeout;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Statement};

use crate::connect::{ConnectConfig, OpenError, Opened};
use crate::error::store_error;
use crate::row::PgRow;
use crate::statement::Sql;

/// How long opening a connection may take.
const OPEN_MAX: Duration = Duration::from_secs(5);

/// The parameters of a statement.
pub(crate) type Params<'a> = [&'a (dyn ToSql + Sync)];

#[derive(Debug)]
pub(crate) struct PipelinedConnection {
    client: Client,
    is_guarded: bool,
    /// As in [`Sql::TEXTS`]; empty until a statement is prepared.
    statements: Box<[OnceCell<Statement>]>,
}

impl PipelinedConnection {
    /// Opens a connection on which the statements of `prepared` can be sent without a round trip before them.
    pub(crate) async fn open(config: &ConnectConfig, prepared: &[Sql]) -> Result<Self, OpenError> {
        let late = |_| {
            OpenError::Final(StoreError::Unavailable(format!(
                "there is no connection to the database: no answer within {OPEN_MAX:?}; check the host in \
                 DATABASE_URL, the network and firewalls"
            )))
        };
        timeout(OPEN_MAX, Self::opened(config, prepared)).await.map_err(late)?
    }

    async fn opened(config: &ConnectConfig, prepared: &[Sql]) -> Result<Self, OpenError> {
        let Opened { client, is_guarded } = config.open().await?;
        let statements = Sql::TEXTS.iter().map(|_| OnceCell::new()).collect();
        let connection = Self { client, is_guarded, statements };
        let all = prepared.iter().map(|sql| connection.statement(*sql));
        try_join_all(all).await.map_err(|error| OpenError::Final(store_error(error)))?;
        Ok(connection)
    }

    async fn statement(&self, sql: Sql) -> Result<&Statement, tokio_postgres::Error> {
        let at = sql as usize;
        self.statements[at].get_or_try_init(|| self.client.prepare(Sql::TEXTS[at])).await
    }

    /// Prepares a statement, so that the next use of it is sent at once.
    pub(crate) async fn prepare(&self, sql: Sql) -> Result<(), StoreError> {
        self.statement(sql).await.map(drop).map_err(store_error)
    }

    /// Whether it is of no use any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Whether what is sent outside of a transaction can write nothing.
    pub(crate) const fn is_guarded(&self) -> bool {
        self.is_guarded
    }

    /// Executes statements without parameters or rows: `begin`, `commit`, `rollback`.
    pub(crate) async fn simple_query(&self, text: &str) -> Result<(), tokio_postgres::Error> {
        self.client.batch_execute(text).await
    }

    /// The driver's own connection, for the statements of migrations.
    pub(crate) const fn client(&self) -> &Client {
        &self.client
    }

    /// Reads the rows of a statement.
    pub(crate) async fn read<T>(
        &self,
        sql: Sql,
        params: &Params<'_>,
        decode: impl Fn(&PgRow) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let rows = async { self.client.query(self.statement(sql).await?, params).await };
        let rows = after_its_cause(rows.await).await?;
        rows.into_iter().map(|row| decode(&PgRow(row))).collect()
    }

    /// Reads the one row of a statement that always has one.
    pub(crate) async fn read_one<T>(
        &self,
        sql: Sql,
        params: &Params<'_>,
        decode: impl Fn(&PgRow) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let row = async { self.client.query_one(self.statement(sql).await?, params).await };
        decode(&PgRow(after_its_cause(row.await).await?))
    }

    /// Executes a statement; returns how many rows it wrote.
    pub(crate) async fn execute(&self, sql: Sql, params: &Params<'_>) -> Result<u64, StoreError> {
        let written = async { self.client.execute(self.statement(sql).await?, params).await };
        after_its_cause(written.await).await
    }
}

/// The error of a statement that was sent behind a failed one is not why the transaction failed. The failed one was
/// answered before, and its error wins when both futures are polled again.
async fn after_its_cause<T>(answer: Result<T, tokio_postgres::Error>) -> Result<T, StoreError> {
    if answer.as_ref().is_err_and(|error| error.code() == Some(&SqlState::IN_FAILED_SQL_TRANSACTION)) {
        tokio::task::yield_now().await;
    }
    answer.map_err(store_error)
}
