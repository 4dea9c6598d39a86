//! `holdfast api`: the front door alone, for production. Workers run elsewhere.

use std::sync::Arc;
use std::time::Duration;

use holdfast_saga::ports::Dispatch;
use holdfast_saga::shop::checkout::AcceptPolicy;
use holdfast_worker::{Metrics, RedisDispatch};

use crate::args::{ApiArgs, Global};
use crate::database::Database;
use crate::door::{ApiParts, HttpServer, NoHints, listen, policy, settings, verifier};
use crate::exit::{Exit, say, usage};
use crate::redis::{absent, named, of_shop};

pub(crate) async fn run(args: ApiArgs, global: &Global) -> anyhow::Result<Exit> {
    let ApiArgs { door: args, redis: hints } = args;
    let verifier = verifier(&args.trust)?.ok_or_else(|| {
        usage("whose tokens shall be believed? Set HOLDFAST_JWT_SECRET (`openssl rand -hex 32` makes one) or HOLDFAST_JWKS_FILE")
    })?;
    let (settings, redis) = (settings(&args)?, named(&hints)?);
    let listener = listen(args.http_addr, "--http-addr").await?;
    let database = Database::open(global.database_url.as_deref()).await?;
    let redis = of_shop(redis, database.store()).await?;
    let metrics = Metrics::default();
    let (dispatch, policy): (Arc<dyn Dispatch>, _) = match redis {
        Some(redis) => {
            // The shop is open without it: hints are dropped until it answers.
            if let Some(absent) = absent(&redis).await? {
                say(&format!("{absent}; orders go on without it"));
            }
            (Arc::new(RedisDispatch::start(redis, hints.queue_backend, &metrics)), policy(&args))
        }
        // Nobody is hinted at, so a new order is due at once.
        None => (Arc::new(NoHints), AcceptPolicy { hint_ahead: Duration::ZERO, ..policy(&args) }),
    };
    let open = ApiParts {
        store: database.shared(),
        dispatch,
        verifier,
        policy,
        metrics,
        settings,
        drain: *args.drain_timeout,
    };
    let door = HttpServer::open(listener, open).await?;
    let exit = door.stay_open("/docs explains, SIGTERM stops").await?;
    if exit == Exit::Ok {
        database.close().await;
    }
    Ok(exit)
}
