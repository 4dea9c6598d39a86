//! `holdfast api`: the front door alone, for production. Workers run elsewhere.

use std::sync::Arc;
use std::time::Duration;

use holdfast_worker::Metrics;

use crate::args::{DoorArgs, Global};
use crate::database::Database;
use crate::door::{Door, NoHints, Open, listen, policy, settings, verifier};
use crate::exit::{Exit, usage};

pub(crate) async fn run(args: DoorArgs, global: &Global) -> anyhow::Result<Exit> {
    let verifier = verifier(&args.trust)?.ok_or_else(|| {
        usage("whose tokens shall be believed? Set HOLDFAST_JWT_SECRET (`openssl rand -hex 32` makes one) or HOLDFAST_JWKS_FILE")
    })?;
    let settings = settings(&args)?;
    let listener = listen(args.http_addr, "--http-addr").await?;
    let database = Database::open(global.database_url.as_deref()).await?;
    // Nobody is hinted at, so a new order is due at once.
    let policy = policy(&args, Duration::ZERO);
    let open = Open {
        store: database.shared(),
        dispatch: Arc::new(NoHints),
        verifier,
        policy,
        metrics: Metrics::default(),
        settings,
        drain: *args.drain_timeout,
    };
    let door = Door::open(listener, open).await?;
    let exit = door.stay_open("/docs explains, SIGTERM stops").await?;
    if exit == Exit::Ok {
        database.close().await;
    }
    Ok(exit)
}
