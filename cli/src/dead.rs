//! `holdfast dead`: sagas that gave up, and what an operator can do about them.

mod actions;
mod question;
mod selection;
mod wait;

use holdfast_contract::dead_letter::{DeadLetterBody, DeadLetterGroupBody, DeadLetterResult};
use holdfast_contract::saga::SagaDetails;
use holdfast_contract::{CommandOutcome, List};
use holdfast_saga::flows::REGISTRY;
use holdfast_saga::operations::dead_letter;
use holdfast_saga::operations::dead_letter::DeadLetterAction;
use holdfast_saga::operations::dead_letter::resolve::preview_actions;
use holdfast_saga::ports::{Store, StoreError};
use holdfast_shared::{SagaId, SagaState, Time};
use serde::Serialize;

use self::selection::{Filter, Options, Selection};
use crate::database::Database;
use crate::exit::{Exit, conflict};
use crate::output::{Format, Limit, Watch, age, pairs};
use crate::reference::SagaRef;
use crate::saga::{find, table_of};
use crate::values::reason;

/// The reason in a dry run: the effect of a discard does not depend on it.
const ANY_REASON: &str = "any";

/// A dead saga, with what each action would do.
#[derive(Debug, Serialize)]
struct DeadPage {
    #[serde(flatten)]
    saga: SagaDetails,
    retry: DeadLetterResult,
    discard: DeadLetterResult,
}

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// List dead letters, newest first
    List(ListArgs),
    /// Show one dead saga, its history, and what a retry and a discard would do
    Show {
        /// The saga's id, such as 1042.3; or an order, which stands for its one dead saga
        saga: SagaRef,
    },
    /// Resume dead sagas at the step where they stopped
    Retry(RetryArgs),
    /// Discard dead letters: skip the step at which they stopped
    ///
    /// A notification is dropped. A refund counts as settled manually: Holdfast sends nothing for
    /// it, and the audit lists the order. The rest of the saga runs. Settle the refund first.
    #[command(verbatim_doc_comment)]
    Discard(DiscardArgs),
}

#[derive(clap::Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    filter: Filter,

    /// Count them by saga, step and reason instead
    #[arg(long, conflicts_with_all = ["all", "limit", "cursor"])]
    group: bool,

    /// List all of them
    #[arg(long, conflicts_with_all = ["limit", "cursor"])]
    all: bool,

    #[command(flatten)]
    limit: Limit,

    /// Continue after this saga of an earlier page
    #[arg(long, value_name = "SAGA")]
    cursor: Option<SagaId>,

    #[command(flatten)]
    watch: Watch,
}

#[derive(clap::Args)]
pub(crate) struct RetryArgs {
    #[command(flatten)]
    selection: Selection,

    #[command(flatten)]
    filter: Filter,

    /// The reason, for the audit trail
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: Option<String>,

    #[command(flatten)]
    options: Options,
}

#[derive(clap::Args)]
pub(crate) struct DiscardArgs {
    #[command(flatten)]
    selection: Selection,

    /// The reason, for the timeline and the audit trail
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,

    #[command(flatten)]
    filter: Filter,

    #[command(flatten)]
    options: Options,
}

pub(crate) async fn run(database: &Database, command: Command, output: Format) -> anyhow::Result<Exit> {
    let store = database.store();
    match command {
        Command::List(args) => args.watch.repeat(async || list(store, &args, output).await).await,
        Command::Show { saga } => show(store, saga.one_stuck(store).await?, output).await,
        Command::Retry(args) => {
            let action = DeadLetterAction::Retry { reason: args.reason };
            actions::run(store, args.selection, args.filter, action, args.options, output).await
        }
        Command::Discard(args) => {
            let action = DeadLetterAction::Discard { reason: args.reason };
            actions::run(store, args.selection, args.filter, action, args.options, output).await
        }
    }
}

async fn list(store: &dyn Store, args: &ListArgs, output: Format) -> anyhow::Result<Exit> {
    let now = store.now().await?;
    let filter = args.filter.at(now);
    if args.group {
        let all = dead_letter::list(store, &REGISTRY, &filter, None, usize::MAX).await?;
        let groups = dead_letter::groups(&all).into_iter().map(DeadLetterGroupBody::from).collect();
        let header = ["COUNT", "SAGA", "STEP", "OLDEST", "NEWEST", "EXAMPLE", "REASON"];
        let groups = List::whole(groups);
        let nothing = if groups.items.is_empty() { args.filter.nothing(store).await? } else { String::new() };
        output.list(&groups, &nothing, &header, |group| group_row(group, now))?;
        return Ok(Exit::Ok);
    }
    let limit = if args.all { u32::MAX } else { args.limit.limit };
    let limit = limit.saturating_add(1);
    let limit_read = usize::try_from(limit).unwrap_or(usize::MAX);
    let dead_letters = dead_letter::list(store, &REGISTRY, &filter, args.cursor, limit_read).await?;
    let page = List::page(dead_letters, limit, |dead| dead.id.to_string(), DeadLetterBody::from);
    let nothing = if page.items.is_empty() { args.filter.nothing(store).await? } else { String::new() };
    let header = ["SAGA", "DEFINITION", "STEP", "DIED", "", "REASON"];
    output.list(&page, &nothing, &header, |dead| row(dead, now))?;
    Ok(Exit::Ok)
}

fn row(dead: &DeadLetterBody, now: Time) -> Vec<String> {
    vec![
        dead.id.to_string(),
        dead.saga.clone(),
        dead.step.clone().unwrap_or_else(|| "unknown".to_owned()),
        age(dead.dead_since, now),
        if dead.retry_pending { "retry pending" } else { "" }.to_owned(),
        dead.reason.clone(),
    ]
}

fn group_row(group: &DeadLetterGroupBody, now: Time) -> Vec<String> {
    vec![
        group.count.to_string(),
        group.saga.clone(),
        group.step.clone().unwrap_or_else(|| "unknown".to_owned()),
        age(group.oldest, now),
        age(group.newest, now),
        group.example.to_string(),
        group.reason.clone(),
    ]
}

async fn show(store: &dyn Store, id: SagaId, output: Format) -> anyhow::Result<Exit> {
    let saga = find(store, id).await?;
    if saga.saga.state != SagaState::Dead {
        return Err(conflict(format!(
            "saga {id} is {}, not dead; `holdfast saga show {id}`",
            saga.saga.state
        )));
    }
    let (retry, discard) = (
        DeadLetterAction::Retry { reason: None },
        DeadLetterAction::Discard { reason: ANY_REASON.to_owned() },
    );
    let page = DeadPage {
        retry: dry_run(store, id, retry).await?,
        discard: dry_run(store, id, discard).await?,
        saga,
    };
    let now = store.now().await?;
    output.one(&page, || page.table(now))?;
    Ok(Exit::Ok)
}

async fn dry_run(
    store: &dyn Store,
    id: SagaId,
    action: DeadLetterAction,
) -> Result<DeadLetterResult, StoreError> {
    let planned = preview_actions(store, &REGISTRY, &[id], &action).await?;
    let missing =
        || DeadLetterResult { id, answer: CommandOutcome::NotFound, detail: String::new(), preview: None };
    let planned = planned.into_iter().next();
    Ok(planned.map_or_else(missing, |(id, planned)| DeadLetterResult::dry_run(id, &action, planned)))
}

impl DeadPage {
    fn table(&self, now: Time) -> String {
        let shown = |action: &DeadLetterResult| format!("{}: {}", action.answer, action.detail);
        let actions = pairs([("a retry", shown(&self.retry)), ("a discard", shown(&self.discard))]);
        format!("{}\n{actions}", table_of(&self.saga, now))
    }
}
