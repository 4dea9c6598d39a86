//! How the sagas of the shop stand, and what waits in its queues, for the metrics.

use std::sync::Arc;
use std::time::Duration;

use holdfast_saga::ports::{Store, StoreError};
use holdfast_saga::records::view::{QueueView, SagaCount};
use holdfast_shared::Time;
use tokio::sync::watch;

use crate::metrics::Metrics;

/// As often as a scraper comes by.
const EVERY: Duration = Duration::from_secs(5);

/// Counts now and then until `stop` says so. While the database does not answer, the last count stays.
pub(crate) async fn run(store: Arc<dyn Store>, metrics: Metrics, mut stop: watch::Receiver<bool>) {
    loop {
        match look(&*store).await {
            Ok((saga_counts, queues, now)) => {
                metrics.stand(&saga_counts);
                metrics.queues(&queues, now);
            }
            Err(error) => tracing::debug!("the sagas could not be counted: {error}"),
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

/// Costs what is not settled, however much is stored.
async fn look(store: &dyn Store) -> Result<(Vec<SagaCount>, Vec<QueueView>, Time), StoreError> {
    Ok((store.unsettled().await?, store.queues().await?, store.now().await?))
}
