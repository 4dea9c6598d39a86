//! The log: on stderr, warnings only unless `RUST_LOG` says otherwise, and without secrets.

use std::io::{IsTerminal, Write};

use tracing_subscriber::EnvFilter;

use crate::exit::usage;
use crate::redact::redact;

/// Quiet: a command's own words are on stderr, too.
const DEFAULT: &str = "warn";

/// Starts the log. It takes `tracing`'s events alone: what libraries say through `log` names every parameter of every
/// statement, and with them who bought what.
pub(crate) fn start() -> anyhow::Result<()> {
    let wanted = std::env::var("RUST_LOG").ok().filter(|filter| !filter.is_empty());
    let filter = EnvFilter::builder()
        .parse(wanted.as_deref().unwrap_or(DEFAULT))
        .map_err(|error| usage(format!("RUST_LOG is no log filter: {error}; try RUST_LOG=info")))?;
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(|| Discreet).init();
    Ok(())
}

/// Each event arrives in one write, so a secret is never cut in two.
struct Discreet;

impl Write for Discreet {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        std::io::stderr().write_all(redact(&String::from_utf8_lossy(bytes)).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}
