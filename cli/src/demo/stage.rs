//! The stage a demo plays on: a shop's database, the sandbox's own books, and a worker.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context as _;
use holdfast_api::Settings;
use holdfast_api::auth::{TokenSettings, Verifier};
use holdfast_saga::flows::REGISTRY;
use holdfast_saga::ports::{Gateways, Hint, Store};
use holdfast_saga::shop::checkout::AcceptPolicy;
use holdfast_sandbox::SandboxControl;
use holdfast_shared::SagaState;
use holdfast_worker::{LogNotifier, Metrics, Runtime, WorkerConfig, WorkerStats};
use tempfile::TempDir;

use super::client::Client;
use crate::args::{DemoArgs, Global, SandboxArgs};
use crate::database::{Address, Database};
use crate::door::{ApiParts, HttpServer, listen_anywhere};
use crate::provider::SandboxLocation;
use crate::token::random_secret;

/// How much shorter the waits between two tries are than in production, so that giving up takes
/// seconds instead of minutes.
const HURRY: u32 = 25;
/// `tok_timeout` never answers; this is how long the demo listens.
const CALL_TIMEOUT: Duration = Duration::from_millis(400);
/// A worker that was killed is succeeded after this long.
const LEASE: Duration = Duration::from_secs(2);
/// The window of orders that nobody will decide about.
const LEFT_ALONE_FOR: Duration = Duration::from_secs(3);

/// Requests under way when the demo ends are nobody's any more.
const DRAIN: Duration = Duration::from_secs(2);

pub(crate) struct Stage {
    database: Database,
    name: String,
    /// The command that goes on with this very shop; `None` when it goes with the temporary folder.
    resume: Option<String>,
    pub(crate) sandbox: Arc<dyn SandboxControl>,
    runtime: Runtime,
    /// Takes orders with the usual windows.
    pub(crate) usual: Client,
    /// Takes orders that nobody will decide about.
    pub(crate) hasty: Client,
    doors: [HttpServer; 2],
    stats: Arc<WorkerStats>,
    _folder: Option<TempDir>,
}

/// How the sagas of the shop stand.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Standing {
    /// Checkouts, whatever became of them.
    pub(crate) orders: u64,
    /// Of these, the ones that rest.
    pub(crate) settled: u64,
    /// Sagas of any kind that still move or wait.
    pub(crate) live: u64,
}

impl Stage {
    /// Opens or creates the shop, brings its schema up to date and starts a worker.
    pub(crate) async fn boot(args: &DemoArgs, global: &Global) -> anyhow::Result<Self> {
        let (address, folder) = if let Some(url) = &global.database_url {
            (Address::parse(Some(url))?, None)
        } else {
            let folder = tempfile::Builder::new().prefix("holdfast-demo-").tempdir()?;
            let url = format!("sqlite://{}", folder.path().join("shop.db").display());
            (Address::parse(Some(&url))?, Some(folder))
        };
        let place = SandboxLocation::of(&args.sandbox, address.path(), CALL_TIMEOUT)?;
        let database = Database::connect(&address).await?;
        database.migrate().await.with_context(|| address.shown())?;
        let sandbox = place.open().await?.sandbox;
        // One that does not answer would let every order fail: better nothing is begun.
        sandbox.waiting_actions().await?;
        let outside = Gateways { payments: Arc::clone(&sandbox) as _, notifier: Arc::new(LogNotifier) };
        let config = WorkerConfig { lease: LEASE, call_timeout: CALL_TIMEOUT, ..WorkerConfig::default() };
        let metrics = Metrics::default();
        let registry = REGISTRY.with_backoff_divided_by(HURRY);
        let runtime = Runtime::start(database.shared(), registry, outside, config, metrics.clone())?;
        let usual = AcceptPolicy::new(sandbox.name());
        let hasty =
            AcceptPolicy { payment_within: LEFT_ALONE_FOR, confirm_within: LEFT_ALONE_FOR, ..usual.clone() };
        let secret = random_secret();
        let open = |policy: AcceptPolicy, metrics| {
            let (store, dispatch) = (database.shared(), runtime.dispatch());
            let verifier = Verifier::with_secret(&secret, TokenSettings::default())?;
            let settings = Settings { requests_per_second: None, ..Settings::default() };
            anyhow::Ok(ApiParts { store, dispatch, verifier, policy, metrics, settings, drain: DRAIN })
        };
        let doors = [
            HttpServer::open(listen_anywhere().await?, open(usual, metrics)?).await?,
            HttpServer::open(listen_anywhere().await?, open(hasty, Metrics::default())?).await?,
        ];
        let [usual, hasty] = [&doors[0], &doors[1]].map(|door| Client::new(&door.url, &secret));
        Ok(Self {
            resume: folder.is_none().then(|| resume_command(args)),
            name: folder
                .as_ref()
                .map_or_else(|| address.shown(), |folder| folder.path().display().to_string()),
            usual: usual?,
            hasty: hasty?,
            doors,
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

    /// Where the shop is.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What becomes of orders that are still on their way.
    pub(crate) fn how_to_go_on(&self) -> String {
        match &self.resume {
            Some(command) => format!("`{command}` goes on with the orders that are on their way"),
            None => "the shop was a temporary one and is gone; give --database-url to keep one".to_owned(),
        }
    }

    /// Tells the worker that a saga is due.
    pub(crate) fn wake(&self, hint: Hint) {
        self.runtime.dispatch().wake(&[hint]);
    }

    /// Sagas moved by this process so far.
    pub(crate) fn moved(&self) -> u64 {
        self.stats.moved.load(Ordering::Relaxed)
    }

    pub(crate) async fn standing(&self) -> anyhow::Result<Standing> {
        let mut standing = Standing::default();
        for count in self.store().saga_counts().await? {
            let rests = count.state.is_settled() || count.state == SagaState::Dead;
            if count.definition.starts_with("checkout_") {
                standing.orders += count.sagas;
                standing.settled += if rests { count.sagas } else { 0 };
            }
            standing.live += if rests { 0 } else { count.sagas };
        }
        Ok(standing)
    }

    /// Stops the worker; says how many calls were cut off.
    pub(crate) async fn stop(self) -> usize {
        for door in self.doors {
            door.close().await;
        }
        let stopped = self.runtime.stop().await;
        self.database.close().await;
        stopped.cut_off
    }
}

fn resume_command(args: &DemoArgs) -> String {
    let SandboxArgs { sandbox_ledger, sandbox_url } = &args.sandbox;
    let ledger = sandbox_ledger.as_ref().map(|path| format!(" --sandbox-ledger {}", path.display()));
    let url = sandbox_url.as_ref().filter(|url| !url.is_empty()).map(|_| " --sandbox-url …".to_owned());
    format!("holdfast demo --resume --database-url …{}", ledger.or(url).unwrap_or_default())
}
