//! Assembling a process: the one place that names concrete stores, payment providers and channels.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use holdfast_api::ConnectionLimits;
use holdfast_log_channel::LogChannel;
use holdfast_saga::engine::registry::Registry;
use holdfast_saga::ports::{Channels, Gateways, Providers, Store, StoreError};
use holdfast_sandbox::http::{HttpSandbox, routes};
use holdfast_sandbox::{DurableSandbox, SandboxControl};
use holdfast_shared::{StepKey, SystemClock};
use holdfast_store_postgres::PostgresStore;
use holdfast_store_sqlite::SqliteStore;
use holdfast_telemetry::Metrics;
use holdfast_worker::{
    CircuitBreaker, CircuitBreakerConfig, Gateway, Runtime, Source, WorkerConfig, refuse_unnamed_shop,
};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::address::Address;
use crate::exit::usage;
use crate::http_server::HttpServer;
use crate::private_file::make_private;
use crate::schema::Schema;

/// The sandbox answers within milliseconds, and its delays end when it stops.
const SANDBOX_DRAIN: Duration = Duration::from_secs(5);

/// Opens the store at `address`. On Postgres it may have so many `connections` for reads, and as many for transactions.
pub(crate) async fn store(
    address: &Address,
    connections: u32,
) -> Result<(Arc<dyn Store>, Box<dyn Schema>), StoreError> {
    match address {
        Address::Postgres(url) => {
            let store = PostgresStore::connect(url, connections).await?;
            Ok((Arc::new(store.clone()), Box::new(store)))
        }
        Address::Sqlite { url, .. } => {
            make_private(&SqliteStore::file(url)?);
            let store = SqliteStore::open(url, Arc::new(SystemClock)).await?;
            Ok((Arc::new(store.clone()), Box::new(store)))
        }
    }
}

#[async_trait]
impl Schema for PostgresStore {
    async fn migrate(&self) -> Result<Vec<(i64, String)>, StoreError> {
        self.migrate().await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.check_schema().await
    }

    async fn shop_id(&self) -> Result<Option<String>, StoreError> {
        self.shop_id().await
    }

    async fn close(&self) {
        self.close();
    }
}

#[async_trait]
impl Schema for SqliteStore {
    async fn migrate(&self) -> Result<Vec<(i64, String)>, StoreError> {
        self.migrate().await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.check_schema().await
    }

    async fn shop_id(&self) -> Result<Option<String>, StoreError> {
        self.shop_id().await
    }

    async fn close(&self) {
        self.close().await;
    }
}

/// A sandbox provider that runs elsewhere. An answer that takes longer than `timeout` counts as lost.
pub(crate) fn remote_sandbox(url: &str, timeout: Duration) -> anyhow::Result<Arc<dyn SandboxControl>> {
    let sandbox = HttpSandbox::new(url, timeout).map_err(|error| usage(error.to_string()))?;
    Ok(Arc::new(sandbox))
}

/// A sandbox provider in this process, with its ledger in a file. A ledger that does not exist is created.
pub(crate) async fn sandbox(ledger: &Path) -> anyhow::Result<Arc<dyn SandboxControl>> {
    Ok(Arc::new(open_ledger(ledger).await?))
}

/// Serves the sandbox provider of a ledger. Each charge is answered `delay` after it was carried out.
pub(crate) async fn serve_sandbox(
    listener: TcpListener,
    ledger: &Path,
    delay: Duration,
) -> anyhow::Result<HttpServer> {
    let sandbox = open_ledger(ledger).await?;
    // A ledger that opens and cannot be written would refuse every charge: fail at start-up instead.
    let tried = sandbox.find(&StepKey::from_stored("boot")).await;
    tried.with_context(|| ledger.display().to_string())?;
    let stop = watch::Sender::new(false);
    let routes = routes(sandbox, delay, stop.subscribe());
    // Each worker asks from one address, over many connections.
    let limits = ConnectionLimits { per_address: None, ..ConnectionLimits::default() };
    HttpServer::start(listener, routes, limits, stop, SANDBOX_DRAIN)
}

async fn open_ledger(ledger: &Path) -> anyhow::Result<DurableSandbox> {
    make_private(ledger);
    Ok(DurableSandbox::open(ledger, Arc::new(SystemClock)).await?)
}

/// What a worker is made of.
pub(crate) struct WorkerParts<'a> {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) registry: Registry,
    pub(crate) payments: Providers,
    pub(crate) source: &'a Source,
    pub(crate) config: WorkerConfig,
    /// The settings of all circuit breakers; `None`: no provider or channel has one.
    pub(crate) circuit_breakers: Option<BreakerSettings>,
    pub(crate) metrics: Metrics,
}

/// The settings of circuit breakers: calls a second, of all workers together; `None`: no limit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BreakerSettings {
    /// To each payment provider.
    pub(crate) provider_rate: Option<NonZeroU32>,
    /// Through each notification channel.
    pub(crate) channel_rate: Option<NonZeroU32>,
}

/// Starts a worker. Workers with one Redis share the state of its circuit breaker. Credentials that move real money are
/// refused unless the settings name the shop.
pub(crate) async fn worker(parts: WorkerParts<'_>) -> anyhow::Result<Runtime> {
    let WorkerParts { store, registry, payments, source, config, circuit_breakers: settings, metrics } =
        parts;
    let shop = store.keys().await?.shop();
    let is_their_shop = refuse_unnamed_shop(&payments, config.shop_id, shop).await;
    is_their_shop.map_err(|error| usage(error.to_string()))?;
    let redis = match source {
        Source::Redis(redis, _) => Some(Arc::clone(redis)),
        Source::Embedded => None,
    };
    let gateways = Gateways::new(payments, Channels::of(Arc::new(LogChannel)));
    let (mut circuit_breakers, mut channel_breakers) = (BTreeMap::new(), BTreeMap::new());
    if let Some(BreakerSettings { provider_rate, channel_rate }) = settings {
        let start = |gateway: Gateway, rate| {
            let (name, redis) = (gateway.name().to_owned(), redis.clone());
            let settings = CircuitBreakerConfig::new(gateway, &*config.name);
            let settings = CircuitBreakerConfig { rate, redis, ..settings };
            (name, CircuitBreaker::start(settings, metrics.clone()))
        };
        let Gateways { payments, channels, .. } = &gateways;
        let providers = payments.names().filter_map(|name| payments.get(name));
        circuit_breakers
            .extend(providers.map(|each| start(Gateway::Provider(Arc::clone(each)), provider_rate)));
        let channels = channels.names().filter_map(|name| channels.get(name));
        channel_breakers.extend(channels.map(|each| start(Gateway::Channel(Arc::clone(each)), channel_rate)));
    }
    let config = WorkerConfig {
        circuit_breakers: Arc::new(circuit_breakers),
        channel_breakers: Arc::new(channel_breakers),
        ..config
    };
    Ok(Runtime::start_on(source, store, registry, gateways, config, metrics)?)
}
