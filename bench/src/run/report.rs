//! What a run measured, for people and for programs.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::cost::CpuTime;
use super::scenario::{Buyers, Scenario};
use super::series::Series;
use super::setup::{LedgerKind, Setup, Via};
use super::workload::Ends;
use crate::database::Counters;
use crate::engine::{Spread, per};
use crate::http::latency::Percentiles;
use crate::http::target_database::Kind;
use crate::machine::Machine;

/// What a run measured, and how it was set up.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) on: Kind,
    pub(crate) via: Via,
    pub(crate) ledger: LedgerKind,
    pub(crate) workers: usize,
    pub(crate) connections: usize,
    pub(crate) past_orders: usize,
    pub(crate) scenario: Scenario,
    pub(crate) rounds: Vec<Round>,
    /// Over the rounds.
    pub(crate) orders_per_s: Spread,
    pub(crate) settled_p50_ms: Spread,
    pub(crate) settled_p99_ms: Spread,
    pub(crate) accept_p50_ms: Spread,
    pub(crate) accept_p99_ms: Spread,
}

/// By what an order is seen to be settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SettledSeen {
    /// From the instant the request was due until the customer's message left: the commit that decided the order
    /// was answered by then.
    ByTheMessage,
    /// From the instant at which the accepting transaction read the clock to that of the one that marked the message
    /// SENT.
    ByTheRows,
}

/// One round. It exists only if every order of it is where it must be and the audit is clean.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Round {
    pub(crate) orders: usize,
    pub(crate) elapsed_s: f64,
    /// From the first submit (of a backlog: from the workers' start) until every order was seen decided and every
    /// message sent.
    pub(crate) orders_per_s: f64,
    /// From the first submit to the last answer.
    pub(crate) accepted_per_s: f64,
    /// From the instant a request was due to its answer.
    pub(crate) accept_ms: Millis,
    pub(crate) settled_seen: SettledSeen,
    pub(crate) settled_ms: Millis,
    pub(crate) verified: bool,
    pub(crate) ends: Vec<EndedAs>,
    pub(crate) audited_orders: u64,
    /// Charges in the provider's own ledger that ours agree with.
    pub(crate) audited_charges: Option<u64>,
    pub(crate) cpu_us_per_order: Cpu,
    pub(crate) resident_bytes: BTreeMap<String, Resident>,
    /// Of the whole round, its warm-up included.
    pub(crate) postgres_per_order: Option<PerOrder>,
    pub(crate) machine: Machine,
    pub(crate) series: Series,
}

/// Percentiles of a latency, in milliseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Millis {
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
    pub(crate) count: u64,
}

/// How the orders of one kind of buyers ended, the warm-up's included.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct EndedAs {
    buyers: Buyers,
    ends: BTreeMap<String, usize>,
}

/// CPU time an order of everybody who takes part, in microseconds.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Cpu(BTreeMap<String, f64>);

/// What Postgres counted, an order.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct PerOrder {
    row_versions: f64,
    wal_bytes: f64,
    commits: f64,
    /// `None` where `pg_stat_statements` is not loaded.
    statements: Option<f64>,
    /// Updates that stayed on their page, of all.
    hot_percent: f64,
}

/// Memory of a process in bytes: the most that was seen, and the last.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Resident {
    pub(crate) max: u64,
    pub(crate) end: u64,
}

impl From<Percentiles> for Millis {
    fn from(update: Percentiles) -> Self {
        let Percentiles { count, p50_ms, p95_ms, p99_ms, max_ms } = update;
        Self { p50: p50_ms, p95: p95_ms, p99: p99_ms, max: max_ms, count }
    }
}

impl EndedAs {
    pub(crate) fn new(buyers: &Buyers, ends: &Ends) -> Self {
        let name = |(status, reason): &(_, Option<_>)| match reason {
            Some(reason) => format!("{status} {reason}"),
            None => format!("{status}"),
        };
        Self { buyers: *buyers, ends: ends.iter().map(|(end, orders)| (name(end), *orders)).collect() }
    }
}

impl PerOrder {
    #[expect(clippy::cast_precision_loss, reason = "counts of one run are far below 2^52")]
    pub(crate) fn new(counters: &Counters, orders: usize) -> Self {
        let each = |count: i64| count as f64 / per(orders.max(1));
        Self {
            row_versions: each(counters.row_versions),
            wal_bytes: each(counters.wal_bytes),
            commits: each(counters.commits),
            statements: counters.statements.map(each),
            hot_percent: 100.0 * counters.hot_updates as f64 / counters.updates.max(1) as f64,
        }
    }
}

impl Cpu {
    pub(crate) fn new(cpu: &CpuTime, orders: usize) -> Self {
        let each = |spent: &Duration| spent.as_secs_f64() * 1e6 / per(orders.max(1));
        let mut by: BTreeMap<String, f64> =
            cpu.iter().map(|(name, spent)| (name.clone(), each(spent))).collect();
        by.insert("all".to_owned(), cpu.values().map(each).sum());
        Self(by)
    }
}

impl Report {
    /// Puts the rounds together.
    pub(super) fn new(on: Kind, setup: Setup, past_orders: usize, rounds: Vec<Round>) -> Self {
        let spread = |of: fn(&Round) -> f64| Spread::of(rounds.iter().map(of));
        Self {
            on,
            via: setup.via,
            ledger: setup.ledger,
            workers: setup.workers,
            connections: setup.connections,
            past_orders,
            scenario: setup.scenario,
            orders_per_s: spread(|round| round.orders_per_s),
            settled_p50_ms: spread(|round| round.settled_ms.p50),
            settled_p99_ms: spread(|round| round.settled_ms.p99),
            accept_p50_ms: spread(|round| round.accept_ms.p50),
            accept_p99_ms: spread(|round| round.accept_ms.p99),
            rounds,
        }
    }

    /// How it was set up, in a line.
    pub(crate) fn setup(&self) -> String {
        let Self { on, via, ledger, workers, connections, past_orders, scenario, .. } = self;
        let via = match (on, via) {
            (Kind::Sqlite, _) => "all in one process",
            (Kind::Postgres, Via::Direct) => "direct submit, streams",
            (Kind::Postgres, Via::Http) => "over HTTP, streams",
        };
        let ledger = match ledger {
            LedgerKind::Memory => "payment ledger in memory",
            LedgerKind::Http => "payment ledger of `holdfast sandbox`",
        };
        let shop = scenario.shop;
        format!(
            "{on}, {via}, {workers} worker(s), {connections} requests at once, {ledger}, charges take {} ms, \
             {} line(s) over {} SKU(s), {past_orders} past orders",
            scenario.provider.delay_ms, shop.lines, shop.skus
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}", self.scenario.about, self.setup())?;
        for (number, round) in self.rounds.iter().enumerate() {
            writeln!(f, "round {}  {round}", number + 1)?;
        }
        writeln!(f, "orders    {} settled/s; every order where it must be, audit clean", self.orders_per_s)?;
        let spread =
            |spread: &Spread| format!("{:.2} (min {:.2}, max {:.2})", spread.median, spread.min, spread.max);
        writeln!(
            f,
            "accept    p50 {}  p99 {} ms; from the instant a request was due",
            spread(&self.accept_p50_ms),
            spread(&self.accept_p99_ms)
        )?;
        let seen = match self.rounds.first().map(|round| round.settled_seen) {
            Some(SettledSeen::ByTheMessage) => "from the instant a request was due until its message left",
            Some(SettledSeen::ByTheRows) | None => {
                "from acceptance to the message SENT, by the instants in the rows"
            }
        };
        writeln!(
            f,
            "settled   p50 {}  p99 {} ms; {seen}",
            spread(&self.settled_p50_ms),
            spread(&self.settled_p99_ms)
        )
    }
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:>7.0} orders/s  ({} in {:.2} s; accepted at {:.0}/s)",
            self.orders_per_s, self.orders, self.elapsed_s, self.accepted_per_s
        )?;
        writeln!(f, "         accept   {}", self.accept_ms)?;
        writeln!(f, "         settled  {}", self.settled_ms)?;
        if self.ends.len() > 1 || self.ends.iter().any(|kind| kind.ends.len() > 1) {
            let kinds = self.ends.iter().flat_map(|kind| &kind.ends);
            let mut ends: BTreeMap<&str, usize> = BTreeMap::new();
            kinds.for_each(|(end, orders)| *ends.entry(end).or_default() += orders);
            let ends: Vec<String> = ends.iter().map(|(end, orders)| format!("{orders} {end}")).collect();
            writeln!(f, "         ended    {}", ends.join(", "))?;
        }
        let cpu: Vec<String> =
            self.cpu_us_per_order.0.iter().map(|(name, us)| format!("{name} {us:.0}")).collect();
        writeln!(f, "         CPU us per order: {}", cpu.join(", "))?;
        if let Some(PerOrder { row_versions, wal_bytes, commits, statements, hot_percent }) =
            self.postgres_per_order
        {
            let kib = wal_bytes / 1024.0;
            write!(
                f,
                "         Postgres per order: {row_versions:.1} row versions, {kib:.1} KB WAL, {commits:.3} commits"
            )?;
            if let Some(statements) = statements {
                write!(f, ", {statements:.3} statements")?;
            }
            writeln!(f, ", {hot_percent:.0} % HOT")?;
        }
        let mib = |bytes: u64| bytes / (1 << 20);
        let resident: Vec<String> = self
            .resident_bytes
            .iter()
            .map(|(name, Resident { max, end })| format!("{name} {} (at the end {})", mib(*max), mib(*end)))
            .collect();
        write!(f, "         memory in MiB, at most: {}", resident.join(", "))?;
        if !self.machine.is_idle() {
            let Machine { other_work_percent, waited_s } = self.machine;
            write!(
                f,
                "\n         NOT IDLE: others used {other_work_percent:.0} % of a core, after {waited_s:.0} s of waiting"
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { p50, p95, p99, max, count } = self;
        write!(f, "p50 {p50:.2}  p95 {p95:.2}  p99 {p99:.2}  max {max:.2} ms  (of {count})")
    }
}
