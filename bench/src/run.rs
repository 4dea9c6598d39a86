//! Plays a scenario on a running stack of processes (Postgres, Redis, `holdfast api`, workers), from the outside: this
//! process is the buyers and the admin. A figure is told only of orders that are all where they must be,
//! in a shop whose audit is clean.

mod cost;
mod door;
mod load;
mod outcome;
mod past;
mod plot;
mod report;
mod round;
mod scenario;
mod series;
mod stack;
mod wishes;
pub(crate) mod worker;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use serde::Serialize;

use self::past::Past;
pub(crate) use self::report::Report;
use self::scenario::{Arrival, Scenario};
use crate::conditions::Conditions;
use crate::http::home::{Home, Kind};
use crate::http::process::Holdfast;

/// Calls that a worker may have in flight: as many as two batches begin.
const CALLS: usize = 1_024;

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Which scenario
    #[arg(required_unless_present = "list")]
    scenario: Option<String>,
    /// Tell what scenarios there are
    #[arg(long)]
    list: bool,
    /// A superuser's URL of the Postgres to measure on; databases of its own are made there
    #[arg(long, env = "HOLDFAST_TEST_POSTGRES_URL")]
    postgres_url: Option<String>,
    /// The Redis for the hints; its keys have a prefix of their own and are deleted afterwards
    #[arg(long, env = "HOLDFAST_TEST_REDIS_URL")]
    redis_url: Option<String>,
    /// The measured binary, for --via http and --books http; unless named, the one beside this one
    #[arg(long)]
    holdfast: Option<PathBuf>,
    /// The database to measure on; on sqlite all of Holdfast is in this one process
    #[arg(long, value_enum, default_value_t = Kind::Postgres)]
    on: Kind,
    /// Where orders are placed: at this process's own group commit, or over HTTP at a `holdfast api`
    #[arg(long, value_enum, default_value_t = Via::Direct)]
    via: Via,
    /// Who keeps the payment ledger: each worker in memory, or a `holdfast sandbox` on disk that `holdfast worker`s ask
    #[arg(long, value_enum, default_value_t = Books::Memory)]
    books: Books,
    /// Worker processes
    #[arg(long, default_value_t = 1)]
    workers: usize,
    /// Requests under way at once: enough to fill a commit
    #[arg(long, default_value_t = 512)]
    connections: usize,
    /// Orders that are settled before the first round begins
    #[arg(long, default_value_t = 0)]
    past_orders: usize,
    /// Keep the past orders in a database of this name, for the next run that names it; what is there is gone on with
    #[arg(long, value_name = "NAME")]
    database: Option<String>,
    /// Wait so many seconds for an idle machine before each round
    #[arg(long, default_value_t = 180)]
    idle_within: u64,
    /// Draw the last round as NAME.svg into this folder, and an index.html of all that are there
    #[arg(long, value_name = "DIR")]
    plot: Option<PathBuf>,
    #[command(flatten)]
    overrides: Overrides,
}

/// What the scenario says, told otherwise.
#[derive(Debug, Clone, clap::Args)]
struct Overrides {
    /// Orders in a round
    #[arg(long)]
    orders: Option<usize>,
    /// Orders a second
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: Option<u32>,
    /// How long a round of them lasts
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    seconds: Option<u32>,
    /// Rounds
    #[arg(long)]
    rounds: Option<usize>,
    /// Lines in an order
    #[arg(long)]
    lines: Option<usize>,
    /// SKUs the orders are spread over
    #[arg(long)]
    skus: Option<usize>,
    /// Pieces of the scarce SKU
    #[arg(long)]
    units: Option<usize>,
    /// How long the answer to a charge takes
    #[arg(long, value_name = "MS")]
    provider_delay_ms: Option<u64>,
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
pub(crate) enum Books {
    Memory,
    Http,
}

/// All that a round needs to know.
#[derive(Debug)]
struct Setup {
    scenario: Scenario,
    via: Via,
    books: Books,
    workers: usize,
    connections: usize,
    idle_within: Duration,
    redis_url: Option<String>,
    holdfast: Option<PathBuf>,
}

impl Setup {
    fn new(args: &Args, scenario: Scenario) -> Result<Self> {
        let setup = Self {
            via: args.via,
            books: args.books,
            workers: args.workers,
            connections: args.connections,
            idle_within: Duration::from_secs(args.idle_within),
            redis_url: args.redis_url.clone(),
            holdfast: args.holdfast.clone(),
            scenario,
        };
        ensure!(setup.workers > 0 && setup.connections > 0, "neither workers nor connections may be 0");
        let forgets = setup.books == Books::Memory && setup.workers > 1 && setup.scenario.asks_twice();
        ensure!(!forgets, "workers with a ledger each cannot look each other's charges up: use --books http");
        if args.on == Kind::Sqlite {
            let is_backlog = matches!(setup.scenario.arrival, Arrival::Backlog { .. });
            let is_alone = setup.via == Via::Direct && setup.books == Books::Memory && setup.workers == 1;
            ensure!(
                is_alone && !is_backlog,
                "on sqlite all of it is one process that works at once: no --via http, --books http, --workers or backlog"
            );
            ensure!(
                args.past_orders == 0 && args.database.is_none(),
                "past orders are written on Postgres alone"
            );
        }
        Ok(setup)
    }

    fn holdfast(&self) -> Result<Holdfast> {
        Holdfast::find(self.holdfast.as_deref())
    }
}

impl Overrides {
    fn apply(&self, mut scenario: Scenario) -> Result<Scenario> {
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

/// Lists the scenarios, if that was asked for.
pub(crate) fn list(args: &Args) -> Result<Option<String>> {
    if !args.list {
        return Ok(None);
    }
    let all = Scenario::all()?;
    let mut list = String::new();
    for (name, scenario) in all {
        writeln!(list, "{name:<16} {}", scenario.about)?;
    }
    Ok(Some(list))
}

/// Plays a scenario; returns its name and what it measured.
pub(crate) async fn run(args: &Args, conditions: &mut Conditions) -> Result<(String, Report)> {
    let name = args.scenario.clone().context("which scenario? See --list")?;
    let setup = Setup::new(args, args.overrides.apply(Scenario::named(&name)?)?)?;
    let url = || args.postgres_url.as_deref().context("which Postgres? Set HOLDFAST_TEST_POSTGRES_URL");
    let mut past = match args.on {
        Kind::Postgres if args.past_orders > 0 || args.database.is_some() => {
            let goods = setup.scenario.shop.goods();
            Some(Past::write(url()?, args.database.as_deref(), args.past_orders, goods).await?)
        }
        Kind::Postgres | Kind::Sqlite => None,
    };
    let past_orders = past.as_ref().map_or(0, |past| past.orders);
    let mut rounds = Vec::new();
    for number in 1..=setup.scenario.rounds {
        eprintln!("{name}: round {number} of {}", setup.scenario.rounds);
        let home = match (past.take(), args.on) {
            (Some(written), _) => {
                let is_last = number == setup.scenario.rounds;
                let (database, rest) = written.open(is_last).await?;
                past = rest;
                Home::around(database)?
            }
            (None, Kind::Sqlite) => Home::create(Kind::Sqlite, "").await?,
            (None, Kind::Postgres) => Home::create(Kind::Postgres, url()?).await?,
        };
        let place = home.url.clone();
        let round = round::play(&setup, home, past_orders).await;
        let round = round.with_context(|| format!("what was played is left for a look at {place}"))?;
        conditions.saw(&round.machine);
        rounds.push(round);
    }
    let report = Report::new(args.on, setup, past_orders, rounds);
    if let Some(folder) = &args.plot {
        plot::draw(folder, &name, &report, conditions).context("drawing")?;
    }
    Ok((name, report))
}
