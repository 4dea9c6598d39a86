//! What Postgres says, in the words of the port.

use holdfast_saga::ports::StoreError;

/// Files an error under what must be done about it.
#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err passes")]
pub(crate) fn store_error(error: sqlx::Error) -> StoreError {
    match &error {
        sqlx::Error::Database(database) => {
            by_code(database.code().as_deref().unwrap_or_default(), database.message())
        }
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => StoreError::Data(error.to_string()),
        sqlx::Error::PoolTimedOut => {
            StoreError::Unavailable("no connection became free or could be opened within 5 s".to_owned())
        }
        other => StoreError::Unavailable(other.to_string()),
    }
}

/// Files what the server says by its SQLSTATE.
pub(crate) fn by_code(code: &str, message: &str) -> StoreError {
    let words = format!("{message} ({code})");
    match code {
        // Deadlock, serialization failure, lock timeout.
        "40P01" | "40001" | "55P03" => StoreError::Contention(words),
        "25006" => StoreError::Refused(format!(
            "the database is read-only: {words}; point DATABASE_URL at the primary"
        )),
        "53100" => StoreError::Refused(format!(
            "the database's disk is full: {words}; free some space, nothing was lost"
        )),
        "42P01" | "42703" => {
            StoreError::Refused(format!("the schema does not fit: {words}; run `holdfast migrate`"))
        }
        "42501" | "28000" | "28P01" | "3D000" => {
            StoreError::Refused(format!("the database does not let us in: {words}; check DATABASE_URL"))
        }
        code if code.starts_with("22") || code.starts_with("23") => StoreError::Data(words),
        _ => StoreError::Unavailable(words),
    }
}

/// A row that holds something this binary cannot read.
pub(crate) fn unreadable(what: &str, error: impl std::fmt::Display) -> StoreError {
    StoreError::Data(format!("{what} cannot be read: {error}"))
}
