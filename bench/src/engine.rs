//! Settled orders a second, beside hand-written SQL that commits once a step on the same schema.
//!
//! Direct submit, the in-process queue, and a payment ledger in memory: what is measured is the
//! engine and the database. "Settled" means CONFIRMED and the customer's message saved and sent.

mod holdfast;
mod report;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use holdfast_shared::{CartId, ShopId};
use holdfast_worker::{RedisAddress, Source, WorkerConfig};
use redis::aio::MultiplexedConnection;

pub(crate) use self::report::{Round, Spread, Summary, per};
use crate::database::Database;
use crate::limits::Limit;
use crate::shop::{self, Goods};

/// How long a round may take before it counts as hung.
const ROUND_MAX: Duration = Duration::from_mins(10);
/// Longer than finished hints stay anywhere.
const TIDY: Duration = Duration::from_secs(3);

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// A superuser's URL of the Postgres to measure on; a database of its own is made for every round
    #[arg(long, env = "HOLDFAST_TEST_POSTGRES_URL")]
    postgres_url: String,
    /// Orders in a round
    #[arg(long, default_value_t = 20_000)]
    orders: usize,
    /// Rounds of each
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    #[command(flatten)]
    goods: Goods,
    /// Sagas in a batch, and calls in flight
    #[arg(long, default_value_t = 512)]
    batch: usize,
    /// Connections of the hand-written baseline
    #[arg(long, default_value_t = 16)]
    baseline_connections: u32,
    /// Leave the baseline out
    #[arg(long)]
    engine_only: bool,
    /// How hints travel: in the process, or through Redis as `streams` or `apalis-redis`
    #[arg(long, value_name = "NAME", default_value = "embedded", value_parser = ["embedded", "streams", "apalis-redis"])]
    queue: String,
    /// The Redis for it
    #[arg(long, env = "HOLDFAST_TEST_REDIS_URL")]
    redis_url: Option<String>,
}

pub(crate) async fn run(args: &Args) -> Result<Summary> {
    let mut summary = Summary::default();
    for round in 1..=args.rounds {
        eprintln!("engine: round {round} of {}", args.rounds);
        if !args.engine_only {
            let limit = Limit::OneCommitAStep;
            let baseline = limit.measure(
                "baseline",
                &args.postgres_url,
                args.orders,
                args.goods,
                args.baseline_connections,
            );
            summary.baseline.push(baseline.await?);
        }
        summary.engine.push(measure(args).await?);
    }
    Ok(summary)
}

/// Settles one order a cart in this process, in batches as large as a worker's.
pub(crate) async fn settle(database: &Database, carts: Vec<CartId>) -> Result<()> {
    let batch = WorkerConfig::default().batch_max;
    holdfast::run(database, carts, batch, &Source::Embedded).await.map(drop)
}

/// One round on a fresh database, verified before its figure counts.
async fn measure(args: &Args) -> Result<Round> {
    let database = Database::create(&args.postgres_url).await?;
    let carts = shop::seed(&database.store, args.orders, args.goods).await.context("seeding the shop")?;
    database.settle_down().await?;
    let before = database.counters().await?;
    let queue = args.queue()?;
    let redis = Memory::before(args).await?;
    let (elapsed, batches) = holdfast::run(&database, carts, args.batch, &queue).await?;
    let after = database.counters().await?;
    let grown = match redis {
        Some(redis) => Some(redis.grown().await?),
        None => None,
    };
    database.verify(args.orders, args.goods.lines).await?;
    database.drop().await?;
    let round = Round::new("holdfast", args.orders, elapsed, after.since(&before), batches);
    Ok(round.beside_redis(grown))
}

impl Args {
    fn queue(&self) -> Result<Source> {
        if self.queue == "embedded" {
            return Ok(Source::Embedded);
        }
        let url = self.redis_url.as_deref().context("which Redis? Set HOLDFAST_TEST_REDIS_URL")?;
        let address = RedisAddress::parse(url, "bench")?;
        Ok(Source::Redis(Arc::new(address.of_shop(ShopId::random())), self.queue.parse()?))
    }
}

/// What Redis holds.
struct Memory {
    connection: MultiplexedConnection,
    before: i64,
}

impl Memory {
    /// Before a round that uses Redis.
    async fn before(args: &Args) -> Result<Option<Self>> {
        let Some(url) = args.redis_url.as_deref().filter(|_| args.queue != "embedded") else {
            return Ok(None);
        };
        let mut connection = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
        let before = used_memory(&mut connection).await?;
        Ok(Some(Self { connection, before }))
    }

    /// After it, once what is finished had time to be tidied away.
    async fn grown(mut self) -> Result<i64> {
        tokio::time::sleep(TIDY).await;
        Ok(used_memory(&mut self.connection).await? - self.before)
    }
}

async fn used_memory(connection: &mut MultiplexedConnection) -> Result<i64> {
    let info: String = redis::cmd("INFO").arg("memory").query_async(connection).await?;
    let used = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
    Ok(used.context("Redis does not report its memory")?.trim().parse()?)
}
