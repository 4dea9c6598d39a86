//! The log: on stderr, only warnings unless `RUST_LOG` says otherwise, and without secrets.

use std::io::{IsTerminal, Write};

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::exit::usage;
use crate::redact::redact;

/// Only warnings: a command's messages are on stderr, too.
const DEFAULT: &str = "warn";

/// Starts the log. It shows only the events of `tracing`: through `log`, libraries would show the parameters of every
/// SQL statement, and with them personal data.
pub(crate) fn start() -> anyhow::Result<()> {
    let requested = std::env::var("RUST_LOG").ok().filter(|filter| !filter.is_empty());
    let filter: Targets = requested
        .as_deref()
        .unwrap_or(DEFAULT)
        .parse()
        .map_err(|error| usage(format!("RUST_LOG is not a log filter: {error}; try RUST_LOG=info")))?;
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let lines = tracing_subscriber::fmt::layer().with_ansi(colours).with_writer(|| RedactedStderr);
    tracing_subscriber::registry().with(filter).with(lines).init();
    Ok(())
}

/// Removes secrets. Each event arrives in one write, so a secret is never split.
struct RedactedStderr;

impl Write for RedactedStderr {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        std::io::stderr().write_all(redact(&String::from_utf8_lossy(bytes)).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}
