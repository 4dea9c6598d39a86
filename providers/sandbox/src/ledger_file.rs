//! The file: one connection to it, and its SQL. It holds no rules.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use holdfast_shared::StepKey;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteRow, SqliteSynchronous};
use sqlx::types::Json;
use sqlx::{ConnectOptions, Connection, Error, FromRow, SqliteConnection};

use crate::rows::{ChargeRow, FailuresRow, RefundRow};
use crate::{Charge, Entry, Ledger, Operation, Refund};

/// Operations per commit. Beyond this the disk's wait is well shared, and a neighbour should have a turn.
pub(crate) const BATCH_MAX: usize = 256;

/// How long to wait for other processes before giving up.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long `SQLite` itself waits for the write lock before it is asked again. Left alone it looks less and
/// less often, down to every 100 ms, and does not get its turn beside a busy neighbour.
const TURN: Duration = Duration::from_millis(3);

/// A connection to the ledger. Dropping it undoes what was begun and not committed.
#[derive(Debug)]
pub(crate) struct LedgerFile(SqliteConnection);

impl LedgerFile {
    /// Opens the ledger, or creates it, to take turns in writing it.
    pub(crate) async fn open_to_write(path: &Path) -> Result<Self, Error> {
        Self::open(path, TURN).await
    }

    /// Opens the ledger to read it beside the writers.
    pub(crate) async fn open_to_read(path: &Path) -> Result<Self, Error> {
        Self::open(path, PATIENCE).await
    }

    async fn open(path: &Path, busy_timeout: Duration) -> Result<Self, Error> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(busy_timeout)
            .row_buffer_size(BATCH_MAX)
            .disable_statement_logging();
        let give_up = Instant::now() + PATIENCE;
        loop {
            // While another process turns a new file into a WAL, SQLite says "busy" without waiting.
            match Self::try_open(&options).await {
                Err(error) if is_busy(&error) && Instant::now() < give_up => tokio::time::sleep(TURN).await,
                opened => return opened,
            }
        }
    }

    async fn try_open(options: &SqliteConnectOptions) -> Result<Self, Error> {
        let mut connection = SqliteConnection::connect_with(options).await?;
        sqlx::raw_sql(include_str!("../queries/schema.sql")).execute(&mut connection).await?;
        Ok(Self(connection))
    }

    /// Takes the write lock, waiting for its turn.
    pub(crate) async fn begin(&mut self) -> Result<(), Error> {
        let give_up = Instant::now() + PATIENCE;
        loop {
            match self.execute("begin immediate").await {
                Err(error) if is_busy(&error) && Instant::now() < give_up => {}
                begun => return begun,
            }
        }
    }

    /// Makes everything since [`Self::begin`] durable. After an error nobody knows whether it is.
    pub(crate) async fn commit(&mut self) -> Result<(), Error> {
        self.execute("commit").await
    }

    async fn execute(&mut self, statement: &'static str) -> Result<(), Error> {
        sqlx::query(statement).execute(&mut self.0).await.map(|_| ())
    }

    /// Reads into `ledger` every row that `operations` concern.
    pub(crate) async fn load(&mut self, operations: &[Operation], ledger: &mut Ledger) -> Result<(), Error> {
        let charges: BTreeSet<_> = operations.iter().map(|operation| operation.charge().as_str()).collect();
        for row in self.named::<ChargeRow>(include_str!("../queries/charges_load.sql"), charges).await? {
            let (key, charge) = row.try_into()?;
            ledger.replay(Entry::Charge(key, charge));
        }
        let refunds: BTreeSet<_> =
            operations.iter().filter_map(Operation::refund).map(StepKey::as_str).collect();
        for row in self.named::<RefundRow>(include_str!("../queries/refunds_load.sql"), refunds).await? {
            let (key, refund) = row.into();
            ledger.replay(Entry::Refund(key, refund));
        }
        let payers: Vec<String> = operations.iter().filter_map(Operation::counted_payer).collect();
        let payers: BTreeSet<_> = payers.iter().map(String::as_str).collect();
        for row in self.named::<FailuresRow>(include_str!("../queries/failures_load.sql"), payers).await? {
            ledger.replay(Entry::Failures(row.payer, row.failures));
        }
        Ok(())
    }

    /// Writes `entries`, one statement a table; where several are about one row, the last one counts.
    pub(crate) async fn save(&mut self, entries: Vec<Entry>) -> Result<(), Error> {
        let (mut charges, mut refunds, mut failures) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for entry in entries {
            match entry {
                Entry::Charge(key, charge) => drop(charges.insert(key, charge)),
                Entry::Refund(key, refund) => drop(refunds.insert(key, refund)),
                Entry::Failures(payer, count) => drop(failures.insert(payer, count)),
            }
        }
        let charges: Vec<ChargeRow> = charges.into_iter().map(ChargeRow::from).collect();
        self.put(include_str!("../queries/charges_save.sql"), charges).await?;
        let refunds: Vec<RefundRow> = refunds.into_iter().map(RefundRow::from).collect();
        self.put(include_str!("../queries/refunds_save.sql"), refunds).await?;
        let failures =
            failures.into_iter().map(|(payer, failures)| FailuresRow { payer, failures }).collect();
        self.put::<FailuresRow>(include_str!("../queries/failures_save.sql"), failures).await
    }

    /// The next `limit` charges after the key `after`, by key.
    pub(crate) async fn charges(&mut self, after: &str, limit: u32) -> Result<Vec<(StepKey, Charge)>, Error> {
        let page = sqlx::query_as(include_str!("../queries/charges_page.sql")).bind(after).bind(limit);
        let rows: Vec<ChargeRow> = page.fetch_all(&mut self.0).await?;
        rows.into_iter().map(ChargeRow::try_into).collect()
    }

    /// What went back of `charge`, by key.
    pub(crate) async fn refunds(&mut self, charge: &StepKey) -> Result<Vec<(StepKey, Refund)>, Error> {
        let refunds = sqlx::query_as(include_str!("../queries/refunds_of_charge.sql")).bind(charge.as_str());
        let rows: Vec<RefundRow> = refunds.fetch_all(&mut self.0).await?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    /// Of the charges that wait for their buyer, the next `limit` after the key `after`, by key.
    pub(crate) async fn waiting_actions(&mut self, after: &str, limit: u32) -> Result<Vec<StepKey>, Error> {
        let page = sqlx::query_scalar(include_str!("../queries/charges_waiting.sql")).bind(after).bind(limit);
        let keys: Vec<String> = page.fetch_all(&mut self.0).await?;
        Ok(keys.into_iter().map(StepKey::from_stored).collect())
    }

    async fn named<R>(&mut self, sql: &'static str, names: BTreeSet<&str>) -> Result<Vec<R>, Error>
    where
        R: for<'r> FromRow<'r, SqliteRow> + Send + Unpin,
    {
        if names.is_empty() {
            return Ok(vec![]);
        }
        sqlx::query_as(sql).bind(Json(names)).fetch_all(&mut self.0).await
    }

    async fn put<R: serde::Serialize>(&mut self, sql: &'static str, rows: Vec<R>) -> Result<(), Error> {
        if rows.is_empty() {
            return Ok(());
        }
        sqlx::query(sql).bind(Json(rows)).execute(&mut self.0).await.map(|_| ())
    }
}

/// Whether somebody else has the lock: `SQLITE_BUSY`, in any of its extended forms.
fn is_busy(error: &Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.and_then(|code| code.parse::<u32>().ok()).is_some_and(|code| code & 0xff == 5)
}
