//! Measures Holdfast: a running stack under the load of a scenario, how many orders the engine alone settles, and
//! what the front submitter answers over HTTP.
//!
//! The shop's rows are verified before a figure counts. Results go to stdout, progress to stderr.

mod conditions;
mod database;
mod engine;
mod hints;
mod http;
mod limits;
mod machine;
mod peers;
mod run;
mod shop;

use std::fmt::Display;

use anyhow::Result;
use clap::{Parser, Subcommand, ValueEnum};
use serde::Serialize;

use crate::conditions::Conditions;

/// A batch is many small pieces that one thread makes and another one drops: here that costs a third less.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Measures Holdfast.
#[derive(Debug, Parser)]
#[command(name = "holdfast-bench", version)]
struct Cli {
    #[command(subcommand)]
    scenario: Scenario,
    /// How to print the result
    #[arg(long, global = true, value_enum, default_value_t)]
    output: Output,
}

#[derive(Debug, Subcommand)]
enum Scenario {
    /// Play a scenario on a running stack of processes: settled orders a second, latencies, what they cost
    Run(run::Args),
    /// Settled orders a second, against hand-written SQL that commits once a step
    Engine(engine::Args),
    /// Hand-written SQL on the same tables, without an engine: what no engine can heartbeat
    Limit(limits::Args),
    /// Holdfast beside BullMQ, Graphile Worker, pg-boss, DBOS and Restate, and beside the limits
    Peers(peers::Args),
    /// Hints a second through Redis to a handler that does nothing, and how soon an idle worker hears of one
    Hints(hints::Args),
    /// A crowd of buyers with time to think, against `holdfast up` on either database
    HttpProfile(http::profile::Args),
    /// Checkouts a second over HTTP, against a server that inserts one row a request
    HttpAccept(http::accept::Args),
    /// A crowd that repeats reads and cancellations, far from the database: who is answered, who is refused at once
    HttpCrowd(http::crowd::Args),
    /// Thousands of idle event streams on one `holdfast up`, and what they cost
    HttpStreams(http::streams::Args),
    /// The worker of a scenario, whose payment ledger is in memory
    #[command(hide = true)]
    Worker(run::worker::Args),
    /// The server that inserts one row a request
    #[command(hide = true)]
    RowServer(http::row_server::Args),
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Output {
    #[default]
    Table,
    Json,
}

/// A result, and under what conditions it came about.
#[derive(Serialize)]
struct Measured<'a, R> {
    scenario: &'a str,
    conditions: Conditions,
    result: R,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Cli { scenario, output } = Cli::parse();
    let mut conditions = Conditions::now();
    match scenario {
        Scenario::Run(args) => {
            if let Some(list) = run::list(&args)? {
                print!("{list}");
                return Ok(());
            }
            let (name, report) = run::run(&args, &mut conditions).await?;
            print(&name, conditions, output, report)
        }
        Scenario::Engine(args) => print("engine", conditions, output, engine::run(&args).await?),
        Scenario::Limit(args) => print("limit", conditions, output, limits::run(&args).await?),
        Scenario::Peers(args) => print("peers", conditions, output, peers::run(&args).await?),
        Scenario::Hints(args) => print("hints", conditions, output, hints::run(&args).await?),
        Scenario::HttpProfile(args) => {
            print("http-profile", conditions, output, http::profile::run(&args).await?)
        }
        Scenario::HttpAccept(args) => {
            print("http-accept", conditions, output, http::accept::run(&args).await?)
        }
        Scenario::HttpCrowd(args) => print("http-crowd", conditions, output, http::crowd::run(&args).await?),
        Scenario::HttpStreams(args) => {
            print("http-streams", conditions, output, http::streams::run(&args).await?)
        }
        Scenario::Worker(args) => run::worker::run(&args).await,
        Scenario::RowServer(args) => http::row_server::run(&args).await,
    }
}

fn print<R: Serialize + Display>(
    scenario: &str,
    conditions: Conditions,
    output: Output,
    result: R,
) -> Result<()> {
    let measured = Measured { scenario, conditions, result };
    match output {
        Output::Table => print!("{scenario}: {}\n{}", measured.conditions, measured.result),
        Output::Json => println!("{}", serde_json::to_string_pretty(&measured)?),
    }
    Ok(())
}
