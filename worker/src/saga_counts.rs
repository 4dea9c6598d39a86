//! The sagas of the shop by state, and its queues, as metrics.

use std::sync::Arc;
use std::time::Duration;

use holdfast_saga::engine::registry::Registry;
use holdfast_saga::operations::queue_list;
use holdfast_saga::ports::{Store, StoreError};
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
        if let Err(error) = count(&*store, &registry, &metrics).await {
            tracing::debug!("the sagas could not be counted: {error}");
        }
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

/// The cost grows with the unsettled sagas, not with the stored ones. Each count is shown as soon as it is there; the one that
/// looks into every saga comes last.
async fn count(store: &dyn Store, registry: &Registry, metrics: &Metrics) -> Result<(), StoreError> {
    metrics.set_queues(&store.queues().await?, store.now().await?);
    metrics.set_sagas(&store.unsettled().await?);
    metrics.set_retrying(&queue_list::retrying_by_step(store.retrying().await?, registry));
    Ok(())
}
