//! Measures how many orders a second Holdfast settles on Postgres, beside hand-written SQL that
//! commits once a step on the same schema, in alternating rounds of one run.
//!
//! Direct submit, the in-process queue, and a payment ledger in memory: what is measured is the
//! engine and the database. "Settled" means CONFIRMED and the customer's message saved and sent.

mod baseline;
mod database;
mod engine;
mod report;

use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;

use crate::database::Database;
use crate::report::{Round, Summary};

/// Measures settled orders per second against hand-written SQL.
#[derive(Debug, Clone, Parser)]
#[command(name = "holdfast-bench", version)]
struct Args {
    /// A superuser's URL of the Postgres to measure on; a database of its own is made for every round
    #[arg(long, env = "HOLDFAST_TEST_POSTGRES_URL")]
    postgres_url: String,
    /// Orders in a round
    #[arg(long, default_value_t = 20_000)]
    orders: usize,
    /// Rounds of each
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// SKUs the orders are spread over; a stock row is written once a batch, however many orders share it
    #[arg(long, default_value_t = 200)]
    skus: usize,
    /// Lines in an order
    #[arg(long, default_value_t = 2)]
    lines: usize,
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

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let mut summary = Summary::default();
    for round in 1..=args.rounds {
        if !args.engine_only {
            let measured = measure(&args, "baseline").await?;
            println!("round {round}  {measured}");
            summary.baseline.push(measured);
        }
        let measured = measure(&args, "holdfast").await?;
        println!("round {round}  {measured}");
        summary.engine.push(measured);
    }
    print!("{summary}");
    Ok(())
}

/// One round of one kind on a fresh database, verified before its figure counts.
async fn measure(args: &Args, kind: &'static str) -> Result<Round> {
    let database = Database::create(&args.postgres_url).await?;
    let carts = database.seed(args.orders, args.skus, args.lines).await.context("seeding the shop")?;
    // Dirty pages of the seeding are not the round's to write.
    database.settle_down().await?;
    let before = database.counters().await?;
    let (elapsed, batches) = match kind {
        "baseline" => (baseline::run(&database, carts, args.baseline_connections).await?, None),
        _ => engine::run(&database, carts, args.batch).await?,
    };
    let after = database.counters().await?;
    database.verify(args.orders, args.lines).await?;
    database.drop().await?;
    Ok(Round::new(kind, args.orders, elapsed, after.since(&before), batches))
}

/// How long a round may take before it counts as hung.
const ROUND_MAX: Duration = Duration::from_mins(10);
