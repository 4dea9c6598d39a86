//! The driver's errors, filed under what must be done about them.

use holdfast_saga::ports::StoreError;
use sqlx::error::DatabaseError;

/// `SQLite`'s primary result codes; the extended ones carry them in their low byte.
mod code {
    pub(super) const ERROR: i32 = 1;
    pub(super) const PERM: i32 = 3;
    pub(super) const NOMEM: i32 = 7;
    pub(super) const PROTOCOL: i32 = 15;
    pub(super) const SCHEMA: i32 = 17;
    pub(super) const BUSY: i32 = 5;
    pub(super) const LOCKED: i32 = 6;
    pub(super) const READONLY: i32 = 8;
    pub(super) const IOERR: i32 = 10;
    pub(super) const CORRUPT: i32 = 11;
    pub(super) const FULL: i32 = 13;
    pub(super) const CANTOPEN: i32 = 14;
    pub(super) const TOOBIG: i32 = 18;
    pub(super) const CONSTRAINT: i32 = 19;
    pub(super) const MISMATCH: i32 = 20;
    pub(super) const AUTH: i32 = 23;
    pub(super) const NOTADB: i32 = 26;
}

/// Files an error of the driver.
#[expect(clippy::needless_pass_by_value, reason = "so that it fits into map_err")]
pub(crate) fn store_error(error: sqlx::Error) -> StoreError {
    match &error {
        sqlx::Error::Database(database) => file(&**database),
        sqlx::Error::PoolTimedOut => {
            StoreError::Contention("the database's one writer, or all its readers, stayed busy".to_owned())
        }
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::Encode(_) => {
            StoreError::Data(error.to_string())
        }
        sqlx::Error::Configuration(_) => StoreError::Refused(error.to_string()),
        sqlx::Error::PoolClosed => StoreError::Unavailable("the store is closed".to_owned()),
        _ => StoreError::Unavailable(format!(
            "the database file cannot be used now: {error}; try again, and if it comes again, look at the system's log"
        )),
    }
}

/// Files an error of `commit` itself.
///
/// When the disk fails there, the commit may already stand in the log that is read after a crash.
pub(crate) fn commit_error(error: sqlx::Error) -> StoreError {
    let unknown = match &error {
        sqlx::Error::Database(database) => primary_code(&**database) == code::IOERR,
        sqlx::Error::WorkerCrashed | sqlx::Error::Io(_) => true,
        _ => false,
    };
    if unknown { StoreError::CommitUnknown(error.to_string()) } else { store_error(error) }
}

fn primary_code(error: &dyn DatabaseError) -> i32 {
    let extended: i32 = error.code().and_then(|code| code.parse().ok()).unwrap_or(code::ERROR);
    extended & 0xff
}

fn file(error: &dyn DatabaseError) -> StoreError {
    let detail = error.message();
    match primary_code(error) {
        // The last two: who opened the file, or migrated it, at the same moment.
        code::BUSY | code::LOCKED | code::PROTOCOL | code::SCHEMA => {
            StoreError::Contention(detail.to_owned())
        }
        code::CONSTRAINT | code::MISMATCH | code::TOOBIG => StoreError::Data(detail.to_owned()),
        code::FULL => refused("the disk is full: make room, then it goes on by itself", detail),
        code::READONLY => refused(
            "the database file is read-only: let this user write to the file and to its folder, \
             and open it without `mode=ro`",
            detail,
        ),
        code::CANTOPEN => refused(
            "the database file cannot be opened: its folder must exist, and this user must be allowed to write there",
            detail,
        ),
        code::PERM | code::AUTH => {
            refused("this user may not use the database file: change its rights", detail)
        }
        code::IOERR => {
            refused("the disk failed to read or write: look at its health and at the system's log", detail)
        }
        code::CORRUPT => refused(
            "the database file is damaged: stop everything that uses it, and restore the last backup",
            detail,
        ),
        code::NOTADB => refused("the file is no SQLite database: check the path in DATABASE_URL", detail),
        code::ERROR if detail.starts_with("no such ") || detail.contains("has no column") => {
            refused("the schema does not fit this program: run `holdfast migrate`", detail)
        }
        code::NOMEM => StoreError::Unavailable(format!(
            "this machine has no memory left for the database ({detail}): free some, then it goes on by itself"
        )),
        other => StoreError::Unavailable(format!(
            "SQLite refused a statement of this program (code {other}): {detail}; please report this"
        )),
    }
}

fn refused(what_to_do: &str, detail: &str) -> StoreError {
    StoreError::Refused(format!("{what_to_do} ({detail})"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sqlx::sqlite::SqliteConnectOptions;
    use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

    use super::*;

    /// What `SQLite` itself says to `last`, once `first` has prepared the ground.
    async fn sorted(first: &'static str, last: &'static str) -> String {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.expect("connects");
        sqlx::raw_sql(first).execute(&mut connection).await.expect("prepares the ground");
        match sqlx::raw_sql(last).execute(&mut connection).await {
            Ok(done) => format!("{done:?}"),
            Err(error) => format!("{:?}", store_error(error)),
        }
    }

    #[tokio::test]
    async fn f36_every_refusal_says_what_to_do_and_every_bad_row_is_data() {
        let table = "create table t (n integer primary key check (n > 0)) strict;";
        let full = "create table t (n); pragma max_page_count = 2;";
        let cases = [
            (full, "insert into t values (zeroblob(100000))", "Refused(\"the disk is full: "),
            ("pragma query_only = on", "create table t (n)", "Refused(\"the database file is read-only: "),
            ("", "select * from sagas", "Refused(\"the schema does not fit"),
            (table, "insert into t values (-1)", "Data("),
            (table, "insert into t values (1), (1)", "Data("),
            (table, "insert into t values ('one')", "Data("),
            ("", "select zeroblob(2000000000)", "Data("),
            ("", "this is no sql", "Unavailable(\"SQLite refused a statement of this program (code 1): near"),
        ];
        for (first, last, expected) in cases {
            let sorted = sorted(first, last).await;
            assert!(sorted.starts_with(expected), "{last}: {sorted}");
        }
    }

    #[tokio::test]
    async fn a_file_that_another_connection_writes_is_contended() {
        let folder = tempfile::tempdir().expect("makes a folder");
        let file = SqliteConnectOptions::new()
            .filename(folder.path().join("shop.db"))
            .create_if_missing(true)
            .busy_timeout(Duration::ZERO);
        let mut first = file.connect().await.expect("connects");
        sqlx::raw_sql("begin immediate").execute(&mut first).await.expect("begins");
        let mut other = file.connect().await.expect("connects");
        let error = sqlx::raw_sql("begin immediate").execute(&mut other).await.expect_err("is busy");
        assert!(matches!(store_error(error), StoreError::Contention(_)));
    }
}
