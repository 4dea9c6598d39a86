//! A network between two ends: bytes arrive later, and nothing else changes.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use hyper::body::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

/// Lasts until it is dropped.
#[derive(Debug)]
pub(crate) struct DelayedServer {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl DelayedServer {
    /// Reaches `server` (`host:port`) after `round_trip` there and back.
    pub(crate) async fn open(server: String, round_trip: Duration) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(&server).await else { continue };
                let _ = (client.set_nodelay(true), server.set_nodelay(true));
                let (client_read, client_write) = client.into_split();
                let (server_read, server_write) = server.into_split();
                tokio::spawn(carry(client_read, server_write, round_trip / 2));
                tokio::spawn(carry(server_read, client_write, round_trip / 2));
            }
        });
        Ok(Self { address, task })
    }
}

impl Drop for DelayedServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin + Send + 'static,
    delay: Duration,
) {
    let (sent, mut under_way) = mpsc::channel::<(Instant, Bytes)>(1_024);
    tokio::spawn(async move {
        while let Some((at, bytes)) = under_way.recv().await {
            sleep_until(at).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
        let _ = to.shutdown().await;
    });
    let mut buffer = vec![0; 65_536];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let bytes = Bytes::copy_from_slice(&buffer[..read]);
        if sent.send((Instant::now() + delay, bytes)).await.is_err() {
            return;
        }
    }
}
