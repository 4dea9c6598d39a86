//! What came of a command.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What came of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandOutcome {
    /// A saga will do it; nothing that happens later takes the promise back.
    Accepted,
    /// It was done by this command.
    Done,
    /// It was already done; nothing was changed.
    Already,
    /// A dry run: it would be done.
    Would,
    /// Something stands against it; nothing was changed.
    Refused,
    /// What it is about does not exist.
    NotFound,
}

impl CommandOutcome {
    /// The name, as in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Done => "done",
            Self::Already => "already",
            Self::Would => "would",
            Self::Refused => "refused",
            Self::NotFound => "not_found",
        }
    }
}

impl fmt::Display for CommandOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The detail of a command that changed nothing, because `reason` holds already.
pub(crate) fn unchanged(reason: &str) -> String {
    format!("{reason}; nothing was changed")
}
