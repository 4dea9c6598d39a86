//! Settled orders a second, beside hand-written SQL that commits once a step on the same schema.
//!
//! Direct submit, the in-process queue, and a payment ledger in memory: what is measured is the
//! engine and the database. "Settled" means CONFIRMED and the customer's message saved and sent.

mod hand_written;
mod holdfast;
mod report;

use std::time::Duration;

use anyhow::{Context, Result};

use self::report::Round;
pub(crate) use self::report::{Spread, Summary};
use crate::database::Database;
use crate::shop::{self, Goods};

/// How long a round may take before it counts as hung.
const ROUND_MAX: Duration = Duration::from_mins(10);

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
}

pub(crate) async fn run(args: &Args) -> Result<Summary> {
    let mut summary = Summary::default();
    for round in 1..=args.rounds {
        eprintln!("engine: round {round} of {}", args.rounds);
        if !args.engine_only {
            summary.baseline.push(measure(args, "baseline").await?);
        }
        summary.engine.push(measure(args, "holdfast").await?);
    }
    Ok(summary)
}

/// One round of one kind on a fresh database, verified before its figure counts.
async fn measure(args: &Args, kind: &'static str) -> Result<Round> {
    let database = Database::create(&args.postgres_url).await?;
    let carts = shop::seed(&database.store, args.orders, args.goods).await.context("seeding the shop")?;
    database.settle_down().await?;
    let before = database.counters().await?;
    let (elapsed, batches) = match kind {
        "baseline" => (hand_written::run(&database, carts, args.baseline_connections).await?, None),
        _ => holdfast::run(&database, carts, args.batch).await?,
    };
    let after = database.counters().await?;
    database.verify(args.orders, args.goods.lines).await?;
    database.drop().await?;
    Ok(Round::new(kind, args.orders, elapsed, after.since(&before), batches))
}
