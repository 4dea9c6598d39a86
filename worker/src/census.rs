//! How the sagas of the shop stand, for the metrics.

use std::sync::Arc;
use std::time::Duration;

use holdfast_saga::ports::Store;
use tokio::sync::watch;

use crate::metrics::Metrics;

/// As often as a scraper comes by.
const EVERY: Duration = Duration::from_secs(5);

/// Counts now and then until `stop` says so. While the database does not answer, the last count stays.
pub(crate) async fn run(store: Arc<dyn Store>, metrics: Metrics, mut stop: watch::Receiver<bool>) {
    loop {
        match store.unsettled().await {
            Ok(census) => metrics.stand(&census),
            Err(error) => tracing::debug!("the sagas could not be counted: {error}"),
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}
