//! What the handlers work with.

use std::num::NonZeroU32;
use std::ops::Deref;
use std::sync::Arc;

use axum::http::HeaderValue;
use holdfast_saga::ports::{Dispatch, Hint, Store, StoreError};
use holdfast_shared::SystemIds;
use holdfast_worker::{CheckoutIntake, Metrics};
use tokio::sync::{Mutex, watch};

use crate::admission::Admission;
use crate::auth::Verifier;
use crate::edge::HttpMetrics;
use crate::order_token::OrderTokens;
use crate::watch::Watch;

/// How the front door is set up.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Requests of one caller a second; `None`: as many as they like.
    pub requests_per_second: Option<NonZeroU32>,
    /// Whether `X-Forwarded-For` is set by a proxy of the shop's own.
    pub behind_proxy: bool,
    /// Origins whose pages may call.
    pub cors_origins: Vec<HeaderValue>,
    /// Checkouts are refused while this many orders are undecided.
    pub pending_max: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            requests_per_second: NonZeroU32::new(100),
            behind_proxy: false,
            cors_origins: Vec::new(),
            // More undecided orders than any shop decides in a day: a fault or an attack, not a good day.
            pending_max: 200_000,
        }
    }
}

/// Why the front door cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A metric of ours is registered already: two front doors share one registry.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// What the front door stands on. The caller owns the parts and stops them.
#[derive(Debug)]
pub struct Parts {
    /// The database.
    pub store: Arc<dyn Store>,
    /// Takes checkouts in.
    pub checkout_intake: CheckoutIntake,
    /// Where hints go.
    pub dispatch: Arc<dyn Dispatch>,
    /// Checks tokens.
    pub verifier: Verifier,
    /// What this process counts; `/metrics` prints all of it.
    pub metrics: Metrics,
}

/// The front door's state. Clones share everything.
#[derive(Debug, Clone)]
pub(crate) struct App(Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) checkout_intake: CheckoutIntake,
    pub(crate) dispatch: Arc<dyn Dispatch>,
    pub(crate) verifier: Verifier,
    pub(crate) metrics: Metrics,
    pub(crate) http: HttpMetrics,
    pub(crate) settings: Settings,
    pub(crate) tokens: OrderTokens,
    pub(crate) admission: Admission,
    pub(crate) watch: Watch,
    pub(crate) ids: SystemIds,
    /// Held by the one audit that reads everything.
    pub(crate) auditing: Mutex<()>,
}

impl Deref for App {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl App {
    /// What was accepted begins at once, and whoever follows it looks soon.
    pub(crate) fn hurry(&self, hints: &[Hint]) {
        self.dispatch.wake(hints);
        for hint in hints {
            self.watch.expect(hint.saga.order());
        }
    }

    /// Puts the parts together and starts what watches the shop in the background until `stop` says so.
    pub(crate) async fn start(
        parts: Parts,
        settings: Settings,
        stop: watch::Receiver<bool>,
    ) -> Result<Self, StartError> {
        let Parts { store, checkout_intake, dispatch, verifier, metrics } = parts;
        let tokens = OrderTokens::load(&*store).await?;
        let admission = Admission::start(Arc::clone(&store), settings.pending_max, stop.clone());
        let watch = Watch::start(Arc::clone(&store), stop);
        let http = HttpMetrics::new(metrics.registry())?;
        let ids = SystemIds;
        let inner = Inner {
            store,
            checkout_intake,
            dispatch,
            verifier,
            metrics,
            http,
            settings,
            tokens,
            admission,
            watch,
            ids,
            auditing: Mutex::new(()),
        };
        Ok(Self(Arc::new(inner)))
    }
}
