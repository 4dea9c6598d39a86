//! The published profile of the system that Holdfast replaces: a ramp of up to a hundred buyers, each of
//! whom checks a filled cart out, thinks for a second, and does it again.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use holdfast_sandbox::Token;
use holdfast_shared::CartId;
use serde::Serialize;

use super::client::Connection;
use super::latency::Latencies;
use super::process::{Holdfast, Server, Subject};
use super::target_database::{Kind, TargetDatabase};
use crate::shop::Method;
use crate::shop::{self, Goods};

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    subject: Subject,
    /// The databases to measure on, one after the other
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Kind::Sqlite, Kind::Postgres])]
    on: Vec<Kind>,
    /// Buyers, once all of them have come
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    users: u32,
    /// How long the run lasts
    #[arg(long, default_value_t = 30.0)]
    seconds: f64,
    /// Over how long the buyers come in, evenly; a third of the run unless said
    #[arg(long)]
    ramp_seconds: Option<f64>,
    /// How long a buyer thinks between two orders
    #[arg(long, default_value_t = 1.0)]
    think_seconds: f64,
    #[command(flatten)]
    goods: Goods,
}

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    users: u32,
    seconds: f64,
    ramp_seconds: f64,
    think_seconds: f64,
    shops: Vec<Shop>,
}

#[derive(Debug, Serialize)]
struct Shop {
    on: Kind,
    /// From the first buyer to the end, the ramp included.
    whole: Part,
    /// Only once all buyers had come.
    crowded: Part,
    accept_to_confirmed: Latencies,
    /// The server's CPU time, of one core.
    cpu_percent: f64,
    audit: &'static str,
}

#[derive(Debug, Serialize)]
struct Part {
    requests_per_s: f64,
    post: Latencies,
}

/// When what happens.
#[derive(Debug, Clone, Copy)]
struct Plan {
    started: Instant,
    crowded: Instant,
    ends: Instant,
    thought: Duration,
}

#[derive(Debug, Default)]
struct Seen {
    whole: Latencies,
    crowded: Latencies,
}

pub(crate) async fn run(args: &Args) -> Result<Report> {
    let holdfast = args.subject.holdfast()?;
    let ramp_seconds = args.ramp_seconds.unwrap_or(args.seconds / 3.0);
    ensure!(ramp_seconds < args.seconds, "the buyers come in over {ramp_seconds} s of {} s", args.seconds);
    let mut shops = Vec::new();
    for on in &args.on {
        eprintln!("http-profile: {on}");
        shops.push(measure(args, &holdfast, *on, ramp_seconds).await.with_context(|| on.to_string())?);
    }
    let Args { users, seconds, think_seconds, .. } = *args;
    Ok(Report { users, seconds, ramp_seconds, think_seconds, shops })
}

async fn measure(args: &Args, holdfast: &Holdfast, on: Kind, ramp_seconds: f64) -> Result<Shop> {
    let target = TargetDatabase::create(on, &args.subject.postgres_url).await?;
    let each = args.seconds / args.think_seconds.max(0.001) + 2.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of orders")]
    let carts = (f64::from(args.users) * each) as usize;
    let carts = Arc::new(shop::seed(target.store(), carts, args.goods).await.context("seeding the shop")?);
    target.settle_down().await?;
    let server = holdfast.up(&target).await?;

    let started = Instant::now();
    let plan = Plan {
        started,
        crowded: started + Duration::from_secs_f64(ramp_seconds),
        ends: started + Duration::from_secs_f64(args.seconds),
        thought: Duration::from_secs_f64(args.think_seconds),
    };
    let cpu_before = server.cpu_time()?;
    let seen = buyers(args.users, plan, &server, &carts).await?;
    let elapsed = started.elapsed();
    let cpu = server.cpu_time()?.saturating_sub(cpu_before);
    target.decided(0).await?;
    let accept_to_confirmed = target.confirmations(seen.whole.count()).await?;
    server.stop().await?;
    holdfast.audit(&target).await?;
    target.clear_away().await?;
    Ok(Shop {
        on,
        whole: Part::new(seen.whole, elapsed),
        crowded: Part::new(seen.crowded, plan.ends - plan.crowded),
        accept_to_confirmed,
        cpu_percent: 100.0 * cpu.as_secs_f64() / elapsed.as_secs_f64(),
        audit: "clean",
    })
}

/// Lets the buyers in, evenly over the ramp, and waits for all of them.
async fn buyers(users: u32, plan: Plan, server: &Server, carts: &Arc<Vec<CartId>>) -> Result<Seen> {
    let next = Arc::new(AtomicUsize::new(0));
    let buyers: Vec<_> = (0..users)
        .map(|user| {
            let comes = plan.started + (plan.crowded - plan.started) * user / users;
            let (server, carts, next) = (server.address, Arc::clone(carts), Arc::clone(&next));
            tokio::spawn(async move {
                tokio::time::sleep_until(comes.into()).await;
                let mut connection = Connection::open(server).await?;
                let mut seen = Seen::default();
                while Instant::now() < plan.ends {
                    let cart = carts.get(next.fetch_add(1, Ordering::Relaxed)).context("no cart is left")?;
                    let sent = Instant::now();
                    connection.check_out(*cart, Method::Card(Token::Ok)).await?;
                    let latency = sent.elapsed();
                    seen.whole.record(latency);
                    if sent >= plan.crowded {
                        seen.crowded.record(latency);
                    }
                    tokio::time::sleep(plan.thought).await;
                }
                Ok::<_, anyhow::Error>(seen)
            })
        })
        .collect();
    let mut all = Seen::default();
    for buyer in buyers {
        let seen = buyer.await??;
        all.whole.add(&seen.whole);
        all.crowded.add(&seen.crowded);
    }
    Ok(all)
}

impl Part {
    #[expect(clippy::cast_precision_loss, reason = "counts of one run are far below 2^52")]
    fn new(post: Latencies, elapsed: Duration) -> Self {
        Self { requests_per_s: post.count() as f64 / elapsed.as_secs_f64(), post }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { users, seconds, ramp_seconds, think_seconds, .. } = self;
        writeln!(
            f,
            "{seconds} s of `holdfast up`; 1 to {users} buyers over the first {ramp_seconds:.1} s, each: POST /v1/checkout, \
             then {think_seconds} s of thought"
        )?;
        for Shop { on, whole, crowded, accept_to_confirmed, cpu_percent, audit } in &self.shops {
            writeln!(f, "{on:<9} {:>6.1} requests/s   POST  {}", whole.requests_per_s, whole.post)?;
            writeln!(f, "  crowded {:>6.1} requests/s   POST  {}", crowded.requests_per_s, crowded.post)?;
            writeln!(f, "  accept to CONFIRMED           {accept_to_confirmed}")?;
            writeln!(f, "  server CPU {cpu_percent:.0} % of one core; every order CONFIRMED, audit {audit}")?;
        }
        writeln!(
            f,
            "accept to CONFIRMED: orders.accepted_at to orders.updated_at, the instants at which the accepting and \
             the confirming transaction read the clock; the confirming commit itself is not in it"
        )
    }
}
