//! Plays a scenario on a running stack of processes (Postgres, Redis, `holdfast api`, workers), from the outside: this
//! process is the buyers and the admin. A figure is reported only of orders that are all where they must be,
//! in a shop whose audit is clean.

mod cost;
mod history;
mod load;
mod outcome;
mod plot;
mod report;
mod round;
mod scenario;
mod series;
mod setup;
mod stack;
mod submitter;
pub(crate) mod worker;
mod workload;

use std::fmt::Write as _;

use anyhow::{Context, Result};

use self::history::Past;
pub(crate) use self::report::Report;
use self::scenario::Scenario;
pub(crate) use self::setup::Args;
use self::setup::Setup;
use crate::conditions::Conditions;
use crate::http::target_database::{Kind, TargetDatabase};

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
        let target = match (past.take(), args.on) {
            (Some(written), _) => {
                let is_last = number == setup.scenario.rounds;
                let (database, rest) = written.open(is_last).await?;
                past = rest;
                TargetDatabase::around(database)?
            }
            (None, Kind::Sqlite) => TargetDatabase::create(Kind::Sqlite, "").await?,
            (None, Kind::Postgres) => TargetDatabase::create(Kind::Postgres, url()?).await?,
        };
        let place = target.url.clone();
        let round = round::play(&setup, target, past_orders).await;
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
