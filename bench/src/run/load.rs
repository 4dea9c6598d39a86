//! The load: who asks when. Every latency counts from the instant the request was due, which for an open loop is
//! the schedule's and not the generator's.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use holdfast_shared::OrderId;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

use super::scenario::Arrival;
use super::submitter::{Buyer, Submitter};
use super::workload::Purchase;

/// One order that was placed; the times count from the start of the round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) order: OrderId,
    pub(crate) due: Duration,
    pub(crate) answered: Duration,
}

/// When each request of an open loop is due.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    pub(crate) rate: u32,
}

impl Schedule {
    /// After the start. Computed from the start each time, so that no rounding adds up.
    pub(crate) fn due(self, number: usize) -> Duration {
        let nanos = number as u128 * 1_000_000_000 / u128::from(self.rate);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// Orders of a round, to be placed.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) submitter: Submitter,
    pub(crate) workload: Arc<Vec<Purchase>>,
    /// Requests that can be under way at once.
    pub(crate) connections: usize,
}

impl Load {
    /// Places the orders as `arrival` has it, from `started` on; returns what was placed, the first workload first.
    pub(crate) async fn run(self, arrival: Arrival, started: Instant) -> Result<Vec<Asked>> {
        let asked = match arrival {
            Arrival::Closed { .. } | Arrival::Backlog { .. } => self.closed(started).await,
            Arrival::Open { rate, .. } => self.open(Schedule { rate }, started).await,
            Arrival::Users { users, think_ms, ramp_seconds, seconds } => {
                let ramp = Duration::from_secs(ramp_seconds.into());
                let ends = started + Duration::from_secs(seconds.into());
                self.users(users, ramp, Duration::from_millis(think_ms), ends, started).await
            }
        };
        asked.context("placing orders")
    }

    async fn closed(self, started: Instant) -> Result<Vec<Asked>> {
        let next = Arc::new(AtomicUsize::new(0));
        let mut buyers = JoinSet::new();
        for _ in 0..self.connections.min(self.workload.len()) {
            let mut asking = self.asking(started).await?;
            let (workload, next) = (Arc::clone(&self.workload), Arc::clone(&next));
            buyers.spawn(async move {
                while let Some(order) = workload.get(next.fetch_add(1, Ordering::Relaxed)) {
                    asking.ask(order, Instant::now()).await?;
                }
                Ok(asking.asked)
            });
        }
        all(buyers).await
    }

    async fn open(self, schedule: Schedule, started: Instant) -> Result<Vec<Asked>> {
        let (due, queue) = mpsc::channel(self.workload.len().max(1));
        let queue = Arc::new(Mutex::new(queue));
        let mut buyers = JoinSet::new();
        for _ in 0..self.connections {
            let (mut asking, queue) = (self.asking(started).await?, Arc::clone(&queue));
            buyers.spawn(async move {
                loop {
                    // A statement of its own, or the lock would be held while the order is placed.
                    let next: Option<(Instant, Purchase)> = queue.lock().await.recv().await;
                    let Some((due, order)) = next else { return Ok(asking.asked) };
                    asking.ask(&order, due).await?;
                }
            });
        }
        let workload = Arc::clone(&self.workload);
        // The runtime's timers tick in milliseconds; a thread wakes up to some microseconds.
        let pace = tokio::task::spawn_blocking(move || {
            for (number, order) in workload.iter().enumerate() {
                let at = started + schedule.due(number);
                std::thread::sleep(at.saturating_duration_since(Instant::now()));
                if due.blocking_send((at, *order)).is_err() {
                    return;
                }
            }
        });
        pace.await?;
        all(buyers).await
    }

    async fn users(
        self,
        users: u32,
        ramp: Duration,
        thought: Duration,
        ends: Instant,
        started: Instant,
    ) -> Result<Vec<Asked>> {
        let next = Arc::new(AtomicUsize::new(0));
        let mut buyers = JoinSet::new();
        for user in 0..users {
            let comes = started + ramp * user / users;
            let submitter = self.submitter.clone();
            let (workload, next) = (Arc::clone(&self.workload), Arc::clone(&next));
            buyers.spawn(async move {
                tokio::time::sleep_until(comes.into()).await;
                let mut asking = Asking { buyer: submitter.buyer().await?, started, asked: Vec::new() };
                while Instant::now() < ends {
                    let order =
                        workload.get(next.fetch_add(1, Ordering::Relaxed)).context("no cart is left")?;
                    asking.ask(order, Instant::now()).await?;
                    tokio::time::sleep(thought).await;
                }
                Ok(asking.asked)
            });
        }
        all(buyers).await
    }

    async fn asking(&self, started: Instant) -> Result<Asking> {
        let buyer = self.submitter.buyer().await?;
        Ok(Asking { buyer, started, asked: Vec::new() })
    }
}

/// A buyer, and what they asked for.
struct Asking {
    buyer: Buyer,
    started: Instant,
    asked: Vec<Asked>,
}

impl Asking {
    async fn ask(&mut self, order: &Purchase, due: Instant) -> Result<()> {
        let placed = self.buyer.place(order).await?;
        let (due_after, answered) = (due - self.started, self.started.elapsed());
        self.asked.push(Asked { order: placed.order, due: due_after, answered });
        self.buyer.follow_up(order, placed).await
    }
}

async fn all(mut buyers: JoinSet<Result<Vec<Asked>>>) -> Result<Vec<Asked>> {
    let mut all = Vec::new();
    while let Some(asked) = buyers.join_next().await {
        all.extend(asked??);
    }
    all.sort_by_key(|asked| asked.due);
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_neither_drifts_nor_bunches() {
        let schedule = Schedule { rate: 300 };
        assert_eq!(schedule.due(0), Duration::ZERO);
        assert_eq!(schedule.due(300), Duration::from_secs(1));
        assert_eq!(schedule.due(300 * 3_600), Duration::from_hours(1));
        for number in 0..1_000 {
            let gap = schedule.due(number + 1).as_nanos() - schedule.due(number).as_nanos();
            assert!((3_333_333..=3_333_334).contains(&gap), "{gap} ns after number {number}");
        }
    }
}
