//! A crowd that repeats its reads and cancellations for as long as it is not answered, some milliseconds away from the
//! database: how many are answered, and how soon the others are refused.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hyper::StatusCode;
use serde::{Deserialize, Serialize};

use super::client::{Answer, Connection};
use super::delay::DelayedServer;
use super::latency::Latencies;
use super::process::{Server, Subject};
use super::streams::raise_descriptors;
use super::target_database::{Kind, TargetDatabase};
use crate::shop::{self, Goods, Method};

/// Orders that the crowd asks about.
const ORDERS: usize = 400;
/// Placing them is no crowd yet.
const PLACED_AT_ONCE: usize = 8;
/// Descriptors beside those of the crowd.
const DESCRIPTORS_BESIDE: u64 = 200;
/// A caller who gets no answer gives up, as clients do.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    subject: Subject,
    /// Sizes of the crowd, one after the other
    #[arg(long, value_delimiter = ',', default_value = "200,1500")]
    callers: Vec<u32>,
    /// The round trip from the server to Postgres, in milliseconds
    #[arg(long, default_value_t = 5)]
    round_trip_ms: u64,
    /// How long each crowd asks
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Repeat after so many milliseconds, whatever Retry-After says
    #[arg(long)]
    repeat_after_ms: Option<u64>,
    #[command(flatten)]
    goods: Goods,
}

/// An order, and the token that opens it.
#[derive(Debug, Clone, Deserialize)]
struct Placed {
    id: String,
    order_token: String,
}

/// What one crowd met with.
#[derive(Debug, Serialize)]
struct Met {
    callers: u32,
    /// Answers that are about the order: 2xx, and 409 for what comes too late.
    answers_per_second: f64,
    reads: Latencies,
    cancellations: Latencies,
    /// Refusals with 503 and Retry-After.
    refused: Latencies,
    /// No answer in time, or another one.
    failed: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    round_trip_ms: u64,
    seconds: u64,
    crowds: Vec<Met>,
}

pub(crate) async fn run(args: &Args) -> Result<Report> {
    let most = args.callers.iter().copied().max().context("name at least one crowd")?;
    raise_descriptors(u64::from(most) * 2 + DESCRIPTORS_BESIDE)?;
    let holdfast = args.subject.holdfast()?;
    let target = TargetDatabase::create(Kind::Postgres, &args.subject.postgres_url).await?;
    let carts = shop::seed(target.store(), ORDERS, args.goods).await.context("seeding the shop")?;
    let (before, rest) = target.url.split_once('@').context("the URL names no user")?;
    let (authority, database) = rest.split_once('/').context("the URL names no database")?;
    let network =
        DelayedServer::open(authority.to_owned(), Duration::from_millis(args.round_trip_ms)).await?;
    let server = holdfast.api(&format!("{before}@{}/{database}", network.address), None).await?;

    eprintln!("http-crowd: placing {ORDERS} orders");
    let mut orders = Vec::with_capacity(ORDERS);
    for some in carts.chunks(ORDERS / PLACED_AT_ONCE) {
        let (address, some) = (server.address, some.to_vec());
        orders.push(tokio::spawn(async move {
            let mut connection = Connection::open(address).await?;
            let mut placed = Vec::with_capacity(some.len());
            for cart in some {
                let body = connection.check_out(cart, Method::Cod).await?;
                placed.push(serde_json::from_slice::<Placed>(&body)?);
            }
            Ok::<_, anyhow::Error>(placed)
        }));
    }
    let mut placed = Vec::with_capacity(ORDERS);
    for some in orders {
        placed.extend(some.await??);
    }
    let placed: Arc<[Placed]> = placed.into();

    let mut crowds = Vec::with_capacity(args.callers.len());
    for callers in &args.callers {
        eprintln!("http-crowd: {callers} callers for {} s", args.seconds);
        crowds.push(crowd(args, &server, *callers, &placed).await?);
    }
    server.stop().await?;
    target.clear_away().await?;
    Ok(Report { round_trip_ms: args.round_trip_ms, seconds: args.seconds, crowds })
}

async fn crowd(args: &Args, server: &Server, callers: u32, orders: &Arc<[Placed]>) -> Result<Met> {
    let until = Instant::now() + Duration::from_secs(args.seconds);
    let repeat_after = args.repeat_after_ms.map(Duration::from_millis);
    let asking: Vec<_> = (0..callers as usize)
        .map(|number| {
            let (address, orders) = (server.address, Arc::clone(orders));
            tokio::spawn(async move {
                let mut met = Met::new(callers);
                let mut connection = Connection::open(address).await?;
                for turn in number.. {
                    if Instant::now() >= until {
                        break;
                    }
                    let Placed { id, order_token } = &orders[turn % orders.len()];
                    let cancels = turn % 4 == 3;
                    let since = Instant::now();
                    let answer = tokio::time::timeout(PATIENCE, async {
                        if cancels {
                            connection.post_as_guest(&format!("/v1/orders/{id}/cancel"), order_token).await
                        } else {
                            connection.get_as_guest(&format!("/v1/orders/{id}"), order_token).await
                        }
                    });
                    let Ok(Ok(answer)) = answer.await else {
                        met.failed += 1;
                        connection = Connection::open(address).await?;
                        continue;
                    };
                    met.answered(&answer, cancels, since.elapsed());
                    if let Some(pause) = answer.retry_after {
                        tokio::time::sleep(repeat_after.unwrap_or(pause)).await;
                    }
                }
                Ok::<_, anyhow::Error>(met)
            })
        })
        .collect();
    let mut all = Met::new(callers);
    for met in asking {
        all.add(&met.await?.context("a caller of the crowd")?);
    }
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let answers = (all.reads.count() + all.cancellations.count()) as f64;
    all.answers_per_second = answers / Duration::from_secs(args.seconds).as_secs_f64();
    ensure!(answers > 0.0, "nobody was answered");
    Ok(all)
}

impl Met {
    fn new(callers: u32) -> Self {
        Self {
            callers,
            answers_per_second: 0.0,
            reads: Latencies::default(),
            cancellations: Latencies::default(),
            refused: Latencies::default(),
            failed: 0,
        }
    }

    fn answered(&mut self, answer: &Answer, cancels: bool, took: Duration) {
        match answer.status {
            StatusCode::SERVICE_UNAVAILABLE if answer.retry_after.is_some() => {
                self.refused.record(took);
            }
            StatusCode::OK | StatusCode::ACCEPTED | StatusCode::CONFLICT => {
                let latencies = if cancels { &mut self.cancellations } else { &mut self.reads };
                latencies.record(took);
            }
            _ => self.failed += 1,
        }
    }

    fn add(&mut self, other: &Self) {
        self.reads.add(&other.reads);
        self.cancellations.add(&other.cancellations);
        self.refused.add(&other.refused);
        self.failed += other.failed;
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { round_trip_ms, seconds, crowds } = self;
        writeln!(
            f,
            "`holdfast api`, {round_trip_ms} ms from Postgres; each crowd repeats reads and cancellations of its orders \
             for {seconds} s"
        )?;
        for met in crowds {
            let Met { callers, answers_per_second, reads, cancellations, refused, failed } = met;
            writeln!(f, "{callers} callers: {answers_per_second:.0} answers/s, {failed} without an answer")?;
            writeln!(f, "  reads          {reads}")?;
            writeln!(f, "  cancellations  {cancellations}")?;
            writeln!(f, "  refused        {refused}")?;
        }
        Ok(())
    }
}
