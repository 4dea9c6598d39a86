//! `holdfast sandbox`: the sandbox payment provider as a server, shared by all workers.

use std::net::SocketAddr;
use std::path::Path;

use crate::assemble;
use crate::exit::Exit;
use crate::http_server::listen;
use crate::named_file::{NamedFile, named_file};
use crate::provider::DEFAULT_LEDGER;
use crate::values::duration;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The address to listen on
    #[arg(long, value_name = "ADDR", env = "HOLDFAST_SANDBOX_ADDR", default_value = "127.0.0.1:9091")]
    sandbox_addr: SocketAddr,

    /// The file of its ledger; it is created if it does not exist
    #[arg(long, value_name = "PATH", env = "HOLDFAST_SANDBOX_LEDGER", default_value = DEFAULT_LEDGER)]
    #[arg(value_parser = named_file())]
    sandbox_ledger: NamedFile,

    /// How long the answer to each charge takes
    #[arg(long, value_name = "TIME", env = "HOLDFAST_SANDBOX_DELAY", default_value = "0s", value_parser = duration)]
    delay: humantime::Duration,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let listener = listen(args.sandbox_addr, "--sandbox-addr").await?;
    let ledger = args.sandbox_ledger.path().unwrap_or(Path::new(DEFAULT_LEDGER));
    let server = assemble::serve_sandbox(listener, ledger, *args.delay).await?;
    server.run(&format!("the ledger is {}, SIGTERM stops", ledger.display())).await
}
