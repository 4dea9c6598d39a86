//! Orders at a steady rate, however fast they are answered: latencies count from the instant a request was due.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use holdfast_sandbox::Token;
use holdfast_shared::CartId;
use serde::Serialize;
use tokio::sync::{Mutex, mpsc};

use crate::http::client::Connection;
use crate::http::latency::Latencies;
use crate::http::process::Server;
use crate::http::target_database::TargetDatabase;
use crate::shop::Method;

/// Connections: more requests than this under way would show as waiting, and be counted as such.
const CONNECTIONS: usize = 16;

#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    pub(super) rate: u32,
    pub(super) seconds: u32,
}

/// What orders met with.
#[derive(Debug, Serialize)]
pub(super) struct Met {
    pub(super) post: Latencies,
    pub(super) accept_to_confirmed: Latencies,
}

impl Load {
    pub(super) const fn orders(self) -> usize {
        self.rate as usize * self.seconds as usize
    }

    /// Places the orders and waits until they are decided; `waiting` others wait for an admin all the while.
    pub(super) async fn run(
        self,
        server: &Server,
        target: &TargetDatabase,
        carts: &[CartId],
        waiting: u64,
    ) -> Result<Met> {
        let (due, queue) = queue_of(carts.len());
        let mut buyers = Vec::with_capacity(CONNECTIONS);
        for _ in 0..CONNECTIONS {
            let (mut connection, queue) = (Connection::open(server.address).await?, queue.clone());
            buyers.push(tokio::spawn(async move {
                let mut latencies = Latencies::default();
                loop {
                    // A statement of its own, or the lock would be held while the order is placed.
                    let next = queue.lock().await.recv().await;
                    let Some((due, cart)) = next else { return Ok::<_, anyhow::Error>(latencies) };
                    connection.check_out(cart, Method::Card(Token::Ok)).await?;
                    latencies.record(due.elapsed());
                }
            }));
        }
        let (carts, every) = (carts.to_vec(), Duration::from_secs(1) / self.rate);
        // The runtime's timers tick in milliseconds; a thread wakes up to some microseconds.
        let pace = tokio::task::spawn_blocking(move || {
            let started = Instant::now();
            for (number, cart) in (0_u32..).zip(carts) {
                let at = started + every * number;
                std::thread::sleep(at.saturating_duration_since(Instant::now()));
                if due.blocking_send((at, cart)).is_err() {
                    return;
                }
            }
        });
        pace.await?;
        let mut post = Latencies::default();
        for buyer in buyers {
            post.add(&buyer.await?.context("an order of the load")?);
        }
        target.decided(waiting).await?;
        let accept_to_confirmed = target.confirmations(post.count()).await?;
        Ok(Met { post, accept_to_confirmed })
    }
}

type Due = (Instant, CartId);
type Queue = Arc<Mutex<mpsc::Receiver<Due>>>;

fn queue_of(room: usize) -> (mpsc::Sender<Due>, Queue) {
    let (due, queue) = mpsc::channel(room.max(1));
    (due, Arc::new(Mutex::new(queue)))
}
