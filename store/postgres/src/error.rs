//! The driver's errors, filed under what must be done about them.

use std::error::Error as _;

use holdfast_saga::ports::StoreError;

/// Files an error of the driver.
#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err passes")]
pub(crate) fn store_error(error: tokio_postgres::Error) -> StoreError {
    match error.as_db_error() {
        Some(database) => by_code(database.code().code(), database.message()),
        None => StoreError::Unavailable(with_cause(&error)),
    }
}

/// The text of an error, followed by the text of its cause.
pub(crate) fn with_cause(error: &tokio_postgres::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// Files an answer of the server by its SQLSTATE.
fn by_code(code: &str, message: &str) -> StoreError {
    let detail = format!("{message} ({code})");
    match code {
        // Deadlock, serialization failure, lock timeout.
        "40P01" | "40001" | "55P03" => StoreError::Contention(detail),
        "25006" => StoreError::Refused(format!(
            "the database is read-only: {detail}; point DATABASE_URL at the primary"
        )),
        "53100" => StoreError::Refused(format!(
            "the database's disk is full: {detail}; free some space, nothing was lost"
        )),
        "42P01" | "42703" => {
            StoreError::Refused(format!("the schema does not fit: {detail}; run `holdfast migrate`"))
        }
        "42501" | "28000" | "28P01" | "3D000" => StoreError::Refused(format!(
            "the database refuses the connection or the right: {detail}; check DATABASE_URL"
        )),
        code if code.starts_with("22") || code.starts_with("23") => StoreError::Data(detail),
        _ => StoreError::Unavailable(detail),
    }
}
