//! The queue without Redis: hints stay in this process.

use std::collections::BTreeMap;

use holdfast_saga::ports::{Dispatch, Hint};
use holdfast_shared::Queue;
use holdfast_telemetry::Metrics;
use tokio::sync::mpsc;

use super::delivery::{Delivery, QueueBackend};

/// Hints in one queue. Further ones are dropped, and the sweep finds their sagas.
const QUEUE_MAX: usize = 65_536;

/// Sends hints to the workers of this process.
#[derive(Debug)]
pub(super) struct EmbeddedDispatch {
    queues: BTreeMap<Queue, mpsc::Sender<Delivery>>,
    metrics: Metrics,
}

impl Dispatch for EmbeddedDispatch {
    fn wake(&self, hints: &[Hint]) {
        for hint in hints {
            // Another process serves this queue.
            let Some(queue) = self.queues.get(&hint.queue) else {
                continue;
            };
            if queue.try_send(Delivery { saga: hint.saga, receipt: None }).is_err() {
                self.metrics.hints_dropped(hint.queue, 1);
            }
        }
    }
}

/// Opens one queue for each pool.
pub(super) fn open(pools: &[Queue], metrics: &Metrics) -> (EmbeddedDispatch, Vec<QueueBackend>) {
    let mut queues = BTreeMap::new();
    let mut backends = Vec::new();
    for queue in pools {
        let (sender, hints) = mpsc::channel(QUEUE_MAX);
        queues.insert(*queue, sender);
        backends.push(QueueBackend { queue: *queue, hints });
    }
    (EmbeddedDispatch { queues, metrics: metrics.clone() }, backends)
}
