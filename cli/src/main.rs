//! The one binary: it reads what is asked, wires the rooms together, and answers.
//!
//! It holds no rule of the shop. Data goes to stdout, words to stderr, and the exit code says how it ended.

mod api;
mod args;
mod audit;
mod database;
mod dead;
mod demo;
mod door;
mod exit;
mod logging;
mod migrate;
mod order;
mod output;
mod progress;
mod provider;
mod queue;
mod redact;
mod redis;
mod saga;
mod sandbox;
mod stock;
mod token;
mod up;
mod worker;
mod workers;

use std::process::ExitCode;

use crate::args::{Args, Command, WorkerArgs};
use crate::database::Database;
use crate::exit::Exit;

/// A batch is many small pieces that one thread makes and another one drops: here that costs a third less.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let exit = match args::read() {
        Ok(args) => run(args),
        Err(exit) => exit,
    };
    exit.into()
}

fn run(args: Args) -> Exit {
    let answered = logging::start().and_then(|()| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(answer(args))
    });
    answered.unwrap_or_else(|error| exit::report(&error))
}

async fn answer(args: Args) -> anyhow::Result<Exit> {
    let Args { global, command } = args;
    let output = global.output;
    match command {
        Command::Up(up) => return up::run(up, &global).await,
        Command::Demo(demo) => return demo::run(demo, global).await,
        Command::Api(door) => return api::run(door, &global).await,
        Command::Worker(WorkerArgs { command: None, serve }) => return worker::run(serve, &global).await,
        Command::Sandbox(sandbox) => return sandbox::run(sandbox).await,
        Command::Token(token) => return token::run(token, &global).await,
        Command::Completions { shell } => return args::completions(shell),
        Command::Migrate => return migrate::run(global.database_url.as_deref(), output).await,
        Command::Audit(_)
        | Command::Order(_)
        | Command::Saga(_)
        | Command::Dead(_)
        | Command::Queue(_)
        | Command::Worker(WorkerArgs { command: Some(_), .. })
        | Command::Stock(_) => {}
    }
    let database = Database::open(global.database_url.as_deref()).await?;
    let answered = match command {
        Command::Audit(audit) => audit::run(&database, audit, output).await,
        Command::Order(command) => order::run(&database, command, output).await,
        Command::Saga(command) => saga::run(&database, command, output).await,
        Command::Dead(command) => dead::run(&database, command, output).await,
        Command::Queue(command) => queue::run(&database, command, output).await,
        Command::Worker(WorkerArgs { command: Some(command), .. }) => {
            workers::run(&database, command, output).await
        }
        Command::Stock(command) => stock::run(&database, command, output).await,
        Command::Up(_)
        | Command::Demo(_)
        | Command::Api(_)
        | Command::Worker(WorkerArgs { command: None, .. })
        | Command::Sandbox(_)
        | Command::Token(_)
        | Command::Completions { .. }
        | Command::Migrate => Ok(Exit::Ok),
    };
    database.close().await;
    answered
}
