//! `holdfast saga`: what carries an order to its end, step by step.

use holdfast_saga::command::{self, Answered};
use holdfast_saga::context::slot;
use holdfast_saga::flows::REGISTRY;
use holdfast_saga::plan::next_move;
use holdfast_saga::ports::Store;
use holdfast_saga::saga::{Phase, Saga};
use holdfast_saga::timeline::{Line, Story, discreet, history, step};
use holdfast_saga::view::SagaFilter;
use holdfast_shared::{Actor, OrderId, Queue, SagaId, SagaState, Time};
use serde::Serialize;

use crate::args::{SagaCommand, SagaListArgs};
use crate::database::Database;
use crate::exit::{Exit, conflict, not_found, say};
use crate::output::{Format, Page, pairs, table};
use crate::redact::redact;

/// A saga. Its context is left out: it holds the payment token.
#[derive(Debug, Serialize)]
struct SagaBody {
    id: SagaId,
    order: OrderId,
    definition: String,
    version: i32,
    queue: Queue,
    state: SagaState,
    phase: Phase,
    /// `None` when this binary does not know the definition.
    step: Option<&'static str>,
    pivoted: bool,
    fence: i64,
    starts: u32,
    failures: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    worker: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    leased_until: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wake_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_move: Option<String>,
    created_at: Time,
    updated_at: Time,
}

/// A saga with its history.
#[derive(Debug, Serialize)]
struct SagaPage {
    #[serde(flatten)]
    saga: SagaBody,
    history: Vec<Line>,
}

/// What came of a retry.
#[derive(Debug, Serialize)]
struct RetriedBody {
    id: SagaId,
    answer: &'static str,
    detail: String,
}

pub(crate) async fn run(database: &Database, command: SagaCommand, output: Format) -> anyhow::Result<Exit> {
    match command {
        SagaCommand::List(args) => list(database.store(), args, output).await,
        SagaCommand::Show { saga } => show(database.store(), saga, output).await,
        SagaCommand::Retry { saga, actor } => retry(database.store(), saga, actor.actor, output).await,
    }
}

async fn list(store: &dyn Store, args: SagaListArgs, output: Format) -> anyhow::Result<Exit> {
    let limit = args.limit.limit;
    let filter =
        SagaFilter { definition: args.definition, state: args.state, before: args.cursor, limit: limit + 1 };
    let mut sagas = Vec::new();
    for saga in store.sagas(&filter).await? {
        // What went wrong may name the token that the order's checkout holds.
        let holder = match saga.progress.error {
            Some(_) => store.saga(saga.id.order().saga(slot::CHECKOUT)).await?,
            None => None,
        };
        sagas.push(SagaBody::new(&saga, |words| discreet(holder.as_slice(), words)));
    }
    let page = Page::of(sagas, limit, |saga: &SagaBody| saga.id.to_string());
    output.list(&page, &["SAGA", "DEFINITION", "STATE", "STEP", "QUEUE", "DUE", "LAST ERROR"], |saga| {
        vec![
            saga.id.to_string(),
            saga.definition.clone(),
            saga.state.to_string(),
            saga.step().to_owned(),
            saga.queue.to_string(),
            saga.wake_at.map(|at| at.to_string()).unwrap_or_default(),
            saga.error.clone().unwrap_or_default(),
        ]
    })?;
    Ok(Exit::Ok)
}

async fn show(store: &dyn Store, id: SagaId, output: Format) -> anyhow::Result<Exit> {
    let unknown = || not_found(format!("saga {id} does not exist; `holdfast saga list` shows those that do"));
    let saga = store.saga(id).await?.ok_or_else(unknown)?;
    let whole = Story::read(store, id.order()).await?.ok_or_else(unknown)?;
    let line = |line: Line| Line { words: redact(&line.words), ..line };
    let page = SagaPage {
        saga: SagaBody::new(&saga, |words| whole.discreet(words)),
        history: history(&whole, &saga).into_iter().map(line).collect(),
    };
    output.one(&page, || page.table())?;
    Ok(Exit::Ok)
}

async fn retry(store: &dyn Store, id: SagaId, actor: String, output: Format) -> anyhow::Result<Exit> {
    let (answer, detail) = match command::retry(store, id, &Actor::Operator(actor)).await? {
        Ok(Answered::Accepted(_)) => ("accepted", format!("saga {id} goes on with the next free worker")),
        Ok(Answered::Done(words)) => ("done", words),
        Ok(Answered::Already(words)) => ("already", format!("{words}; nothing was changed")),
        Err(instead) if instead.is_not_found() => return Err(not_found(instead.to_string())),
        Err(instead) => return Err(conflict(instead.to_string())),
    };
    say(&detail);
    let retried = RetriedBody { id, answer, detail };
    output.one(&retried, String::new)?;
    Ok(Exit::Ok)
}

impl SagaBody {
    /// `discreet` takes the payment token out of words, where it is known.
    fn new(saga: &Saga, discreet: impl Fn(&str) -> String) -> Self {
        let progress = &saga.progress;
        Self {
            id: saga.id,
            order: saga.id.order(),
            definition: saga.definition.name.clone(),
            version: saga.definition.version,
            queue: saga.queue,
            state: saga.state,
            phase: progress.phase,
            step: REGISTRY.find(&saga.definition).map(|definition| step(saga, definition)),
            pivoted: progress.pivoted,
            fence: saga.fence,
            starts: progress.starts,
            failures: progress.failures,
            worker: progress.worker.clone(),
            leased_until: saga.leased_until,
            wake_at: saga.wake_at,
            error: progress.error.as_deref().map(|error| redact(&discreet(error))),
            next_move: (saga.state == SagaState::Dead).then(|| next_move(saga)),
            created_at: saga.created_at,
            updated_at: saga.updated_at,
        }
    }

    fn step(&self) -> &'static str {
        self.step.unwrap_or("unknown")
    }
}

impl SagaPage {
    fn table(&self) -> String {
        let saga = &self.saga;
        let time = |at: Option<Time>| at.map(|at| at.to_string()).unwrap_or_default();
        let head = [
            ("saga", saga.id.to_string()),
            ("definition", format!("{} version {}", saga.definition, saga.version)),
            ("state", saga.state.to_string()),
            ("step", format!("{} ({})", saga.step(), saga.phase)),
            ("point of no return", if saga.pivoted { "passed" } else { "ahead" }.to_owned()),
            ("queue", saga.queue.to_string()),
            ("fence", saga.fence.to_string()),
            ("attempts", format!("{} begun, {} failed", saga.starts, saga.failures)),
            ("worker", saga.worker.clone().unwrap_or_default()),
            ("leased until", time(saga.leased_until)),
            ("due", time(saga.wake_at)),
            ("last error", saga.error.clone().unwrap_or_default()),
            ("next move", saga.next_move.clone().unwrap_or_default()),
            ("created", saga.created_at.to_string()),
            ("updated", saga.updated_at.to_string()),
        ];
        let row = |line: &Line| vec![line.at.to_string(), line.words.clone()];
        let head = pairs(head.into_iter().filter(|(_, value)| !value.is_empty()));
        format!("{head}\n{}", table(&["AT", "WHAT HAPPENED"], self.history.iter().map(row)))
    }
}
