//! Thousands of event streams that mostly idle, on one `holdfast up`: what they cost in memory and CPU, that
//! no order is slower for them, and that a change still reaches its stream.

mod cost;
mod load;
mod report;
mod subscribers;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use holdfast_sandbox::Token;
use holdfast_shared::CartId;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use self::cost::Cost;
use self::load::Load;
pub(crate) use self::report::Report;
use self::subscribers::{Subscribers, Watched};
use super::client::Connection;
use super::latency::Latencies;
use super::process::{Server, Subject};
use super::target_database::{Kind, TargetDatabase};
use crate::shop::Method;
use crate::shop::{self, Goods};

/// Descriptors beside those of the streams: the load's connections, the database's, files.
const DESCRIPTORS_BESIDE: u64 = 200;
/// A change reaches its stream within this time, or never.
const UPDATED_WITHIN: Duration = Duration::from_secs(20);

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    subject: Subject,
    /// The database to measure on
    #[arg(long, value_enum, default_value_t = Kind::Postgres)]
    on: Kind,
    /// Streams; each follows an order of its own, every second one settled, the others waiting for an admin
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(2..=16_000))]
    streams: u32,
    /// Orders a second, without the streams and beside them
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rate: u32,
    /// For how long, each time
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// How long an idle server is looked at
    #[arg(long, default_value_t = 10)]
    idle_seconds: u64,
    /// How long the streams idle before they count as idle; an order is looked at less often after 30 s
    #[arg(long, default_value_t = 35)]
    rest_seconds: u64,
    /// Watched orders that are confirmed, one after the other
    #[arg(long, default_value_t = 20)]
    changes: usize,
    #[command(flatten)]
    goods: Goods,
}

pub(crate) async fn run(args: &Args) -> Result<Report> {
    raise_descriptors(u64::from(args.streams) + DESCRIPTORS_BESIDE)?;
    let holdfast = args.subject.holdfast()?;
    let admin = holdfast.admin_token().await?;
    let load = Load { rate: args.rate, seconds: args.seconds };
    let streams = usize::try_from(args.streams)?;
    ensure!(args.changes <= streams / 2, "{} changes need as many waiting orders", args.changes);

    let target = TargetDatabase::create(args.on, &args.subject.postgres_url).await?;
    let orders = streams + 2 * load.orders();
    let carts = shop::seed(target.store(), orders, args.goods).await.context("seeding the shop")?;
    target.settle_down().await?;
    let server = holdfast.up(&target).await?;
    let (watched, rest) = carts.split_at(streams);
    let (without, beside) = rest.split_at(load.orders());

    eprintln!("http-streams: placing {streams} orders to watch");
    let waiting = u64::from(args.streams) / 2;
    let watched = place(&server, watched).await?;
    target.decided(waiting).await?;
    target.settle_down().await?;
    // What follows a decision, such as the buyer's message, is not the streams' either.
    tokio::time::sleep(Duration::from_secs(2)).await;

    let idle = Duration::from_secs(args.idle_seconds);
    eprintln!("http-streams: {} orders/s without streams", args.rate);
    let without = load.run(&server, &target, without, waiting).await?;
    let empty = Cost::of(&server, idle).await?;

    eprintln!("http-streams: opening {streams} streams");
    let opening = Instant::now();
    let mut subscribers = Subscribers::open(&server, &watched).await?;
    let opened_seconds = opening.elapsed().as_secs_f64();
    let fresh = Cost::of(&server, idle).await?;
    eprintln!("http-streams: letting them rest");
    tokio::time::sleep(Duration::from_secs(args.rest_seconds)).await;
    let resting = Cost::of(&server, idle).await?;

    eprintln!("http-streams: {} orders/s beside the streams", args.rate);
    let beside = load.run(&server, &target, beside, waiting).await?;
    eprintln!("http-streams: confirming {} watched orders", args.changes);
    let change_to_event = confirm(&server, &admin, &watched, &mut subscribers, args.changes).await?;
    let lost = subscribers.lost();
    ensure!(lost == 0, "{lost} streams ended by themselves");

    drop(subscribers);
    server.stop().await?;
    holdfast.audit(&target).await?;
    target.clear_away().await?;
    Ok(Report {
        on: args.on,
        streams: args.streams,
        rate: args.rate,
        seconds: args.seconds,
        opened_seconds,
        empty,
        fresh,
        resting,
        without,
        beside,
        change_to_event,
        audit: "clean",
    })
}

/// The server is a child, so it inherits the limit.
pub(crate) fn raise_descriptors(needed: u64) -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let enough = |limit: Option<u64>| limit.is_none_or(|limit| limit >= needed);
    ensure!(
        enough(limit.maximum),
        "{needed} file descriptors are needed, the hard limit is {:?}; raise it with `ulimit -Hn`",
        limit.maximum
    );
    if !enough(limit.current) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum: limit.maximum })?;
    }
    Ok(())
}

/// Checks the carts out: every second order is paid by card and settles, the others wait for an admin.
async fn place(server: &Server, carts: &[CartId]) -> Result<Vec<Watched>> {
    /// As many as share a commit well.
    const BUYERS: usize = 32;
    let share = carts.len().div_ceil(BUYERS);
    let buyers: Vec<_> = carts
        .chunks(share)
        .enumerate()
        .map(|(buyer, carts)| {
            let (server, carts, first) = (server.address, carts.to_vec(), buyer * share);
            tokio::spawn(async move {
                let mut connection = Connection::open(server).await?;
                let mut placed = Vec::with_capacity(carts.len());
                for (number, cart) in (first..).zip(carts) {
                    let waits = number % 2 == 1;
                    let method = if waits { Method::Cod } else { Method::Card(Token::Ok) };
                    let answer = connection.check_out(cart, method).await?;
                    placed.push(Watched::read(&answer, waits)?);
                }
                Ok::<_, anyhow::Error>(placed)
            })
        })
        .collect();
    let mut placed = Vec::with_capacity(carts.len());
    for buyer in buyers {
        placed.extend(buyer.await??);
    }
    Ok(placed)
}

/// Confirms watched orders one after the other: how long until each one's stream says that it is CONFIRMED,
/// from the instant the admin asked.
async fn confirm(
    server: &Server,
    admin: &str,
    watched: &[Watched],
    subscribers: &mut Subscribers,
    changes: usize,
) -> Result<Latencies> {
    let mut connection = Connection::open(server.address).await?;
    let mut latencies = Latencies::default();
    for (number, order) in watched.iter().enumerate().filter(|(_, order)| order.waits).take(changes) {
        let asked = Instant::now();
        connection.post(&format!("/v1/admin/orders/{}/confirm", order.id), admin).await?;
        let update = tokio::time::timeout(UPDATED_WITHIN, subscribers.confirmed(number)).await;
        let update = update.with_context(|| format!("the stream of order {} says nothing", order.id))??;
        latencies.record(update - asked);
    }
    Ok(latencies)
}
