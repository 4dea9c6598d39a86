//! A worker of the release after this one: it knows a third version of the online checkout, and the second.
//!
//! The tests run it beside workers of this release, as a rolling deploy does.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use holdfast_log_channel::LogChannel;
use holdfast_saga::engine::definition::Definition;
use holdfast_saga::engine::registry::Registry;
use holdfast_saga::flows::{
    cancellation, checkout_cod, checkout_free, checkout_online, late_refund, notification, partial_refund,
};
use holdfast_saga::ports::{Channels, Gateways, Providers, Store as _};
use holdfast_sandbox::http::HttpSandbox;
use holdfast_store_postgres::PostgresStore;
use holdfast_telemetry::Metrics;
use holdfast_worker::{RedisAddress, RedisBackend, Runtime, Source, WorkerConfig};

/// The same stages as before: what is new about it is that this release's workers have never heard of it.
static CHECKOUT_ONLINE_V3: Definition = Definition { version: 3, ..checkout_online::V2 };

static REGISTRY: Registry = Registry::new(&[
    &CHECKOUT_ONLINE_V3,
    &checkout_online::V2,
    &checkout_cod::V1,
    &checkout_free::V1,
    &notification::V1,
    &cancellation::V1,
    &late_refund::V1,
    &partial_refund::V1,
]);

const CALL_TIMEOUT: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let variable = |name: &str| std::env::var(name).with_context(|| format!("{name} is not set"));
    let store = PostgresStore::connect(&variable("DATABASE_URL")?, 6).await?;
    let address = RedisAddress::parse(&variable("REDIS_URL")?, "holdfast")?;
    let redis = address.of_shop(store.keys().await?.shop());
    let sandbox = HttpSandbox::new(&variable("HOLDFAST_SANDBOX_URL")?, CALL_TIMEOUT)?;
    let outside = Gateways::new(Providers::of(Arc::new(sandbox)), Channels::of(Arc::new(LogChannel)));
    let config = WorkerConfig {
        name: format!("next-{}-{:08x}", std::process::id(), rand::random::<u32>()),
        lease: CALL_TIMEOUT * 2,
        call_timeout: CALL_TIMEOUT,
        ..WorkerConfig::default()
    };
    let source = Source::Redis(Arc::new(redis), RedisBackend::Streams);
    let runtime = Runtime::start_on(&source, Arc::new(store), REGISTRY, outside, config, Metrics::default())?;
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    terminate.recv().await;
    runtime.stop().await;
    Ok(())
}
