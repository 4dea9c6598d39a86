//! How a command ends: its exit code, and the one place that turns errors into messages.

use std::io::Write;
use std::process::ExitCode;

use holdfast_saga::ports::StoreError;

use crate::redact::redact;

/// The exit codes. Scripts depend on the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It is done, or was already done.
    Ok = 0,
    Error = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The thing it is about does not exist.
    NotFound = 3,
    /// The current state does not allow it.
    Conflict = 4,
    /// Some of it is done, some is not.
    Partly = 5,
    /// The audit found a broken promise.
    Violated = 6,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An error with its exit code. Every other error ends as [`Exit::Error`].
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct ExitError {
    exit: Exit,
    message: String,
}

/// The command line is wrong.
pub(crate) fn usage(message: impl Into<String>) -> anyhow::Error {
    with_exit(Exit::Usage, message)
}

/// The thing it is about does not exist.
pub(crate) fn not_found(message: impl Into<String>) -> anyhow::Error {
    with_exit(Exit::NotFound, message)
}

/// The current state does not allow it.
pub(crate) fn conflict(message: impl Into<String>) -> anyhow::Error {
    with_exit(Exit::Conflict, message)
}

fn with_exit(exit: Exit, message: impl Into<String>) -> anyhow::Error {
    let message = message.into();
    ExitError { exit, message }.into()
}

/// Prints an error on stderr, and returns its exit code.
pub(crate) fn report(error: &anyhow::Error) -> Exit {
    say(&format!("error: {}", sentence(error)));
    error.downcast_ref::<ExitError>().map_or(Exit::Error, |error| error.exit)
}

/// Prints a message on stderr. If nobody reads it, that is not an error.
pub(crate) fn say(message: &str) {
    let _ = writeln!(std::io::stderr(), "{}", redact(message));
}

/// The error and its causes, with what to do next where the error itself does not say it.
fn sentence(error: &anyhow::Error) -> String {
    let what_to_do = error.downcast_ref::<StoreError>().map_or("", |error| match error {
        StoreError::Contention(_) => "; try again in a moment",
        StoreError::CommitUnknown(_) => "; check whether it was done before you repeat it",
        StoreError::Data(_) | StoreError::Mismatch { .. } => {
            "; nothing was changed, `holdfast audit` may show more"
        }
        // The store has said it: it knows the cause.
        StoreError::Unavailable(_) | StoreError::Refused(_) => "",
    });
    format!("{error:#}{what_to_do}")
}
