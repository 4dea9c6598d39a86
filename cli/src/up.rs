//! `holdfast up`: the whole of Holdfast in one process, for trying it out and for small shops.

mod catalogue;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use holdfast_api::auth::{Role, Verifier, sign};
use holdfast_saga::flows::REGISTRY;
use holdfast_saga::ports::Gateways;
use holdfast_worker::{LogNotifier, Metrics, Runtime, WorkerConfig};

use crate::args::{Global, UpArgs};
use crate::database::{Address, Database};
use crate::door::{ApiParts, HttpServer, Stop, default_shop, listen, policy, settings, trust, verifier};
use crate::exit::{Exit, say, usage};
use crate::output::print;
use crate::provider::SandboxLocation;
use crate::token::own_secret;

/// What `up` prints to be pasted, after a line for each name in it; the README shows the same.
const WALK_THROUGH: &str = include_str!("up/walk_through.sh");

/// Tokens to paste are good for a working day.
const TOKENS_VALID: Duration = Duration::from_hours(12);
/// How long the sandbox may take: `tok_timeout` never answers, and nobody wants to wait for that.
const CALL_TIMEOUT: Duration = Duration::from_secs(2);

pub(crate) async fn run(args: UpArgs, global: &Global) -> anyhow::Result<Exit> {
    let (settings, named) = (settings(&args.door)?, verifier(&args.door.trust)?);
    let listener = listen(args.door.http_addr, "--http-addr").await?;
    let url = global.database_url.clone().unwrap_or_else(|| format!("sqlite://{}", default_shop().display()));
    let address = Address::parse(Some(&url))?;
    let place = SandboxLocation::of(&args.sandbox, address.path(), CALL_TIMEOUT)?;
    let database = Database::connect(&address).await?;
    database.migrate().await.with_context(|| address.shown())?;
    let stocked = catalogue::stock(database.store()).await?;

    let secret = match args.door.trust.secret() {
        Some(secret) => secret.to_owned(),
        None => own_secret(&database).await?,
    };
    let verifier = match named {
        Some(verifier) => verifier,
        None => Verifier::with_secret(&secret, trust(&args.door.trust))
            .map_err(|error| usage(error.to_string()))?,
    };
    let provider = place.serve(CALL_TIMEOUT).await?;
    let outside = Gateways { payments: Arc::clone(&provider.sandbox) as _, notifier: Arc::new(LogNotifier) };
    let metrics = Metrics::default();
    let config = WorkerConfig { call_timeout: CALL_TIMEOUT, ..WorkerConfig::default() };
    let circuit_breaker = provider.circuit_breaker(&args.circuit_breaker, &config.name, None, &metrics);
    let config = WorkerConfig { circuit_breaker: Some(circuit_breaker), ..config };
    let runtime = Runtime::start(database.shared(), REGISTRY, outside, config, metrics.clone())?;
    let policy = policy(&args.door);
    let open = ApiParts {
        store: database.shared(),
        dispatch: runtime.dispatch(),
        verifier,
        policy,
        metrics,
        settings,
        drain: *args.door.drain_timeout,
    };
    let door = HttpServer::open(listener, open).await?;
    let mut stop = Stop::listen()?;

    say(&format!("Holdfast is up at {} on {}", door.url, address.shown()));
    if stocked > 0 {
        say(&format!("stocked {stocked} demo products"));
    }
    if let Some(url) = provider.url() {
        say(&format!("its sandbox provider is at {url}"));
    }
    // With a JWKS file the tokens are somebody else's to make.
    if args.door.trust.jwks().is_none() {
        print(&walk_through(&door.url, &secret, &args)?)?;
    }
    stop.told().await;
    say("stopping: what is under way may end; press Ctrl-C again to stop at once");
    let cut_off = tokio::select! {
        cut_off = async { door.close().await + runtime.stop().await.cut_off } => cut_off,
        () = stop.told() => return Ok(Exit::Error),
    };
    if cut_off > 0 {
        say(&format!("connections and calls cut off: {cut_off}; orders go on at the next start"));
    }
    provider.close().await;
    database.close().await;
    Ok(Exit::Ok)
}

/// Lines to paste as they are: where the shop is, who asks, and then an order's whole life, three times.
fn walk_through(url: &str, secret: &str, args: &UpArgs) -> anyhow::Result<String> {
    let token = |role, sub| sign(secret, &trust(&args.door.trust), sub, role, TOKENS_VALID);
    let (admin, customer) = (token(Role::Admin, "ada")?, token(Role::Customer, "carla")?);
    Ok(format!(
        "# Paste all of this into another shell. The tokens are good for 12 hours; `holdfast token` makes more.\n\
         URL={url}\nADMIN={admin}\nCUSTOMER={customer}\n\n{WALK_THROUGH}\n\
         # Other cards: tok_timeout, tok_flaky, tok_requires_action, tok_refund_fails. All of the API: {url}/docs\n\
         # Why is one not moving?  holdfast order explain NUMBER --database-url URL\n"
    ))
}
