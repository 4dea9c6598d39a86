//! The second payment provider of the tests, as processes of its own: `second_provider bank` is the bank, `second_provider
//! worker` a worker that knows it besides the sandbox.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail};
use holdfast_log_channel::LogChannel;
use holdfast_saga::flows::REGISTRY;
use holdfast_saga::ports::{Channels, Gateways, PaymentProvider, Providers, Store as _};
use holdfast_sandbox::http::HttpSandbox;
use holdfast_shared::SystemClock;
use holdfast_store_postgres::PostgresStore;
use holdfast_telemetry::Metrics;
use holdfast_test_bank::{Bank, BankProvider, HttpWire, LocalWire, Weather, serve};
use holdfast_worker::{RedisAddress, RedisBackend, Runtime, Source, WorkerConfig, refuse_unnamed_shop};
use tokio::net::TcpListener;

const CALL_TIMEOUT: Duration = Duration::from_secs(1);
const KEY_TTL: Duration = Duration::from_hours(24);
const API_KEY: &str = "key_1";
/// Of a hundred requests, so many meet with a mishap until it is calm.
const STORM: u32 = 15;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("bank") => bank().await,
        Some("worker") => worker().await,
        other => bail!("bank or worker is expected, not {other:?}"),
    }
}

async fn bank() -> anyhow::Result<()> {
    let calm = Arc::new(AtomicBool::new(std::env::var_os("BANK_IS_CALM").is_some()));
    let is_calm = Arc::clone(&calm);
    let bank = Bank::new(KEY_TTL).with_account(API_KEY, "acct_1", std::env::var_os("BANK_IS_LIVE").is_some());
    let wire = LocalWire::new(bank, Arc::new(SystemClock)).in_weather(move |asked| {
        let is_spared = is_calm.load(Ordering::SeqCst) || asked.path == "/movements";
        if is_spared || rand::random_range(0..100) >= STORM {
            return Weather::Clear;
        }
        match rand::random_range(0..5) {
            0 => Weather::LoseAnswer,
            1 => Weather::LoseRequest,
            2 => Weather::TooMany,
            done => Weather::ServerError { done: done == 3 },
        }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    eprintln!("the bank is at http://{}", listener.local_addr()?);
    Ok(serve(listener, Arc::new(wire), calm).await?)
}

async fn worker() -> anyhow::Result<()> {
    let variable = |name: &str| std::env::var(name).with_context(|| format!("{name} is not set"));
    let store = PostgresStore::connect(&variable("DATABASE_URL")?, 6).await?;
    let address = RedisAddress::parse(&variable("REDIS_URL")?, "holdfast")?;
    let redis = address.of_shop(store.keys().await?.shop());
    let sandbox = HttpSandbox::new(&variable("HOLDFAST_SANDBOX_URL")?, CALL_TIMEOUT)?;
    let wire = HttpWire::new(&variable("BANK_URL")?, CALL_TIMEOUT).context("BANK_URL is no URL")?;
    let bank = BankProvider::new(Arc::new(wire), API_KEY, KEY_TTL);
    let payments = [Arc::new(sandbox) as Arc<dyn PaymentProvider>, Arc::new(bank)];
    let outside =
        Gateways::new(payments.into_iter().collect::<Providers>(), Channels::of(Arc::new(LogChannel)));
    let shop_id = std::env::var("HOLDFAST_SHOP_ID").ok().map(|id| id.parse()).transpose()?;
    refuse_unnamed_shop(&outside.payments, shop_id, store.keys().await?.shop()).await?;
    let config = WorkerConfig {
        shop_id,
        name: format!("second-{}-{:08x}", std::process::id(), rand::random::<u32>()),
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
