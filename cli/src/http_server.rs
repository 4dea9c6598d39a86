//! An HTTP server of this process.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use holdfast_api::{ConnectionLimits, serve};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::exit::{Exit, say};
use crate::shutdown::Shutdown;

/// A running HTTP server.
#[derive(Debug)]
pub(crate) struct HttpServer {
    url: String,
    serving: JoinHandle<usize>,
    stop: watch::Sender<bool>,
}

impl HttpServer {
    /// Serves `routes`, which subscribe to `stop`, until it is closed. Requests in flight then get `drain` to end.
    pub(crate) fn start(
        listener: TcpListener,
        routes: Router,
        limits: ConnectionLimits,
        stop: watch::Sender<bool>,
        drain: Duration,
    ) -> anyhow::Result<Self> {
        let url = format!("http://{}", listener.local_addr()?);
        let serving =
            tokio::spawn(serve(listener, routes, within_open_files(limits), stop.subscribe(), drain));
        Ok(Self { url, serving, stop })
    }

    /// Lets it serve until the process ends.
    pub(crate) fn detach(self) {
        tokio::spawn(async move {
            let _ = self.serving.await;
            drop(self.stop);
        });
    }

    /// The URL that it can be reached at.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Prints its URL and `about`, and runs until SIGTERM or Ctrl-C.
    pub(crate) async fn run(self, about: &str) -> anyhow::Result<Exit> {
        let mut shutdown = Shutdown::listen()?;
        say(&format!("listening on {}; {about}", self.url));
        shutdown.signalled().await;
        say("stopping: requests in flight may end, new ones are refused; Ctrl-C again stops at once");
        let cut_off = tokio::select! {
            cut_off = self.close() => cut_off,
            () = shutdown.signalled() => return Ok(Exit::Error),
        };
        if cut_off > 0 {
            say(&format!("connections cut off: {cut_off}"));
        }
        Ok(Exit::Ok)
    }

    /// Accepts no more requests, lets those in flight end, and returns how many were cut off.
    pub(crate) async fn close(self) -> usize {
        let _ = self.stop.send(true);
        self.serving.await.unwrap_or_default()
    }
}

/// Binds the address of `flag`, before anything else is opened: a second process on the address changes nothing.
pub(crate) async fn listen(address: SocketAddr, flag: &str) -> anyhow::Result<TcpListener> {
    raise_open_files();
    let listener = TcpListener::bind(address).await;
    listener.with_context(|| format!("cannot listen on {address}; choose another {flag}"))
}

/// Binds `usual`, or a free port if somebody else has that one already.
pub(crate) async fn listen_at_first(usual: SocketAddr) -> anyhow::Result<TcpListener> {
    raise_open_files();
    match TcpListener::bind(usual).await {
        Err(error) if error.kind() == ErrorKind::AddrInUse => listen_anywhere().await,
        bound => bound.with_context(|| format!("cannot listen on {usual}")),
    }
}

/// Binds a free port, for callers on this machine.
pub(crate) async fn listen_anywhere() -> anyhow::Result<TcpListener> {
    listen(([127, 0, 0, 1], 0).into(), "port").await
}

/// Open files beside the connections: the database, Redis, logs.
const OPEN_FILES_BESIDE: u64 = 256;

/// No more connections than there can be open files.
fn within_open_files(limits: ConnectionLimits) -> ConnectionLimits {
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX).saturating_sub(OPEN_FILES_BESIDE);
    let total = limits.total.min(usize::try_from(files).unwrap_or(usize::MAX)).max(1);
    ConnectionLimits { total, ..limits }
}

/// Raises the limit of open files as far as the system allows: each connection is one, and a shell's default of 1,024
/// is less than a server needs.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::warn!("the limit of open files cannot be raised: {error}");
    }
}
