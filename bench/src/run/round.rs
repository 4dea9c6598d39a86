//! One round: a fresh shop, a stack around it, the load, the wait for the last message; then the rows are read,
//! verified and audited, and only then there is a figure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use holdfast_shared::{OrderId, Time};

use super::cost::{CpuTime, Meter, Sampler};
use super::load::{Asked, Load};
use super::outcome::{self, Ended};
use super::report::{Cpu, EndedAs, PerOrder, Resident, Round, SettledSeen};
use super::scenario::Arrival;
use super::series::Series;
use super::setup::Setup;
use super::stack::Stack;
use super::worker::Records;
use super::workload::Workload;
use crate::database::Counters;
use crate::engine::per;
use crate::http::latency::Latencies;
use crate::http::process::Gauge;
use crate::http::target_database::TargetDatabase;
use crate::machine::Machine;

/// Orders that warm connections, plans and caches up before a round counts; a quarter of a small round's.
const WARM_UP_MAX: usize = 500;
/// How long a round may take to settle after its last order was accepted, before it counts as hung.
const SETTLED_WITHIN: Duration = Duration::from_mins(15);

/// Plays one round in `target`; `past` orders are in it already.
pub(crate) async fn play(setup: &Setup, target: TargetDatabase, past: usize) -> Result<Round> {
    let scenario = &setup.scenario;
    let before = outcome::newest(target.store()).await?;
    let is_backlog = matches!(scenario.arrival, Arrival::Backlog { .. });
    let orders = orders(scenario.arrival);
    // Without workers nothing of a warm-up would settle.
    let warm_up = if is_backlog { 0 } else { WARM_UP_MAX.min(orders / 4) };
    let workload = Workload::prepare(target.store(), scenario, warm_up, orders).await?;
    target.settle_down().await?;
    let machine = Machine::wait_for_idle(setup.idle_within).await?;
    if !machine.is_idle() {
        eprintln!("run: the machine is not idle ({:.0} % of a core); going on", machine.other_work_percent);
    }

    let counted = Counters::of(&target).await?;
    let mut stack = Stack::open(setup, target).await?;
    let submitter = stack.submitter(setup).await?;
    if !is_backlog {
        stack.start_workers(setup).await?;
        let load = Load {
            submitter: submitter.clone(),
            workload: Arc::new(workload.warm_up.clone()),
            connections: setup.connections,
        };
        load.run(Arrival::Closed { orders: workload.warm_up.len() }, Instant::now())
            .await
            .context("the warm-up")?;
        stack.settled(SETTLED_WITHIN).await.context("the warm-up")?;
    }
    let warm = outcome::newest(stack.target.store()).await?;

    let mut costs = Costs::begin(&stack).await?;
    let (mut started, mut started_at) = (Instant::now(), Time::system_now());
    let load = Load {
        submitter: submitter.clone(),
        workload: Arc::new(workload.measured.clone()),
        connections: setup.connections,
    };
    let asked = load.run(scenario.arrival, started).await?;
    let accepting = started.elapsed();
    if is_backlog {
        // What is measured is the drain: it begins when the workers do.
        stack.target.settle_down().await?;
        costs = Costs::begin(&stack).await?;
        (started, started_at) = (Instant::now(), Time::system_now());
        stack.start_workers(setup).await?;
        costs.watch_also(&stack, started).await?;
    }
    stack.settled(SETTLED_WITHIN).await?;
    let elapsed = started.elapsed();
    drop(submitter);
    let spent = costs.end().await?;

    let (target, records) = stack.stop().await?;
    // A backend reports all it has counted when its client is gone: so the warm-up's share is in it.
    let counters = match (counted, Counters::of(&target).await?) {
        (Some(before), Some(after)) => Some(after.since(&before)),
        _ => None,
    };
    let ended = outcome::ended(target.store(), before).await.context("this run counts for nothing")?;
    let ends = workload.verify(scenario, asked.len(), &ended).context("this run counts for nothing")?;
    // The provider has never heard of orders that were written here as past.
    let statement = (past == 0).then_some(records.statement.as_slice());
    let audit = outcome::audit(target.store(), statement).await.context("this run counts for nothing")?;
    target.clear_away().await?;

    let ended_orders = ended.len();
    let measured: Vec<Ended> = ended.into_iter().filter(|order| Some(order.id) > warm).collect();
    let answered: BTreeSet<OrderId> = asked.iter().map(|asked| asked.order).collect();
    let is_there = measured.iter().all(|order| answered.contains(&order.id));
    ensure!(
        is_there && measured.len() == answered.len(),
        "orders settled that were not answered, or the reverse"
    );
    let series_asked: &[Asked] = if is_backlog { &[] } else { &asked };
    let sampled = (&spent.names[..], &spent.samples[..]);
    let settled_seen = SettledSeen::of(&records, is_backlog);
    let settled: Latencies = match settled_seen {
        SettledSeen::ByTheMessage => asked
            .iter()
            .filter_map(|asked| Some(records.update.get(&asked.order)?.since(started_at + asked.due)))
            .collect(),
        SettledSeen::ByTheRows => {
            measured.iter().map(|order| order.notified_at.since(order.accepted_at)).collect()
        }
    };
    Ok(Round {
        orders: asked.len(),
        elapsed_s: elapsed.as_secs_f64(),
        orders_per_s: per(asked.len()) / elapsed.as_secs_f64(),
        accepted_per_s: per(asked.len()) / accepting.as_secs_f64(),
        accept_ms: latencies(&asked).percentiles().into(),
        settled_seen,
        settled_ms: settled.percentiles().into(),
        verified: true,
        ends: scenario.buyers.iter().zip(&ends).map(|(buyers, ends)| EndedAs::new(buyers, ends)).collect(),
        audited_orders: audit.orders,
        audited_charges: audit.charges,
        cpu_us_per_order: Cpu::new(&spent.cpu, asked.len()),
        resident_bytes: resident(&spent.names, &spent.samples),
        postgres_per_order: counters.map(|counters| PerOrder::new(&counters, ended_orders)),
        machine,
        series: Series::new(started_at, elapsed, series_asked, &measured, sampled),
    })
}

impl SettledSeen {
    fn of(records: &Records, is_backlog: bool) -> Self {
        // A backlog's orders were due long before anybody worked.
        if is_backlog || records.update.is_empty() { Self::ByTheRows } else { Self::ByTheMessage }
    }
}

/// How many orders to get ready for.
fn orders(arrival: Arrival) -> usize {
    match arrival {
        Arrival::Closed { orders } | Arrival::Backlog { orders } => orders,
        Arrival::Open { rate, seconds } => rate as usize * seconds as usize,
        // As many as all users could place without being answered, and one more each.
        Arrival::Users { users, think_ms, seconds, .. } => {
            let each = u64::from(seconds) * 1_000 / think_ms.max(1) + 2;
            users as usize * usize::try_from(each).unwrap_or(usize::MAX)
        }
    }
}

fn latencies(asked: &[Asked]) -> Latencies {
    asked.iter().map(|asked| asked.answered.saturating_sub(asked.due)).collect()
}

fn resident(names: &[String], samples: &[super::cost::Sample]) -> BTreeMap<String, Resident> {
    let of = |(at, name): (usize, &String)| {
        let seen = || samples.iter().map(|sample| sample.resident_bytes[at]);
        let (max, end) = (seen().max().unwrap_or_default(), seen().next_back().unwrap_or_default());
        (name.clone(), Resident { max, end })
    };
    names.iter().enumerate().map(of).collect()
}

/// What a round spends, from [`Costs::begin`] on.
struct Costs {
    meter: Meter,
    cpu: CpuTime,
    sampler: Sampler,
}

/// What a round spent.
struct Spent {
    cpu: CpuTime,
    names: Vec<String>,
    samples: Vec<super::cost::Sample>,
}

impl Costs {
    async fn begin(stack: &Stack) -> Result<Self> {
        let mut meter = meter(stack).await?;
        let cpu = meter.read().await?;
        let sampler = Sampler::start(watched(stack), Instant::now());
        Ok(Self { meter, cpu, sampler })
    }

    /// Takes workers into account that were started since.
    async fn watch_also(&mut self, stack: &Stack, started: Instant) -> Result<()> {
        self.meter = meter(stack).await?;
        let sampler = std::mem::replace(&mut self.sampler, Sampler::start(watched(stack), started));
        sampler.stop().await.map(drop)
    }

    async fn end(mut self) -> Result<Spent> {
        let after = self.meter.read().await?;
        let (names, samples) = self.sampler.stop().await?;
        let before = |name: &str| self.cpu.get(name).copied().unwrap_or_default();
        let cpu = after.into_iter().map(|(name, used)| {
            let used = used.saturating_sub(before(&name));
            (name, used)
        });
        Ok(Spent { cpu: cpu.collect(), names, samples })
    }
}

/// Everybody who takes part.
async fn meter(stack: &Stack) -> Result<Meter> {
    Meter::new(watched(stack), stack.target.database(), stack.redis_url()).await
}

/// The stack's processes and this one. It holds the intake when orders are placed directly, and all there is
/// on SQLite.
fn watched(stack: &Stack) -> Vec<(String, Gauge)> {
    let mut watched = stack.gauges();
    watched.push(("generator".to_owned(), Gauge::own()));
    watched
}

impl Counters {
    /// What Postgres has counted, if it is Postgres.
    async fn of(target: &TargetDatabase) -> Result<Option<Self>> {
        match target.database() {
            Some(database) => database.counters().await.map(Some),
            None => Ok(None),
        }
    }
}
