//! The queue without Redis: hints stay in this process.

use std::collections::BTreeMap;

use holdfast_saga::ports::{Dispatch, Hint};
use holdfast_shared::Queue;
use tokio::sync::mpsc;

use super::{Delivery, QueueBackend};
use crate::metrics::Metrics;

/// Hints that may wait in one queue; the next ones are dropped, and the sweep finds their sagas.
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
            // A queue that is not served here belongs to another process.
            let Some(queue) = self.queues.get(&hint.queue) else {
                continue;
            };
            if queue.try_send(Delivery { saga: hint.saga, receipt: None }).is_err() {
                self.metrics.dropped(hint.queue, 1);
            }
        }
    }
}

/// Opens one queue a pool.
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
