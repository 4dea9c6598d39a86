//! The state that all handlers share.

use std::ops::Deref;
use std::sync::Arc;

use holdfast_intake::CheckoutIntake;
use holdfast_saga::ports::{Dispatch, Hint, ProviderAmounts, Store, StoreError};
use holdfast_shared::SystemIds;
use holdfast_telemetry::{HttpMetrics, Metrics};
use tokio::sync::{Mutex, watch};

use crate::admission::Admission;
use crate::auth::Verifier;
use crate::cursor::Cursors;
use crate::database_check::DatabaseCheck;
use crate::lanes::Lanes;
use crate::order_token::OrderTokens;
use crate::proxies::Callers;
use crate::settings::Settings;
use crate::streams::Streams;
use crate::watch::Watch;

/// Why the API cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another API of this process has registered its metrics in the same registry.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// What the API is made of. The caller owns the parts and stops them.
#[derive(Debug)]
pub struct Parts {
    /// The database of the shop.
    pub store: Arc<dyn Store>,
    /// Accepts checkouts, many in one commit.
    pub checkout_intake: CheckoutIntake,
    /// Sends hints to workers.
    pub dispatch: Arc<dyn Dispatch>,
    /// Verifies the tokens of callers.
    pub verifier: Verifier,
    /// What the payment providers can take and give back.
    pub amounts: ProviderAmounts,
    /// The metrics of this process; `/metrics` prints all of them.
    pub metrics: Metrics,
}

/// The state of the API. Clones share everything.
#[derive(Debug, Clone)]
pub(crate) struct App(Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) database_check: DatabaseCheck,
    pub(crate) checkout_intake: CheckoutIntake,
    pub(crate) dispatch: Arc<dyn Dispatch>,
    pub(crate) verifier: Verifier,
    pub(crate) amounts: ProviderAmounts,
    pub(crate) metrics: Metrics,
    pub(crate) http: HttpMetrics,
    pub(crate) settings: Settings,
    pub(crate) tokens: OrderTokens,
    pub(crate) cursors: Cursors,
    pub(crate) admission: Admission,
    pub(crate) lanes: Lanes,
    pub(crate) callers: Callers,
    pub(crate) streams: Streams,
    pub(crate) watch: Watch,
    pub(crate) ids: SystemIds,
    /// Locked while an audit runs.
    pub(crate) audit_lock: Mutex<()>,
}

impl Deref for App {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl App {
    /// Wakes workers for what was accepted, and looks at its order soon on behalf of its streams.
    pub(crate) fn wake(&self, hints: &[Hint]) {
        self.dispatch.wake(hints);
        for hint in hints {
            hint.saga.order().into_iter().for_each(|order| self.watch.expect(order));
        }
    }

    /// Assembles the state, and starts the background tasks, which run until `stop`.
    pub(crate) async fn start(
        parts: Parts,
        settings: Settings,
        stop: watch::Receiver<bool>,
    ) -> Result<Self, StartError> {
        let Parts { store, checkout_intake, dispatch, verifier, amounts, metrics } = parts;
        let tokens = OrderTokens::load(&*store).await?;
        let cursors = Cursors::load(&*store).await?;
        let admission = Admission::start(Arc::clone(&store), settings.pending_max, stop.clone());
        let watch = Watch::start(Arc::clone(&store), stop);
        let http = HttpMetrics::register(&metrics)?;
        let lanes = Lanes::new(settings.connections, http.clone());
        let callers = Callers::new(settings.trusted_proxies.clone(), settings.forwarded_header);
        let streams = Streams::new(settings.streams_per_caller);
        let ids = SystemIds;
        let inner = Inner {
            database_check: DatabaseCheck::new(Arc::clone(&store)),
            store,
            checkout_intake,
            dispatch,
            verifier,
            amounts,
            metrics,
            http,
            settings,
            tokens,
            cursors,
            admission,
            lanes,
            callers,
            streams,
            watch,
            ids,
            audit_lock: Mutex::new(()),
        };
        Ok(Self(Arc::new(inner)))
    }
}
