//! A `PgBouncer` of a test's own, in front of the tests' Postgres.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::redis::free_port;

/// Longer than it takes to start on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running `pgbouncer`. It ends with this value.
#[derive(Debug)]
pub struct PgBouncer {
    /// Where the database is reached through it.
    pub url: String,
    process: Child,
    _home: TempDir,
}

impl PgBouncer {
    /// Starts one in front of the database at `url`, with `settings` in its configuration. Whoever comes is the user of
    /// that URL.
    pub async fn start(url: &str, settings: &[&str]) -> Self {
        let rest = url.split_once("://").expect("is a URL").1;
        let (place, database) = rest.split_once('/').expect("names a database");
        let (user, server) = place.rsplit_once('@').expect("names a user");
        let (host, server_port) = server.split_once(':').expect("names a port");
        let (home, port) = (tempfile::tempdir().expect("a folder"), free_port());
        let settings = settings.join("\n");
        let file = home.path().join("pgbouncer.ini");
        let text = format!(
            "[databases]\n* = host={host} port={server_port} user={user}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = any\n{settings}\n"
        );
        std::fs::write(&file, text).expect("writes");
        let mut command = as_nobody(&binary());
        let process = command.arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = process.spawn().expect("pgbouncer starts");
        let pooler =
            Self { url: format!("postgres://{user}@127.0.0.1:{port}/{database}"), process, _home: home };
        let since = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(since.elapsed() < PATIENCE, "pgbouncer does not start");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        pooler
    }
}

impl PgBouncer {
    /// Whether this version keeps the prepared statements of its clients, unless it is set not to: from 1.21 on.
    pub fn knows_prepared_statements() -> bool {
        let said = Command::new(binary()).arg("--version").output().expect("pgbouncer is installed").stdout;
        let said = String::from_utf8_lossy(&said).into_owned();
        let version = said.split_whitespace().nth(1).expect("names its version");
        let numbers: Vec<u32> = version.split('.').filter_map(|part| part.parse().ok()).collect();
        numbers.as_slice() >= [1, 21].as_slice()
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Debian keeps it off PATH.
fn binary() -> String {
    let debian = "/usr/sbin/pgbouncer";
    if std::path::Path::new(debian).exists() { debian } else { "pgbouncer" }.to_owned()
}

/// It refuses to run as root.
fn as_nobody(binary: &str) -> Command {
    if !rustix::process::getuid().is_root() {
        return Command::new(binary);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", binary]);
    command
}
