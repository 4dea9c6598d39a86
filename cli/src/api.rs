//! `holdfast api`: the REST API alone, for production. Workers run elsewhere.

use std::sync::Arc;
use std::time::Duration;

use holdfast_saga::ports::{Dispatch, Hint};
use holdfast_saga::shop::checkout::AcceptPolicy;
use holdfast_telemetry::Metrics;
use holdfast_worker::RedisDispatch;

use crate::api_server::{self, ApiParts, ApiServerArgs};
use crate::database::{Database, ServedDatabaseArgs};
use crate::exit::{Exit, say, usage};
use crate::global::Global;
use crate::http_server::listen;
use crate::redis::{RedisArgs, of_shop, unavailable};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    server: ApiServerArgs,

    #[command(flatten)]
    database: ServedDatabaseArgs,

    #[command(flatten)]
    redis: RedisArgs,
}

/// Sends no hints: workers find what is due by themselves.
#[derive(Debug)]
struct NoHints;

impl Dispatch for NoHints {
    fn wake(&self, _: &[Hint]) {}
}

pub(crate) async fn run(args: Args, global: &Global) -> anyhow::Result<Exit> {
    let Args { server: args, database: database_args, redis: redis_args } = args;
    let keys = args.token_keys.read()?;
    let verifier = keys.verifier()?.ok_or_else(|| {
        usage(
            "no key to verify tokens with; set HOLDFAST_JWT_SECRET (`openssl rand -hex 32` makes one) or HOLDFAST_JWKS_FILE",
        )
    })?;
    let (settings, redis) = (args.settings(database_args.connections())?, redis_args.parse()?);
    let address = global.address()?;
    let listener = listen(args.http_addr, "--http-addr").await?;
    let metrics_listener = args.metrics_listener().await?;
    let database = Database::open_to_work(&address, global.shop_id(), &database_args).await?;
    let redis = of_shop(redis, database.store()).await?;
    let metrics = Metrics::default();
    let (dispatch, policy): (Arc<dyn Dispatch>, _) = match redis {
        Some(redis) => {
            // The API works without Redis: hints are dropped until it answers.
            if let Some(unavailable) = unavailable(&redis).await? {
                say(&format!("{unavailable}; orders go on without it"));
            }
            let dispatch = RedisDispatch::start(redis, redis_args.queue_backend, &metrics);
            (Arc::new(dispatch), args.policy())
        }
        // Without hints, a new order is due at once.
        None => (Arc::new(NoHints), AcceptPolicy { hint_ahead: Duration::ZERO, ..args.policy() }),
    };
    let drain = *args.drain_timeout;
    let limits = args.limits();
    let store = database.shared();
    let parts =
        ApiParts { store, dispatch, verifier, policy, metrics, settings, limits, metrics_listener, drain };
    let server = api_server::start(listener, parts).await?;
    let exit = tokio::select! {
        exit = server.run("/docs shows the API, SIGTERM stops") => exit?,
        another = database.becomes_another_shop() => anyhow::bail!(another),
    };
    if exit == Exit::Ok {
        database.close().await;
    }
    Ok(exit)
}
