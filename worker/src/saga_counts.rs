//! The sagas of the shop by state, and its queues, as metrics.

use std::sync::Arc;
use std::time::Duration;

use holdfast_saga::ports::{Store, StoreError};
use holdfast_saga::records::view::{QueueView, SagaCount};
use holdfast_shared::Time;
use holdfast_telemetry::Metrics;
use tokio::sync::watch;

/// As often as Prometheus scrapes.
const INTERVAL: Duration = Duration::from_secs(5);

/// Counts until `stop`. While the database does not answer, the last counts stay.
pub(crate) async fn run(store: Arc<dyn Store>, metrics: Metrics, mut stop: watch::Receiver<bool>) {
    loop {
        match read(&*store).await {
            Ok((saga_counts, queues, now)) => {
                metrics.set_sagas(&saga_counts);
                metrics.set_queues(&queues, now);
            }
            Err(error) => tracing::debug!("the sagas could not be counted: {error}"),
        }
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

/// The cost grows with the unsettled sagas, not with the stored ones.
async fn read(store: &dyn Store) -> Result<(Vec<SagaCount>, Vec<QueueView>, Time), StoreError> {
    Ok((store.unsettled().await?, store.queues().await?, store.now().await?))
}
