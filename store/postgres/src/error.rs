//! The driver's errors, filed under what must be done about them. Each keeps what the other side said, and says the next
//! move.

use std::error::Error as _;
use std::io::{self, ErrorKind};

use holdfast_saga::ports::StoreError;
use tokio_postgres::error::{DbError, SqlState};

use crate::sqlstate;

/// Files an error of the driver on an open connection.
#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err passes")]
pub(crate) fn store_error(error: tokio_postgres::Error) -> StoreError {
    if let Some(answer) = error.as_db_error() {
        return of_answer(answer);
    }
    let detail = with_cause(&error);
    StoreError::Unavailable(if error.is_closed() || io_cause(&error).is_some() {
        format!(
            "the connection to the database broke: {detail}; try again, and if it comes again, look at the server's \
             log and at what stands between"
        )
    } else {
        format!("what the database was asked, or answered, cannot be encoded: {detail}; please report this")
    })
}

fn io_cause(error: &tokio_postgres::Error) -> Option<&io::Error> {
    error.source().and_then(|cause| cause.downcast_ref())
}

/// Files why no connection could be opened. What goes away by itself is [`StoreError::Unavailable`].
pub(crate) fn connect_error(error: &tokio_postgres::Error) -> StoreError {
    if let Some(answer) = error.as_db_error() {
        return of_answer(answer);
    }
    let (goes_away, next) = match io_cause(error).map(io::Error::kind) {
        Some(ErrorKind::ConnectionRefused) => (
            true,
            "nothing listens there: check that Postgres runs, and the host and the port in DATABASE_URL",
        ),
        Some(ErrorKind::NotFound) => (
            true,
            "there is no such socket: check that Postgres runs on this machine, and the folder and the port in \
             DATABASE_URL",
        ),
        Some(ErrorKind::PermissionDenied) => {
            (false, "check the rights of the socket, and target_session_attrs in DATABASE_URL")
        }
        // How TLS reports a certificate or a record that it does not believe.
        Some(ErrorKind::InvalidData | ErrorKind::InvalidInput) => {
            (false, "check the host, sslmode and the certificates in DATABASE_URL")
        }
        Some(ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe) => (
            true,
            "the connection was closed at once: look at the log of the server, and of what stands between",
        ),
        Some(_) => (true, "nobody answers there: check the host in DATABASE_URL, the network and firewalls"),
        None if error.is_closed() => (
            true,
            "the connection was closed at once: look at the log of the server, and of what stands between",
        ),
        None => (false, "check the user, the password, sslmode and the certificates in DATABASE_URL"),
    };
    let detail = format!("there is no connection to the database: {}; {next}", with_cause(error));
    if goes_away { StoreError::Unavailable(detail) } else { StoreError::Refused(detail) }
}

/// Whether the server starts, or has no connection to spare: the same may work in a moment.
pub(crate) fn is_starting(error: &tokio_postgres::Error) -> bool {
    let code = error.code();
    code.is_some_and(|code| [SqlState::CANNOT_CONNECT_NOW, SqlState::TOO_MANY_CONNECTIONS].contains(code))
}

fn of_answer(answer: &DbError) -> StoreError {
    // The detail of an answer is left out: it may repeat a row, with a customer's data.
    let hint = answer.hint().map_or(String::new(), |hint| format!(" (hint: {hint})"));
    sqlstate::file(answer.code().code(), answer.message(), &hint)
}

/// The text of an error, followed by the text of its cause.
pub(crate) fn with_cause(error: &tokio_postgres::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
