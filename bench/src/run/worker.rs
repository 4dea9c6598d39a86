//! A worker with a provider of its own: what `holdfast worker` runs, but the payment ledger is in memory, so that
//! what is measured is Holdfast and not a sandbox's disk. When it stops it tells its ledger, for the audit, and when
//! each message left.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use async_trait::async_trait;
use futures_util::future::BoxFuture;
use holdfast_saga::flows::REGISTRY;
use holdfast_saga::ports::{
    AroundProvider, Channels, Fault, Gateways, Movement, NotificationChannel, PaymentProvider, Providers,
    Store as _,
};
use holdfast_saga::records::context::Notice;
use holdfast_sandbox::{MemorySandbox, SandboxControl as _};
use holdfast_shared::{OrderId, Queue, SagaId, StepKey, SystemClock, Time};
use holdfast_store_postgres::PostgresStore;
use holdfast_telemetry::Metrics;
use holdfast_worker::{
    CircuitBreaker, CircuitBreakerConfig, Gateway, RedisAddress, RedisBackend, Runtime, Source, WorkerConfig,
};
use strum::IntoEnumIterator as _;
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};
use uuid::Uuid;

use crate::http::process::{Gauge, Hints, Holdfast, Process, Server};

/// Connections to Postgres: as `holdfast worker` has them.
const CONNECTIONS: u32 = 6;
/// What it says once it works.
const READY: &str = "carries orders on";

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    #[arg(long)]
    database_url: String,
    #[arg(long)]
    redis_url: String,
    #[arg(long)]
    redis_prefix: String,
    #[arg(long)]
    provider_delay_ms: u64,
    #[arg(long)]
    calls: usize,
}

/// Works until SIGTERM, then tells on stdout what its provider and its channel did.
pub(crate) async fn run(args: &Args) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let address = RedisAddress::parse(&args.redis_url, &args.redis_prefix)?;
    let store = Arc::new(PostgresStore::connect(&args.database_url, CONNECTIONS).await?);
    let redis = Arc::new(address.of_shop(store.keys().await?.shop()));
    redis.check().await?;
    let sandbox = Arc::new(SlowSandbox::new(Duration::from_millis(args.provider_delay_ms)));
    let (name, metrics) = (format!("bench-{}", Uuid::now_v7().simple()), Metrics::default());
    let circuit_breaker = CircuitBreakerConfig {
        redis: Some(Arc::clone(&redis)),
        ..CircuitBreakerConfig::new(Gateway::Provider(Arc::clone(&sandbox) as _), &name)
    };
    let breaker = CircuitBreaker::start(circuit_breaker, metrics.clone());
    let config = WorkerConfig {
        name,
        circuit_breakers: Arc::new([(sandbox.name().to_owned(), breaker)].into()),
        ..config(args.calls)
    };
    let journal = Arc::new(Journal::default());
    let outside =
        Gateways::new(Providers::of(Arc::clone(&sandbox) as _), Channels::of(Arc::clone(&journal) as _));
    let source = Source::Redis(redis, RedisBackend::Streams);
    let runtime = Runtime::start_on(&source, store, REGISTRY, outside, config, metrics)?;
    eprintln!("{READY}; the payment ledger is in memory");
    terminate.recv().await;
    runtime.stop().await;
    let records = Records::of(&sandbox, &journal).await?;
    print!("{}", records.to_text());
    Ok(())
}

/// As `holdfast worker` is configured, with room for so many calls in each pool.
pub(crate) fn config(calls: usize) -> WorkerConfig {
    let pools: BTreeMap<Queue, usize> = Queue::iter().map(|queue| (queue, calls)).collect();
    WorkerConfig { pools, ..WorkerConfig::default() }
}

/// What a provider and a channel did.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Records {
    pub(crate) statement: Vec<Movement>,
    /// When each order's first message left; empty where nobody kept a journal.
    pub(crate) update: BTreeMap<OrderId, Time>,
}

impl Records {
    pub(crate) async fn of(sandbox: &SlowSandbox, journal: &Journal) -> Result<Self> {
        let mut records = Self { statement: sandbox.ledger.statement().await?, ..Self::default() };
        records.add(Self { update: journal.update(), ..Self::default() });
        Ok(records)
    }

    fn add(&mut self, others: Self) {
        self.statement.extend(others.statement);
        for (order, at) in others.update {
            let first = self.update.entry(order).or_insert(at);
            *first = at.min(*first);
        }
    }

    /// As a worker tells them: a line a charge, a line a message.
    fn to_text(&self) -> String {
        let charges = self.statement.iter().map(|line| {
            let Movement { charge, currency, captured_minor, refunded_minor } = line;
            format!("charge {charge} {currency} {captured_minor} {refunded_minor}\n")
        });
        let messages =
            self.update.iter().map(|(order, at)| format!("update {} {}\n", order.number(), at.as_micros()));
        charges.chain(messages).collect()
    }

    fn parse(said: &str) -> Result<Self> {
        let mut records = Self::default();
        for line in said.lines() {
            let fields: Vec<&str> = line.split(' ').collect();
            match fields[..] {
                ["charge", charge, currency, captured, refunded] => records.statement.push(Movement {
                    charge: StepKey::from_stored(charge),
                    currency: currency.parse().context("a currency")?,
                    captured_minor: captured.parse()?,
                    refunded_minor: refunded.parse()?,
                }),
                ["update", order, at] => {
                    records.update.insert(OrderId::new(order.parse()?), Time::from_micros(at.parse()?));
                }
                _ => anyhow::bail!("a worker said {line:?}"),
            }
        }
        Ok(records)
    }
}

/// A channel that writes down when each message leaves: that is once the commit which decides its order is
/// answered, so whatever holds that up is in it.
#[derive(Debug, Default)]
pub(crate) struct Journal(Mutex<Vec<(OrderId, Time)>>);

impl Journal {
    fn update(&self) -> BTreeMap<OrderId, Time> {
        // The first message of an order is the last one written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().copied().collect()
    }
}

#[async_trait]
impl NotificationChannel for Journal {
    fn name(&self) -> &'static str {
        "log"
    }

    async fn send(&self, _key: &StepKey, id: SagaId, _notice: &Notice) -> Result<(), Fault> {
        let left = id.order().map(|order| (order, Time::system_now()));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(left);
        Ok(())
    }
}

/// A provider in memory that takes its time to answer. Any number of requests wait at once.
#[derive(Debug)]
pub(crate) struct SlowSandbox {
    ledger: MemorySandbox,
    delay: Duration,
}

impl SlowSandbox {
    pub(crate) fn new(delay: Duration) -> Self {
        Self { ledger: MemorySandbox::new(Arc::new(SystemClock)), delay }
    }
}

impl AroundProvider for SlowSandbox {
    fn provider(&self) -> &dyn PaymentProvider {
        &self.ledger
    }

    fn around<'a, T: Send + 'a>(
        &'a self,
        request: BoxFuture<'a, Result<T, Fault>>,
    ) -> BoxFuture<'a, Result<T, Fault>> {
        if self.delay.is_zero() {
            return request;
        }
        Box::pin(async move {
            let answer = request.await;
            tokio::time::sleep(self.delay).await;
            answer
        })
    }
}

/// What workers are started with.
#[derive(Debug, Clone)]
pub(crate) struct Crew {
    pub(crate) database_url: String,
    pub(crate) hints: Hints,
    pub(crate) workers: usize,
    /// How many calls of each pool one worker may have in flight.
    pub(crate) calls: usize,
    pub(crate) provider_delay: Duration,
}

/// Workers at work, and who takes the money for them.
#[derive(Debug)]
pub(crate) enum AtWork {
    /// Each with ledger of its own, in memory.
    InMemory(Vec<Process>),
    /// The real ones, and one sandbox on disk that all of them ask.
    OverHttp { workers: Vec<Server>, sandbox: Box<Server>, ledger: PathBuf },
}

impl Crew {
    /// Workers whose ledger are in their memory.
    pub(crate) async fn in_memory(&self) -> Result<AtWork> {
        let mut workers = Vec::new();
        for _ in 0..self.workers {
            let mut command = Command::new(std::env::current_exe()?);
            command.args(["worker", "--database-url", &self.database_url]);
            command.args(["--redis-url", &self.hints.redis_url, "--redis-prefix", &self.hints.prefix]);
            command.args(["--provider-delay-ms", &self.provider_delay.as_millis().to_string()]);
            command.args(["--calls", &self.calls.to_string()]);
            let ready = |line: &str| Ok(line.starts_with(READY).then_some(()));
            workers.push(Process::start(command, ready).await.context("a worker")?.0);
        }
        Ok(AtWork::InMemory(workers))
    }

    /// `holdfast worker`s and a `holdfast sandbox`, whose ledger are the file `ledger`.
    pub(crate) async fn over_http(&self, holdfast: &Holdfast, ledger: PathBuf) -> Result<AtWork> {
        let sandbox = holdfast.sandbox(&ledger, self.provider_delay).await.context("the sandbox")?;
        let mut workers = Vec::new();
        for _ in 0..self.workers {
            let worker = holdfast.worker(&self.database_url, &self.hints, sandbox.address, self.calls);
            workers.push(worker.await.context("a worker")?);
        }
        Ok(AtWork::OverHttp { workers, sandbox: Box::new(sandbox), ledger })
    }
}

impl AtWork {
    /// Who they are, to be watched.
    pub(crate) fn gauges(&self) -> Vec<(String, Gauge)> {
        let worker =
            |number: usize| if number == 0 { "worker".to_owned() } else { format!("worker {}", number + 1) };
        match self {
            Self::InMemory(workers) => {
                workers.iter().enumerate().map(|(at, process)| (worker(at), process.gauge())).collect()
            }
            Self::OverHttp { workers, sandbox, .. } => {
                let workers = workers.iter().enumerate().map(|(at, server)| (worker(at), server.gauge()));
                workers.chain([("sandbox".to_owned(), sandbox.gauge())]).collect()
            }
        }
    }

    /// Stops them, and returns what they did.
    pub(crate) async fn stop(self) -> Result<Records> {
        match self {
            Self::InMemory(workers) => {
                let mut records = Records::default();
                for worker in workers {
                    records.add(Records::parse(&worker.stop().await?)?);
                }
                Ok(records)
            }
            Self::OverHttp { workers, sandbox, ledger } => {
                for worker in workers {
                    worker.stop().await?;
                }
                sandbox.stop().await?;
                let ledger = holdfast_sandbox::DurableSandbox::open(&ledger, Arc::new(SystemClock)).await?;
                let statement = ledger.statement().await?;
                Ok(Records { statement, ..Records::default() })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_as_they_were_written() {
        let line = Movement {
            charge: StepKey::from_stored("9f2c41ab07-1042-81f3a2c95d0e:take_payment:1"),
            currency: holdfast_shared::Currency::EUR,
            captured_minor: 1_999,
            refunded_minor: 0,
        };
        let update = [(OrderId::new(1042), Time::from_micros(1_700_000_000_000_001))].into();
        let records = Records { statement: vec![line], update };
        assert_eq!(Records::parse(&records.to_text()).expect("reads"), records);
        assert!(Records::parse("nothing of the kind").is_err());
    }

    #[tokio::test]
    async fn the_first_message_of_an_order_counts() {
        let journal = Journal(Mutex::new(vec![
            (OrderId::new(1), Time::from_micros(5)),
            (OrderId::new(1), Time::from_micros(9)),
        ]));
        assert_eq!(journal.update()[&OrderId::new(1)], Time::from_micros(5));
    }
}
