//! `holdfast up`: the whole of Holdfast in one process, for trying it out and for small shops.

mod catalogue;

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use holdfast_api::auth::{Role, TokenSettings, sign};
use holdfast_saga::flows::REGISTRY;
use holdfast_saga::ports::Providers;
use holdfast_telemetry::Metrics;
use holdfast_worker::{Source, WorkerConfig};

use crate::address::Address;
use crate::api_server::{self, ApiParts, ApiServerArgs};
use crate::assemble::{self, WorkerParts};
use crate::database::{CONNECTIONS, Database};
use crate::exit::{Exit, say};
use crate::global::Global;
use crate::http_server::listen;
use crate::output::print;
use crate::provider::{RateArgs, SandboxArgs, SandboxLocation};
use crate::shutdown::Shutdown;
use crate::token_keys::own_secret;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    server: ApiServerArgs,

    #[command(flatten)]
    sandbox: SandboxArgs,

    #[command(flatten)]
    rates: RateArgs,
}

/// The lines to paste that `up` prints, after the variables they use. The documentation shows the same lines.
const WALK_THROUGH: &str = include_str!("up/walk_through.sh");

/// The printed tokens are valid for a working day.
const TOKENS_VALID: Duration = Duration::from_hours(12);
/// The timeout of the sandbox: `tok_timeout` never answers, and should not take long.
const CALL_TIMEOUT: Duration = Duration::from_secs(2);

pub(crate) async fn run(args: Args, global: &Global) -> anyhow::Result<Exit> {
    let keys = args.server.token_keys.read()?;
    let (settings, verifier) = (args.server.settings(CONNECTIONS)?, keys.verifier()?);
    let listener = listen(args.server.http_addr, "--http-addr").await?;
    let metrics_listener = args.server.metrics_listener().await?;
    let address = global.address()?;
    let location = SandboxLocation::of(&args.sandbox, address.path(), CALL_TIMEOUT)?;
    let database = Database::connect(&address).await?;
    database.migrate(global.shop_id(), &address).await?;
    let stocked = catalogue::stock(database.store()).await?;

    let (secret, verifier) = if let Some(verifier) = verifier {
        (keys.secret.clone(), verifier)
    } else {
        let secret = own_secret(&database).await?;
        let verifier = keys.verifier_of(&secret)?;
        (Some(secret), verifier)
    };
    let provider = location.serve(CALL_TIMEOUT).await?;
    let metrics = Metrics::default();
    let runtime = assemble::worker(WorkerParts {
        store: database.shared(),
        registry: REGISTRY,
        payments: Providers::of(Arc::clone(&provider.sandbox) as _),
        source: &Source::Embedded,
        config: WorkerConfig {
            call_timeout: CALL_TIMEOUT,
            shop_id: global.shop_id(),
            ..WorkerConfig::default()
        },
        circuit_breakers: Some(args.rates.breakers()),
        metrics: metrics.clone(),
    })
    .await?;
    let parts = ApiParts {
        store: database.shared(),
        dispatch: runtime.dispatch(),
        verifier,
        policy: args.server.policy(),
        metrics,
        settings,
        limits: args.server.limits(),
        metrics_listener,
        drain: *args.server.drain_timeout,
    };
    let server = api_server::start(listener, parts).await?;
    let mut shutdown = Shutdown::listen()?;

    say(&format!("Holdfast is up at {} on {}", server.url(), address.shown()));
    if stocked > 0 {
        say(&format!("stocked {stocked} demo products"));
    }
    if let Some(url) = provider.url() {
        say(&format!("its sandbox provider is at {url}"));
    }
    // With a JWKS file, only its issuer can sign tokens.
    if let Some(secret) = secret {
        print(&walk_through(server.url(), &address, &secret, &keys.settings)?)?;
    }
    tokio::select! {
        () = shutdown.signalled() => {}
        another = database.becomes_another_shop() => anyhow::bail!(another),
    }
    say("stopping: requests and calls in flight may end; Ctrl-C again stops at once");
    let cut_off = tokio::select! {
        cut_off = async { server.close().await + runtime.stop().await.cut_off } => cut_off,
        () = shutdown.signalled() => return Ok(Exit::Error),
    };
    if cut_off > 0 {
        say(&format!("connections and calls cut off: {cut_off}; orders continue at the next start"));
    }
    provider.close().await;
    database.close().await;
    Ok(Exit::Ok)
}

/// Lines to paste: the URL, the tokens, and three orders from beginning to end.
fn walk_through(url: &str, shop: &Address, secret: &str, tokens: &TokenSettings) -> anyhow::Result<String> {
    // The shop in this folder needs no naming.
    let named = if shop.is_default() { String::new() } else { format!(" --database-url '{}'", shop.url()) };
    // A log or a journal is no place for tokens: without a terminal, print the commands that make them.
    let token = |role: Role, sub: &str| {
        if std::io::stdout().is_terminal() {
            return sign(secret, tokens, sub, role, TOKENS_VALID);
        }
        let binary = std::env::current_exe().map_or("holdfast".into(), |path| path.display().to_string());
        Ok(format!("$('{binary}' token --role {role} --sub {sub}{named})"))
    };
    let (admin, customer) = (token(Role::Admin, "ada")?, token(Role::Customer, "carla")?);
    Ok(format!(
        "# Paste all of this into another shell. The tokens are valid for 12 hours; `holdfast token` makes more.\n\
         URL={url}\nADMIN={admin}\nCUSTOMER={customer}\n\n{WALK_THROUGH}\n\
         # Other cards: tok_timeout, tok_flaky, tok_requires_action, tok_refund_fails. All of the API: {url}/docs\n\
         # Why is one not moving?  holdfast order explain NUMBER{named}\n"
    ))
}
