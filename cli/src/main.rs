//! The one binary: it parses the command line, assembles the parts, and runs a command.
//!
//! It holds no rule of the shop. Data goes to stdout, messages to stderr, and the exit code says how a command ended.

mod address;
mod api;
mod api_server;
mod args;
mod assemble;
mod audit;
mod completions;
mod database;
mod dead;
mod demo;
mod exit;
mod global;
mod http_server;
mod log;
mod logging;
mod migrate;
mod named_file;
mod operator;
mod order;
mod output;
mod private_file;
mod progress;
mod provider;
mod queue;
mod redact;
mod redis;
mod reference;
mod saga;
mod sandbox;
mod schema;
mod shop;
mod shutdown;
mod stock;
mod token;
mod token_keys;
mod up;
mod values;
mod worker;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Args, Command};
use crate::database::with_database;
use crate::exit::{Exit, say};
use crate::redact::redact;

/// A batch allocates many small values in one thread and frees them in another: with jemalloc that costs a third less.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    provider::redact_tokens();
    let exit = match parse() {
        Ok(args) => run(args),
        Err(exit) => exit,
    };
    exit.into()
}

/// Parses the command line. On an error, or when help was requested, the text is already printed.
fn parse() -> Result<Args, Exit> {
    Args::try_parse().map_err(|error| {
        let text = error.render().to_string();
        let redacted = redact(&text);
        if redacted == text {
            // A reader that has closed the pipe is not an error.
            let _ = error.print();
        } else {
            say(redacted.trim_end());
        }
        if error.use_stderr() { Exit::Usage } else { Exit::Ok }
    })
}

fn run(args: Args) -> Exit {
    let default = match &args.command {
        Command::Api(_) => logging::STORY,
        Command::Worker(worker) if worker.serves() => logging::STORY,
        Command::Demo(_) => logging::NO_SAGAS,
        _ => logging::WARNINGS,
    };
    let ended = logging::start(default).and_then(|_log| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(run_command(args))
    });
    ended.unwrap_or_else(|error| exit::report(&error))
}

async fn run_command(args: Args) -> anyhow::Result<Exit> {
    let Args { global, command } = args;
    let output = global.output;
    match command {
        Command::Up(args) => up::run(args, &global).await,
        Command::Demo(args) => demo::run(args, &global).await,
        Command::Api(args) => api::run(args, &global).await,
        Command::Worker(args) => worker::run(args, &global).await,
        Command::Sandbox(args) => sandbox::run(args).await,
        Command::Token(args) => token::run(args, &global).await,
        Command::Completions { shell } => completions::run(shell),
        Command::Migrate => migrate::run(&global).await,
        Command::Audit(args) => {
            with_database(&global, async |shop| audit::run(shop, args, output).await).await
        }
        Command::Order(command) => {
            with_database(&global, async |shop| order::run(shop, command, output).await).await
        }
        Command::Saga(command) => {
            with_database(&global, async |shop| saga::run(shop, command, output).await).await
        }
        Command::Dead(command) => {
            with_database(&global, async |shop| dead::run(shop, command, output).await).await
        }
        Command::Queue(command) => {
            with_database(&global, async |shop| queue::run(shop, command, output).await).await
        }
        Command::Log(args) => {
            with_database(&global, async |shop| log::run(shop.store(), args, output).await).await
        }
        Command::Shop(command) => {
            with_database(&global, async |shop| shop::run(shop, command, output).await).await
        }
        Command::Stock(command) => {
            with_database(&global, async |shop| stock::run(shop, command, output).await).await
        }
    }
}
