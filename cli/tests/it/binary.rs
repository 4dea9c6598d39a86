//! Running the binary.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// The binary with nothing of this machine's environment that could change what it says.
pub(crate) fn holdfast() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.env_clear().stdin(Stdio::null());
    command
}

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs `arguments` to the end.
pub(crate) fn run(arguments: &[&str]) -> Ran {
    Ran::of(holdfast().args(arguments).output().expect("the binary runs"))
}

/// Runs `arguments` against the database at `url`.
pub(crate) fn run_on(url: &str, arguments: &[&str]) -> Ran {
    Ran::of(holdfast().env("DATABASE_URL", url).args(arguments).output().expect("the binary runs"))
}

pub(crate) fn sqlite_url(path: &Path) -> String {
    format!("sqlite://{}", path.display())
}

/// Commands that only read, of a shop that has the stock level `cd-1`.
pub(crate) const READS: [&[&str]; 9] = [
    &["order", "list"],
    &["saga", "list"],
    &["dead", "list"],
    &["queue", "list"],
    &["worker", "list"],
    &["stock", "show"],
    &["stock", "show", "cd-1"],
    &["shop", "show"],
    &["migrate"],
];

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("stdout is UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("stderr is UTF-8"),
        }
    }

    /// It ended with `code`, and printed `message` on stderr. A refusal prints nothing on stdout, and no
    /// command panics.
    #[track_caller]
    pub(crate) fn ends(&self, code: i32, message: &str) -> &Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        assert!(self.stderr.contains(message), "{message:?} is not in {self:#?}");
        assert!(!self.stderr.contains("panicked"), "{self:#?}");
        assert!(code == 0 || code == 6 || self.stdout.is_empty(), "{self:#?}");
        self
    }

    /// What it printed, as one JSON document.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}
