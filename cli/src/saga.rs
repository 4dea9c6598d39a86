//! `holdfast saga`: the sagas that carry an order to its end.

use holdfast_contract::List;
use holdfast_contract::saga::{
    CommandResult, HistoryLine, SagaBody, SagaDetails, will_be_carried_out, will_read_signal, will_resume,
};
use holdfast_saga::operations::dead_letter::resolve;
use holdfast_saga::operations::saga_list;
use holdfast_saga::operations::signal::{self, Sign};
use holdfast_saga::ports::Store;
use holdfast_saga::records::view::{SagaFilter, ShownState};
use holdfast_saga::shop::answer::Answer;
use holdfast_saga::timeline::moment;
use holdfast_shared::{Actor, SagaId, SagaState, Time};

use crate::database::Database;
use crate::exit::{Exit, conflict, not_found, say};
use crate::operator::Operator;
use crate::output::{Format, Limit, Watch, age, dated, pairs, table};
use crate::reference::SagaRef;
use crate::values::one_of;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// List sagas, newest first
    List(ListArgs),
    /// Show one saga and its history
    Show {
        /// The saga's id, such as 1042.3; or an order, which stands for its checkout
        saga: SagaRef,
    },
    /// Resume a dead saga at the step where it stopped
    Retry {
        /// The saga's id, such as 1042.3; or an order, which stands for its one dead saga
        saga: SagaRef,

        /// The reason, for the audit trail
        #[arg(long, value_name = "TEXT", value_parser = crate::values::reason)]
        reason: Option<String>,

        #[command(flatten)]
        actor: Operator,
    },
    /// Send a signal to a saga that waits for it
    Signal {
        /// The saga's id, such as 1042.3; or an order, which stands for its checkout
        saga: SagaRef,

        /// A decision about cash on delivery, or that the charge changed at the provider
        #[arg(value_parser = one_of::<Sign>())]
        signal: Sign,

        #[command(flatten)]
        actor: Operator,
    },
    /// Cancel a saga's order, before or after it was confirmed
    Cancel {
        /// The saga's id, such as 1042.3; or an order, which stands for its checkout
        saga: SagaRef,

        #[command(flatten)]
        actor: Operator,
    },
}

#[derive(clap::Args)]
pub(crate) struct ListArgs {
    #[arg(long, value_name = "NAME", help = "Only sagas of this definition, such as checkout_online")]
    definition: Option<String>,

    /// Only sagas in this state; RETRYING: the current step failed, or is held back, and will be retried automatically
    #[arg(long, ignore_case = true, value_parser = one_of::<ShownState>())]
    state: Option<ShownState>,

    /// Only sagas whose call waits for the settings to change, the oldest orders first
    #[arg(long, conflicts_with_all = ["definition", "state"])]
    held: bool,

    #[command(flatten)]
    limit: Limit,

    /// Continue after this saga of an earlier page
    #[arg(long, value_name = "SAGA")]
    cursor: Option<SagaId>,

    #[command(flatten)]
    watch: Watch,
}

pub(crate) async fn run(database: &Database, command: Command, output: Format) -> anyhow::Result<Exit> {
    let store = database.store();
    match command {
        Command::List(args) => args.watch.repeat(async || list(store, &args, output).await).await,
        Command::Show { saga } => show(store, saga.checkout(store).await?, output).await,
        Command::Retry { saga, reason, actor } => {
            retry(store, saga.one_stuck(store).await?, reason, actor.actor, output).await
        }
        Command::Signal { saga, signal: sign, actor } => {
            signal(store, saga.checkout(store).await?, sign, actor.actor, output).await
        }
        Command::Cancel { saga, actor } => {
            cancel(store, saga.checkout(store).await?, actor.actor, output).await
        }
    }
}

async fn list(store: &dyn Store, args: &ListArgs, output: Format) -> anyhow::Result<Exit> {
    let limit = args.limit.limit;
    let now = store.now().await?;
    let sagas = if args.held {
        saga_list::held(store, args.cursor, limit + 1).await?
    } else {
        let ListArgs { definition, state, cursor, .. } = args;
        let filter =
            SagaFilter { definition: definition.clone(), state: *state, before: *cursor, limit: limit + 1 };
        saga_list::list(store, &filter).await?
    };
    let page =
        List::page(sagas, limit + 1, |listed| listed.saga.id.to_string(), |listed| SagaBody::from(&listed));
    let header = ["SAGA", "DEFINITION", "STATE", "STEP", "TRIES", "DUE", "LAST ERROR"];
    output.list(&page, "no sagas", &header, |saga| {
        vec![
            saga.id.to_string(),
            saga.definition.clone(),
            shown_state(saga.state, saga.retrying).to_owned(),
            step_of(saga).to_owned(),
            (saga.failures + saga.unanswered).to_string(),
            saga.wake_at.map(|at| age(at, now)).unwrap_or_default(),
            saga.error.clone().unwrap_or_default(),
        ]
    })?;
    Ok(Exit::Ok)
}

async fn show(store: &dyn Store, id: SagaId, output: Format) -> anyhow::Result<Exit> {
    let page = find(store, id).await?;
    let now = store.now().await?;
    output.one(&page, || table_of(&page, now))?;
    Ok(Exit::Ok)
}

/// A saga with its history.
pub(crate) async fn find(store: &dyn Store, id: SagaId) -> anyhow::Result<SagaDetails> {
    let found = saga_list::find(store, id).await?;
    found.map(SagaDetails::new).ok_or_else(|| {
        not_found(format!("saga {id} does not exist; `holdfast saga list` shows those that do"))
    })
}

async fn retry(
    store: &dyn Store,
    id: SagaId,
    reason: Option<String>,
    actor: String,
    output: Format,
) -> anyhow::Result<Exit> {
    let answer = resolve::retry(store, id, reason, &Actor::Operator(actor)).await?;
    report(id, answer, will_resume(id), output)
}

async fn signal(
    store: &dyn Store,
    id: SagaId,
    sign: Sign,
    actor: String,
    output: Format,
) -> anyhow::Result<Exit> {
    let answer = signal::signal(store, id, sign, &Actor::Operator(actor)).await?;
    report(id, answer, will_read_signal(id), output)
}

async fn cancel(store: &dyn Store, id: SagaId, actor: String, output: Format) -> anyhow::Result<Exit> {
    let answer = signal::cancel(store, id, &Actor::Operator(actor)).await?;
    report(id, answer, will_be_carried_out(id), output)
}

/// Prints the result of a command; `accepted` explains what happens next.
fn report(id: SagaId, answer: Answer, accepted: String, output: Format) -> anyhow::Result<Exit> {
    let body = match CommandResult::new(id, answer, accepted) {
        Ok(body) => body,
        Err(error) if error.is_not_found() => return Err(not_found(error.to_string())),
        Err(error) => return Err(conflict(error.to_string())),
    };
    say(&body.detail);
    output.one(&body, String::new)?;
    Ok(Exit::Ok)
}

/// The state as people see it: RETRYING is shown and not stored.
pub(crate) fn shown_state(state: SagaState, is_retrying: bool) -> &'static str {
    if is_retrying { ShownState::Retrying.into() } else { state.into() }
}

fn step_of(saga: &SagaBody) -> &str {
    saga.step.as_deref().unwrap_or("unknown")
}

/// A saga and its history, for people.
pub(crate) fn table_of(page: &SagaDetails, now: Time) -> String {
    let saga = &page.saga;
    let time = |at: Option<Time>| at.map(|at| dated(at, now)).unwrap_or_default();
    let head = [
        ("saga", saga.id.to_string()),
        ("definition", format!("{} version {}", saga.definition, saga.version)),
        ("state", shown_state(saga.state, saga.retrying).to_owned()),
        ("step", format!("{} ({})", step_of(saga), saga.phase)),
        ("point of no return", if saga.pivoted { "passed" } else { "ahead" }.to_owned()),
        ("queue", saga.queue.to_string()),
        ("fence", saga.fence.to_string()),
        (
            "attempts",
            format!("{} started, {} failed, {} unanswered", saga.attempts, saga.failures, saga.unanswered),
        ),
        ("worker", saga.worker.clone().unwrap_or_default()),
        ("leased until", time(saga.leased_until)),
        ("due", time(saga.wake_at)),
        ("last error", saga.error.clone().unwrap_or_default()),
        ("next move", saga.next_move.clone().unwrap_or_default()),
        ("created", dated(saga.created_at, now)),
        ("updated", dated(saga.updated_at, now)),
    ];
    let row = |line: &HistoryLine| vec![moment(line.at), line.text.clone()];
    let head = pairs(head.into_iter().filter(|(_, value)| !value.is_empty()));
    format!("{head}\n{}", table(&["AT", "WHAT HAPPENED"], page.history.iter().map(row)))
}
