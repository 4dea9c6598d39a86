//! `holdfast demo`: boots the embedded stack, settles real orders, and proves that the books are right.

mod actors;
mod client;
mod input;
mod mix;
mod report;
mod shop;
mod stage;

use std::time::{Duration, Instant};

use anyhow::bail;
use indicatif::ProgressBar;

use self::actors::Cast;
use self::mix::Program;
use self::stage::Stage;
use crate::args::{DemoArgs, Global};
use crate::exit::{Exit, say, usage};
use crate::output::Format;
use crate::progress;

/// Nothing moving for this long means that something hangs: the demo says so instead of waiting for ever.
const STANDSTILL: Duration = Duration::from_mins(1);
/// How often the actors look around.
const TICK: Duration = Duration::from_millis(50);

/// Runs the demo. Ends well only if every order is terminal or visibly parked, and the audit is clean.
pub(crate) async fn run(args: DemoArgs, global: Global) -> anyhow::Result<Exit> {
    // The whole input is read before anything is touched: a bad line changes nothing.
    let program = match &args.input {
        _ if args.resume => None,
        Some(file) => Some(input::read(file)?),
        None => Some(mix::compose(usize::try_from(args.orders)?, args.seed)),
    };
    if args.resume && global.database_url.is_none() {
        return Err(usage("which demo shall go on? Give --resume the same --database-url again"));
    }
    let stage = Stage::boot(&args, &global).await?;
    let ended = tokio::select! {
        ended = play(&stage, program, global.output) => ended,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted; {}", stage.how_to_go_on())),
    };
    let cut_off = stage.stop().await;
    if cut_off > 0 {
        say(&format!("{cut_off} calls were cut off; their orders go on when their leases have run out"));
    }
    ended
}

async fn play(stage: &Stage, program: Option<Program>, output: Format) -> anyhow::Result<Exit> {
    let started = Instant::now();
    let mut cast = match program {
        Some(program) => {
            shop::open(stage, &program).await?;
            let total = program.wishes.len();
            say(&format!("{}: settling {total} orders", stage.name()));
            let bar = bar(total);
            let cast = shop::submit(stage, program, &bar).await?;
            bar.finish_and_clear();
            cast
        }
        None => Cast::from_notes(stage).await?,
    };
    settle(stage, &mut cast).await?;
    report::print(stage, &cast, started.elapsed(), output).await
}

/// Plays the people around the shop until every order rests.
async fn settle(stage: &Stage, cast: &mut Cast) -> anyhow::Result<()> {
    let bar = bar(0);
    bar.set_message("settling");
    let (mut moved, mut since) = (0, Instant::now());
    loop {
        cast.act(stage).await?;
        let standing = stage.standing().await?;
        bar.set_length(standing.orders);
        bar.set_position(standing.settled);
        if standing.live == 0 && cast.is_idle() {
            bar.finish_and_clear();
            return Ok(());
        }
        let now = stage.moved();
        if now != moved {
            (moved, since) = (now, Instant::now());
        } else if since.elapsed() > STANDSTILL {
            bar.finish_and_clear();
            bail!(
                "{} sagas have not moved for {STANDSTILL:?}; `holdfast saga list` names them, {}",
                standing.live,
                stage.how_to_go_on()
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
