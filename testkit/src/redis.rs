//! A Redis of a test's own: it may be frozen, flushed, killed and started again.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Longer than a server takes to start on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running `redis-server` that keeps nothing on disk. It ends with this value.
#[derive(Debug)]
pub struct RedisServer {
    port: u16,
    options: Vec<String>,
    home: TempDir,
    process: Option<Child>,
}

impl RedisServer {
    /// Starts one.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts one with options as on its command line.
    pub async fn start_with(options: &[&str]) -> Self {
        let options = options.iter().map(ToString::to_string).collect();
        let home = tempfile::tempdir().expect("a folder");
        let mut server = Self { port: free_port(), options, home, process: None };
        server.start_again().await;
        server
    }

    /// Where it is reached.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Starts it after [`Self::kill`], empty, on the same port.
    pub async fn start_again(&mut self) {
        let child = Command::new("redis-server")
            .args([
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
                "--port",
                &self.port.to_string(),
            ])
            .arg("--dir")
            .arg(self.home.path())
            .args(&self.options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server is installed");
        self.process = Some(child);
        let since = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(since.elapsed() < PATIENCE, "redis-server does not start");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Kills it; all it held is lost.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("it runs");
            process.wait().expect("it ends");
        }
    }

    /// Freezes it: its port takes connections, and nobody answers.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on after [`Self::freeze`].
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// A connection for the test itself.
    pub async fn connect(&self) -> MultiplexedConnection {
        connect(&self.url()).await
    }

    fn signal(&self, signal: Signal) {
        let pid = self.process.as_ref().map(Pid::from_child).expect("it runs");
        kill_process(pid, signal).expect("it is ours");
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port that nobody listens on: free a moment ago, and drawn at random by the kernel.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port()
}

/// A connection to the Redis at `url`.
pub async fn connect(url: &str) -> MultiplexedConnection {
    let client = redis::Client::open(url).expect("an address");
    client.get_multiplexed_async_connection().await.expect("connects")
}
