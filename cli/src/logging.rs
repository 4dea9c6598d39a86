//! The log: on stderr, as text or as JSON, and without secrets. `docs/logs.md` lists its lines.

mod json;

use std::io::{BufWriter, IsTerminal, Stderr, Write};
use std::time::Duration;

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use self::json::{JsonFields, JsonLine};
use crate::exit::usage;
use crate::redact::redact;

/// What a command shows unless `RUST_LOG` says otherwise: its messages are on stderr, too.
pub(crate) const WARNINGS: &str = "warn";
/// What the demo shows unless `RUST_LOG` says otherwise: it shows itself how its orders end.
pub(crate) const NO_SAGAS: &str = "warn,holdfast::saga=off";
/// What a server shows unless `RUST_LOG` says otherwise: how each order ends, and everything unusual on the way.
pub(crate) const STORY: &str = "warn,holdfast=info";
/// Lines that wait to be written while nobody reads stderr. Those beyond are dropped: a log must not stop the shop.
const LINES_MAX: usize = 100_000;

/// Lines that follow each other as fast as this share a write.
const SHARED_WRITE: Duration = Duration::from_millis(5);

/// Starts the log. The lines are written by a thread of their own, which writes what is left when the guard is dropped.
///
/// It shows only the events of `tracing`: through `log`, libraries would show the parameters of every SQL statement, and
/// with them personal data.
pub(crate) fn start(default: &str) -> anyhow::Result<WorkerGuard> {
    let requested = std::env::var("RUST_LOG").ok().filter(|filter| !filter.is_empty());
    let filter: Targets = requested
        .as_deref()
        .unwrap_or(default)
        .parse()
        .map_err(|error| usage(format!("RUST_LOG is not a log filter: {error}; try RUST_LOG=info")))?;
    let format = std::env::var("HOLDFAST_LOG").unwrap_or_default();
    let (lines, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(LINES_MAX)
        .thread_name("log")
        .finish(RedactedStderr(BufWriter::new(std::io::stderr())));
    let layer = match format.as_str() {
        "" | "text" => {
            let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            tracing_subscriber::fmt::layer().with_ansi(colours).with_writer(lines).boxed()
        }
        "json" => {
            let layer = tracing_subscriber::fmt::layer().fmt_fields(JsonFields).event_format(JsonLine);
            layer.with_writer(lines).boxed()
        }
        other => return Err(usage(format!("HOLDFAST_LOG is {other:?}; it can be text or json"))),
    };
    tracing_subscriber::registry().with(filter).with(layer).init();
    Ok(guard)
}

/// Removes secrets. Each event arrives in one write, so a secret is never split.
struct RedactedStderr(BufWriter<Stderr>);

impl Write for RedactedStderr {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write_all(redact(&String::from_utf8_lossy(bytes)).as_bytes())?;
        Ok(bytes.len())
    }

    /// Whoever logs need not wake the thread for what comes soon after: it looks again by itself.
    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()?;
        std::thread::sleep(SHARED_WRITE);
        Ok(())
    }
}
