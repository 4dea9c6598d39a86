//! The processes of a demo, in one: a database, a sandbox, a worker and two APIs.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use holdfast_api::auth::{TokenSettings, Verifier};
use holdfast_api::{ConnectionLimits, Settings};
use holdfast_saga::flows::REGISTRY;
use holdfast_saga::ports::{Hint, Providers, Store};
use holdfast_saga::shop::checkout::AcceptPolicy;
use holdfast_sandbox::SandboxControl;
use holdfast_shared::SagaState;
use holdfast_telemetry::Metrics;
use holdfast_worker::{Runtime, Source, WorkerConfig, WorkerStats};
use tempfile::TempDir;

use super::client::Client;
use crate::address::Address;
use crate::api_server::{self, ApiParts};
use crate::assemble::{self, WorkerParts};
use crate::database::Database;
use crate::global::Global;
use crate::http_server::{HttpServer, listen_anywhere};
use crate::named_file::NamedFile;
use crate::provider::{SandboxArgs, SandboxLocation};
use crate::token_keys::random_secret;

/// The backoff between retries is divided by this, so that giving up takes seconds instead of minutes.
const BACKOFF_DIVISOR: u32 = 25;
/// The timeout of calls: `tok_timeout` never answers.
const CALL_TIMEOUT: Duration = Duration::from_millis(400);
/// After this long, the calls of a killed worker are taken over.
const LEASE: Duration = Duration::from_secs(2);
/// The window of orders that must expire.
const SHORT_WINDOW: Duration = Duration::from_secs(3);

/// When the demo ends, nothing waits for requests in flight.
const DRAIN: Duration = Duration::from_secs(2);

pub(crate) struct Stage {
    database: Database,
    name: String,
    /// The command that resumes this demo; `None` for a shop in a temporary folder.
    resume: Option<String>,
    pub(crate) sandbox: Arc<dyn SandboxControl>,
    runtime: Runtime,
    /// The API with the usual windows.
    pub(crate) usual: Client,
    /// The API with short windows, for orders that must expire.
    pub(crate) expiring: Client,
    servers: [HttpServer; 2],
    stats: Arc<WorkerStats>,
    _folder: Option<TempDir>,
}

/// The sagas of the shop, by progress.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Progress {
    pub(crate) orders: u64,
    /// Checkouts that are settled or dead.
    pub(crate) settled: u64,
    /// Sagas of any kind that are neither settled nor dead.
    pub(crate) live: u64,
}

impl Stage {
    /// Opens or creates the shop, migrates its schema and starts a worker.
    pub(crate) async fn boot(sandbox_args: &SandboxArgs, global: &Global) -> anyhow::Result<Self> {
        let (address, folder) = if global.names_a_database() {
            (global.address()?, None)
        } else {
            let folder = tempfile::Builder::new().prefix("holdfast-demo-").tempdir()?;
            let url = format!("sqlite://{}", folder.path().join("shop.db").display());
            (Address::parse(Some(&url))?, Some(folder))
        };
        let location = SandboxLocation::of(sandbox_args, address.path(), CALL_TIMEOUT)?;
        let database = Database::connect(&address).await?;
        database.migrate(global.shop_id(), &address).await?;
        let sandbox = location.open().await?.sandbox;
        // With a sandbox that does not answer, every order would fail: fail before the first order instead.
        sandbox.waiting_actions().await?;
        let metrics = Metrics::default();
        let runtime = assemble::worker(WorkerParts {
            store: database.shared(),
            registry: REGISTRY.with_backoff_divided_by(BACKOFF_DIVISOR),
            payments: Providers::of(Arc::clone(&sandbox) as _),
            source: &Source::Embedded,
            config: WorkerConfig {
                lease: LEASE,
                call_timeout: CALL_TIMEOUT,
                shop_id: global.shop_id(),
                ..WorkerConfig::default()
            },
            circuit_breakers: None,
            metrics: metrics.clone(),
        })
        .await?;
        let usual = AcceptPolicy::new(sandbox.name());
        let expiring =
            AcceptPolicy { payment_within: SHORT_WINDOW, confirm_within: SHORT_WINDOW, ..usual.clone() };
        let secret = random_secret();
        let parts = |policy: AcceptPolicy, metrics| {
            let (store, dispatch) = (database.shared(), runtime.dispatch());
            let verifier = Verifier::with_secret(&secret, TokenSettings::default())?;
            let settings = Settings { requests_per_second: None, ..Settings::default() };
            let limits = ConnectionLimits::default();
            anyhow::Ok(ApiParts {
                store,
                dispatch,
                verifier,
                policy,
                metrics,
                settings,
                limits,
                metrics_listener: None,
                drain: DRAIN,
            })
        };
        let servers = [
            api_server::start(listen_anywhere().await?, parts(usual, metrics)?).await?,
            api_server::start(listen_anywhere().await?, parts(expiring, Metrics::default())?).await?,
        ];
        let [usual, expiring] = [&servers[0], &servers[1]].map(|server| Client::new(server.url(), &secret));
        Ok(Self {
            resume: folder.is_none().then(|| resume_command(sandbox_args)),
            name: folder
                .as_ref()
                .map_or_else(|| address.shown(), |folder| folder.path().display().to_string()),
            usual: usual?,
            expiring: expiring?,
            servers,
            stats: runtime.stats(),
            database,
            sandbox,
            runtime,
            _folder: folder,
        })
    }

    pub(crate) fn store(&self) -> &dyn Store {
        self.database.store()
    }

    /// The address of the shop.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What becomes of orders that are still on their way.
    pub(crate) fn how_to_resume(&self) -> String {
        match &self.resume {
            Some(command) => format!("`{command}` continues with the unsettled orders"),
            None => "the shop was temporary and is deleted; use --database-url to keep one".to_owned(),
        }
    }

    /// Wakes the worker for a saga.
    pub(crate) fn wake(&self, hint: Hint) {
        self.runtime.dispatch().wake(&[hint]);
    }

    /// Sagas moved by this process so far.
    pub(crate) fn moved(&self) -> u64 {
        self.stats.moved.load(Ordering::Relaxed)
    }

    pub(crate) async fn progress(&self) -> anyhow::Result<Progress> {
        let mut progress = Progress::default();
        for count in self.store().saga_counts().await? {
            let is_at_rest = count.state.is_settled() || count.state == SagaState::Dead;
            if count.definition.starts_with("checkout_") {
                progress.orders += count.sagas;
                progress.settled += if is_at_rest { count.sagas } else { 0 };
            }
            progress.live += if is_at_rest { 0 } else { count.sagas };
        }
        Ok(progress)
    }

    /// Stops everything, and returns how many calls were cut off.
    pub(crate) async fn stop(self) -> usize {
        for server in self.servers {
            server.close().await;
        }
        let stopped = self.runtime.stop().await;
        self.database.close().await;
        stopped.cut_off
    }
}

fn resume_command(args: &SandboxArgs) -> String {
    let SandboxArgs { sandbox_ledger, sandbox_url } = args;
    let ledger = sandbox_ledger
        .as_ref()
        .and_then(NamedFile::path)
        .map(|path| format!(" --sandbox-ledger {}", path.display()));
    let url = sandbox_url.as_ref().filter(|url| !url.is_empty()).map(|_| " --sandbox-url …".to_owned());
    format!("holdfast demo --resume --database-url …{}", ledger.or(url).unwrap_or_default())
}
