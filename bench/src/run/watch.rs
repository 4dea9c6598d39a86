//! Watches orders from outside, as a buyer's browser would but more often: an order counts as settled when a
//! connection of its own reads from its row that it is decided. So the commit that decides it, and whatever holds
//! that up, is in the latency.

use std::collections::HashMap;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use holdfast_shared::OrderId;
use sqlx::{Connection as _, PgConnection};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::http::latency::Latencies;

/// Between two looks at the orders that are not decided.
const EVERY: Duration = Duration::from_micros(400);
/// An order that is watched for longer is lost.
const PATIENCE: Duration = Duration::from_mins(1);
/// Above this rate looking would be part of what is measured.
pub(crate) const RATE_MAX: u32 = 1_000;

const DECIDED: &str = "select id from orders
     where id = any($1) and status not in ('PENDING_PAYMENT', 'PENDING_CONFIRMATION')";

/// Says what to watch. The watch ends when the last clone is gone and all is decided.
#[derive(Debug, Clone)]
pub(crate) struct Watcher(UnboundedSender<(OrderId, Instant)>);

/// A watch under way.
#[derive(Debug)]
pub(crate) struct Watch(JoinHandle<Result<Latencies>>);

impl Watcher {
    /// Watches the orders of the database at `url`. On a thread of its own: the runtime's timers tick in
    /// milliseconds.
    pub(crate) fn start(url: &str) -> (Self, Watch) {
        let (watcher, orders) = unbounded_channel();
        let url = url.to_owned();
        let thread = std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(watch(&url, orders))
        });
        (Self(watcher), Watch(thread))
    }

    /// An order that was accepted; its latency counts from `due`.
    pub(crate) fn watch(&self, order: OrderId, due: Instant) {
        // A watch that failed says so at its end.
        let _ = self.0.send((order, due));
    }
}

impl Watch {
    /// How long each order took, from the instant it was due.
    pub(crate) async fn end(self) -> Result<Latencies> {
        let ended = tokio::task::spawn_blocking(|| self.0.join()).await?;
        ended.map_err(|_| anyhow::anyhow!("the watch panicked"))?.context("watching orders")
    }
}

async fn watch(url: &str, mut orders: UnboundedReceiver<(OrderId, Instant)>) -> Result<Latencies> {
    let mut connection = PgConnection::connect(url).await?;
    let mut latencies = Latencies::default();
    let mut waiting: HashMap<i64, Instant> = HashMap::new();
    loop {
        if waiting.is_empty() {
            let Some((order, due)) = orders.recv().await else { return Ok(latencies) };
            waiting.insert(order.number(), due);
        }
        while let Ok((order, due)) = orders.try_recv() {
            waiting.insert(order.number(), due);
        }
        let ids: Vec<i64> = waiting.keys().copied().collect();
        let decided: Vec<i64> = sqlx::query_scalar(DECIDED).bind(&ids).fetch_all(&mut connection).await?;
        let now = Instant::now();
        for id in decided {
            if let Some(due) = waiting.remove(&id) {
                latencies.record(now - due);
            }
        }
        if let Some((id, _)) = waiting.iter().find(|(_, due)| now.duration_since(**due) > PATIENCE) {
            bail!("order {id} is not decided after {PATIENCE:?}");
        }
        // Nothing else runs on this thread.
        std::thread::sleep(EVERY);
    }
}
