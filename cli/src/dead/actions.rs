//! One command for many dead sagas: in batches, at a bounded rate, with a line for each saga.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use holdfast_contract::CommandOutcome;
use holdfast_contract::dead_letter::DeadLetterResult;
use holdfast_saga::flows::REGISTRY;
use holdfast_saga::operations::dead_letter;
use holdfast_saga::operations::dead_letter::resolve::{BATCH, act, preview_actions};
use holdfast_saga::operations::dead_letter::{DeadLetterAction, Totals};
use holdfast_saga::ports::{Store, StoreError};
use holdfast_saga::shop::answer::Answer;
use holdfast_shared::{Actor, SagaId};
use serde::Serialize;
use tokio::sync::watch;

use super::question;
use super::selection::{Filter, Options, Selection};
use super::wait::{self, End, Fate};
use crate::exit::{Exit, conflict, not_found, say, usage};
use crate::output::{Format, print};
use crate::progress::bar;
use crate::shutdown::Shutdown;

/// A rate is kept by the tenth of a second.
const SLICES_PER_SECOND: u32 = 10;
/// How often, and after which delay, a batch is retried while another transaction holds its locks.
const RETRIES: u32 = 5;
const RETRY_DELAY: Duration = Duration::from_millis(200);

/// The results of all batches.
#[derive(Debug, Default, Serialize)]
struct Summary {
    items: Vec<DeadLetterResult>,
    done: u64,
    already: u64,
    refused: u64,
    not_found: u64,
    /// With --wait: what became of each saga that was done.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    became: BTreeMap<String, String>,
    /// Those that were done.
    #[serde(skip)]
    moved: Vec<SagaId>,
    /// In a dry run, what all of them would do.
    #[serde(skip)]
    totals: Totals,
    /// Whether a signal stopped it before the end.
    interrupted: bool,
    /// The error that stopped it, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    broke_off: Option<String>,
}

pub(super) async fn run(
    store: &dyn Store,
    selection: Selection,
    filter: Filter,
    action: DeadLetterAction,
    options: Options,
    output: Format,
) -> anyhow::Result<Exit> {
    let all = selection.all;
    let ids: Vec<SagaId> = if selection.all {
        let wanted = filter.at(store.now().await?);
        let dead_letters = dead_letter::list(store, &REGISTRY, &wanted, None, usize::MAX).await?;
        dead_letters.into_iter().map(|dead| dead.id).collect()
    } else if filter == Filter::default() {
        let mut ids = Vec::new();
        for saga in selection.sagas {
            ids.extend(saga.stuck(store).await?);
        }
        ids
    } else {
        return Err(usage("filters need --all; give either ids or --all"));
    };
    let single = !all && ids.len() == 1;
    let work = Work {
        single,
        store,
        action,
        by: Actor::Operator(options.actor.actor),
        dry_run: options.dry_run,
        output,
    };
    let many = all && !ids.is_empty();
    if many && !work.dry_run && !work.is_wanted(&ids, options.yes).await? {
        say("nothing was changed");
        return Ok(Exit::Ok);
    }
    let mut summary = work.all(&ids, options.rate).await?;
    if many && work.dry_run {
        work.show(&summary.totals).await?;
    }
    let exit = summary.exit(single)?;
    if ids.is_empty() {
        say(&filter.nothing(store).await?);
    } else {
        say(&summary.message(options.dry_run));
    }
    let exit = if options.wait { work.wait(&mut summary, *options.wait_at_most, exit).await? } else { exit };
    if output == Format::Json {
        output.one(&summary, String::new)?;
    }
    Ok(exit)
}

struct Work<'a> {
    /// One given saga: a refusal is an error, printed once.
    single: bool,
    store: &'a dyn Store,
    action: DeadLetterAction,
    by: Actor,
    dry_run: bool,
    output: Format,
}

impl Work<'_> {
    /// Shows what would come of it, and asks whether that is wanted.
    async fn is_wanted(&self, ids: &[SagaId], yes: bool) -> anyhow::Result<bool> {
        let mut totals = Totals::default();
        for batch in ids.chunks(BATCH) {
            self.preview(batch, &mut totals).await?;
        }
        self.show(&totals).await?;
        if yes || totals.sagas() == 0 {
            return Ok(true);
        }
        question::ask(self.verb(), totals.sagas())
    }

    /// Shows what would come of it, and what stands in its way.
    async fn show(&self, totals: &Totals) -> Result<(), StoreError> {
        say(&format!("{}: {totals}", self.verb()));
        for warning in question::warnings(self.store, totals).await? {
            say(&format!("warning: {warning}"));
        }
        Ok(())
    }

    const fn verb(&self) -> &'static str {
        match self.action {
            DeadLetterAction::Retry { .. } => "retry",
            DeadLetterAction::Discard { .. } => "discard",
        }
    }

    /// Waits for what becomes of those that were done.
    async fn wait(&self, summary: &mut Summary, patience: Duration, exit: Exit) -> anyhow::Result<Exit> {
        let fates = wait::until_ended(self.store, &summary.moved, patience).await?;
        let mut lines = String::new();
        for Fate { saga, text, .. } in &fates {
            match self.output {
                Format::Table => writeln!(lines, "{:<12}  {text}", saga.to_string())?,
                Format::Jsonl => writeln!(lines, "{}", serde_json::json!({"id": saga, "became": text}))?,
                Format::Json => {}
            }
        }
        print(&lines)?;
        let count = |end| fates.iter().filter(|fate| fate.end == end).count();
        let (well, dead, open) = (count(End::Well), count(End::Dead), count(End::Open));
        say(&format!("{well} ended well, {dead} dead again, {open} not over"));
        summary.became = fates.into_iter().map(|fate| (fate.saga.to_string(), fate.text)).collect();
        Ok(if exit == Exit::Ok && dead + open > 0 { Exit::Partly } else { exit })
    }

    async fn all(&self, asked: &[SagaId], rate: Option<u32>) -> anyhow::Result<Summary> {
        let mut stopped = stopped()?;
        let bar = bar(asked.len(), "{bar:40} {pos}/{len} sagas  {elapsed}");
        let mut summary = Summary::default();
        let size = rate.map_or(BATCH, |rate| rate.div_ceil(SLICES_PER_SECOND) as usize).clamp(1, BATCH);
        let (begun, mut count) = (Instant::now(), 0_u32);
        for batch in asked.chunks(size) {
            if *stopped.borrow() {
                summary.interrupted = true;
                break;
            }
            let answered = match self.batch(batch, &mut summary.totals).await {
                Ok(answered) => answered,
                // The results of committed batches stay printed.
                Err(error) if count > 0 => {
                    summary.broke_off = Some(error.to_string());
                    break;
                }
                Err(error) => return Err(error.into()),
            };
            bar.suspend(|| self.print(&answered))?;
            bar.inc(batch.len() as u64);
            summary.add(answered, self.output);
            count = count.saturating_add(u32::try_from(batch.len()).unwrap_or(u32::MAX));
            if let Some(rate) = rate {
                let due = Duration::from_secs(1) * count / rate;
                tokio::select! {
                    () = tokio::time::sleep(due.saturating_sub(begun.elapsed())) => {}
                    _ = stopped.wait_for(|stopped| *stopped) => {}
                }
            }
        }
        bar.finish_and_clear();
        Ok(summary)
    }

    async fn batch(
        &self,
        batch: &[SagaId],
        totals: &mut Totals,
    ) -> Result<Vec<DeadLetterResult>, StoreError> {
        let action = &self.action;
        if self.dry_run {
            return self.preview(batch, totals).await;
        }
        let answers = patiently(|| act(self.store, &REGISTRY, batch, action, &self.by)).await?.into_iter();
        Ok(answers.map(|(id, answer): (SagaId, Answer)| DeadLetterResult::new(id, action, &answer)).collect())
    }

    /// What would come of it for each of `batch`, which is added to `totals`.
    async fn preview(
        &self,
        batch: &[SagaId],
        totals: &mut Totals,
    ) -> Result<Vec<DeadLetterResult>, StoreError> {
        let action = &self.action;
        let planned = patiently(|| preview_actions(self.store, &REGISTRY, batch, action)).await?;
        for (id, planned) in &planned {
            totals.add(*id, planned);
        }
        Ok(planned.into_iter().map(|(id, planned)| DeadLetterResult::dry_run(id, action, planned)).collect())
    }

    /// Prints a line for each saga after its commit. A JSON document is printed at the end instead.
    fn print(&self, answered: &[DeadLetterResult]) -> anyhow::Result<()> {
        let mut lines = String::new();
        let is_error = |item: &&DeadLetterResult| {
            matches!(item.answer, CommandOutcome::Refused | CommandOutcome::NotFound)
        };
        for item in answered.iter().filter(|item| !(self.single && is_error(item))) {
            match self.output {
                Format::Table => {
                    let id = item.id.to_string();
                    writeln!(lines, "{id:<12}  {:<9}  {}", item.answer, item.detail)?;
                }
                Format::Jsonl => writeln!(lines, "{}", serde_json::to_string(item)?)?,
                Format::Json => {}
            }
        }
        if lines.is_empty() { Ok(()) } else { print(&lines) }
    }
}

impl Summary {
    fn add(&mut self, answered: Vec<DeadLetterResult>, output: Format) {
        for item in &answered {
            let count = match item.answer {
                CommandOutcome::Accepted | CommandOutcome::Done | CommandOutcome::Would => &mut self.done,
                CommandOutcome::Already => &mut self.already,
                CommandOutcome::NotFound => &mut self.not_found,
                CommandOutcome::Refused => &mut self.refused,
            };
            *count += 1;
            let is_on_its_way = matches!(item.answer, CommandOutcome::Done | CommandOutcome::Already);
            self.moved.extend(Some(item.id).filter(|_| is_on_its_way));
        }
        // Only the JSON document needs all of them; the exit code of a single saga needs its result.
        if output == Format::Json || self.items.is_empty() {
            self.items.extend(answered);
        }
    }

    fn message(&self, dry_run: bool) -> String {
        let Self { done, already, refused, not_found, interrupted, broke_off, .. } = self;
        let done = if dry_run { format!("{done} would be done") } else { format!("{done} done") };
        let missing = if *not_found > 0 { format!(", {not_found} not found") } else { String::new() };
        let stopped = match broke_off {
            Some(error) => format!("; then {error}: run it again for the rest"),
            None if *interrupted => "; interrupted: run it again for the rest".to_owned(),
            None => String::new(),
        };
        format!("{done}, {already} unchanged, {refused} refused{missing}{stopped}")
    }

    /// The exit code. A single given saga that was refused is an error with its own message.
    fn exit(&self, single: bool) -> anyhow::Result<Exit> {
        let (good, bad) = (self.done + self.already, self.refused + self.not_found);
        if let (true, 0, Some(item)) = (single, good, self.items.first()) {
            let detail = item.detail.clone();
            return Err(if self.not_found > 0 { not_found(detail) } else { conflict(detail) });
        }
        Ok(match (good, bad) {
            _ if self.interrupted || self.broke_off.is_some() => Exit::Partly,
            (_, 0) => Exit::Ok,
            (1.., _) => Exit::Partly,
            (0, _) if self.not_found > 0 => Exit::NotFound,
            (0, _) => Exit::Conflict,
        })
    }
}

/// Repeats what another transaction is in the way of, a few times.
async fn patiently<T, F: Future<Output = Result<T, StoreError>>>(once: impl Fn() -> F) -> F::Output {
    for _ in 0..RETRIES {
        match once().await {
            Err(StoreError::Contention(_)) => tokio::time::sleep(RETRY_DELAY).await,
            answered => return answered,
        }
    }
    once().await
}

/// Becomes true at SIGTERM or Ctrl-C, which no longer end the process by themselves.
fn stopped() -> anyhow::Result<watch::Receiver<bool>> {
    let mut shutdown = Shutdown::listen()?;
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        shutdown.signalled().await;
        // Without a receiver, the work is done already.
        let _ = stop.send(true);
        std::future::pending::<()>().await;
    });
    Ok(stopped)
}
