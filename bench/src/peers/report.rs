//! What the rounds say together: the spread of each contender, and how many times as good Holdfast is.

use std::fmt;

use serde::Serialize;

use super::contender::{Contender, Peer, Work};
use super::figures::{Figures, Percentiles};
use super::sample::Sample;
use crate::engine::Spread;

#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    tables: Vec<Table>,
    ratio: Ratio,
    samples: Vec<Sample>,
}

/// All contenders at one piece of work.
#[derive(Debug, Serialize)]
struct Table {
    work: Work,
    rows: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    contender: Contender,
    /// `None`: none of its rounds gave a figure.
    orders_per_s: Option<Spread>,
    /// Holdfast's median over this one's.
    orders_per_s_times: Option<f64>,
    p50_ms: Option<Spread>,
    p99_ms: Option<Spread>,
    /// Holdfast's median over this one's: below 1, Holdfast is sooner.
    p50_times: Option<f64>,
    p99_times: Option<f64>,
}

/// The line that everything else is summed up in. `None`: it was not measured, or not all it takes was.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct Ratio {
    bullmq_flow: Option<f64>,
    best_peer: Option<f64>,
    limit_setwise: Option<f64>,
    orders_per_s: Option<f64>,
    http_orders_per_s: Option<f64>,
}

impl Summary {
    pub(super) fn of(samples: Vec<Sample>) -> Self {
        let mut works: Vec<Work> = Vec::new();
        for sample in &samples {
            if !works.contains(&sample.work) {
                works.push(sample.work);
            }
        }
        let tables: Vec<Table> = works.into_iter().map(|work| Table::of(work, &samples)).collect();
        let throughput = tables.iter().find(|table| matches!(table.work, Work::Throughput { .. }));
        let ratio = throughput.map_or(Ratio::UNKNOWN, Ratio::of);
        Self { tables, ratio, samples }
    }
}

impl Table {
    fn of(work: Work, samples: &[Sample]) -> Self {
        let mut contenders: Vec<Contender> = Vec::new();
        for sample in samples.iter().filter(|sample| sample.work == work) {
            if !contenders.contains(&sample.contender) {
                contenders.push(sample.contender);
            }
        }
        let row = |contender| {
            let of: Vec<Figures> = samples
                .iter()
                .filter(|sample| sample.work == work && sample.contender == contender)
                .filter_map(|sample| sample.figures)
                .collect();
            Row::of(contender, &of)
        };
        let mut rows: Vec<Row> = contenders.into_iter().map(row).collect();
        if let Some(ours) = rows.iter().position(|row| row.contender == Contender::Direct) {
            let (rate, p50, p99) = (rows[ours].orders_per_s, rows[ours].p50_ms, rows[ours].p99_ms);
            for row in &mut rows {
                row.orders_per_s_times = times(rate, row.orders_per_s);
                row.p50_times = times(p50, row.p50_ms);
                row.p99_times = times(p99, row.p99_ms);
            }
        }
        Self { work, rows }
    }

    fn row(&self, contender: Contender) -> Option<&Row> {
        self.rows.iter().find(|row| row.contender == contender)
    }
}

impl Row {
    fn of(contender: Contender, figures: &[Figures]) -> Self {
        let latency = |percentile: fn(Percentiles) -> f64| {
            spread(figures.iter().filter_map(|figures| figures.settled_ms).map(percentile))
        };
        Self {
            contender,
            orders_per_s: spread(figures.iter().map(|figures| figures.orders_per_s)),
            orders_per_s_times: None,
            p50_ms: latency(|settled| settled.p50),
            p99_ms: latency(|settled| settled.p99),
            p50_times: None,
            p99_times: None,
        }
    }

    fn median(&self) -> Option<f64> {
        self.orders_per_s.map(|spread| spread.median)
    }
}

fn spread(values: impl Iterator<Item = f64>) -> Option<Spread> {
    let mut values = values.peekable();
    values.peek()?;
    Some(Spread::of(values))
}

fn times(ours: Option<Spread>, theirs: Option<Spread>) -> Option<f64> {
    Some(ours?.median / theirs?.median)
}

impl Ratio {
    const UNKNOWN: Self = Self {
        bullmq_flow: None,
        best_peer: None,
        limit_setwise: None,
        orders_per_s: None,
        http_orders_per_s: None,
    };

    fn of(table: &Table) -> Self {
        let times = |contender| table.row(contender)?.orders_per_s_times;
        // A peer without a figure may have been the fastest; then nobody knows how we compare with the fastest.
        let peers: Option<Vec<f64>> = table
            .rows
            .iter()
            .filter(|row| matches!(row.contender, Contender::Peer(_)))
            .map(|row| row.orders_per_s_times)
            .collect();
        Self {
            bullmq_flow: times(Contender::Peer(Peer::BullmqFlow)),
            best_peer: peers.and_then(|peers| peers.into_iter().min_by(f64::total_cmp)),
            limit_setwise: times(Contender::SetWise),
            orders_per_s: table.row(Contender::Direct).and_then(Row::median),
            http_orders_per_s: table.row(Contender::Http).and_then(Row::median),
        }
    }
}

/// A figure, or a dash where there is none.
struct Maybe(Option<f64>, usize);

impl fmt::Display for Maybe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self(Some(value), digits) => f.pad(&format!("{value:.digits$}")),
            Self(None, _) => f.pad("-"),
        }
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "ratio bullmq_flow={} best_peer={} limit_setwise={} orders_per_s={} http_orders_per_s={}",
            Maybe(self.bullmq_flow, 2),
            Maybe(self.best_peer, 2),
            Maybe(self.limit_setwise, 3),
            Maybe(self.orders_per_s, 0),
            Maybe(self.http_orders_per_s, 0),
        )
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_latency = matches!(self.work, Work::Steady { .. });
        let part = |spread: Option<Spread>, part: fn(Spread) -> f64, digits| Maybe(spread.map(part), digits);
        writeln!(f, "\n{}", self.work)?;
        write!(f, "{:<24} {:>9} {:>9} {:>9} {:>10}", "orders/s", "min", "median", "max", "holdfast ×")?;
        if is_latency {
            write!(f, " {:>9} {:>10} {:>9} {:>10}", "p50 ms", "holdfast ×", "p99 ms", "holdfast ×")?;
        }
        writeln!(f)?;
        for row in &self.rows {
            write!(
                f,
                "{:<24} {:>9} {:>9} {:>9} {:>10}",
                row.contender,
                part(row.orders_per_s, |spread| spread.min, 0),
                part(row.orders_per_s, |spread| spread.median, 0),
                part(row.orders_per_s, |spread| spread.max, 0),
                Maybe(row.orders_per_s_times, 2),
            )?;
            if is_latency {
                write!(
                    f,
                    " {:>9} {:>10} {:>9} {:>10}",
                    part(row.p50_ms, |spread| spread.median, 2),
                    Maybe(row.p50_times, 2),
                    part(row.p99_ms, |spread| spread.median, 2),
                    Maybe(row.p99_times, 2),
                )?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for table in &self.tables {
            write!(f, "{table}")?;
        }
        writeln!(f)?;
        for Sample { contender, work, round, failure, .. } in &self.samples {
            if let Some(failure) = failure {
                writeln!(f, "NOT MEASURED: {contender}, {work}, round {round}: {failure}")?;
            }
        }
        let noisy = self.samples.iter().filter(|sample| !sample.was_idle).count();
        if noisy > 0 {
            writeln!(f, "NOT IDLE: {noisy} of {} began while others used the machine", self.samples.len())?;
        }
        writeln!(f, "{}", self.ratio)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORK: Work = Work::Throughput { orders: 10, peer_orders: 10 };
    const FLOW: Contender = Contender::Peer(Peer::BullmqFlow);
    const JOB: Contender = Contender::Peer(Peer::BullmqJob);

    /// A sample for each rate; a rate of zero is a round that failed.
    fn samples(contender: Contender, work: Work, rates: &[f64]) -> Vec<Sample> {
        let sample = |(round, rate): (u32, f64)| Sample {
            contender,
            work,
            round,
            was_idle: true,
            figures: (rate > 0.0).then(|| Figures::settling(rate, None)),
            failure: (rate == 0.0).then(|| "it ended".to_owned()),
        };
        (1..).zip(rates.iter().copied()).map(sample).collect()
    }

    fn ratio_line(contenders: &[(Contender, &[f64])]) -> String {
        let all = contenders.iter().flat_map(|(contender, rates)| samples(*contender, WORK, rates)).collect();
        Summary::of(all).to_string().lines().last().expect("a last line").to_owned()
    }

    #[test]
    fn the_last_line_compares_medians() {
        let line = ratio_line(&[
            (Contender::Direct, &[9_000.0, 10_000.0, 2_000.0]),
            (Contender::Http, &[7_000.0, 7_100.0, 6_900.0]),
            (Contender::SetWise, &[18_000.0, 1.0, 20_000.0]),
            (FLOW, &[900.0, 899.0, 5_000.0]),
            (JOB, &[1_500.0, 1_500.0, 1_500.0]),
        ]);
        assert_eq!(
            line,
            "ratio bullmq_flow=10.00 best_peer=6.00 limit_setwise=0.500 orders_per_s=9000 http_orders_per_s=7000"
        );
    }

    #[test]
    fn nobody_is_the_best_peer_while_one_has_no_figure() {
        let line = ratio_line(&[(Contender::Direct, &[9_000.0]), (FLOW, &[900.0]), (JOB, &[0.0])]);
        assert_eq!(
            line,
            "ratio bullmq_flow=10.00 best_peer=- limit_setwise=- orders_per_s=9000 http_orders_per_s=-"
        );
    }

    #[test]
    fn without_a_throughput_there_is_no_ratio() {
        let steady = Work::Steady { rate: 100, seconds: 1 };
        let summary = Summary::of(samples(Contender::Direct, steady, &[100.0]));
        assert_eq!(summary.ratio, Ratio::UNKNOWN);
    }

    #[test]
    fn latencies_are_compared_percentile_by_percentile() {
        let work = Work::Steady { rate: 100, seconds: 1 };
        let sample = |contender, p50, p99| Sample {
            contender,
            work,
            round: 1,
            was_idle: true,
            figures: Some(Figures::settling(100.0, Some(Percentiles { p50, p95: 0.0, p99, max: 0.0 }))),
            failure: None,
        };
        let summary = Summary::of(vec![sample(Contender::Direct, 2.0, 4.0), sample(FLOW, 4.0, 16.0)]);
        let row = summary.tables[0].row(FLOW).expect("a row");
        assert_eq!((row.p50_times, row.p99_times), (Some(0.5), Some(0.25)));
    }

    #[test]
    fn what_failed_and_what_was_noisy_is_said() {
        let mut all = samples(FLOW, WORK, &[900.0, 0.0]);
        all[0].was_idle = false;
        let text = Summary::of(all).to_string();
        assert!(
            text.contains(
                "NOT MEASURED: bullmq_flow, 10 orders (10 of a peer's) as fast as they are taken, round 2: it ended\n"
            ),
            "{text}"
        );
        assert!(text.contains("NOT IDLE: 1 of 2 began while others used the machine\n"), "{text}");
    }
}
