//! What a run is made of: the scenario, what overrides it, and how the processes are put together.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::ValueEnum;
use serde::Serialize;

use super::scenario::{Arrival, Scenario};
use crate::http::process::Holdfast;
use crate::http::target_database::Kind;

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Which scenario
    #[arg(required_unless_present = "list")]
    pub(crate) scenario: Option<String>,
    /// Tell what scenarios there are
    #[arg(long)]
    pub(crate) list: bool,
    /// A superuser's URL of the Postgres to measure on; databases of its own are made there
    #[arg(long, env = "HOLDFAST_TEST_POSTGRES_URL")]
    pub(crate) postgres_url: Option<String>,
    /// The Redis for the hints; its keys have a prefix of their own and are deleted afterwards
    #[arg(long, env = "HOLDFAST_TEST_REDIS_URL")]
    pub(crate) redis_url: Option<String>,
    /// The measured binary, for --via http and --ledger http; unless named, the one beside this one
    #[arg(long)]
    pub(crate) holdfast: Option<PathBuf>,
    /// The database to measure on; on sqlite all of Holdfast is in this one process
    #[arg(long, value_enum, default_value_t = Kind::Postgres)]
    pub(crate) on: Kind,
    /// Where orders are placed: at this process's own group commit, or over HTTP at a `holdfast api`
    #[arg(long, value_enum, default_value_t = Via::Direct)]
    pub(crate) via: Via,
    /// Who keeps the payment ledger: each worker in memory, or a `holdfast sandbox` on disk that `holdfast worker`s ask
    #[arg(long, value_enum, default_value_t = LedgerKind::Memory)]
    pub(crate) ledger: LedgerKind,
    /// Worker processes
    #[arg(long, default_value_t = 1)]
    pub(crate) workers: usize,
    /// Requests under way at once: enough to fill a commit
    #[arg(long, default_value_t = 512)]
    pub(crate) connections: usize,
    /// Orders that are settled before the first round begins
    #[arg(long, default_value_t = 0)]
    pub(crate) past_orders: usize,
    /// Keep the past orders in a database of this name, for the next run that names it; what is there is gone on with
    #[arg(long, value_name = "NAME")]
    pub(crate) database: Option<String>,
    /// Wait so many seconds for an idle machine before each round
    #[arg(long, default_value_t = 180)]
    pub(crate) idle_within: u64,
    /// Draw the last round as NAME.svg into this folder, and an index.html of all that are there
    #[arg(long, value_name = "DIR")]
    pub(crate) plot: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) overrides: Overrides,
}

/// What overrides the scenario.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Overrides {
    /// Orders in a round
    #[arg(long)]
    pub(crate) orders: Option<usize>,
    /// Orders a second
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) rate: Option<u32>,
    /// How long a round of them lasts
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub(crate) seconds: Option<u32>,
    /// Rounds
    #[arg(long)]
    pub(crate) rounds: Option<usize>,
    /// Lines in an order
    #[arg(long)]
    pub(crate) lines: Option<usize>,
    /// SKUs the orders are spread over
    #[arg(long)]
    pub(crate) skus: Option<usize>,
    /// Pieces of the scarce SKU
    #[arg(long)]
    pub(crate) units: Option<usize>,
    /// How long the answer to a charge takes
    #[arg(long, value_name = "MS")]
    pub(crate) provider_delay_ms: Option<u64>,
}

/// How buyers get in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Via {
    Direct,
    Http,
}

/// Who keeps the payment ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LedgerKind {
    Memory,
    Http,
}

/// All that a round needs to know.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) scenario: Scenario,
    pub(crate) via: Via,
    pub(crate) ledger: LedgerKind,
    pub(crate) workers: usize,
    pub(crate) connections: usize,
    pub(crate) idle_within: Duration,
    pub(crate) redis_url: Option<String>,
    pub(crate) holdfast: Option<PathBuf>,
}

impl Setup {
    pub(crate) fn new(args: &Args, scenario: Scenario) -> Result<Self> {
        let setup = Self {
            via: args.via,
            ledger: args.ledger,
            workers: args.workers,
            connections: args.connections,
            idle_within: Duration::from_secs(args.idle_within),
            redis_url: args.redis_url.clone(),
            holdfast: args.holdfast.clone(),
            scenario,
        };
        ensure!(setup.workers > 0 && setup.connections > 0, "neither workers nor connections may be 0");
        let forgets = setup.ledger == LedgerKind::Memory && setup.workers > 1 && setup.scenario.asks_twice();
        ensure!(
            !forgets,
            "workers with a ledger each cannot look each other's charges up: use --ledger http"
        );
        if args.on == Kind::Sqlite {
            let is_backlog = matches!(setup.scenario.arrival, Arrival::Backlog { .. });
            let is_alone =
                setup.via == Via::Direct && setup.ledger == LedgerKind::Memory && setup.workers == 1;
            ensure!(
                is_alone && !is_backlog,
                "on sqlite all of it is one process that works at once: no --via http, --ledger http, --workers or backlog"
            );
            ensure!(
                args.past_orders == 0 && args.database.is_none(),
                "past orders are written on Postgres alone"
            );
        }
        Ok(setup)
    }

    pub(crate) fn holdfast(&self) -> Result<Holdfast> {
        Holdfast::find(self.holdfast.as_deref())
    }
}

impl Overrides {
    pub(crate) fn apply(&self, mut scenario: Scenario) -> Result<Scenario> {
        let Self { orders, rate, seconds, rounds, lines, skus, units, provider_delay_ms } = *self;
        match &mut scenario.arrival {
            Arrival::Closed { orders: said } | Arrival::Backlog { orders: said } => {
                ensure!(
                    rate.is_none() && seconds.is_none(),
                    "its orders come as fast as they can: it has --orders, no --rate and no --seconds"
                );
                *said = orders.unwrap_or(*said);
            }
            Arrival::Open { rate: said, seconds: long } => {
                ensure!(
                    orders.is_none(),
                    "its orders come by a schedule: it has --rate and --seconds, no --orders"
                );
                (*said, *long) = (rate.unwrap_or(*said), seconds.unwrap_or(*long));
            }
            Arrival::Users { seconds: long, .. } => {
                ensure!(
                    orders.is_none() && rate.is_none(),
                    "its users order when they like: it has --seconds, no --orders and no --rate"
                );
                *long = seconds.unwrap_or(*long);
            }
        }
        scenario.rounds = rounds.unwrap_or(scenario.rounds);
        scenario.shop.lines = lines.unwrap_or(scenario.shop.lines);
        scenario.shop.skus = skus.unwrap_or(scenario.shop.skus);
        scenario.shop.units = units.unwrap_or(scenario.shop.units);
        scenario.provider.delay_ms = provider_delay_ms.unwrap_or(scenario.provider.delay_ms);
        scenario.check()?;
        Ok(scenario)
    }
}
