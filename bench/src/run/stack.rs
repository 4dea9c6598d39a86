//! The measured stack: a submitter and workers as processes around a Postgres and a Redis, or all of it in this process
//! on SQLite. Every stack has a database and a Redis prefix of its own, and leaves nothing behind.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use holdfast_intake::CheckoutIntake;
use holdfast_saga::flows::REGISTRY;
use holdfast_saga::ports::{Channels, Dispatch, Gateways, Providers, Store};
use holdfast_saga::shop::checkout::AcceptPolicy;
use holdfast_sandbox::NAME;
use holdfast_shared::SagaState;
use holdfast_store_postgres::PostgresStore;
use holdfast_telemetry::Metrics;
use holdfast_worker::{RedisAddress, RedisBackend, RedisDispatch, Runtime};
use uuid::Uuid;

use super::setup::{LedgerKind, Setup, Via};
use super::submitter::Submitter;
use super::worker::{AtWork, Crew, Journal, Records, SlowSandbox, config};
use crate::http::process::{Gauge, Hints, Server};
use crate::http::target_database::TargetDatabase;

/// Calls that a worker may have in flight: as many as two batches begin.
const CALLS: usize = 1_024;

/// Connections of the generator's own intake, as few as a `holdfast api` uses, and of its admins.
const CONNECTIONS: u32 = 6;
/// How often the database is asked whether all is settled. Each time costs two statements that look at what is not
/// settled; an order counts as settled when that is seen, so a round seems at most this much longer.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A stack that runs.
#[derive(Debug)]
pub(crate) struct Stack {
    pub(crate) target: TargetDatabase,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Processes(Box<Processes>),
    Embedded { runtime: Runtime, sandbox: Arc<SlowSandbox>, journal: Arc<Journal> },
}

#[derive(Debug)]
struct Processes {
    hints: Hints,
    api: Option<Server>,
    crew: Crew,
    at_work: Option<AtWork>,
}

impl Stack {
    /// Sets a stack up around `target`. No worker of it works yet, unless all of it is in this process.
    pub(crate) async fn open(setup: &Setup, target: TargetDatabase) -> Result<Self> {
        let delay = setup.scenario.provider_delay();
        let Some(database) = target.database() else {
            let sandbox = Arc::new(SlowSandbox::new(delay));
            let journal = Arc::new(Journal::default());
            let outside = Gateways::new(
                Providers::of(Arc::clone(&sandbox) as _),
                Channels::of(Arc::clone(&journal) as _),
            );
            let (store, config) = (target.shared(), config(CALLS));
            let runtime = Runtime::start(store, REGISTRY, outside, config, Metrics::default())?;
            return Ok(Self { target, place: Place::Embedded { runtime, sandbox, journal } });
        };
        database.insist_on_durability().await?;
        let redis_url = setup.redis_url.clone().context("which Redis? Set HOLDFAST_TEST_REDIS_URL")?;
        let hints = Hints { redis_url, prefix: format!("bench-{}", Uuid::now_v7().simple()) };
        let api = match setup.via {
            Via::Direct => None,
            Via::Http => {
                Some(setup.holdfast()?.api(&target.url, Some(&hints)).await.context("holdfast api")?)
            }
        };
        let crew = Crew {
            database_url: target.url.clone(),
            hints: hints.clone(),
            workers: setup.workers,
            calls: CALLS,
            provider_delay: delay,
        };
        let processes = Processes { hints, api, crew, at_work: None };
        Ok(Self { target, place: Place::Processes(Box::new(processes)) })
    }

    /// Starts the workers. In this process they work already.
    pub(crate) async fn start_workers(&mut self, setup: &Setup) -> Result<()> {
        if let Place::Processes(processes) = &mut self.place {
            let crew = &processes.crew;
            processes.at_work = Some(match setup.ledger {
                LedgerKind::Memory => crew.in_memory().await?,
                LedgerKind::Http => crew.over_http(&setup.holdfast()?, self.target.ledger()).await?,
            });
        }
        Ok(())
    }

    /// Where its buyers go in.
    pub(crate) async fn submitter(&self, setup: &Setup) -> Result<Submitter> {
        let direct = |store: Arc<dyn Store>, dispatch: Arc<dyn Dispatch>| {
            let policy = AcceptPolicy::new(NAME);
            let checkout_intake =
                CheckoutIntake::start(Arc::clone(&store), policy, Arc::clone(&dispatch), Metrics::default());
            Submitter::Direct { checkout_intake, store, dispatch }
        };
        let processes = match &self.place {
            Place::Embedded { runtime, .. } => return Ok(direct(self.target.shared(), runtime.dispatch())),
            Place::Processes(processes) => processes,
        };
        if let Some(api) = &processes.api {
            let admin = setup.holdfast()?.admin_token().await?.into();
            return Ok(Submitter::Http { address: api.address, admin });
        }
        let store = Arc::new(PostgresStore::connect(&self.target.url, CONNECTIONS).await?);
        let address = RedisAddress::parse(&processes.hints.redis_url, &processes.hints.prefix)?;
        let redis = Arc::new(address.of_shop(store.keys().await?.shop()));
        redis.check().await?;
        let dispatch = RedisDispatch::start(redis, RedisBackend::Streams, &Metrics::default());
        Ok(direct(store, Arc::new(dispatch)))
    }

    /// Its processes, this one excepted.
    pub(crate) fn gauges(&self) -> Vec<(String, Gauge)> {
        match &self.place {
            Place::Embedded { .. } => Vec::new(),
            Place::Processes(processes) => {
                let api = processes.api.iter().map(|api| ("api".to_owned(), api.gauge()));
                api.chain(processes.at_work.iter().flat_map(AtWork::gauges)).collect()
            }
        }
    }

    /// The Redis it uses, if it does.
    pub(crate) fn redis_url(&self) -> Option<&str> {
        match &self.place {
            Place::Embedded { .. } => None,
            Place::Processes(processes) => Some(&processes.hints.redis_url),
        }
    }

    /// Waits until every order is decided and every message sent.
    pub(crate) async fn settled(&self, at_most: Duration) -> Result<()> {
        let since = Instant::now();
        let store = self.target.store();
        loop {
            // What is pending is counted up to one, by a partial index. Only once nothing is, what follows the
            // decisions is looked at: messages on their way, a few.
            if store.pending(1).await? == 0 {
                let unsettled = store.unsettled().await?;
                if let Some(dead) = unsettled.iter().find(|saga_counts| saga_counts.state == SagaState::Dead)
                {
                    bail!("{} sagas of {} are dead", dead.sagas, dead.definition);
                }
                if unsettled.is_empty() {
                    return Ok(());
                }
            }
            ensure!(since.elapsed() < at_most, "not everything is settled after {at_most:?}");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Stops everybody; returns the target and what was done outside.
    pub(crate) async fn stop(self) -> Result<(TargetDatabase, Records)> {
        let records = match self.place {
            Place::Embedded { runtime, sandbox, journal } => {
                runtime.stop().await;
                Records::of(&sandbox, &journal).await?
            }
            Place::Processes(processes) => {
                let Processes { hints, api, at_work, .. } = *processes;
                if let Some(api) = api {
                    api.stop().await?;
                }
                let records = match at_work {
                    Some(at_work) => at_work.stop().await?,
                    None => Records::default(),
                };
                forget(&hints).await.context("clearing Redis")?;
                records
            }
        };
        Ok((self.target, records))
    }
}

/// Deletes the keys of a shop.
async fn forget(hints: &Hints) -> Result<()> {
    let client = redis::Client::open(hints.redis_url.as_str())?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    let mut cursor = 0_u64;
    loop {
        let (next, keys): (u64, Vec<String>) = redis::cmd("SCAN")
            .arg(cursor)
            .arg("MATCH")
            .arg(format!("{}*", hints.prefix))
            .arg("COUNT")
            .arg(1_000)
            .query_async(&mut connection)
            .await?;
        if !keys.is_empty() {
            redis::cmd("DEL").arg(keys).query_async::<()>(&mut connection).await?;
        }
        if next == 0 {
            return Ok(());
        }
        cursor = next;
    }
}
