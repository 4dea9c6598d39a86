//! What a round measured, and what all of them say together.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::database::Counters;

#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Batches {
    pub(crate) count: u64,
    pub(crate) claimed: u64,
    pub(crate) largest: u64,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Round {
    kind: &'static str,
    orders: f64,
    orders_per_s: f64,
    counters: Counters,
    batches: Option<Batches>,
    /// How much more Redis held afterwards.
    redis_grown_bytes: Option<i64>,
}

/// So many, to divide by or into.
#[expect(clippy::cast_precision_loss, reason = "counts of one run are far below 2^52")]
pub(crate) const fn per(count: usize) -> f64 {
    count as f64
}

impl Round {
    pub(crate) fn new(
        kind: &'static str,
        orders: usize,
        elapsed: Duration,
        counters: Counters,
        batches: Option<Batches>,
    ) -> Self {
        let orders = per(orders);
        let orders_per_s = orders / elapsed.as_secs_f64();
        Self { kind, orders, orders_per_s, counters, batches, redis_grown_bytes: None }
    }

    pub(crate) fn orders_per_s(&self) -> f64 {
        self.orders_per_s
    }

    /// With so many bytes more in Redis after it, where one was used.
    pub(crate) fn beside_redis(self, redis_grown_bytes: Option<i64>) -> Self {
        Self { redis_grown_bytes, ..self }
    }
}

impl fmt::Display for Round {
    #[expect(clippy::cast_precision_loss, reason = "counts of one round are far below 2^52")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each = |count: i64| count as f64 / self.orders;
        let counters = &self.counters;
        write!(
            f,
            "{:<9} {:>7.0} orders/s   per order: {:.1} row versions, {:.1} KB WAL, {:.3} commits",
            self.kind,
            self.orders_per_s,
            each(counters.row_versions),
            each(counters.wal_bytes) / 1024.0,
            each(counters.commits),
        )?;
        if let Some(statements) = counters.statements {
            write!(f, ", {:.3} statements", each(statements))?;
        }
        write!(f, ", {:.0} % HOT", 100.0 * counters.hot_updates as f64 / counters.updates.max(1) as f64)?;
        if let Some(batches) = self.batches {
            let mean = batches.claimed as f64 / batches.count.max(1) as f64;
            write!(f, "   {} batches, {mean:.0} sagas each, largest {}", batches.count, batches.largest)?;
        }
        if let Some(grown) = self.redis_grown_bytes {
            write!(f, "   Redis {:+.1} KB", grown as f64 / 1024.0)?;
        }
        Ok(())
    }
}

#[derive(Debug, Default, Serialize)]
pub(crate) struct Summary {
    pub(crate) baseline: Vec<Round>,
    pub(crate) engine: Vec<Round>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, engine) in self.engine.iter().enumerate() {
            if let Some(baseline) = self.baseline.get(number) {
                writeln!(f, "round {}  {baseline}", number + 1)?;
            }
            writeln!(f, "round {}  {engine}", number + 1)?;
        }
        let engine = Spread::of(self.engine.iter().map(|round| round.orders_per_s));
        writeln!(
            f,
            "holdfast  {engine} orders/s settled (direct submit, in-process queue, payment ledger in memory)"
        )?;
        if self.baseline.is_empty() {
            return Ok(());
        }
        let baseline = Spread::of(self.baseline.iter().map(|round| round.orders_per_s));
        let pairs = self.engine.iter().zip(&self.baseline);
        let ratio = Spread::of(pairs.map(|(engine, baseline)| engine.orders_per_s / baseline.orders_per_s));
        writeln!(f, "baseline  {baseline} orders/s settled (hand-written, one commit a step)")?;
        writeln!(
            f,
            "ratio     {:.2} (min {:.2}, max {:.2}), pair by pair",
            ratio.median, ratio.min, ratio.max
        )
    }
}

/// What several rounds measured.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Spread {
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) max: f64,
}

impl Spread {
    pub(crate) fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = values.collect();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
        Self { min: at(0), median: at(sorted.len() / 2), max: at(sorted.len().saturating_sub(1)) }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0} (min {:.0}, max {:.0})", self.median, self.min, self.max)
    }
}
