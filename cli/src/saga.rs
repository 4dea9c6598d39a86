//! `holdfast saga`: what carries an order to its end, step by step.

use holdfast_api::body::ops::saga::{CommandResult, HistoryLine, SagaBody, SagaDetails};
use holdfast_saga::operations::dead_letter::resolve;
use holdfast_saga::operations::signal;
use holdfast_saga::operations::signal::Sign;
use holdfast_saga::ports::Store;
use holdfast_saga::records::view::SagaFilter;
use holdfast_saga::shop::answer::Answer;
use holdfast_shared::{Actor, SagaId, Time};

use crate::args::{SagaCommand, SagaListArgs};
use crate::database::Database;
use crate::exit::{Exit, conflict, not_found, say};
use crate::output::{Format, Page, pairs, table};

pub(crate) async fn run(database: &Database, command: SagaCommand, output: Format) -> anyhow::Result<Exit> {
    match command {
        SagaCommand::List(args) => list(database.store(), args, output).await,
        SagaCommand::Show { saga } => show(database.store(), saga, output).await,
        SagaCommand::Retry { saga, actor } => retry(database.store(), saga, actor.actor, output).await,
        SagaCommand::Signal { saga, signal: sign, actor } => {
            signal(database.store(), saga, sign, actor.actor, output).await
        }
        SagaCommand::Cancel { saga, actor } => cancel(database.store(), saga, actor.actor, output).await,
    }
}

async fn list(store: &dyn Store, args: SagaListArgs, output: Format) -> anyhow::Result<Exit> {
    let limit = args.limit.limit;
    let filter =
        SagaFilter { definition: args.definition, state: args.state, before: args.cursor, limit: limit + 1 };
    let sagas = SagaBody::list(store, &filter).await?;
    let page = Page::of(sagas, limit, |saga: &SagaBody| saga.id.to_string());
    output.list(&page, &["SAGA", "DEFINITION", "STATE", "STEP", "QUEUE", "DUE", "LAST ERROR"], |saga| {
        vec![
            saga.id.to_string(),
            saga.definition.clone(),
            saga.state.to_string(),
            step_of(saga).to_owned(),
            saga.queue.to_string(),
            saga.wake_at.map(|at| at.to_string()).unwrap_or_default(),
            saga.error.clone().unwrap_or_default(),
        ]
    })?;
    Ok(Exit::Ok)
}

async fn show(store: &dyn Store, id: SagaId, output: Format) -> anyhow::Result<Exit> {
    let page = find(store, id).await?;
    output.one(&page, || table_of(&page))?;
    Ok(Exit::Ok)
}

/// A saga with its history, or the refusal.
pub(crate) async fn find(store: &dyn Store, id: SagaId) -> anyhow::Result<SagaDetails> {
    let found = SagaDetails::read(store, id).await?;
    found.ok_or_else(|| {
        not_found(format!("saga {id} does not exist; `holdfast saga list` shows those that do"))
    })
}

async fn retry(store: &dyn Store, id: SagaId, actor: String, output: Format) -> anyhow::Result<Exit> {
    let answer = resolve::retry(store, id, &Actor::Operator(actor)).await?;
    told(id, answer, format!("saga {id} goes on with the next free worker"), output)
}

async fn signal(
    store: &dyn Store,
    id: SagaId,
    sign: Sign,
    actor: String,
    output: Format,
) -> anyhow::Result<Exit> {
    let answer = signal::signal(store, id, sign, &Actor::Operator(actor)).await?;
    told(id, answer, format!("saga {id} hears of it with the next free worker"), output)
}

async fn cancel(store: &dyn Store, id: SagaId, actor: String, output: Format) -> anyhow::Result<Exit> {
    let answer = signal::cancel(store, id, &Actor::Operator(actor)).await?;
    let order = id.order();
    told(id, answer, format!("order {order}: accepted, the next free worker does it"), output)
}

/// Says what came of asking something of a saga; `accepted` in words.
fn told(id: SagaId, answer: Answer, accepted: String, output: Format) -> anyhow::Result<Exit> {
    let body = match CommandResult::new(id, answer, accepted) {
        Ok(body) => body,
        Err(instead) if instead.is_not_found() => return Err(not_found(instead.to_string())),
        Err(instead) => return Err(conflict(instead.to_string())),
    };
    say(&body.detail);
    output.one(&body, String::new)?;
    Ok(Exit::Ok)
}

fn step_of(saga: &SagaBody) -> &'static str {
    saga.step.unwrap_or("unknown")
}

/// A saga and its history, for people.
pub(crate) fn table_of(page: &SagaDetails) -> String {
    let saga = &page.saga;
    let time = |at: Option<Time>| at.map(|at| at.to_string()).unwrap_or_default();
    let head = [
        ("saga", saga.id.to_string()),
        ("definition", format!("{} version {}", saga.definition, saga.version)),
        ("state", saga.state.to_string()),
        ("step", format!("{} ({})", step_of(saga), saga.phase)),
        ("point of no return", if saga.pivoted { "passed" } else { "ahead" }.to_owned()),
        ("queue", saga.queue.to_string()),
        ("fence", saga.fence.to_string()),
        ("attempts", format!("{} begun, {} failed", saga.attempts, saga.failures)),
        ("worker", saga.worker.clone().unwrap_or_default()),
        ("leased until", time(saga.leased_until)),
        ("due", time(saga.wake_at)),
        ("last error", saga.error.clone().unwrap_or_default()),
        ("next move", saga.next_move.clone().unwrap_or_default()),
        ("created", saga.created_at.to_string()),
        ("updated", saga.updated_at.to_string()),
    ];
    let row = |line: &HistoryLine| vec![line.at.to_string(), line.words.clone()];
    let head = pairs(head.into_iter().filter(|(_, value)| !value.is_empty()));
    format!("{head}\n{}", table(&["AT", "WHAT HAPPENED"], page.history.iter().map(row)))
}
