//! `holdfast sandbox`: the sandbox payment provider as a process of its own, shared by all workers.

use std::time::Duration;

use anyhow::Context as _;
use holdfast_saga::ports::PaymentProvider as _;
use holdfast_sandbox::DurableSandbox;
use holdfast_sandbox::http::routes;
use holdfast_shared::StepKey;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::args::SandboxServerArgs;
use crate::door::{HttpServer, listen};
use crate::exit::Exit;
use crate::provider::books;

/// A request is answered within milliseconds, and a delay ends when the sandbox does.
const DRAIN: Duration = Duration::from_secs(5);

pub(crate) async fn run(args: SandboxServerArgs) -> anyhow::Result<Exit> {
    let listener = listen(args.sandbox_addr, "--sandbox-addr").await?;
    let books = books(&args.sandbox_ledger).await?;
    // Books that open and cannot be written would refuse every charge: whoever starts this should know now.
    let tried = books.look_up(&StepKey::from_stored("boot")).await;
    tried.with_context(|| args.sandbox_ledger.display().to_string())?;
    let door = open(listener, books, *args.delay)?;
    door.stay_open(&format!("the books are {}, SIGTERM stops", args.sandbox_ledger.display())).await
}

/// Serves `books`; each charge is answered `delay` after it was carried out.
pub(crate) fn open(
    listener: TcpListener,
    books: DurableSandbox,
    delay: Duration,
) -> anyhow::Result<HttpServer> {
    let stop = watch::Sender::new(false);
    let routes = routes(books, delay, stop.subscribe());
    HttpServer::to(listener, routes, stop, DRAIN)
}
