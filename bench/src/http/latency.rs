//! Latencies, kept in a histogram and reported as percentiles.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Serialize, Serializer};

/// Latencies of one kind, to a thousandth of their value.
#[derive(Debug, Clone)]
pub(crate) struct Latencies(Histogram<u64>);

/// Their summary.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Percentiles {
    pub(crate) count: u64,
    pub(crate) p50_ms: f64,
    pub(crate) p95_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
}

impl Default for Latencies {
    fn default() -> Self {
        // Invariant: between 0 and 5 digits are allowed.
        Self(Histogram::new(3).expect("three digits are allowed"))
    }
}

impl Latencies {
    pub(crate) fn record(&mut self, latency: Duration) {
        // It grows as needed, so nothing is refused.
        let _ = self.0.record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
    }

    pub(crate) fn add(&mut self, others: &Self) {
        // It grows as needed, so nothing is refused.
        let _ = self.0.add(&others.0);
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    #[expect(clippy::cast_precision_loss, reason = "microseconds of minutes are far below 2^52")]
    pub(crate) fn percentiles(&self) -> Percentiles {
        let ms = |micros: u64| micros as f64 / 1_000.0;
        let at = |quantile| ms(self.0.value_at_quantile(quantile));
        Percentiles {
            count: self.0.len(),
            p50_ms: at(0.50),
            p95_ms: at(0.95),
            p99_ms: at(0.99),
            max_ms: ms(self.0.max()),
        }
    }
}

impl FromIterator<Duration> for Latencies {
    fn from_iter<I: IntoIterator<Item = Duration>>(latencies: I) -> Self {
        let mut all = Self::default();
        latencies.into_iter().for_each(|latency| all.record(latency));
        all
    }
}

impl Serialize for Latencies {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.percentiles().serialize(serializer)
    }
}

impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Percentiles { count, p50_ms, p95_ms, p99_ms, max_ms } = self.percentiles();
        write!(f, "p50 {p50_ms:.2}  p95 {p95_ms:.2}  p99 {p99_ms:.2}  max {max_ms:.2} ms  (of {count})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_all_that_was_recorded_and_added() {
        let mut all: Latencies = (1..=50).map(Duration::from_millis).collect();
        all.add(&(51..=100).map(Duration::from_millis).collect());
        let summary = all.percentiles();
        assert_eq!(summary.count, 100);
        for (measured, expected) in
            [(summary.p50_ms, 50.0), (summary.p95_ms, 95.0), (summary.p99_ms, 99.0), (summary.max_ms, 100.0)]
        {
            assert!((measured - expected).abs() <= expected / 500.0, "{measured} is not {expected}");
        }
    }
}
