//! Hints a second through each queue, and how soon an idle worker hears of one: a handler that does nothing, one process.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use holdfast_saga::ports::Hint;
use holdfast_shared::{OrderId, Queue, ShopId};
use holdfast_telemetry::Metrics;
use holdfast_worker::{Queues, RedisAddress, RedisBackend, Source, WorkerConfig};
use serde::Serialize;
use tokio::sync::watch;
use uuid::Uuid;

use crate::http::latency::Latencies;

/// A hint that takes longer is lost.
const PATIENCE: Duration = Duration::from_secs(30);
/// From one hint to the next on an idle queue.
const IDLE: Duration = Duration::from_millis(5);

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// The Redis to measure on
    #[arg(long, env = "HOLDFAST_TEST_REDIS_URL")]
    redis_url: String,
    /// Hints that wait when the worker starts; the stock storage keeps 4,000 of them
    #[arg(long, default_value_t = 60_000)]
    backlog: u32,
    /// Hints sent one by one to a worker that is idle
    #[arg(long, default_value_t = 2_000)]
    wakes: u32,
    /// Rounds of each
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

#[derive(Debug, Serialize)]
pub(crate) struct Summary(Vec<Round>);

#[derive(Debug, Serialize)]
struct Round {
    queue: String,
    hints: usize,
    taken_per_s: f64,
    wake: Latencies,
}

pub(crate) async fn run(args: &Args) -> Result<Summary> {
    let mut rounds = Vec::new();
    for _ in 0..args.rounds {
        for backend in [RedisBackend::Streams, RedisBackend::ApalisRedis] {
            eprintln!("hints: {backend}");
            rounds.push(round(args, backend).await?);
        }
    }
    Ok(Summary(rounds))
}

async fn round(args: &Args, backend: RedisBackend) -> Result<Round> {
    let address = RedisAddress::parse(&args.redis_url, "bench")?;
    let source = Source::Redis(Arc::new(address.of_shop(ShopId::random())), backend);
    let (backlog, wakes) = match backend {
        RedisBackend::Streams => (args.backlog, args.wakes),
        // It keeps no more, and looks for new ones only now and then.
        RedisBackend::ApalisRedis => (args.backlog.min(4_000), args.wakes.div_ceil(20)),
    };
    let metrics = Metrics::default();
    let (stop, stopped) = watch::channel(false);
    let config = |pools| WorkerConfig { name: Uuid::now_v7().to_string(), pools, ..WorkerConfig::default() };

    // Somebody sends before anybody serves.
    let sender = Queues::open(&source, &config(BTreeMap::new()), &metrics, &stopped);
    for number in 0..backlog {
        sender.dispatch.wake(&[hint(number)]);
        // As much as its buffer takes while the others are on their way.
        if number % 8_000 == 7_999 {
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
    }
    tokio::time::sleep(Duration::from_millis(500)).await;

    let pools = BTreeMap::from([(Queue::Checkout, 256)]);
    let since = Instant::now();
    let mut worker = Queues::open(&source, &config(pools), &metrics, &stopped);
    let mut batch = Vec::with_capacity(1_024);
    let mut taken = 0;
    while taken < backlog as usize {
        batch.clear();
        let heard = worker.hints.recv_many(&mut batch, 1_024);
        taken += tokio::time::timeout(PATIENCE, heard).await.context("hints are missing")?;
    }
    let drained = since.elapsed();
    ensure!(taken == backlog as usize, "{taken} hints came of {backlog}");

    let mut wake = Latencies::default();
    for number in 0..wakes {
        tokio::time::sleep(IDLE).await;
        let since = Instant::now();
        worker.dispatch.wake(&[hint(number)]);
        tokio::time::timeout(PATIENCE, worker.hints.recv()).await.context("a hint is missing")?;
        wake.record(since.elapsed());
    }
    let _ = stop.send(true);
    let hints = f64::from(backlog);
    Ok(Round { queue: backend.to_string(), hints: taken, taken_per_s: hints / drained.as_secs_f64(), wake })
}

fn hint(number: u32) -> Hint {
    Hint { saga: OrderId::new(i64::from(number) + 1).saga(0), queue: Queue::Checkout }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Round { queue, hints, taken_per_s, wake } in &self.0 {
            writeln!(
                f,
                "{queue:<13} {hints:>6} hints waiting: {taken_per_s:>8.0} taken/s   idle, from wake to handler {wake}"
            )?;
        }
        Ok(())
    }
}
