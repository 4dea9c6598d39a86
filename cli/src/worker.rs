//! `holdfast worker`: runs sagas, in any number of processes.

mod health;

mod list;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::bail;
use holdfast_api::{ConnectionLimits, DatabaseCheck};
use holdfast_saga::flows::REGISTRY;
use holdfast_saga::ports::Providers;
use holdfast_sandbox::SandboxControl;
use holdfast_shared::Queue;
use holdfast_telemetry::Metrics;
use holdfast_worker::{Redis, Source, WorkerConfig};
use tokio::sync::watch;

use crate::assemble::{self, WorkerParts};
use crate::database::{Database, ServedDatabaseArgs, with_database};
use crate::exit::{Exit, say, usage};
use crate::global::Global;
use crate::http_server::{HttpServer, listen, listen_at_first};
use crate::output::Watch;
use crate::provider::{RateArgs, SandboxArgs, SandboxLocation};
use crate::redis::{RedisArgs, of_shop, unavailable};
use crate::shutdown::Shutdown;
use crate::values::{duration, pool, window};

/// How long a worker waits for Redis when it starts.
const REDIS_MAX_WAIT: Duration = Duration::from_secs(5);
/// The pause between two attempts in that time.
const REDIS_RETRY_DELAY: Duration = Duration::from_millis(250);
/// Health checks and scrapes are answered at once.
const HEALTH_DRAIN: Duration = Duration::from_secs(1);

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    serve: ServeArgs,
}

impl Args {
    /// Whether it runs sagas, and is no question about workers.
    pub(crate) const fn serves(&self) -> bool {
        self.command.is_none()
    }
}

#[derive(clap::Subcommand)]
enum Command {
    /// List the workers: alive, silent, or left
    List(Watch),
}

/// Where a worker without an address answers: the first one of a machine.
const USUAL_ADDR: ([u8; 4], u16) = ([127, 0, 0, 1], 9090);

#[derive(clap::Args)]
struct ServeArgs {
    /// A pool to serve, and how many of its calls may be in flight; may be repeated
    ///
    /// Default: checkout=256, compensation=64, payment-events=64, notifications=256.
    #[arg(long, value_name = "POOL=N", value_parser = pool)]
    queue: Vec<(Queue, usize)>,

    #[command(flatten)]
    database: ServedDatabaseArgs,

    #[command(flatten)]
    redis: RedisArgs,

    /// The address for health checks and metrics; without it 127.0.0.1:9090, or a free port if that is in use
    #[arg(long, value_name = "ADDR", env = "HOLDFAST_WORKER_ADDR")]
    worker_addr: Option<SocketAddr>,

    /// How long a call may hold its saga before another worker takes it over; at most 1h
    #[arg(long, value_name = "TIME", env = "HOLDFAST_LEASE", default_value = "30s", value_parser = window)]
    lease: humantime::Duration,

    /// A call without an answer for this long is unknown, and looked up; at most half the lease
    #[arg(long, value_name = "TIME", env = "HOLDFAST_CALL_TIMEOUT", default_value = "10s", value_parser = window)]
    call_timeout: humantime::Duration,

    /// How long calls in flight may take to end when the process stops
    #[arg(long, value_name = "TIME", env = "HOLDFAST_DRAIN_TIMEOUT", default_value = "15s", value_parser = duration)]
    drain_timeout: humantime::Duration,

    #[command(flatten)]
    sandbox: SandboxArgs,

    #[command(flatten)]
    rates: RateArgs,
}

pub(crate) async fn run(args: Args, global: &Global) -> anyhow::Result<Exit> {
    let output = global.output;
    match args.command {
        Some(Command::List(watch)) => {
            let list =
                async |shop: &Database| watch.repeat(async || list::run(shop.store(), output).await).await;
            with_database(global, list).await
        }
        None => serve(args.serve, global).await,
    }
}

async fn serve(args: ServeArgs, global: &Global) -> anyhow::Result<Exit> {
    let config = WorkerConfig { shop_id: global.shop_id(), ..config(&args)? };
    let redis = args.redis.parse()?;
    let address = global.address()?;
    let location = SandboxLocation::of(&args.sandbox, address.path(), config.call_timeout)?;
    let listener = match args.worker_addr {
        Some(address) => listen(address, "--worker-addr").await?,
        None => listen_at_first(USUAL_ADDR.into()).await?,
    };
    let database = Database::open_to_work(&address, global.shop_id(), &args.database).await?;
    let redis = of_shop(redis, database.store()).await?;
    let no_redis = match &redis {
        Some(redis) => unavailable(redis).await?,
        None => None,
    };
    let source = match redis.clone() {
        Some(redis) => Source::Redis(redis, args.redis.queue_backend),
        None => Source::Embedded,
    };
    let provider = location.open().await?;
    let metrics = Metrics::default();
    let (name, pools) = (config.name.clone(), shown(&config.pools));
    let runtime = assemble::worker(WorkerParts {
        store: database.shared(),
        registry: REGISTRY,
        payments: Providers::of(Arc::clone(&provider.sandbox) as _),
        source: &source,
        config,
        circuit_breakers: Some(args.rates.breakers()),
        metrics: metrics.clone(),
    })
    .await?;
    let (stop, stopping) = (watch::Sender::new(false), watch::Sender::new(false));
    let routes = health::routes(health::Worker {
        database_check: DatabaseCheck::new(database.shared()),
        metrics,
        dependency_health: runtime.dependency_health(),
        shop_hold: runtime.shop_hold(),
        stopping: stopping.subscribe(),
    });
    let server = HttpServer::start(listener, routes, ConnectionLimits::default(), stop, HEALTH_DRAIN)?;
    let mut shutdown = Shutdown::listen()?;
    tokio::spawn(warn_of_silence(Arc::clone(&provider.sandbox)));

    let working = async {
        if let (Some(redis), Some(no_redis)) = (&redis, no_redis)
            && !answers_soon(redis).await
        {
            return no_redis;
        }
        say(&format!("worker {name} runs on {}: {pools}", address.shown()));
        match &source {
            Source::Redis(redis, backend) => say(&format!("hints come through {redis} ({backend})")),
            Source::Embedded => say("no REDIS_URL: the worker looks for what is due"),
        }
        say("payments go to the sandbox provider, which moves no money");
        say(&format!(
            "health and metrics are at {}; Ctrl-C or SIGTERM stops this worker, `holdfast worker list` lists all",
            server.url()
        ));
        std::future::pending().await
    };
    let ended = tokio::select! {
        no_redis = working => Some(format!(
            "{no_redis}; correct REDIS_URL, or unset it to work without Redis"
        )),
        another = database.becomes_another_shop() => Some(another),
        () = shutdown.signalled() => {
            say("stopping: calls in flight may end; Ctrl-C again stops at once");
            None
        }
    };
    stopping.send_replace(true);
    let cut_off = tokio::select! {
        stopped = runtime.stop() => stopped.cut_off,
        () = shutdown.signalled() => return Ok(Exit::Error),
    };
    server.close().await;
    if cut_off > 0 {
        say(&format!("calls cut off: {cut_off}; they are taken over when their leases expire"));
    }
    provider.close().await;
    database.close().await;
    match ended {
        Some(why) => bail!(why),
        None => Ok(Exit::Ok),
    }
}

/// A provider that is away at the start stops nothing: calls to it wait.
async fn warn_of_silence(sandbox: Arc<dyn SandboxControl>) {
    if let Err(fault) = sandbox.reach().await {
        tracing::warn!("{fault}; the worker goes on, and calls to it wait until it answers");
    }
}

/// Whether Redis answers within [`REDIS_MAX_WAIT`].
///
/// A worker ends if its Redis does not answer, so that a mistyped address is noticed. Until then it works by the sweep:
/// where workers are restarted whenever they end, a Redis that is down stops no order.
async fn answers_soon(redis: &Redis) -> bool {
    let until = Instant::now() + REDIS_MAX_WAIT;
    while Instant::now() < until {
        if redis.check().await.is_ok() {
            return true;
        }
        tokio::time::sleep(REDIS_RETRY_DELAY).await;
    }
    false
}

/// The configuration. A contradiction is refused before anything is opened.
fn config(args: &ServeArgs) -> anyhow::Result<WorkerConfig> {
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

/// A unique name that contains the host.
fn name() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let suffix: u16 = rand::random();
    format!("{host}-{}-{suffix:04x}", std::process::id())
}

fn shown(pools: &BTreeMap<Queue, usize>) -> String {
    pools.iter().map(|(queue, calls)| format!("{queue}={calls}")).collect::<Vec<_>>().join(" ")
}
