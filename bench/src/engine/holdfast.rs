//! Holdfast itself: the intake's group commit, a queue, the batch executor.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use holdfast_intake::CheckoutIntake;
use holdfast_log_channel::LogChannel;
use holdfast_saga::flows::REGISTRY;
use holdfast_saga::ports::{Channels, Gateways, PaymentProvider, Providers};
use holdfast_saga::shop::checkout::AcceptPolicy;
use holdfast_sandbox::{MemorySandbox, Token};
use holdfast_shared::{CartId, Queue, SystemClock};
use holdfast_telemetry::Metrics;
use holdfast_worker::{Runtime, Source, WorkerConfig};

use super::ROUND_MAX;
use super::report::Batches;
use crate::database::Database;
use crate::shop::Method;
use crate::shop::checkout;

/// Settles one order a cart; the time runs from the first submit to the last message sent.
pub(crate) async fn run(
    database: &Database,
    carts: Vec<CartId>,
    batch: usize,
    queue: &Source,
) -> Result<(Duration, Option<Batches>)> {
    let sandbox = Arc::new(MemorySandbox::new(Arc::new(SystemClock)));
    let policy = AcceptPolicy::new(sandbox.name());
    let outside = Gateways::new(Providers::of(sandbox), Channels::of(Arc::new(LogChannel)));
    let mut config = WorkerConfig { batch_max: batch, ..WorkerConfig::default() };
    // Two batches run at once, and each may begin as many calls as it has sagas.
    config.pools.insert(Queue::Checkout, 2 * batch);
    config.pools.insert(Queue::Notifications, 2 * batch);
    let store = Arc::new(database.store.clone());
    let runtime = Runtime::start_on(queue, store.clone(), REGISTRY, outside, config, Metrics::default())?;
    let stats = runtime.stats();
    let checkout_intake = CheckoutIntake::start(store, policy, runtime.dispatch(), Metrics::default());

    let orders = carts.len();
    let next = Arc::new(AtomicUsize::new(0));
    let carts = Arc::new(carts);
    let started = Instant::now();
    // As many buyers at once as fit into a commit.
    let buyers: Vec<_> = (0..batch)
        .map(|_| {
            let (checkout_intake, carts, next) =
                (checkout_intake.clone(), Arc::clone(&carts), Arc::clone(&next));
            tokio::spawn(async move {
                while let Some(cart) = carts.get(next.fetch_add(1, Ordering::Relaxed)) {
                    checkout_intake
                        .accept(checkout(*cart, Method::Card(Token::Ok)))
                        .await?
                        .context("a checkout was refused")?;
                }
                Ok::<_, anyhow::Error>(())
            })
        })
        .collect();
    for buyer in buyers {
        buyer.await??;
    }
    // Each order settles twice: its checkout, and its message.
    while stats.settled.load(Ordering::Relaxed) < 2 * orders as u64 {
        if started.elapsed() > ROUND_MAX {
            bail!(
                "{} of {} sagas settled within {ROUND_MAX:?}",
                stats.settled.load(Ordering::Relaxed),
                2 * orders
            );
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let elapsed = started.elapsed();
    let batches = Batches {
        count: stats.batches.load(Ordering::Relaxed),
        claimed: stats.claimed.load(Ordering::Relaxed),
        largest: stats.batch_largest.load(Ordering::Relaxed),
    };
    runtime.stop().await;
    Ok((elapsed, Some(batches)))
}
