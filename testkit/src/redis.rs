//! A Redis of a test's own, to be stopped, killed and started again.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Longer than it takes to start on a slow machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server that keeps nothing on disk. It is killed when this is dropped.
#[derive(Debug)]
pub struct Redis {
    process: Child,
    address: SocketAddr,
}

impl Redis {
    /// Starts one on a free port.
    pub fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = port.expect("a free port");
        Self { process: serve(address), address }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Sends it a signal, such as `STOP`: its connections stay, and nothing is answered.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.process.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill -{name}");
    }

    /// As `kill -9` does it. All it held is lost.
    pub fn kill(&mut self) {
        // It may be gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Starts it again where it was, with nothing in it.
    pub fn start_again(&mut self) {
        self.kill();
        self.process = serve(self.address);
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

fn serve(address: SocketAddr) -> Child {
    let port = address.port().to_string();
    let mut redis = Command::new("redis-server");
    redis.args(["--bind", "127.0.0.1", "--port", &port, "--save", "", "--appendonly", "no"]);
    let redis = redis.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let redis = redis.expect("redis-server runs: `make test` installs it");
    let since = Instant::now();
    while TcpStream::connect(address).is_err() {
        assert!(since.elapsed() < PATIENCE, "Redis does not listen on {address}");
        sleep(Duration::from_millis(10));
    }
    redis
}
