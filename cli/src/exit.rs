//! How a command ends: the exit codes scripts hold on to, and the one place where errors become words.

use std::io::Write;
use std::process::ExitCode;

use holdfast_saga::ports::StoreError;

use crate::redact::redact;

/// The exit codes. Scripts depend on the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done, or so already.
    Ok = 0,
    /// It could not be done.
    Error = 1,
    /// It was not asked for properly.
    Usage = 2,
    /// What it is about does not exist.
    NotFound = 3,
    /// Something else happened instead.
    Conflict = 4,
    /// Some of it was done, some not.
    Partly = 5,
    /// A promise is broken.
    Violated = 6,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An error that knows how to end. Every other one ends as [`Exit::Error`].
#[derive(Debug, thiserror::Error)]
#[error("{words}")]
struct Ends {
    exit: Exit,
    words: String,
}

/// It was not asked for properly.
pub(crate) fn usage(words: impl Into<String>) -> anyhow::Error {
    ends(Exit::Usage, words)
}

/// What it is about does not exist.
pub(crate) fn not_found(words: impl Into<String>) -> anyhow::Error {
    ends(Exit::NotFound, words)
}

/// Something else happened instead.
pub(crate) fn conflict(words: impl Into<String>) -> anyhow::Error {
    ends(Exit::Conflict, words)
}

fn ends(exit: Exit, words: impl Into<String>) -> anyhow::Error {
    let words = words.into();
    Ends { exit, words }.into()
}

/// Says on stderr what went wrong, and how it ends.
pub(crate) fn report(error: &anyhow::Error) -> Exit {
    say(&format!("error: {}", sentence(error)));
    error.downcast_ref::<Ends>().map_or(Exit::Error, |ends| ends.exit)
}

/// Words for whoever reads stderr. If nobody does, they are lost, and that is no error.
pub(crate) fn say(words: &str) {
    let _ = writeln!(std::io::stderr(), "{}", redact(words));
}

/// The error and its causes, with what to do where the error itself does not say it.
fn sentence(error: &anyhow::Error) -> String {
    let what_to_do = error.downcast_ref::<StoreError>().map_or("", |error| match error {
        StoreError::Unavailable(_) => "; check that it runs, and that DATABASE_URL is right",
        StoreError::Contention(_) => "; try again in a moment",
        StoreError::CommitUnknown(_) => "; look whether it was done before doing it again",
        StoreError::Data(_) | StoreError::Mismatch { .. } => {
            "; nothing was changed, `holdfast audit` may say more"
        }
        StoreError::Refused(_) => "",
    });
    format!("{error:#}{what_to_do}")
}
