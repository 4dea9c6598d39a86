//! Whether the database takes orders now: tried, and not asked of how things were.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use holdfast_saga::ports::{Store, StoreError};
use holdfast_shared::ShopId;
use tokio::sync::Mutex;
use tokio::time::timeout;

/// How long a verdict stands, so that probes cannot load the database, however many they are.
const STANDS: Duration = Duration::from_secs(3);
/// A database that takes longer counts as down; probes do not wait much longer either.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Tries what every order needs, once every few seconds at most. Clones share the verdict.
#[derive(Debug, Clone)]
pub struct DatabaseCheck {
    store: Arc<dyn Store>,
    last: Arc<Mutex<Option<Tried>>>,
}

#[derive(Debug)]
struct Tried {
    at: Instant,
    verdict: Result<ShopId, String>,
}

impl DatabaseCheck {
    /// Tries nothing yet.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, last: Arc::default() }
    }

    /// The shop that the database holds, or why no order can be saved there.
    pub fn run(&self) -> BoxFuture<'_, Result<ShopId, String>> {
        Box::pin(self.verdict())
    }

    async fn verdict(&self) -> Result<ShopId, String> {
        // Whoever comes meanwhile waits for the same verdict.
        let mut last = self.last.lock().await;
        if let Some(Tried { at, verdict }) = &*last
            && at.elapsed() < STANDS
        {
            return verdict.clone();
        }
        let verdict = self.tried().await;
        let before = last.as_ref().and_then(|last| last.verdict.as_ref().err());
        match (&verdict, before) {
            (Ok(_), Some(_)) => tracing::info!("ready again: the database takes orders"),
            (Err(why), before) if before != Some(why) => tracing::warn!("not ready: {why}"),
            _ => {}
        }
        *last = Some(Tried { at: Instant::now(), verdict: verdict.clone() });
        verdict
    }

    async fn tried(&self) -> Result<ShopId, String> {
        let trying = async {
            self.store.try_write().await?;
            Ok::<_, StoreError>(self.store.keys().await?.shop())
        };
        match timeout(ANSWER_WITHIN, trying).await {
            Ok(tried) => tried.map_err(|error| error.to_string()),
            Err(_) => Err(format!("the database does not answer within {} s", ANSWER_WITHIN.as_secs())),
        }
    }
}
