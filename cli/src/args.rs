//! What can be asked on the command line, and how it is explained there.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::builder::{BoolishValueParser, PossibleValuesParser, TypedValueParser};
use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use holdfast_api::auth::Role;
use holdfast_saga::operations::signal::Sign;
use holdfast_shared::{CancelReason, OrderId, OrderStatus, PaymentMethod, Queue, SagaId, SagaState, Sku};
use holdfast_worker::RedisBackend;
use strum::IntoEnumIterator;

use crate::exit::{Exit, say};
use crate::order::OrderRef;
use crate::output::{Format, print};
use crate::provider::DEFAULT_LEDGER;
use crate::redact::redact;

const NAMES_MAX: usize = 80;
const REASON_MAX: usize = 500;
/// More calls in flight than any provider takes from one process.
const CALLS_MAX: usize = 10_000;
/// Longer than anybody waits for a buyer, an admin or a new token.
const TIME_DAYS_MAX: u64 = 366;

/// Runs a shop's checkout so that no order is ever left half done
///
/// Holdfast accepts an order in one short transaction, then reserves the stock, takes
/// the payment, confirms, clears the cart and tells the customer; whatever fails is
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
  holdfast order explain 1042    why is this one not moving?
  holdfast audit                 recompute every promise from the rows

Data goes to stdout, words to stderr; RUST_LOG=debug says more.
Exit codes: 0 ok, 1 error, 2 usage, 3 not found, 4 conflict, 5 partly done, 6 a promise is broken.";

const GLOBAL: &str = "Global options";

/// What every command understands.
#[derive(clap::Args)]
pub(crate) struct Global {
    // The value may hold a password, so help never shows it, and what is wrong with it is said without it.
    #[arg(long, global = true, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    #[arg(help_heading = GLOBAL)]
    #[arg(help = "The shop's database: postgres://USER@HOST/NAME or sqlite://PATH")]
    pub(crate) database_url: Option<String>,

    /// How data is printed
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT", help_heading = GLOBAL)]
    pub(crate) output: Format,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run all of Holdfast in this one process: the API, a worker and a sandbox payment provider
    ///
    /// For trying it out, and for small shops. Without --database-url the shop is the file
    /// holdfast.db in this folder; it is made and stocked when it is not there, and goes on
    /// where it stopped when it is. Lines to paste are printed. Ctrl-C stops.
    ///
    /// The worker asks the provider over HTTP, on a port of its own or at --sandbox-url.
    #[command(verbatim_doc_comment)]
    Up(UpArgs),
    /// Settle a mix of orders from beginning to end, then audit them
    ///
    /// The provider's books are a file of this process, unless --sandbox-url names a sandbox
    /// elsewhere: payments then go over HTTP, which takes longer.
    #[command(verbatim_doc_comment)]
    Demo(DemoArgs),
    /// Run the sandbox payment provider alone, to be shared by all workers
    ///
    /// It keeps books of its own, apart from the shop's, and never moves money. Workers and
    /// `audit` find it by --sandbox-url (or `HOLDFAST_SANDBOX_URL`). SIGTERM or Ctrl-C stops.
    #[command(verbatim_doc_comment)]
    Sandbox(SandboxServerArgs),
    /// Serve the REST API alone, for production
    ///
    /// Orders are accepted here and carried on by workers elsewhere; any number of these may
    /// serve one shop. It needs a database that was migrated (`holdfast migrate`), and either
    /// `HOLDFAST_JWT_SECRET` or `HOLDFAST_JWKS_FILE`. SIGTERM or Ctrl-C stops: requests under
    /// way may end first.
    #[command(verbatim_doc_comment)]
    Api(ApiArgs),
    /// Carry orders on, for production
    ///
    /// Any number of workers may serve one shop, each all of its pools or some of them. A
    /// worker that dies is no loss: its calls are taken over after their lease. It serves
    /// /healthz, /readyz and /metrics. SIGTERM or Ctrl-C stops: calls in flight may end first.
    ///
    /// `holdfast worker list` shows all of them.
    #[command(verbatim_doc_comment, args_conflicts_with_subcommands = true)]
    Worker(WorkerArgs),
    /// Make a token for the REST API
    ///
    /// It is signed with `HOLDFAST_JWT_SECRET`, or else with the secret that `holdfast up`
    /// keeps in its shop: that of --database-url, or holdfast.db in this folder. Send it as
    /// `Authorization: Bearer TOKEN`.
    #[command(verbatim_doc_comment)]
    Token(TokenArgs),
    /// Create the database's schema or bring it up to date
    Migrate,
    /// Recompute every promise about stock, money and orders from the rows
    Audit(AuditArgs),
    /// Orders: what became of them, and decisions about them
    #[command(subcommand)]
    Order(OrderCommand),
    /// Sagas: what carries an order to its end, step by step
    #[command(subcommand)]
    Saga(SagaCommand),
    /// Dead dead_letters: sagas that gave up, and what you can do about them
    #[command(subcommand)]
    Dead(DeadCommand),
    /// Queues: what is due, and the set_paused
    #[command(subcommand)]
    Queue(QueueCommand),
    /// Stock levels
    #[command(subcommand)]
    Stock(StockCommand),
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
}

#[derive(clap::Args)]
pub(crate) struct UpArgs {
    #[command(flatten)]
    pub(crate) door: ApiServerArgs,

    #[command(flatten)]
    pub(crate) sandbox: SandboxArgs,

    #[command(flatten)]
    pub(crate) circuit_breaker: GuardArgs,
}

/// How the payment provider is guarded.
#[derive(clap::Args)]
pub(crate) struct GuardArgs {
    /// Calls of the payment provider a second, of all workers together; 0: as many as come
    #[arg(long, value_name = "N", env = "HOLDFAST_PROVIDER_RATE", default_value_t = 0)]
    pub(crate) provider_rate: u32,
}

/// Which sandbox takes the money; one of them at most.
#[derive(clap::Args)]
pub(crate) struct SandboxArgs {
    /// Where the sandbox provider keeps its own books
    ///
    /// Without it: sandbox.db beside a shop in a file, holdfast-sandbox.db in this folder for one on a server.
    #[arg(long, value_name = "PATH", env = "HOLDFAST_SANDBOX_LEDGER")]
    pub(crate) sandbox_ledger: Option<PathBuf>,

    #[arg(long, value_name = "URL", env = "HOLDFAST_SANDBOX_URL", hide_env_values = true, help = SANDBOX_URL)]
    pub(crate) sandbox_url: Option<String>,
}

const SANDBOX_URL: &str = "A sandbox provider that runs elsewhere (`holdfast sandbox`), such as http://127.0.0.1:9091; instead of a ledger";

#[derive(clap::Args)]
pub(crate) struct SandboxServerArgs {
    /// Where to listen
    #[arg(long, value_name = "ADDR", env = "HOLDFAST_SANDBOX_ADDR", default_value = "127.0.0.1:9091")]
    pub(crate) sandbox_addr: SocketAddr,

    /// Where it keeps its books; they are begun when they are not there
    #[arg(long, value_name = "PATH", env = "HOLDFAST_SANDBOX_LEDGER", default_value = DEFAULT_LEDGER)]
    pub(crate) sandbox_ledger: PathBuf,

    /// How long the answer to each charge takes
    #[arg(long, value_name = "TIME", env = "HOLDFAST_SANDBOX_DELAY", default_value = "0s", value_parser = time)]
    pub(crate) delay: humantime::Duration,
}

#[derive(clap::Args)]
pub(crate) struct ApiServerArgs {
    /// Where to listen
    #[arg(long, value_name = "ADDR", env = "HOLDFAST_HTTP_ADDR", default_value = "127.0.0.1:8080")]
    pub(crate) http_addr: SocketAddr,

    #[command(flatten)]
    pub(crate) trust: TrustArgs,

    /// Who takes the money
    #[arg(long, value_name = "NAME", env = "HOLDFAST_PAYMENT_PROVIDER", value_enum, default_value_t)]
    pub(crate) payment_provider: Provider,

    /// How long a buyer may take to pay
    #[arg(long, value_name = "TIME", env = "HOLDFAST_PAYMENT_WITHIN", default_value = "30m", value_parser = window)]
    pub(crate) payment_within: humantime::Duration,

    /// How long an admin may take to confirm a cash-on-delivery order
    #[arg(long, value_name = "TIME", env = "HOLDFAST_COD_CONFIRM_WITHIN", default_value = "48h", value_parser = window)]
    pub(crate) cod_confirm_within: humantime::Duration,

    /// Requests of one caller a second; 0: as many as they like
    #[arg(long, value_name = "N", env = "HOLDFAST_RATE_LIMIT", default_value_t = 100)]
    pub(crate) rate_limit: u32,

    /// Refuse checkouts while this many orders are undecided
    #[arg(long, value_name = "N", env = "HOLDFAST_PENDING_MAX", default_value_t = 200_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub(crate) pending_max: u64,

    #[arg(long, value_name = "ORIGIN", env = "HOLDFAST_CORS_ORIGINS", value_delimiter = ',')]
    #[arg(help = "An origin whose pages may call, such as https://shop.example; may be repeated")]
    pub(crate) cors_origin: Vec<String>,

    /// Take the caller's address from X-Forwarded-For: only behind a proxy that sets it
    #[arg(long, env = "HOLDFAST_BEHIND_PROXY", value_parser = BoolishValueParser::new())]
    pub(crate) behind_proxy: bool,

    /// How long requests under way may take to end when the process stops
    #[arg(long, value_name = "TIME", env = "HOLDFAST_DRAIN_TIMEOUT", default_value = "15s", value_parser = time)]
    pub(crate) drain_timeout: humantime::Duration,
}

#[derive(clap::Args)]
pub(crate) struct ApiArgs {
    #[command(flatten)]
    pub(crate) door: ApiServerArgs,

    #[command(flatten)]
    pub(crate) redis: RedisArgs,
}

/// How hints travel between processes.
#[derive(clap::Args)]
pub(crate) struct RedisArgs {
    /// Where Redis is: it carries hints from process to process, and nothing that may not be lost
    #[arg(long, value_name = "URL", env = "REDIS_URL", hide_env_values = true, long_help = REDIS_URL)]
    pub(crate) redis_url: Option<String>,

    /// How hints are kept in Redis; the same for all processes of a shop
    #[arg(long, value_name = "NAME", env = "HOLDFAST_QUEUE_BACKEND", default_value_t)]
    #[arg(value_parser = one_of::<RedisBackend>())]
    pub(crate) queue_backend: RedisBackend,

    /// What all keys in Redis begin with, before the shop's own id
    #[arg(long, value_name = "NAME", env = "HOLDFAST_REDIS_PREFIX", default_value = "holdfast", value_parser = name)]
    pub(crate) redis_prefix: String,
}

const REDIS_URL: &str = "\
Where Redis is: it carries hints from process to process, and nothing that may not be lost

redis://HOST[:PORT][/DB], rediss://… for TLS, or redis+sentinel://HOST[:PORT],HOST[:PORT]/SERVICE[/DB];
a user and a password stand before the host, as in any URL. Without it, workers find what is due by looking
for it, five times a second.";

#[derive(clap::Args)]
pub(crate) struct WorkerArgs {
    #[command(subcommand)]
    pub(crate) command: Option<WorkerCommand>,

    #[command(flatten)]
    pub(crate) serve: WorkerServeArgs,
}

#[derive(Subcommand)]
pub(crate) enum WorkerCommand {
    /// List the workers: alive, silent since when, or left
    List,
}

#[derive(clap::Args)]
pub(crate) struct WorkerServeArgs {
    /// A pool to serve, and how many calls of it may be in flight; may be repeated
    ///
    /// Without any: checkout=256, compensation=64, payment-events=64, notifications=256.
    #[arg(long, value_name = "POOL=N", value_parser = pool)]
    pub(crate) queue: Vec<(Queue, usize)>,

    #[command(flatten)]
    pub(crate) redis: RedisArgs,

    /// Where health and metrics are served
    #[arg(long, value_name = "ADDR", env = "HOLDFAST_WORKER_ADDR", default_value = "127.0.0.1:9090")]
    pub(crate) worker_addr: SocketAddr,

    /// How long a call may keep its saga before another worker takes it over
    #[arg(long, value_name = "TIME", env = "HOLDFAST_LEASE", default_value = "30s", value_parser = window)]
    pub(crate) lease: humantime::Duration,

    /// A call without an answer for this long is unknown, and looked up; at most half the lease
    #[arg(long, value_name = "TIME", env = "HOLDFAST_CALL_TIMEOUT", default_value = "10s", value_parser = window)]
    pub(crate) call_timeout: humantime::Duration,

    /// How long calls in flight may take to end when the process stops
    #[arg(long, value_name = "TIME", env = "HOLDFAST_DRAIN_TIMEOUT", default_value = "15s", value_parser = time)]
    pub(crate) drain_timeout: humantime::Duration,

    /// Who takes the money
    #[arg(long, value_name = "NAME", env = "HOLDFAST_PAYMENT_PROVIDER", value_enum, default_value_t)]
    pub(crate) payment_provider: Provider,

    #[command(flatten)]
    pub(crate) sandbox: SandboxArgs,

    #[command(flatten)]
    pub(crate) circuit_breaker: GuardArgs,
}

#[derive(clap::Args)]
pub(crate) struct TrustArgs {
    /// The secret that tokens are signed with (HS256), 32 bytes or more
    #[arg(long, value_name = "SECRET", env = "HOLDFAST_JWT_SECRET", hide_env_values = true)]
    pub(crate) jwt_secret: Option<String>,

    /// The public keys that tokens are signed with, as a JWKS file
    #[arg(long, value_name = "PATH", env = "HOLDFAST_JWKS_FILE")]
    pub(crate) jwks_file: Option<PathBuf>,

    /// Who issues tokens (the claim iss)
    #[arg(long, value_name = "NAME", env = "HOLDFAST_JWT_ISSUER", default_value = "holdfast")]
    pub(crate) jwt_issuer: String,

    /// Whom tokens are for (the claim aud)
    #[arg(long, value_name = "NAME", env = "HOLDFAST_JWT_AUDIENCE", default_value = "holdfast")]
    pub(crate) jwt_audience: String,
}

impl TrustArgs {
    /// The secret, if one was given. A variable that is set to nothing is not set.
    pub(crate) fn secret(&self) -> Option<&str> {
        self.jwt_secret.as_deref().filter(|secret| !secret.is_empty())
    }

    /// The JWKS file, if one was named.
    pub(crate) fn jwks(&self) -> Option<&Path> {
        self.jwks_file.as_deref().filter(|file| !file.as_os_str().is_empty())
    }
}

/// Payment providers this binary knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Provider {
    /// Plays a provider, with books of its own
    #[default]
    Sandbox,
}

impl Provider {
    /// The name stored with the payments it takes.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sandbox => "sandbox",
        }
    }
}

#[derive(clap::Args)]
pub(crate) struct TokenArgs {
    /// What its bearer may do
    #[arg(long, value_parser = one_of::<Role>())]
    pub(crate) role: Role,

    /// Whose it is
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub(crate) sub: String,

    /// How long it is good for
    #[arg(long, value_name = "TIME", default_value = "12h", value_parser = window)]
    pub(crate) valid_for: humantime::Duration,

    #[command(flatten)]
    pub(crate) trust: TrustArgs,
}

#[derive(clap::Args)]
pub(crate) struct DemoArgs {
    /// How many orders to make up
    #[arg(long, default_value_t = 500, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) orders: u32,

    /// The same seed makes up the same orders
    #[arg(long, default_value_t = 7, value_name = "N")]
    pub(crate) seed: u64,

    /// Settle real orders from this file instead, one JSON object a line
    #[arg(long, value_name = "FILE.jsonl")]
    pub(crate) input: Option<PathBuf>,

    /// Carry on with what an interrupted demo left in the database
    #[arg(long)]
    pub(crate) resume: bool,

    #[command(flatten)]
    pub(crate) sandbox: SandboxArgs,
}

#[derive(clap::Args)]
pub(crate) struct AuditArgs {
    /// The sandbox provider's own books, to hold ours against
    ///
    /// Without it, the file sandbox.db beside the database's own file is taken, if there is one.
    #[arg(long, value_name = "PATH", env = "HOLDFAST_SANDBOX_LEDGER")]
    pub(crate) sandbox_ledger: Option<PathBuf>,

    #[arg(long, value_name = "URL", env = "HOLDFAST_SANDBOX_URL", hide_env_values = true, help = SANDBOX_URL)]
    pub(crate) sandbox_url: Option<String>,
}

#[derive(Subcommand)]
pub(crate) enum OrderCommand {
    /// List orders, newest first
    List(OrderListArgs),
    /// Show one order
    Show {
        #[command(flatten)]
        order: OneOrder,
    },
    /// Say what happened to an order, what it waits for, what comes next and what would unblock it
    Explain {
        #[command(flatten)]
        order: OneOrder,
    },
    /// Let a cash-on-delivery order go on
    Confirm(Decision),
    /// Refuse a cash-on-delivery order
    Reject(Decision),
    /// Undo an order, before or after it was confirmed
    Cancel(Decision),
}

#[derive(clap::Args)]
pub(crate) struct OneOrder {
    /// The order's number, such as 1042, or its public id (a UUID)
    pub(crate) order: OrderRef,
}

#[derive(clap::Args)]
pub(crate) struct Decision {
    #[command(flatten)]
    pub(crate) order: OneOrder,

    /// Who decides, for the audit trail
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub(crate) actor: String,
}

#[derive(clap::Args)]
pub(crate) struct OrderListArgs {
    /// Only orders in this state
    #[arg(long, ignore_case = true, value_parser = one_of::<OrderStatus>())]
    pub(crate) status: Option<OrderStatus>,

    /// Only orders paid this way
    #[arg(long, ignore_case = true, value_parser = one_of::<PaymentMethod>())]
    pub(crate) payment_method: Option<PaymentMethod>,

    /// Only orders cancelled for this reason
    #[arg(long, ignore_case = true, value_parser = one_of::<CancelReason>())]
    pub(crate) cancel_reason: Option<CancelReason>,

    /// Only orders that wait for an operator
    #[arg(long)]
    pub(crate) needs_attention: bool,

    #[command(flatten)]
    pub(crate) limit: Limit,

    /// Go on after this order of an earlier page
    #[arg(long, value_name = "ORDER")]
    pub(crate) cursor: Option<OrderId>,
}

#[derive(Subcommand)]
pub(crate) enum SagaCommand {
    /// List sagas, newest first
    List(SagaListArgs),
    /// Show one saga and its history
    Show {
        /// The saga's id, such as 1042.0
        saga: SagaId,
    },
    /// Let a dead saga go on where it stopped
    Retry {
        /// The saga's id, such as 1042.0
        saga: SagaId,

        #[command(flatten)]
        actor: Operator,
    },
    /// Tell a saga by hand what it waits for
    Signal {
        /// The saga's id, such as 1042.0
        saga: SagaId,

        /// What: a decision about cash on delivery, or that the provider has news of the charge
        #[arg(value_parser = one_of::<Sign>())]
        signal: Sign,

        #[command(flatten)]
        actor: Operator,
    },
    /// Undo a saga's order, before or after it was confirmed
    Cancel {
        /// The saga's id, such as 1042.0
        saga: SagaId,

        #[command(flatten)]
        actor: Operator,
    },
}

#[derive(Subcommand)]
pub(crate) enum DeadCommand {
    /// List dead sagas, newest first
    List(DeadListArgs),
    /// Show one dead saga, its history, and what a retry and a discard would lead to
    Show {
        /// The saga's id, such as 1042.3
        saga: SagaId,
    },
    /// Let dead sagas go on where they stopped
    Retry(DeadRetryArgs),
    /// Take responsibility for the step that dead sagas stopped at
    ///
    /// A message is given up; a refund counts as settled by hand: nothing more is sent for it, the
    /// rest of its saga goes on, and the audit lists the order. Settle it first.
    #[command(verbatim_doc_comment)]
    Discard(DeadDiscardArgs),
}

#[derive(clap::Args)]
pub(crate) struct DeadListArgs {
    #[command(flatten)]
    pub(crate) died: DiedArgs,

    /// Only those whose reason contains this
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,

    /// Count them by saga, step and reason instead
    #[arg(long, conflicts_with_all = ["all", "limit", "cursor"])]
    pub(crate) group: bool,

    /// List all of them, however many
    #[arg(long, conflicts_with_all = ["limit", "cursor"])]
    pub(crate) all: bool,

    #[command(flatten)]
    pub(crate) limit: Limit,

    /// Go on after this saga of an earlier page
    #[arg(long, value_name = "SAGA")]
    pub(crate) cursor: Option<SagaId>,
}

#[derive(clap::Args)]
pub(crate) struct DeadRetryArgs {
    #[command(flatten)]
    pub(crate) which: Which,

    #[command(flatten)]
    pub(crate) died: DiedArgs,

    /// With --all: only those whose reason contains this
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,

    #[command(flatten)]
    pub(crate) how: How,
}

#[derive(clap::Args)]
pub(crate) struct DeadDiscardArgs {
    #[command(flatten)]
    pub(crate) which: Which,

    /// Why, for the timeline and the audit trail
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub(crate) reason: String,

    #[command(flatten)]
    pub(crate) died: DiedArgs,

    /// With --all: only those whose own reason contains this
    #[arg(long, value_name = "TEXT")]
    pub(crate) died_of: Option<String>,

    #[command(flatten)]
    pub(crate) how: How,
}

/// Which dead sagas.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Which {
    /// Their ids, such as 1042.3
    #[arg(value_name = "SAGA")]
    pub(crate) sagas: Vec<SagaId>,

    /// All of them, or all that fit the filters
    #[arg(long)]
    pub(crate) all: bool,
}

/// Filters of dead sagas.
#[derive(clap::Args)]
pub(crate) struct DiedArgs {
    /// Only of this definition, such as cancellation
    #[arg(long, value_name = "NAME")]
    pub(crate) saga: Option<String>,

    /// Only those that stopped at this step, such as `refund_payment`
    #[arg(long, value_name = "NAME")]
    pub(crate) step: Option<String>,

    /// Only those dead for longer than this
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) older_than: Option<humantime::Duration>,

    /// Only those dead for no longer than this
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) younger_than: Option<humantime::Duration>,
}

/// The same, whatever the flag for the reason is called.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Died {
    pub(crate) saga: Option<String>,
    pub(crate) step: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) older_than: Option<humantime::Duration>,
    pub(crate) younger_than: Option<humantime::Duration>,
}

impl DiedArgs {
    pub(crate) fn named(self, reason: Option<String>) -> Died {
        let Self { saga, step, older_than, younger_than } = self;
        Died { saga, step, reason, older_than, younger_than }
    }
}

/// How something is done about dead sagas.
#[derive(clap::Args)]
pub(crate) struct How {
    /// Only say what would happen: which steps would run, what money and stock would move
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// At most so many a second
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) rate: Option<u32>,

    #[command(flatten)]
    pub(crate) actor: Operator,
}

#[derive(Subcommand)]
pub(crate) enum QueueCommand {
    /// List the queues: what is due since when, in flight, dead, and who paused them
    List,
    /// Stop taking sagas of a queue; calls under way may end
    Pause {
        /// Which
        #[arg(value_parser = one_of::<Queue>())]
        queue: Queue,

        /// Why, for whoever wonders why nothing moves
        #[arg(long, value_name = "TEXT", value_parser = reason)]
        reason: Option<String>,

        #[command(flatten)]
        actor: Operator,
    },
    /// Take sagas of a queue again
    Resume {
        /// Which
        #[arg(value_parser = one_of::<Queue>())]
        queue: Queue,

        #[command(flatten)]
        actor: Operator,
    },
}

#[derive(clap::Args)]
pub(crate) struct SagaListArgs {
    #[arg(long, value_name = "NAME", help = "Only sagas of this definition, such as checkout_online")]
    pub(crate) definition: Option<String>,

    /// Only sagas in this state
    #[arg(long, ignore_case = true, value_parser = one_of::<SagaState>())]
    pub(crate) state: Option<SagaState>,

    #[command(flatten)]
    pub(crate) limit: Limit,

    /// Go on after this saga of an earlier page
    #[arg(long, value_name = "SAGA")]
    pub(crate) cursor: Option<SagaId>,
}

#[derive(Subcommand)]
pub(crate) enum StockCommand {
    /// Show what is on the shelf, and how much of it is promised
    Show {
        /// Only this SKU
        sku: Option<Sku>,

        #[command(flatten)]
        limit: Limit,
    },
    /// Add or take pieces, with a reason that is kept
    Adjust {
        /// Of what
        sku: Sku,

        /// Pieces to add, or to take when negative
        #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = delta)]
        delta: i64,

        /// Why
        #[arg(long, value_name = "TEXT", value_parser = reason)]
        reason: String,

        #[command(flatten)]
        actor: Operator,
    },
}

#[derive(clap::Args)]
pub(crate) struct Operator {
    /// Who does it, for the audit trail
    #[arg(long, env = "USER", default_value = "operator", hide_env_values = true, value_name = "NAME")]
    #[arg(value_parser = name)]
    pub(crate) actor: String,
}

#[derive(clap::Args)]
pub(crate) struct Limit {
    /// At most this many
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) limit: u32,
}

/// Reads the command line. What is wrong with it, or the help that was asked for, is printed already.
pub(crate) fn read() -> Result<Args, Exit> {
    Args::try_parse().map_err(|error| {
        let words = error.render().to_string();
        let told = redact(&words);
        if told == words {
            // A reader that went away is no error.
            let _ = error.print();
        } else {
            say(told.trim_end());
        }
        if error.use_stderr() { Exit::Usage } else { Exit::Ok }
    })
}

/// `holdfast completions`.
pub(crate) fn completions(shell: Shell) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "holdfast", &mut script);
    print(&String::from_utf8(script)?)?;
    Ok(Exit::Ok)
}

/// One word of a vocabulary, in upper or lower case.
fn one_of<T>() -> impl TypedValueParser<Value = T>
where
    T: IntoEnumIterator + Into<&'static str> + FromStr<Err: std::error::Error + Send + Sync + 'static>,
    T: Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(T::iter().map(Into::into)).try_map(|typed: String| {
        let known =
            T::iter().map(Into::<&'static str>::into).find(|known| known.eq_ignore_ascii_case(&typed));
        known.unwrap_or(&typed).parse()
    })
}

fn name(text: &str) -> Result<String, String> {
    sentence(text, NAMES_MAX)
}

fn reason(text: &str) -> Result<String, String> {
    sentence(text, REASON_MAX)
}

fn sentence(text: &str, max: usize) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > max || text.chars().any(char::is_control) {
        return Err(format!("1 to {max} characters on one line are expected"));
    }
    Ok(text.to_owned())
}

/// A time somebody is given: none at all would decide for them.
fn window(text: &str) -> Result<humantime::Duration, String> {
    let time = time(text)?;
    if time.is_zero() { Err(format!("1s to {TIME_DAYS_MAX}d are expected")) } else { Ok(time) }
}

fn time(text: &str) -> Result<humantime::Duration, String> {
    let time: humantime::Duration =
        text.parse().map_err(|error| format!("a time such as 90s, 30m or 48h is expected: {error}"))?;
    if *time > Duration::from_hours(24 * TIME_DAYS_MAX) {
        return Err(format!("at most {TIME_DAYS_MAX}d are expected"));
    }
    Ok(time)
}

fn pool(text: &str) -> Result<(Queue, usize), String> {
    let (name, calls) = text.split_once('=').ok_or("POOL=N such as checkout=256 is expected")?;
    let pools = Queue::iter().map(Into::<&str>::into).collect::<Vec<_>>().join(", ");
    let queue = name.parse().map_err(|_| format!("there is no pool {name:?}; there are {pools}"))?;
    match calls.parse() {
        Ok(calls @ 1..=CALLS_MAX) => Ok((queue, calls)),
        Ok(_) | Err(_) => Err(format!("1 to {CALLS_MAX} calls in flight are expected")),
    }
}

fn delta(text: &str) -> Result<i64, String> {
    match text.parse() {
        Ok(0) => Err("0 changes nothing; say how many pieces came or went".to_owned()),
        Ok(delta) => Ok(delta),
        Err(_) => Err("a whole number such as 10 or -3 is expected".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }
}
