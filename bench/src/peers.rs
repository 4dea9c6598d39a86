//! Holdfast beside its peers and beside the limits of its tables, alternately, on one machine.
//!
//! Everybody does the same work for an order on the same Postgres; `bench/peers` holds the peers. Nobody's
//! figure comes from another hour of the same machine: round 1 has each once, then round 2, and so on.

mod contender;
mod figures;
mod report;
mod sample;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::ValueEnum;

use self::contender::{Contender, Peer, Servers, Work};
pub(crate) use self::report::Summary;
use self::sample::Sample;
use crate::machine::Machine;

/// A shop's quiet hour, and a busy one that every contender of the table can keep up with on two cores.
const RATES: [u32; 2] = [100, 400];

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// A superuser's URL of the Postgres to measure on; databases of their own are made there
    #[arg(long, env = "HOLDFAST_TEST_POSTGRES_URL")]
    postgres_url: String,
    /// The Redis for BullMQ and for Holdfast's hints; their keys are gone afterwards
    #[arg(long, env = "HOLDFAST_TEST_REDIS_URL")]
    redis_url: String,
    /// Which peers
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Peer::value_variants().to_vec())]
    peers: Vec<Peer>,
    /// What to measure; unless said, all of it
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Part::value_variants().to_vec())]
    only: Vec<Part>,
    /// Rounds of each
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Orders in a round of the throughput
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..))]
    orders: u32,
    /// Orders in a round of a peer's
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..))]
    peer_orders: u32,
    /// How long a round of the latency lasts
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    seconds: u32,
    /// Buyers in a flash sale, for 1,000 pieces
    #[arg(long, default_value_t = 50_000, value_parser = clap::value_parser!(u32).range(1_000..))]
    buyers: u32,
    /// How many minutes to wait for an idle machine before each figure, at most
    #[arg(long, default_value_t = 10)]
    idle_within: u64,
    /// Where the peers are
    #[arg(long, default_value = "bench/peers")]
    peers_dir: PathBuf,
    /// The binary that measures Holdfast and the limits; unless named, this one
    #[arg(long, hide = true)]
    runner: Option<PathBuf>,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Orders as fast as they come
    Throughput,
    /// What an order takes at a steady rate
    Latency,
    /// Verdicts a second on one scarce SKU
    FlashSale,
}

pub(crate) async fn run(args: &Args) -> Result<Summary> {
    ensure!(
        args.peers.is_empty() || args.peers_dir.join("node_modules").is_dir(),
        "{0} has no node_modules: run `npm ci` in {0} (`make bench-peers` does it)",
        args.peers_dir.display()
    );
    let servers = Servers {
        postgres_url: args.postgres_url.clone(),
        redis_url: args.redis_url.clone(),
        peers_dir: args.peers_dir.clone(),
        runner: args.runner.clone().map_or_else(std::env::current_exe, Ok)?,
    };
    let mut samples = Vec::new();
    for round in 1..=args.rounds {
        for (contender, work) in program(args) {
            let machine = Machine::wait_for_idle(Duration::from_secs(60 * args.idle_within)).await?;
            let was_idle = machine.is_idle();
            eprintln!("peers: round {round} of {}: {contender}, {work}", args.rounds);
            // The others' figures are not lost with one that could not be had; the summary names it.
            let (figures, failure) = match servers.measure(contender, work).await {
                Ok(figures) => (Some(figures), None),
                Err(error) => {
                    eprintln!("peers: {contender}: {error:#}");
                    (None, Some(format!("{error:#}")))
                }
            };
            samples.push(Sample { contender, work, round, was_idle, figures, failure });
        }
    }
    Ok(Summary::of(samples))
}

/// What a round consists of, in its order.
fn program(args: &Args) -> Vec<(Contender, Work)> {
    let mut program = Vec::new();
    let peers = || args.peers.iter().copied().map(Contender::Peer);
    // Only the flow is what shops have; the others' latencies and flash sales would take an hour more.
    let flow = || peers().filter(|peer| *peer == Contender::Peer(Peer::BullmqFlow));
    if args.only.contains(&Part::Throughput) {
        let work = Work::Throughput { orders: args.orders, peer_orders: args.peer_orders };
        let ours = [Contender::Direct, Contender::Http, Contender::SetWise, Contender::OneCommitAStep];
        program.extend(ours.into_iter().chain(peers()).map(|contender| (contender, work)));
    }
    if args.only.contains(&Part::Latency) {
        for rate in RATES {
            let work = Work::Steady { rate, seconds: args.seconds };
            program.extend([Contender::Direct].into_iter().chain(flow()).map(|contender| (contender, work)));
        }
    }
    if args.only.contains(&Part::FlashSale) {
        let work = Work::FlashSale { buyers: args.buyers };
        program.extend([Contender::Direct].into_iter().chain(flow()).map(|contender| (contender, work)));
    }
    program
}
