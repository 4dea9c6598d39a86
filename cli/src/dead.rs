//! `holdfast dead`: sagas that gave up, and what an operator does about them.

mod actions;

use std::time::Duration;

use holdfast_api::body::ops::dead::{DeadBody, DeadGroupBody, DeadLetterResult};
use holdfast_api::body::ops::saga::SagaDetails;
use holdfast_saga::flows::REGISTRY;
use holdfast_saga::operations::dead_letter::resolve::{DeadLetterAction, preview_actions};
use holdfast_saga::operations::dead_letter::{self, DeadFilter};
use holdfast_saga::ports::{Store, StoreError};
use holdfast_shared::{SagaId, SagaState};
use serde::Serialize;

use crate::args::{DeadCommand, DeadListArgs, Died};
use crate::database::Database;
use crate::exit::{Exit, conflict};
use crate::output::{Format, Page, pairs};
use crate::saga::{find, table_of};

/// A reason that nobody gave: what a discard would lead to does not depend on it.
const ANY_REASON: &str = "any";

/// A dead saga, with what each action would lead to.
#[derive(Debug, Serialize)]
struct DeadPage {
    #[serde(flatten)]
    saga: SagaDetails,
    retry: DeadLetterResult,
    discard: DeadLetterResult,
}

pub(crate) async fn run(database: &Database, command: DeadCommand, output: Format) -> anyhow::Result<Exit> {
    let store = database.store();
    match command {
        DeadCommand::List(args) => list(store, args, output).await,
        DeadCommand::Show { saga } => show(store, saga, output).await,
        DeadCommand::Retry(args) => {
            let filters = args.died.named(args.reason);
            actions::run(store, args.which, filters, DeadLetterAction::Retry, args.how, output).await
        }
        DeadCommand::Discard(args) => {
            let filters = args.died.named(args.died_of);
            let action = DeadLetterAction::Discard { reason: args.reason };
            actions::run(store, args.which, filters, action, args.how, output).await
        }
    }
}

async fn list(store: &dyn Store, args: DeadListArgs, output: Format) -> anyhow::Result<Exit> {
    let filter = filter(store, args.died.named(args.reason)).await?;
    if args.group {
        let all = dead_letter::list(store, &REGISTRY, &filter, None, usize::MAX).await?;
        let groups = dead_letter::groups(&all).into_iter().map(DeadGroupBody::from).collect();
        let header = ["COUNT", "SAGA", "STEP", "OLDEST", "NEWEST", "EXAMPLE", "REASON"];
        output.list(&Page::whole(groups), &header, group_row)?;
        return Ok(Exit::Ok);
    }
    let limit = if args.all { u32::MAX } else { args.limit.limit };
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX).saturating_add(1);
    let dead_letters = dead_letter::list(store, &REGISTRY, &filter, args.cursor, wanted).await?;
    let dead_letters = dead_letters.into_iter().map(DeadBody::from).collect();
    let page = Page::of(dead_letters, limit, |letter: &DeadBody| letter.id.to_string());
    output.list(&page, &["SAGA", "DEFINITION", "STEP", "DEAD SINCE", "", "REASON"], row)?;
    Ok(Exit::Ok)
}

fn row(letter: &DeadBody) -> Vec<String> {
    vec![
        letter.id.to_string(),
        letter.saga.clone(),
        letter.step.unwrap_or("unknown").to_owned(),
        letter.dead_since.to_string(),
        if letter.retry_pending { "about to go on" } else { "" }.to_owned(),
        letter.reason.clone(),
    ]
}

fn group_row(group: &DeadGroupBody) -> Vec<String> {
    vec![
        group.count.to_string(),
        group.saga.clone(),
        group.step.unwrap_or("unknown").to_owned(),
        group.oldest.to_string(),
        group.newest.to_string(),
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
    let (retry, discard) =
        (DeadLetterAction::Retry, DeadLetterAction::Discard { reason: ANY_REASON.to_owned() });
    let page =
        DeadPage { retry: would(store, id, retry).await?, discard: would(store, id, discard).await?, saga };
    output.one(&page, || page.table())?;
    Ok(Exit::Ok)
}

async fn would(
    store: &dyn Store,
    id: SagaId,
    action: DeadLetterAction,
) -> Result<DeadLetterResult, StoreError> {
    let planned = preview_actions(store, &REGISTRY, &[id], &action).await?;
    let missing = || DeadLetterResult { id, answer: "not_found", detail: String::new(), preview: None };
    let told = planned.into_iter().next();
    Ok(told.map_or_else(missing, |(id, planned)| DeadLetterResult::planned(id, &action, planned)))
}

impl DeadPage {
    fn table(&self) -> String {
        let told = |action: &DeadLetterResult| format!("{}: {}", action.answer, action.detail);
        let actions = pairs([("a retry", told(&self.retry)), ("a discard", told(&self.discard))]);
        format!("{}\n{actions}", table_of(&self.saga))
    }
}

/// What was asked for, by the clock that sagas go by.
async fn filter(store: &dyn Store, died: Died) -> Result<DeadFilter, StoreError> {
    let Died { saga, step, reason, older_than, younger_than } = died;
    let now = store.now().await?;
    let ago = |age: humantime::Duration| now - Duration::from(age);
    Ok(DeadFilter { saga, step, reason, before: older_than.map(ago), since: younger_than.map(ago) })
}
