//! The command line: the commands, what all of them share, and the help.

use clap::{Parser, Subcommand};
use clap_complete::Shell;

use crate::global::Global;
use crate::{api, audit, dead, demo, log, order, queue, saga, sandbox, shop, stock, token, up, worker};

/// Runs a shop's checkout so that no order is ever left half done
///
/// Holdfast accepts an order in one short transaction, then reserves the stock, takes
/// the payment, confirms, clears the cart and notifies the customer; whatever fails is
/// undone, in reverse. Each order ends fully done, fully undone, or visibly stuck with
/// your next move.
#[derive(Parser)]
#[command(
    name = "holdfast",
    version,
    verbatim_doc_comment,
    subcommand_required = true,
    arg_required_else_help = true
)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const AFTER_HELP: &str = "\
Examples:
  holdfast up                    a shop to try out, with lines to paste
  holdfast demo                  settle 500 orders in a temporary folder, then audit them
  holdfast order explain 1042    why is this order not moving?
  holdfast audit                 recompute every promise from the rows

Data goes to stdout, messages to stderr; RUST_LOG=debug shows more.
Exit codes: 0 ok, 1 error, 2 usage, 3 not found, 4 conflict, 5 partly done, 6 a promise is broken.";

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run all of Holdfast in one process: the API, a worker and a sandbox payment provider
    ///
    /// For trying it out, and for small shops. Without --database-url the shop is the file
    /// holdfast.db in this folder. It is created and stocked if it does not exist; otherwise
    /// the shop continues where it stopped. Prints lines to paste. Ctrl-C stops.
    ///
    /// The worker calls the provider over HTTP, on a port of its own or at --sandbox-url.
    #[command(verbatim_doc_comment)]
    Up(up::Args),
    /// Settle a mix of orders from beginning to end, then audit them
    ///
    /// The provider's ledger is a file of this process, unless --sandbox-url names a sandbox
    /// elsewhere: then payments go over HTTP, which takes longer.
    #[command(verbatim_doc_comment)]
    Demo(demo::Args),
    /// Run the sandbox payment provider as a server for all workers
    ///
    /// It keeps its own ledger, apart from the shop's, and never moves money. Workers and
    /// `audit` find it with --sandbox-url (or `HOLDFAST_SANDBOX_URL`). SIGTERM or Ctrl-C stops.
    #[command(verbatim_doc_comment)]
    Sandbox(sandbox::Args),
    /// Run the REST API
    ///
    /// It accepts orders, and workers carry them out. Any number of API processes may serve
    /// one shop. It needs a migrated database (`holdfast migrate`), and either
    /// `HOLDFAST_JWT_SECRET` or `HOLDFAST_JWKS_FILE`. SIGTERM or Ctrl-C stops: requests in
    /// flight may end first.
    #[command(verbatim_doc_comment)]
    Api(api::Args),
    /// Run a saga worker
    ///
    /// Any number of workers may serve one shop, each with all of its pools or some of them.
    /// If a worker dies, others take over its calls when their leases expire. It serves
    /// /healthz, /readyz and /metrics. SIGTERM or Ctrl-C stops: calls in flight may end first.
    ///
    /// `holdfast worker list` shows all workers.
    #[command(verbatim_doc_comment, args_conflicts_with_subcommands = true)]
    Worker(worker::Args),
    /// Create a token for the REST API
    ///
    /// It is signed with `HOLDFAST_JWT_SECRET`, or else with the secret that `holdfast up`
    /// keeps in its shop: the one of --database-url, or holdfast.db in this folder. Send it
    /// as `Authorization: Bearer TOKEN`.
    #[command(verbatim_doc_comment)]
    Token(token::Args),
    /// Create the database schema or bring it up to date
    Migrate,
    /// Recompute every promise about stock, money and orders from the rows
    Audit(audit::Args),
    /// Orders: list and explain them, and decide about them
    #[command(subcommand)]
    Order(order::Command),
    /// Sagas: the steps that carry an order to its end
    #[command(subcommand)]
    Saga(saga::Command),
    /// Dead letters: sagas that gave up, and what you can do about them
    #[command(subcommand)]
    Dead(dead::Command),
    /// Queues: what is due in each, and pausing them
    #[command(subcommand)]
    Queue(queue::Command),
    /// What admins and operators did, newest first
    Log(log::Args),
    /// The shop in the database: show it, and answer for a database that was restored or copied
    #[command(subcommand)]
    Shop(shop::Command),
    /// Stock levels: show and adjust them
    #[command(subcommand)]
    Stock(stock::Command),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}
