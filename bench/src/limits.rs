//! What no engine on these tables can heartbeat: hand-written SQL that settles the same orders and remembers nothing.
//!
//! A limit keeps no saga and no history, so after a crash somebody would have to find out what is half done.

mod one_commit_a_step;
mod set_wise;

use std::fmt;

use anyhow::{Context, Result};
use clap::ValueEnum;
use serde::Serialize;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

use crate::database::Database;
use crate::engine::{Round, Spread};
use crate::shop::{self, Goods};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Limit {
    /// The rows of a hundred orders in each statement
    #[value(name = "setwise")]
    SetWise,
    /// Each step of each order in a transaction of its own
    OneCommitAStep,
}

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Which limit
    #[arg(value_enum)]
    limit: Limit,
    /// A superuser's URL of the Postgres to measure on; a database of its own is made for every round
    #[arg(long, env = "HOLDFAST_TEST_POSTGRES_URL")]
    postgres_url: String,
    /// Orders in a round
    #[arg(long, default_value_t = 20_000)]
    orders: usize,
    /// Rounds
    #[arg(long, default_value_t = 1)]
    rounds: usize,
    #[command(flatten)]
    goods: Goods,
    /// Connections; 2 set-wise and 16 with one commit a step unless said
    #[arg(long)]
    connections: Option<u32>,
}

/// Rounds that were verified: the others are errors.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    rounds: Vec<Verified>,
}

#[derive(Debug, Serialize)]
struct Verified {
    #[serde(flatten)]
    round: Round,
    verified: bool,
}

pub(crate) async fn run(args: &Args) -> Result<Summary> {
    let connections = args.connections.unwrap_or_else(|| args.limit.connections());
    let mut rounds = Vec::new();
    for _ in 0..args.rounds {
        let round =
            args.limit.measure(args.limit.name(), &args.postgres_url, args.orders, args.goods, connections);
        rounds.push(Verified { round: round.await?, verified: true });
    }
    Ok(Summary { rounds })
}

impl Limit {
    fn name(self) -> &'static str {
        match self {
            Self::SetWise => "setwise",
            Self::OneCommitAStep => "one-commit-a-step",
        }
    }

    /// As many as it is fastest with.
    fn connections(self) -> u32 {
        match self {
            Self::SetWise => 2,
            Self::OneCommitAStep => 16,
        }
    }

    /// One round on a fresh database, verified before its figure counts.
    pub(crate) async fn measure(
        self,
        kind: &'static str,
        postgres_url: &str,
        orders: usize,
        goods: Goods,
        connections: u32,
    ) -> Result<Round> {
        let database = Database::create(postgres_url).await?;
        database.insist_on_durability().await?;
        let carts = shop::seed(&database.store, orders, goods).await.context("seeding the shop")?;
        database.settle_down().await?;
        let before = database.counters().await?;
        let elapsed = match self {
            Self::SetWise => set_wise::run(&database, &carts, connections).await?,
            Self::OneCommitAStep => one_commit_a_step::run(&database, carts, connections).await?,
        };
        let after = database.counters().await?;
        database.verify(orders, goods.lines).await?;
        database.drop().await?;
        Ok(Round::new(kind, orders, elapsed, after.since(&before), None))
    }
}

/// So many connections, open from the start.
async fn pool(database: &Database, connections: u32) -> Result<PgPool> {
    let options = PgPoolOptions::new().max_connections(connections).min_connections(connections);
    Ok(options.test_before_acquire(false).connect(&database.url).await?)
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, Verified { round, .. }) in self.rounds.iter().enumerate() {
            writeln!(f, "round {}  {round}", number + 1)?;
        }
        let spread = Spread::of(self.rounds.iter().map(|verified| verified.round.orders_per_s()));
        writeln!(f, "{spread} orders/s settled")
    }
}
