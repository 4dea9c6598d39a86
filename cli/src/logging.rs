//! The log: on stderr, as text or as JSON, and without secrets. `docs/logs.md` lists its lines.

mod json;

use std::io::{BufWriter, IsTerminal, Stderr, Write};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use self::json::{JsonFields, JsonLine};
use crate::exit::usage;
use crate::redact::redact;

/// What a command shows unless `RUST_LOG` says otherwise: its messages are on stderr, too.
pub(crate) const WARNINGS: &str = "warn";
/// What the demo shows unless `RUST_LOG` says otherwise: its report shows how its orders end.
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
    let is_json = format == "json";
    let dropped = Arc::new(OnceLock::new());
    let (lines, guard) =
        NonBlockingBuilder::default().buffered_lines_limit(LINES_MAX).thread_name("log").finish(LogWriter {
            to: BufWriter::new(std::io::stderr()),
            redacts: !is_json,
            dropped: Arc::clone(&dropped),
            reported: 0,
        });
    let _ = dropped.set(lines.error_counter());
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

/// Writes lines, without secrets: each event arrives in one write, so a secret is never split.
struct LogWriter {
    to: BufWriter<Stderr>,
    /// Whether secrets are still in it. A JSON line has none: its values were redacted before they were quoted.
    redacts: bool,
    dropped: Arc<OnceLock<ErrorCounter>>,
    /// How many dropped lines the log has reported.
    reported: usize,
}

impl LogWriter {
    /// A gap in the log must be visible in the log.
    fn report_dropped(&mut self) -> std::io::Result<()> {
        let dropped = self.dropped.get().map_or(0, ErrorCounter::dropped_lines);
        if dropped > self.reported {
            writeln!(self.to, "{} log lines were dropped: nobody read stderr", dropped - self.reported)?;
            self.reported = dropped;
        }
        Ok(())
    }
}

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.redacts {
            self.to.write_all(redact(&String::from_utf8_lossy(bytes)).as_bytes())?;
        } else {
            self.to.write_all(bytes)?;
        }
        Ok(bytes.len())
    }

    /// Waits a moment after each write, so that later lines share the next one.
    fn flush(&mut self) -> std::io::Result<()> {
        self.report_dropped()?;
        self.to.flush()?;
        std::thread::sleep(SHARED_WRITE);
        Ok(())
    }
}
