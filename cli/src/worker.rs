//! `holdfast worker`: carries orders on, in any number of processes.

mod health;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::bail;
use holdfast_saga::flows::REGISTRY;
use holdfast_saga::ports::Gateways;
use holdfast_shared::Queue;
use holdfast_worker::{LogNotifier, Metrics, Redis, Runtime, Source, WorkerConfig};
use tokio::sync::watch;

use crate::args::{Global, WorkerServeArgs};
use crate::database::{Address, Database};
use crate::door::{HttpServer, Stop, listen};
use crate::exit::{Exit, say, usage};
use crate::provider::SandboxLocation;
use crate::redis::{absent, named, of_shop};

/// How long a worker waits for a Redis that does not answer when it starts.
const INSIST: Duration = Duration::from_secs(5);
/// And how often it looks.
const ASK_AGAIN: Duration = Duration::from_millis(250);
/// Whoever asks how a worker fares is answered at once.
const HEALTH_DRAIN: Duration = Duration::from_secs(1);

pub(crate) async fn run(args: WorkerServeArgs, global: &Global) -> anyhow::Result<Exit> {
    let config = config(&args)?;
    let redis = named(&args.redis)?;
    let address = Address::parse(global.database_url.as_deref())?;
    let place = SandboxLocation::of(&args.sandbox, address.path(), config.call_timeout)?;
    let listener = listen(args.worker_addr, "--worker-addr").await?;
    let database = Database::open(global.database_url.as_deref()).await?;
    let redis = of_shop(redis, database.store()).await?;
    let absent = match &redis {
        Some(redis) => absent(redis).await?,
        None => None,
    };
    let source = match redis.clone() {
        Some(redis) => Source::Redis(redis, args.redis.queue_backend),
        None => Source::Embedded,
    };
    let provider = place.open().await?;
    let outside = Gateways { payments: Arc::clone(&provider.sandbox) as _, notifier: Arc::new(LogNotifier) };
    let metrics = Metrics::default();
    let (name, pools) = (config.name.clone(), shown(&config.pools));
    let circuit_breaker = provider.circuit_breaker(&args.circuit_breaker, &name, redis.clone(), &metrics);
    let config = WorkerConfig { circuit_breaker: Some(circuit_breaker), ..config };
    let runtime = Runtime::start_on(&source, database.shared(), REGISTRY, outside, config, metrics.clone())?;
    let (stop, stopping) = (watch::Sender::new(false), watch::Sender::new(false));
    let this_shop = database.store().keys().await?.shop();
    let routes = health::routes(this_shop, metrics, runtime.dependency_health(), stopping.subscribe());
    let door = HttpServer::to(listener, routes, stop, HEALTH_DRAIN)?;
    let mut told = Stop::listen()?;

    let working = async {
        if let (Some(redis), Some(absent)) = (&redis, absent)
            && !answers_soon(redis).await
        {
            return absent;
        }
        say(&format!("{name} carries orders on at {}: {pools}", address.shown()));
        match &source {
            Source::Redis(redis, backend) => say(&format!("hints come through {redis} ({backend})")),
            Source::Embedded => say("no REDIS_URL: what is due is found by looking for it"),
        }
        say(&format!("health and metrics are at {}; SIGTERM stops", door.url));
        std::future::pending().await
    };
    let absent = tokio::select! {
        absent = working => Some(absent),
        () = told.told() => {
            say("stopping: calls in flight may end; press Ctrl-C again to stop at once");
            None
        }
    };
    stopping.send_replace(true);
    let cut_off = tokio::select! {
        stopped = runtime.stop() => stopped.cut_off,
        () = told.told() => return Ok(Exit::Error),
    };
    door.close().await;
    if cut_off > 0 {
        say(&format!("calls cut off: {cut_off}; they are taken over when their leases end"));
    }
    provider.close().await;
    database.close().await;
    match absent {
        Some(absent) => {
            bail!("{absent}; correct REDIS_URL, or leave it out to find what is due without Redis")
        }
        None => Ok(Exit::Ok),
    }
}

/// Whether Redis answers before long.
///
/// A worker insists on the Redis it was given, or a mistyped address would go unnoticed. But it works meanwhile, by
/// the sweep: where workers are started again whenever they end, a Redis that is away stops no order.
async fn answers_soon(redis: &Redis) -> bool {
    let until = Instant::now() + INSIST;
    while Instant::now() < until {
        if redis.check().await.is_ok() {
            return true;
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
    false
}

/// How this worker works. What contradicts itself is refused before anything is touched.
fn config(args: &WorkerServeArgs) -> anyhow::Result<WorkerConfig> {
    let mut pools = BTreeMap::new();
    for (queue, calls) in &args.queue {
        if pools.insert(*queue, *calls).is_some() {
            return Err(usage(format!("--queue {queue} is given twice; keep one of them")));
        }
    }
    let default = WorkerConfig::default();
    let config = WorkerConfig {
        name: name(),
        pools: if pools.is_empty() { default.pools } else { pools },
        lease: *args.lease,
        call_timeout: *args.call_timeout,
        drain_timeout: *args.drain_timeout,
        ..default
    };
    config.check().map_err(|error| usage(error.to_string()))?;
    Ok(config)
}

/// A name that no worker ever had before, and that says where it runs.
fn name() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let life: u16 = rand::random();
    format!("{host}-{}-{life:04x}", std::process::id())
}

fn shown(pools: &BTreeMap<Queue, usize>) -> String {
    pools.iter().map(|(queue, calls)| format!("{queue}={calls}")).collect::<Vec<_>>().join(" ")
}
