//! What the streams cost, as text.

use std::fmt;

use serde::Serialize;

use super::cost::Cost;
use super::load::Met;
use crate::http::latency::Latencies;
use crate::http::target_database::Kind;

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(super) on: Kind,
    pub(super) streams: u32,
    pub(super) rate: u32,
    pub(super) seconds: u32,
    pub(super) opened_seconds: f64,
    /// Before the first stream.
    pub(super) empty: Cost,
    /// Right after the last one was opened.
    pub(super) fresh: Cost,
    /// After they had idled for a while.
    pub(super) resting: Cost,
    pub(super) without: Met,
    pub(super) beside: Met,
    pub(super) change_to_event: Latencies,
    pub(super) audit: &'static str,
}

impl Report {
    #[expect(clippy::cast_precision_loss, reason = "memory of a process is far below 2^52 bytes")]
    fn kib_per_stream(&self) -> f64 {
        let grown = self.resting.resident_bytes.saturating_sub(self.empty.resident_bytes);
        grown as f64 / 1024.0 / f64::from(self.streams)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { on, streams, rate, seconds, opened_seconds, .. } = self;
        writeln!(
            f,
            "one `holdfast up` on {on}; {streams} event streams, each on an order of its own, half of them settled and \
             half waiting for an admin; all opened and greeted within {opened_seconds:.1} s, none lost"
        )?;
        for (name, cost) in
            [("no streams", &self.empty), ("just opened", &self.fresh), ("at rest", &self.resting)]
        {
            writeln!(
                f,
                "idle, {name:<12} {:>7.1} MiB resident, {:>5.1} % of a core (whole machine {:.1} %)",
                cost.resident_mib(),
                cost.cpu_percent,
                cost.machine_cpu_percent,
            )?;
        }
        writeln!(f, "a stream at rest   {:.1} KiB of the server's memory", self.kib_per_stream())?;
        for (name, met) in [("without streams", &self.without), ("beside streams", &self.beside)] {
            writeln!(f, "{rate} orders/s for {seconds} s, {name}:")?;
            writeln!(f, "  POST, from when due  {}", met.post)?;
            writeln!(f, "  accept to CONFIRMED  {}", met.accept_to_confirmed)?;
        }
        writeln!(f, "an admin's confirm to the order's event  {}", self.change_to_event)?;
        writeln!(f, "audit {}", self.audit)
    }
}
