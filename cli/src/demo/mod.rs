//! `holdfast demo`: starts everything in this process, settles orders, and audits them.

mod actors;
mod client;
mod input;
mod mix;
mod report;
mod shop;
mod stage;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::bail;
use indicatif::ProgressBar;

use self::actors::Actors;
use self::mix::Workload;
use self::stage::Stage;
use crate::exit::{Exit, say, usage};
use crate::global::Global;
use crate::output::Format;
use crate::progress;
use crate::provider::SandboxArgs;

/// If no saga moves for this long, the demo fails instead of waiting for ever.
const STALLED_AFTER: Duration = Duration::from_mins(1);
/// How often the actors look for something to do.
const TICK: Duration = Duration::from_millis(50);

#[derive(clap::Args)]
pub(crate) struct Args {
    /// How many orders to generate
    #[arg(long, default_value_t = 500, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    orders: u32,

    /// The seed of the workload: the same seed generates the same orders
    #[arg(long, default_value_t = 7, value_name = "N")]
    seed: u64,

    /// Settle the orders of this file instead, one JSON object a line
    #[arg(long, value_name = "FILE.jsonl")]
    input: Option<PathBuf>,

    /// Continue with what an interrupted demo left in the database
    #[arg(long)]
    resume: bool,

    #[command(flatten)]
    sandbox: SandboxArgs,
}

/// Runs the demo. It succeeds only if every order is settled or visibly stuck, and the audit is clean.
pub(crate) async fn run(args: Args, global: &Global) -> anyhow::Result<Exit> {
    // The whole input is read first: a bad line changes nothing.
    let workload = match &args.input {
        _ if args.resume => None,
        Some(file) => Some(input::read(file)?),
        None => Some(mix::compose(usize::try_from(args.orders)?, args.seed)),
    };
    if args.resume && !global.names_a_database() {
        return Err(usage("--resume needs the --database-url of the interrupted demo"));
    }
    if global.shop_id().is_some() && !global.names_a_database() {
        return Err(usage(
            "HOLDFAST_SHOP_ID (or --shop-id) names a shop, and the demo makes a new one: unset it, or name a database \
             with --database-url",
        ));
    }
    let stage = Stage::boot(&args.sandbox, global).await?;
    let ended = tokio::select! {
        ended = play(&stage, workload, global.output) => ended,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted; {}", stage.how_to_resume())),
    };
    let cut_off = stage.stop().await;
    if cut_off > 0 {
        say(&format!("calls cut off: {cut_off}; their orders continue when their leases expire"));
    }
    ended
}

async fn play(stage: &Stage, workload: Option<Workload>, output: Format) -> anyhow::Result<Exit> {
    let started = Instant::now();
    let mut actors = match workload {
        Some(workload) => {
            shop::stock(stage, &workload).await?;
            let total = workload.orders.len();
            say(&format!("{}: settling {total} orders", stage.name()));
            let bar = bar(total);
            let actors = shop::submit(stage, workload, &bar).await?;
            bar.finish_and_clear();
            actors
        }
        None => Actors::from_notes(stage).await?,
    };
    settle(stage, &mut actors).await?;
    report::print(stage, &actors, started.elapsed(), output).await
}

/// Lets the actors act until every order is settled or stuck.
async fn settle(stage: &Stage, actors: &mut Actors) -> anyhow::Result<()> {
    let bar = bar(0);
    bar.set_message("settling");
    let (mut moved, mut since) = (0, Instant::now());
    loop {
        actors.act(stage).await?;
        let progress_now = stage.progress().await?;
        bar.set_length(progress_now.orders);
        bar.set_position(progress_now.settled);
        if progress_now.live == 0 && actors.is_idle() {
            bar.finish_and_clear();
            return Ok(());
        }
        let now = stage.moved();
        if now != moved {
            (moved, since) = (now, Instant::now());
        } else if since.elapsed() > STALLED_AFTER {
            bar.finish_and_clear();
            bail!(
                "{} sagas have not moved for {STALLED_AFTER:?}; `holdfast saga list` lists them, {}",
                progress_now.live,
                stage.how_to_resume()
            );
        }
        tokio::time::sleep(TICK).await;
    }
}

fn bar(length: usize) -> ProgressBar {
    let bar = progress::bar(length, "{msg:9} {bar:40} {pos}/{len} orders  {elapsed}");
    bar.set_message("accepting");
    bar
}
