//! A round over time, window by window: put together from what everybody noted, once it is over.

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_shared::Time;
use serde::Serialize;

use super::cost::{EVERY, Sample};
use super::load::Asked;
use super::outcome::Ended;
use crate::http::latency::Latencies;

/// More windows than this cannot be distinguished in a picture.
const WINDOWS_MAX: u32 = 1_200;

/// A round over time. The lists are of one length, but for those of memory.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Series {
    pub(crate) window_s: f64,
    pub(crate) accepted_per_s: Vec<f64>,
    pub(crate) settled_per_s: Vec<f64>,
    /// Of the orders that were accepted in the window; `None` where there were none.
    pub(crate) accept_p50_ms: Vec<Option<f64>>,
    pub(crate) accept_p99_ms: Vec<Option<f64>>,
    /// Of the orders that were settled in it, by the rows' instants.
    pub(crate) settled_p50_ms: Vec<Option<f64>>,
    pub(crate) settled_p99_ms: Vec<Option<f64>>,
    /// Memory of each process: seconds since the start, and MiB.
    pub(crate) resident_mib: BTreeMap<String, Vec<(f64, f64)>>,
}

/// What happened in a window: how many, and how long each took.
#[derive(Debug, Clone, Default)]
struct Window(Latencies);

impl Series {
    /// `started` is the instant from which `asked` and the samples count.
    pub(crate) fn new(
        started: Time,
        lasted: Duration,
        asked: &[Asked],
        ended: &[Ended],
        (names, samples): (&[String], &[Sample]),
    ) -> Self {
        let width = EVERY.max(lasted / WINDOWS_MAX);
        let accepted = asked.iter().map(|asked| (asked.answered, asked.answered.saturating_sub(asked.due)));
        let accepted = windows(width, lasted, accepted);
        let settled = ended
            .iter()
            .map(|order| (order.notified_at.since(started), order.notified_at.since(order.accepted_at)));
        let settled = windows(width, lasted, settled);
        let per_s = |windows: &[Window]| {
            windows.iter().map(|window| float(window.0.count()) / width.as_secs_f64()).collect()
        };
        let at = |windows: &[Window], of: fn(&Latencies) -> f64| {
            windows.iter().map(|window| (window.0.count() > 0).then(|| of(&window.0))).collect()
        };
        let resident = |(at, name): (usize, &String)| {
            let seen = samples.iter().map(|sample| {
                (sample.at.as_secs_f64(), float(sample.resident_bytes[at]) / f64::from(1 << 20))
            });
            (name.clone(), seen.collect())
        };
        Self {
            window_s: width.as_secs_f64(),
            accepted_per_s: per_s(&accepted),
            settled_per_s: per_s(&settled),
            accept_p50_ms: at(&accepted, |latencies| latencies.percentiles().p50_ms),
            accept_p99_ms: at(&accepted, |latencies| latencies.percentiles().p99_ms),
            settled_p50_ms: at(&settled, |latencies| latencies.percentiles().p50_ms),
            settled_p99_ms: at(&settled, |latencies| latencies.percentiles().p99_ms),
            resident_mib: names.iter().enumerate().map(resident).collect(),
        }
    }
}

/// What happened when, and how long it took, sorted into windows. What came after the end counts to the last one:
/// the end is when it was noticed, and clocks differ by a little.
fn windows(
    width: Duration,
    lasted: Duration,
    happened: impl Iterator<Item = (Duration, Duration)>,
) -> Vec<Window> {
    let number = |at: Duration| usize::try_from(at.as_nanos() / width.as_nanos()).unwrap_or(usize::MAX);
    let mut windows = vec![Window::default(); number(lasted) + 1];
    let last = windows.len() - 1;
    for (at, took) in happened {
        windows[number(at).min(last)].0.record(took);
    }
    windows
}

#[expect(clippy::cast_precision_loss, reason = "counts and bytes of one run are far below 2^52")]
const fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_between_windows() {
        let (width, lasted) = (Duration::from_millis(250), Duration::from_secs(1));
        let happened = [0, 249, 250, 999, 1_000, 1_400]
            .map(|at| (Duration::from_millis(at), Duration::from_millis(at + 1)));
        let windows = windows(width, lasted, happened.into_iter());
        let counts: Vec<u64> = windows.iter().map(|window| window.0.count()).collect();
        assert_eq!(counts, [2, 1, 0, 1, 2]);
    }
}
