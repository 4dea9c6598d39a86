//! Measures Holdfast: how many orders the engine settles, and what its front door answers over HTTP.
//!
//! Every scenario brings what it is compared with, alternates with it in one run, and verifies the
//! shop's rows before a figure counts. Results go to stdout, progress to stderr.

mod conditions;
mod database;
mod engine;
mod hints;
mod http;
mod limits;
mod peers;
mod shop;

use std::fmt::Display;

use anyhow::Result;
use clap::{Parser, Subcommand, ValueEnum};
use serde::Serialize;

use crate::conditions::Conditions;

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
    /// Settled orders a second, against hand-written SQL that commits once a step
    Engine(engine::Args),
    /// Hand-written SQL on the same tables, without an engine: what no engine can beat
    Limit(limits::Args),
    /// Holdfast beside BullMQ, Graphile Worker, pg-boss, DBOS and Restate, and beside the limits
    Peers(peers::Args),
    /// Hints a second through Redis to a handler that does nothing, and how soon an idle worker hears of one
    Hints(hints::Args),
    /// A crowd of buyers with time to think, against `holdfast up` on either database
    HttpProfile(http::profile::Args),
    /// Checkouts a second over HTTP, against a server that inserts one row a request
    HttpAccept(http::accept::Args),
    /// Thousands of idle event streams on one `holdfast up`, and what they cost
    HttpStreams(http::streams::Args),
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
struct Measured<R> {
    scenario: &'static str,
    conditions: Conditions,
    result: R,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Cli { scenario, output } = Cli::parse();
    let conditions = Conditions::now();
    match scenario {
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
        Scenario::HttpStreams(args) => {
            print("http-streams", conditions, output, http::streams::run(&args).await?)
        }
        Scenario::RowServer(args) => http::row_server::run(&args).await,
    }
}

fn print<R: Serialize + Display>(
    scenario: &'static str,
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
