//! Many open event streams, and what they send.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context, Result};
use http_body_util::BodyExt as _;
use hyper::body::{Bytes, Incoming};
use serde::Deserialize;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::http::client::Connection;
use crate::http::process::Server;

/// Streams opened at once: a crowd, but none that overflows the kernel's queue of connections.
const OPENERS: usize = 128;

/// An order that is followed.
#[derive(Debug, Clone)]
pub(super) struct Watched {
    pub(super) id: String,
    pub(super) token: String,
    /// Whether it waits for an admin.
    pub(super) waits: bool,
}

#[derive(Deserialize)]
struct Placed {
    id: String,
    order_token: String,
}

impl Watched {
    /// Reads the answer to a guest's checkout.
    pub(super) fn read(answer: &Bytes, waits: bool) -> Result<Self> {
        let Placed { id, order_token } = serde_json::from_slice(answer)?;
        Ok(Self { id, token: order_token, waits })
    }
}

/// A stream said that its order is CONFIRMED.
#[derive(Debug)]
struct Update {
    number: usize,
    at: Instant,
}

/// The streams. They end when this is dropped.
#[derive(Debug)]
pub(super) struct Subscribers {
    updates: UnboundedReceiver<Update>,
    lost: Arc<AtomicUsize>,
    tasks: tokio::task::JoinSet<()>,
}

impl Subscribers {
    /// Opens one stream an order, and waits until each has sent its order's state.
    pub(super) async fn open(server: &Server, watched: &[Watched]) -> Result<Self> {
        let (updates, received) = unbounded_channel();
        let lost = Arc::new(AtomicUsize::new(0));
        let (watched, next): (Arc<[Watched]>, _) = (watched.into(), Arc::new(AtomicUsize::new(0)));
        let openers: Vec<_> = (0..OPENERS)
            .map(|_| tokio::spawn(open_some(server.address, Arc::clone(&watched), Arc::clone(&next))))
            .collect();
        let mut tasks = tokio::task::JoinSet::new();
        for opener in openers {
            for (number, stream) in opener.await?? {
                tasks.spawn(follow(number, stream, updates.clone(), Arc::clone(&lost)));
            }
        }
        Ok(Self { updates: received, lost, tasks })
    }

    /// Waits until the stream of this order says CONFIRMED; returns when it did.
    pub(super) async fn confirmed(&mut self, number: usize) -> Result<Instant> {
        loop {
            let update = self.updates.recv().await.context("all streams have ended")?;
            if update.number == number {
                return Ok(update.at);
            }
        }
    }

    /// How many streams have ended.
    pub(super) fn lost(&self) -> usize {
        debug_assert!(!self.tasks.is_empty());
        self.lost.load(Ordering::Relaxed)
    }
}

type Stream = (Connection, Incoming);

async fn open_some(
    server: SocketAddr,
    watched: Arc<[Watched]>,
    next: Arc<AtomicUsize>,
) -> Result<Vec<(usize, Stream)>> {
    let mut streams = Vec::new();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let Some(order) = watched.get(number) else { return Ok(streams) };
        let connection = Connection::open(server).await?;
        let (connection, mut body) = connection.follow(&order.id, &order.token).await?;
        let mut update = Vec::new();
        while !holds(&update, b"event: order") {
            let frame =
                body.frame().await.context("a stream ended before it said how its order stands")??;
            update.extend_from_slice(&frame.into_data().unwrap_or_default());
        }
        streams.push((number, (connection, body)));
    }
}

/// Reads a stream to its end, which should not come before the run's.
async fn follow(number: usize, stream: Stream, updates: UnboundedSender<Update>, lost: Arc<AtomicUsize>) {
    let (_connection, mut body) = stream;
    while let Some(Ok(frame)) = body.frame().await {
        let at = Instant::now();
        if frame.data_ref().is_some_and(|data| holds(data, br#""status":"CONFIRMED""#)) {
            let _ = updates.send(Update { number, at });
        }
    }
    lost.fetch_add(1, Ordering::Relaxed);
}

fn holds(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
