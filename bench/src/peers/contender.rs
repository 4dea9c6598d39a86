//! Who is measured, and how each is asked: a child process a round, that makes and drops a database of its own.

use std::fmt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use serde::{Serialize, Serializer};
use tokio::process::Command;

use super::figures::Figures;

/// A round that takes longer hangs.
const ROUND_MAX: Duration = Duration::from_mins(30);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contender {
    /// Holdfast, orders placed at its group commit
    Direct,
    /// Holdfast, orders placed over HTTP
    Http,
    /// No engine, a hundred orders in a statement
    SetWise,
    /// No engine, a commit for each step
    OneCommitAStep,
    Peer(Peer),
}

/// Those under `bench/peers`. All of them are durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Peer {
    BullmqFlow,
    BullmqJob,
    GraphileWorker,
    PgBoss,
    Dbos,
    Restate,
}

/// What a contender is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Work {
    /// Peers take a tenth as many a second, so a round of theirs is shorter: it takes longer all the same.
    Throughput {
        orders: u32,
        peer_orders: u32,
    },
    Steady {
        rate: u32,
        seconds: u32,
    },
    FlashSale {
        buyers: u32,
    },
}

/// What the contenders work on, and where they are.
#[derive(Debug)]
pub(crate) struct Servers {
    pub(crate) postgres_url: String,
    pub(crate) redis_url: String,
    pub(crate) peers_dir: PathBuf,
    pub(crate) runner: PathBuf,
}

impl Servers {
    /// One round of one contender.
    pub(crate) async fn measure(&self, contender: Contender, work: Work) -> Result<Figures> {
        let (program, arguments) = match contender {
            Contender::Peer(_) => (PathBuf::from("node"), Some(self.peers_dir.join("run.js"))),
            _ => (self.runner.clone(), None),
        };
        let mut command = Command::new(&program);
        command.args(arguments).args(contender.arguments(work));
        // Not as arguments, which a process list shows: a URL may hold a password.
        command.env("HOLDFAST_TEST_POSTGRES_URL", &self.postgres_url);
        command.env("HOLDFAST_TEST_REDIS_URL", &self.redis_url);
        command.stdin(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true);
        let done = tokio::time::timeout(ROUND_MAX, command.output())
            .await
            .with_context(|| format!("it was not done after {ROUND_MAX:?}"))?
            .with_context(|| format!("{} could not be started", program.display()))?;
        ensure!(done.status.success(), "it ended with {}", done.status);
        let stdout = String::from_utf8(done.stdout)?;
        match contender {
            Contender::Peer(_) => Figures::of_peer(&stdout),
            _ => Figures::of_run(&stdout),
        }
    }
}

impl Contender {
    fn arguments(self, work: Work) -> Vec<String> {
        let holdfast = |via: &str| {
            let amount = match work {
                Work::Throughput { orders, .. } | Work::FlashSale { buyers: orders } => {
                    format!("--orders {orders}")
                }
                Work::Steady { rate, seconds } => format!("--rate {rate} --seconds {seconds}"),
            };
            // Whoever starts it has waited for an idle machine already.
            let rest = "--rounds 1 --idle-within 0 --output json";
            arguments_of(&format!("run {} --via {via} {amount} {rest}", work.scenario()))
        };
        let limit = |name: &str, orders: u64| {
            arguments_of(&format!("limit {name} --orders {orders} --rounds 1 --output json"))
        };
        match self {
            Self::Direct => holdfast("direct"),
            Self::Http => holdfast("http"),
            Self::SetWise => limit("setwise", work.orders()),
            Self::OneCommitAStep => limit("one-commit-a-step", work.peer_orders()),
            Self::Peer(peer) => {
                let (scenario, orders) = (work.scenario(), work.peer_orders());
                let rate = match work {
                    Work::Steady { rate, .. } => format!(" --rate {rate}"),
                    Work::Throughput { .. } | Work::FlashSale { .. } => String::new(),
                };
                arguments_of(&format!("--peer {} --scenario {scenario} --orders {orders}{rate}", peer.name()))
            }
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Direct => "holdfast",
            Self::Http => "holdfast_http",
            Self::SetWise => "limit_setwise",
            Self::OneCommitAStep => "limit_one_commit_a_step",
            Self::Peer(peer) => peer.name(),
        }
    }
}

impl Peer {
    fn name(self) -> &'static str {
        match self {
            Self::BullmqFlow => "bullmq_flow",
            Self::BullmqJob => "bullmq_job",
            Self::GraphileWorker => "graphile_worker",
            Self::PgBoss => "pg_boss",
            Self::Dbos => "dbos",
            Self::Restate => "restate",
        }
    }
}

impl Work {
    fn scenario(self) -> &'static str {
        match self {
            Self::Throughput { .. } => "checkout-online",
            Self::Steady { .. } => "steady",
            Self::FlashSale { .. } => "flash-sale",
        }
    }

    fn orders(self) -> u64 {
        match self {
            Self::Throughput { orders, .. } => orders.into(),
            Self::Steady { rate, seconds } => u64::from(rate) * u64::from(seconds),
            Self::FlashSale { buyers } => buyers.into(),
        }
    }

    /// How many orders whoever commits once a step is asked to settle.
    fn peer_orders(self) -> u64 {
        match self {
            Self::Throughput { peer_orders, .. } => peer_orders.into(),
            Self::Steady { .. } | Self::FlashSale { .. } => self.orders(),
        }
    }
}

fn arguments_of(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for Contender {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Throughput { orders, peer_orders } => {
                write!(f, "{orders} orders ({peer_orders} of a peer's) as fast as they are taken")
            }
            Self::Steady { rate, seconds } => write!(f, "{rate} orders a second for {seconds} s"),
            Self::FlashSale { buyers } => write!(f, "{buyers} buyers for 1,000 pieces"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_asked_with_its_own_arguments() {
        let check = |contender: Contender, work, expected: &str| {
            assert_eq!(contender.arguments(work).join(" "), expected);
        };
        let steady = Work::Steady { rate: 400, seconds: 20 };
        let flow = Contender::Peer(Peer::BullmqFlow);
        check(flow, steady, "--peer bullmq_flow --scenario steady --orders 8000 --rate 400");
        check(
            flow,
            Work::FlashSale { buyers: 50_000 },
            "--peer bullmq_flow --scenario flash-sale --orders 50000",
        );
        check(
            Contender::Direct,
            steady,
            "run steady --via direct --rate 400 --seconds 20 --rounds 1 --idle-within 0 --output json",
        );
        let throughput = Work::Throughput { orders: 7, peer_orders: 3 };
        check(
            Contender::Http,
            throughput,
            "run checkout-online --via http --orders 7 --rounds 1 --idle-within 0 --output json",
        );
        check(Contender::SetWise, throughput, "limit setwise --orders 7 --rounds 1 --output json");
        check(flow, throughput, "--peer bullmq_flow --scenario checkout-online --orders 3");
    }

    /// The driver's names are the folder's, or a peer would never be found.
    #[test]
    fn every_peer_has_its_file() {
        for peer in Peer::value_variants() {
            let file = format!("{}/peers/peers/{}.js", env!("CARGO_MANIFEST_DIR"), peer.name());
            assert!(std::path::Path::new(&file).is_file(), "{file}");
            assert_eq!(peer.to_possible_value().expect("a value").get_name(), peer.name());
        }
    }
}
