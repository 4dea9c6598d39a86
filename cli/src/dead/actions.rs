//! Doing the same about many dead sagas: in batches, at a bounded rate, with a line for each.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use holdfast_api::body::ops::dead::DeadLetterResult;
use holdfast_saga::flows::REGISTRY;
use holdfast_saga::operations::dead_letter;
use holdfast_saga::operations::dead_letter::resolve::{BATCH, DeadLetterAction, act, preview_actions};
use holdfast_saga::ports::{Store, StoreError};
use holdfast_saga::shop::answer::Answer;
use holdfast_shared::{Actor, SagaId};
use serde::Serialize;
use tokio::sync::watch;

use crate::args::{Died, How, Which};
use crate::door::Stop;
use crate::exit::{Exit, conflict, not_found, say, usage};
use crate::output::{Format, print};
use crate::progress::bar;

/// A rate is kept by the tenth of a second.
const SLICES_PER_SECOND: u32 = 10;
/// Somebody else may be in the way of a batch for a moment.
const PATIENCE: u32 = 5;
const MOMENT: Duration = Duration::from_millis(200);

/// What came of all of it.
#[derive(Debug, Default, Serialize)]
struct Summary {
    items: Vec<DeadLetterResult>,
    done: u64,
    already: u64,
    refused: u64,
    not_found: u64,
    /// Whether it was stopped before everything was asked.
    interrupted: bool,
    /// Why it could not go on, if it could not.
    #[serde(skip_serializing_if = "Option::is_none")]
    broke_off: Option<String>,
}

pub(super) async fn run(
    store: &dyn Store,
    which: Which,
    filters: Died,
    action: DeadLetterAction,
    how: How,
    output: Format,
) -> anyhow::Result<Exit> {
    let single = which.sagas.len() == 1;
    let asked = if which.all {
        let filter = super::filter(store, filters).await?;
        let dead_letters = dead_letter::list(store, &REGISTRY, &filter, None, usize::MAX).await?;
        dead_letters.into_iter().map(|letter| letter.id).collect()
    } else if filters == Died::default() {
        which.sagas
    } else {
        return Err(usage("filters go with --all; name the sagas, or say --all"));
    };
    let work =
        Work { single, store, action, by: Actor::Operator(how.actor.actor), dry_run: how.dry_run, output };
    let summary = work.all(&asked, how.rate).await?;
    let exit = summary.exit(single)?;
    if asked.is_empty() {
        say("there are none");
    } else {
        say(&summary.words(how.dry_run));
    }
    if output == Format::Json {
        output.one(&summary, String::new)?;
    }
    Ok(exit)
}

struct Work<'a> {
    /// One that was named: what stands against it is an error, said once.
    single: bool,
    store: &'a dyn Store,
    action: DeadLetterAction,
    by: Actor,
    dry_run: bool,
    output: Format,
}

impl Work<'_> {
    async fn all(&self, asked: &[SagaId], rate: Option<u32>) -> anyhow::Result<Summary> {
        let mut stopped = stopped()?;
        let bar = bar(asked.len(), "{bar:40} {pos}/{len} sagas  {per_sec}  {elapsed}");
        let mut summary = Summary::default();
        let size = rate.map_or(BATCH, |rate| rate.div_ceil(SLICES_PER_SECOND) as usize).clamp(1, BATCH);
        let (begun, mut count) = (Instant::now(), 0_u32);
        for batch in asked.chunks(size) {
            if *stopped.borrow() {
                summary.interrupted = true;
                break;
            }
            let answered = match self.batch(batch).await {
                Ok(answered) => answered,
                // What was committed before stays told.
                Err(error) if count > 0 => {
                    summary.broke_off = Some(error.to_string());
                    break;
                }
                Err(error) => return Err(error.into()),
            };
            bar.suspend(|| self.tell(&answered))?;
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

    async fn batch(&self, batch: &[SagaId]) -> Result<Vec<DeadLetterResult>, StoreError> {
        let mut waited = 0;
        loop {
            match self.once(batch).await {
                Err(StoreError::Contention(_)) if waited < PATIENCE => {
                    waited += 1;
                    tokio::time::sleep(MOMENT).await;
                }
                answered => return answered,
            }
        }
    }

    async fn once(&self, batch: &[SagaId]) -> Result<Vec<DeadLetterResult>, StoreError> {
        let action = &self.action;
        if self.dry_run {
            let planned = preview_actions(self.store, &REGISTRY, batch, action).await?.into_iter();
            return Ok(planned.map(|(id, told)| DeadLetterResult::planned(id, action, told)).collect());
        }
        let answers = act(self.store, &REGISTRY, batch, action, &self.by).await?.into_iter();
        Ok(answers.map(|(id, answer): (SagaId, Answer)| DeadLetterResult::new(id, action, &answer)).collect())
    }

    /// A line for each, as soon as its commit is there; one JSON document has to wait for the end.
    fn tell(&self, answered: &[DeadLetterResult]) -> anyhow::Result<()> {
        let mut lines = String::new();
        let is_error = |item: &&DeadLetterResult| matches!(item.answer, "refused" | "not_found");
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
                "done" | "would" => &mut self.done,
                "already" => &mut self.already,
                "not_found" => &mut self.not_found,
                _ => &mut self.refused,
            };
            *count += 1;
        }
        // Only the document at the end needs all of them; but one alone is looked at for how it ends.
        if output == Format::Json || self.items.is_empty() {
            self.items.extend(answered);
        }
    }

    fn words(&self, dry_run: bool) -> String {
        let Self { done, already, refused, not_found, interrupted, broke_off, .. } = self;
        let done = if dry_run { format!("{done} would be done") } else { format!("{done} done") };
        let missing = if *not_found > 0 { format!(", {not_found} not found") } else { String::new() };
        let stopped = match broke_off {
            Some(error) => format!("; then {error}: run it again for the rest"),
            None if *interrupted => "; interrupted: run it again for the rest".to_owned(),
            None => String::new(),
        };
        format!("{done}, {already} already so, {refused} refused{missing}{stopped}")
    }

    /// How it ends. One saga that was named, and of which nothing came, is an error of its own.
    fn exit(&self, single: bool) -> anyhow::Result<Exit> {
        let (good, bad) = (self.done + self.already, self.refused + self.not_found);
        if let (true, 0, Some(item)) = (single, good, self.items.first()) {
            let words = item.detail.clone();
            return Err(if self.not_found > 0 { not_found(words) } else { conflict(words) });
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

/// Becomes true once somebody wants this process to end. From now on nothing else ends it.
fn stopped() -> anyhow::Result<watch::Receiver<bool>> {
    let mut stop = Stop::listen()?;
    let (told, stopped) = watch::channel(false);
    tokio::spawn(async move {
        stop.told().await;
        // Nobody listens any more when the work is done.
        let _ = told.send(true);
        std::future::pending::<()>().await;
    });
    Ok(stopped)
}
