//! `holdfast api`: the front door alone, for production. Workers run elsewhere.

use std::sync::Arc;
use std::time::Duration;

use holdfast_worker::Metrics;

use crate::args::{DoorArgs, Global};
use crate::database::Database;
use crate::door::{Door, NoHints, Open, Stop, listen, policy, settings, verifier};
use crate::exit::{Exit, say, usage};

pub(crate) async fn run(args: DoorArgs, global: &Global) -> anyhow::Result<Exit> {
    let verifier = verifier(&args.trust)?.ok_or_else(|| {
        usage("whose tokens shall be believed? Set HOLDFAST_JWT_SECRET (`openssl rand -hex 32` makes one) or HOLDFAST_JWKS_FILE")
    })?;
    let settings = settings(&args)?;
    let listener = listen(args.http_addr).await?;
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
    let mut stop = Stop::listen()?;
    say(&format!("listening on {}; /docs explains, SIGTERM stops", door.url));
    stop.told().await;
    say("stopping: requests under way may end, new ones are refused; Ctrl-C again stops at once");
    let cut_off = tokio::select! {
        cut_off = door.close() => cut_off,
        () = stop.told() => return Ok(Exit::Error),
    };
    if cut_off > 0 {
        say(&format!("connections cut off: {cut_off}"));
    }
    database.close().await;
    Ok(Exit::Ok)
}
