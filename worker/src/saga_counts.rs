//! The sagas of the shop by state, and its queues, as metrics.

use std::sync::Arc;
use std::time::Duration;

use holdfast_saga::engine::registry::Registry;
use holdfast_saga::operations::queue_list;
use holdfast_saga::ports::{Store, StoreError};
use holdfast_saga::records::view::{QueueView, RetryingGroup, SagaCount};
use holdfast_shared::Time;
use holdfast_telemetry::Metrics;
use tokio::sync::watch;

/// As often as Prometheus scrapes.
const INTERVAL: Duration = Duration::from_secs(5);

/// Counts until `stop`. While the database does not answer, the last counts stay.
pub(crate) async fn run(
    store: Arc<dyn Store>,
    registry: Registry,
    metrics: Metrics,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        match read(&*store).await {
            Ok(counts) => {
                metrics.set_sagas(&counts.sagas);
                metrics.set_retrying(&queue_list::retrying_by_step(counts.retrying, &registry));
                metrics.set_queues(&counts.queues, counts.now);
            }
            Err(error) => tracing::debug!("the sagas could not be counted: {error}"),
        }
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

struct Counts {
    sagas: Vec<SagaCount>,
    retrying: Vec<RetryingGroup>,
    queues: Vec<QueueView>,
    now: Time,
}

/// The cost grows with the unsettled sagas, not with the stored ones.
async fn read(store: &dyn Store) -> Result<Counts, StoreError> {
    Ok(Counts {
        sagas: store.unsettled().await?,
        retrying: store.retrying().await?,
        queues: store.queues().await?,
        now: store.now().await?,
    })
}
