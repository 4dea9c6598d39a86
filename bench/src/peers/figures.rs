//! What a contender prints, read. A figure that was not verified is none.

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

/// What one round of one contender measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figures {
    pub(crate) orders_per_s: f64,
    #[serde(default)]
    pub(crate) settled_ms: Option<Percentiles>,
    #[serde(skip_serializing)]
    verified: bool,
}

/// From the instant an order was due until it was CONFIRMED.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Percentiles {
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

#[derive(Deserialize)]
struct Run {
    result: Rounds,
}

#[derive(Deserialize)]
struct Rounds {
    rounds: Vec<Figures>,
}

impl Figures {
    /// What a peer prints: one document on its last line, whatever its libraries said before.
    pub(crate) fn of_peer(stdout: &str) -> Result<Self> {
        let line = stdout.trim_end().lines().last().context("it printed nothing")?;
        let figures: Self = serde_json::from_str(line).with_context(|| format!("it printed {line}"))?;
        figures.counted()
    }

    /// What this binary prints of one round.
    pub(crate) fn of_run(stdout: &str) -> Result<Self> {
        let run: Run = serde_json::from_str(stdout).context("it did not print a result")?;
        let [figures] =
            run.result.rounds.try_into().map_err(|rounds: Vec<_>| {
                anyhow::anyhow!("it printed {} rounds instead of one", rounds.len())
            })?;
        Figures::counted(figures)
    }

    fn counted(self) -> Result<Self> {
        ensure!(self.verified, "its orders were not verified");
        ensure!(self.orders_per_s > 0.0, "it settled {} orders a second", self.orders_per_s);
        Ok(self)
    }

    #[cfg(test)]
    pub(crate) fn settling(orders_per_s: f64, settled_ms: Option<Percentiles>) -> Self {
        Self { orders_per_s, settled_ms, verified: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str = r#"{"scenario": "steady", "conditions": {}, "result": {"rounds": [{"orders": 10,
        "orders_per_s": 99.5, "accept_ms": {"p50": 1}, "settled_ms": {"p50": 2, "p95": 3.5, "p99": 4, "max": 5,
        "count": 10}, "verified": true}]}}"#;

    #[test]
    fn a_run_tells_its_only_round() {
        let figures = Figures::of_run(RUN).expect("figures");
        let settled_ms = Some(Percentiles { p50: 2.0, p95: 3.5, p99: 4.0, max: 5.0 });
        assert_eq!(figures, Figures::settling(99.5, settled_ms));
    }

    #[test]
    fn a_run_of_no_round_tells_nothing() {
        let error = Figures::of_run(r#"{"result": {"rounds": []}}"#).expect_err("a figure");
        assert_eq!(error.to_string(), "it printed 0 rounds instead of one");
    }

    #[test]
    fn a_peer_is_read_from_its_last_line() {
        let line = r#"{"peer": "dbos", "orders_per_s": 284, "settled_ms": null, "verified": true}"#;
        let figures = Figures::of_peer(&format!("a library says hello\n{line}\n")).expect("figures");
        assert_eq!(figures, Figures::settling(284.0, None));
    }

    #[test]
    fn what_was_not_verified_does_not_count() {
        let unverified = RUN.replace("true", "false");
        assert_eq!(
            Figures::of_run(&unverified).expect_err("a figure").to_string(),
            "its orders were not verified"
        );
        let line = r#"{"orders_per_s": 284, "settled_ms": null, "verified": false}"#;
        assert!(Figures::of_peer(line).is_err());
    }

    #[test]
    fn silence_and_unknown_output_are_errors() {
        assert_eq!(Figures::of_peer("").expect_err("a figure").to_string(), "it printed nothing");
        assert_eq!(Figures::of_peer("oops").expect_err("a figure").to_string(), "it printed oops");
    }
}
