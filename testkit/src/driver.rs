//! Carrying sagas on: by hand, batch by batch, or with real workers in real time.

use std::sync::Arc;
use std::time::Duration;

use holdfast_log_channel::LogChannel;
use holdfast_saga::engine::batch::{BatchInput, BatchOutcome, CommitFailures, Committed, Engine};
use holdfast_saga::engine::execute_call::execute_call;
use holdfast_saga::engine::registry::Registry;
use holdfast_saga::flows;
use holdfast_saga::ports::{Channels, Gateways, Providers, Store};
use holdfast_saga::records::call::{Call, Outcome};
use holdfast_saga::records::saga::Saga;
use holdfast_sandbox::{MemorySandbox, SandboxControl};
use holdfast_shared::{Clock, ManualClock, Queue, SagaId, SystemClock, Time};
use holdfast_telemetry::Metrics;
use holdfast_worker::{Runtime, WorkerConfig};

use crate::shop::Shop;

/// How long an engine leases here: longer than twice any call.
pub const LEASE: Duration = Duration::from_secs(30);

/// A loop that has not come to rest by now never will.
const ROUNDS_MAX: usize = 2_000;

/// All four pools.
pub const QUEUES: [Queue; 4] =
    [Queue::Checkout, Queue::Compensation, Queue::PaymentEvents, Queue::Notifications];

/// An engine on `store`, as the worker `name`.
pub fn engine(store: &Arc<dyn Store>, name: &str) -> Engine {
    Engine {
        store: Arc::clone(store),
        registry: flows::REGISTRY,
        worker: name.to_owned(),
        lease: LEASE,
        queues: QUEUES.to_vec(),
    }
}

/// A [`BatchInput`] for one batch: these outcomes, and everything that is due.
pub fn sweep(outcomes: Vec<Outcome>) -> BatchInput {
    BatchInput { outcomes, due_max: 1_000, ..hinted([]) }
}

/// A [`BatchInput`] for one batch: these sagas, and nothing else.
pub fn hinted(hints: impl IntoIterator<Item = SagaId>) -> BatchInput {
    let slots = QUEUES.into_iter().map(|queue| (queue, 1_000)).collect();
    BatchInput { outcomes: Vec::new(), hints: hints.into_iter().collect(), due_max: 0, slots }
}

/// Runs one batch, which is expected to be committed at once.
pub async fn batch(engine: &Engine, work: BatchInput) -> Committed {
    let mut ran: BatchOutcome = engine.run(work, &CommitFailures::default()).await;
    assert!(ran.error.is_none() && ran.not_committed.is_empty(), "{ran:?}");
    assert_eq!(ran.committed.len(), 1, "{ran:?}");
    ran.committed.remove(0)
}

/// Carries a call out.
pub async fn answer(call: &Call, outside: &Gateways) -> Outcome {
    call.outcome(execute_call(call, outside).await)
}

/// Runs batches, and moves the clock to whatever is due next, until nothing is.
pub async fn rest(engine: &Engine, shop: &Shop, clock: &ManualClock, outside: &Gateways) {
    let mut outcomes = Vec::new();
    for _ in 0..ROUNDS_MAX {
        let given = outcomes.len();
        let done = batch(engine, sweep(std::mem::take(&mut outcomes))).await;
        for call in &done.calls {
            outcomes.push(answer(call, outside).await);
        }
        if done.moved.is_empty() && given == 0 && outcomes.is_empty() {
            match next_due(shop).await {
                Some(at) => clock.set(at.max(clock.now())),
                None => return,
            }
        }
    }
    panic!("the shop does not come to rest");
}

async fn next_due(shop: &Shop) -> Option<Time> {
    let due = |saga: &Saga| saga.wake_at.map(|at| at.max(saga.leased_until.unwrap_or(at)));
    shop.sagas().await.iter().filter_map(due).min()
}

/// A sandbox in memory, and the outside with it.
pub fn outside() -> (Arc<MemorySandbox>, Gateways) {
    let sandbox = Arc::new(MemorySandbox::new(Arc::new(SystemClock)));
    (Arc::clone(&sandbox), outside_with(&(sandbox as Arc<dyn SandboxControl>)))
}

/// The outside with this provider.
pub fn outside_with(sandbox: &Arc<dyn SandboxControl>) -> Gateways {
    Gateways::new(Providers::of(Arc::clone(sandbox) as _), Channels::of(Arc::new(LogChannel)))
}

/// The flows as they are, but for the waits, which are a fiftieth.
pub fn with_backoff_divided_by() -> Registry {
    flows::REGISTRY.with_backoff_divided_by(50)
}

/// A worker in a hurry: what takes half a minute in a shop takes two seconds here.
pub fn hasty(name: &str) -> WorkerConfig {
    WorkerConfig {
        name: name.to_owned(),
        lease: Duration::from_secs(2),
        call_timeout: Duration::from_millis(400),
        sweep_every: Duration::from_millis(50),
        ..WorkerConfig::default()
    }
}

/// Starts a hasty worker on `store`.
pub fn worker(store: &Arc<dyn Store>, name: &str, outside: &Gateways) -> Runtime {
    Runtime::start(
        Arc::clone(store),
        with_backoff_divided_by(),
        outside.clone(),
        hasty(name),
        Metrics::default(),
    )
    .expect("starts")
}
