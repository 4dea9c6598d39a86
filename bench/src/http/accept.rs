//! Checkouts a second over HTTP: `holdfast api` against a server that inserts one row a request, asked by
//! the same buyers over as many connections, in alternating rounds of one run.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use holdfast_saga::ports::Store as _;
use holdfast_sandbox::Token;
use holdfast_shared::CartId;
use serde::Serialize;
use tokio::process::Command;
use uuid::Uuid;

use super::client::Connection;
use super::latency::Latencies;
use super::process::{Holdfast, Server, Subject};
use super::row_server;
use crate::database::{Counters, Database};
use crate::engine::{Spread, per};
use crate::shop::Method;
use crate::shop::{self, Goods};

/// Checkouts that warm connections, plans and caches up before a round counts.
const WARM_UP: usize = 500;

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    subject: Subject,
    /// Orders in a round
    #[arg(long, default_value_t = 20_000)]
    orders: usize,
    /// Rounds of each
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Keep-alive connections to the server, each with one request under way
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Connections of the baseline to Postgres
    #[arg(long, default_value_t = 16)]
    baseline_connections: u32,
    #[command(flatten)]
    goods: Goods,
}

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    orders: usize,
    connections: usize,
    baseline_connections: u32,
    rounds: Vec<[Round; 2]>,
    ratio: Spread,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    RowServer,
    Holdfast,
}

#[derive(Debug, Serialize)]
struct Round {
    kind: Kind,
    accepted_per_s: f64,
    post: Latencies,
    /// Of the whole round, its warm-up included.
    counters: Counters,
    /// CPU time of the server process an order.
    server_cpu_us: f64,
}

pub(crate) async fn run(args: &Args) -> Result<Report> {
    let holdfast = args.subject.holdfast()?;
    let mut rounds = Vec::new();
    for round in 1..=args.rounds {
        eprintln!("http-accept: round {round} of {}", args.rounds);
        rounds.push([
            measure(args, &holdfast, Kind::RowServer).await.context("the baseline")?,
            measure(args, &holdfast, Kind::Holdfast).await.context("holdfast api")?,
        ]);
    }
    let ratio = Spread::of(rounds.iter().map(|[base, ours]| ours.accepted_per_s / base.accepted_per_s));
    let Args { orders, connections, baseline_connections, .. } = *args;
    Ok(Report { orders, connections, baseline_connections, rounds, ratio })
}

/// One round of one kind on a fresh database; its rows are counted before its figure counts.
async fn measure(args: &Args, holdfast: &Holdfast, kind: Kind) -> Result<Round> {
    let database = Database::create(&args.subject.postgres_url).await?;
    database.insist_on_durability().await?;
    let all = args.orders + WARM_UP;
    let (carts, server) = match kind {
        Kind::RowServer => {
            sqlx::raw_sql(row_server::TABLE).execute(&database.shell).await?;
            database.settle_down().await?;
            let carts = (0..all).map(|_| CartId(Uuid::now_v7())).collect();
            (carts, start_row_server(&database, args.baseline_connections).await?)
        }
        Kind::Holdfast => {
            let carts = shop::seed(&database.store, all, args.goods).await.context("seeding the shop")?;
            database.settle_down().await?;
            (carts, holdfast.api(&database.url, None).await?)
        }
    };
    let before = database.counters().await?;
    let mut buyers = Vec::with_capacity(args.connections);
    for _ in 0..args.connections {
        buyers.push(Connection::open(server.address).await?);
    }
    let carts = Arc::new(carts);
    let buyers = ask(buyers, &carts, 0..WARM_UP).await?.0;

    let cpu_before = server.cpu_time()?;
    let started = Instant::now();
    let (buyers, post) = ask(buyers, &carts, WARM_UP..all).await?;
    let elapsed = started.elapsed();
    let cpu = server.cpu_time()?.saturating_sub(cpu_before);
    drop(buyers);
    // A backend reports all it has counted when its client is gone: the warm-up's share is in it.
    server.stop().await?;
    let counters = database.counters().await?.since(&before);
    verify(&database, kind, all).await?;
    database.drop().await?;
    let orders = per(args.orders);
    Ok(Round {
        kind,
        accepted_per_s: orders / elapsed.as_secs_f64(),
        post,
        counters,
        server_cpu_us: cpu.as_secs_f64() * 1e6 / orders,
    })
}

async fn start_row_server(database: &Database, connections: u32) -> Result<Server> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["row-server", "--database-url", &database.url, "--connections", &connections.to_string()]);
    Server::start(command).await
}

/// Checks the carts of `which` out, each once, all connections at work; the connections come back.
async fn ask(
    buyers: Vec<Connection>,
    carts: &Arc<Vec<CartId>>,
    which: std::ops::Range<usize>,
) -> Result<(Vec<Connection>, Latencies)> {
    let next = Arc::new(AtomicUsize::new(which.start));
    let at_work: Vec<_> = buyers
        .into_iter()
        .map(|mut buyer| {
            let (carts, next) = (Arc::clone(carts), Arc::clone(&next));
            tokio::spawn(async move {
                let mut latencies = Latencies::default();
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= which.end {
                        return Ok::<_, anyhow::Error>((buyer, latencies));
                    }
                    let sent = Instant::now();
                    buyer.check_out(carts[at], Method::Card(Token::Ok)).await?;
                    latencies.record(sent.elapsed());
                }
            })
        })
        .collect();
    let (mut buyers, mut all) = (Vec::with_capacity(at_work.len()), Latencies::default());
    for buyer in at_work {
        let (buyer, latencies) = buyer.await??;
        buyers.push(buyer);
        all.add(&latencies);
    }
    Ok((buyers, all))
}

async fn verify(database: &Database, kind: Kind, orders: usize) -> Result<()> {
    let accepted = match kind {
        Kind::RowServer => {
            let count = "select count(*) from row_orders where status = 'PENDING_PAYMENT'";
            let count: i64 = sqlx::query_scalar(count).fetch_one(&database.shell).await?;
            count.unsigned_abs()
        }
        Kind::Holdfast => database.store.pending(u64::try_from(orders)? + 1).await?,
    };
    ensure!(accepted == u64::try_from(orders)?, "{accepted} of {orders} orders are in the database");
    Ok(())
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { orders, connections, baseline_connections, rounds, ratio } = self;
        writeln!(
            f,
            "{orders} checkouts a round over {connections} keep-alive connections, Postgres with synchronous_commit=on; \
             holdfast: `holdfast api`, no workers; row server: axum, one insert and one commit a request, \
             {baseline_connections} connections"
        )?;
        for (number, round) in rounds.iter().flatten().enumerate() {
            let name = match round.kind {
                Kind::RowServer => "row server",
                Kind::Holdfast => "holdfast",
            };
            #[expect(clippy::cast_precision_loss, reason = "counts of one round are far below 2^52")]
            let each = |count: i64| count as f64 / per(*orders + WARM_UP);
            writeln!(
                f,
                "round {}  {name:<10} {:>6.0} accepted/s   POST  {}   per order: {:.0} us server CPU, {:.3} commits, {:.1} row versions, {:.1} KB WAL",
                number / 2 + 1,
                round.accepted_per_s,
                round.post,
                round.server_cpu_us,
                each(round.counters.commits),
                each(round.counters.row_versions),
                each(round.counters.wal_bytes) / 1024.0,
            )?;
        }
        let of = |kind: usize| Spread::of(rounds.iter().map(move |round| round[kind].accepted_per_s));
        writeln!(f, "row server {} accepted/s", of(0))?;
        writeln!(f, "holdfast   {} accepted/s", of(1))?;
        writeln!(
            f,
            "ratio      {:.2} (min {:.2}, max {:.2}), pair by pair; every order is in the database",
            ratio.median, ratio.min, ratio.max
        )
    }
}
