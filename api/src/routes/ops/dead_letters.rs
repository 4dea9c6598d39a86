//! Dead sagas: list, group, retry and discard them.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use holdfast_saga::flows::REGISTRY;
use holdfast_saga::operations::dead_letter::DeadLetterAction;
use holdfast_saga::operations::dead_letter::resolve::{act, preview_actions};
use holdfast_saga::operations::dead_letter::{self, DeadFilter, DeadLetter};
use holdfast_saga::shop::answer::{Answer, Answered};
use holdfast_shared::{Actor, SagaId, Time};
use utoipa::IntoParams;

use crate::app::App;
use crate::auth::Operator;
use crate::input::Input;
use crate::problem::Problem;
use crate::routes::CURSOR;
use holdfast_contract::dead_letter::{
    DeadLetterBody, DeadLetterFilterBody, DeadLetterGroupBody, DeadLetterResult, DeadLetterResults,
    DiscardBody, RetryBody,
};
use holdfast_contract::input::{At, Faults, Nothing};
use holdfast_contract::list::{self, Page};
use holdfast_contract::problem::Code;
use holdfast_contract::{List, read_fields};

/// The longest age in a filter.
const AGE_SECS_MAX: u64 = 366 * 24 * 3_600;

/// Filters and paging of a list of dead sagas.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::routes) struct ListQuery {
    /// Only sagas of this definition, such as `cancellation`.
    saga: Option<String>,
    /// Only sagas that stopped at this step, such as `refund_payment`.
    step: Option<String>,
    /// Only sagas whose error contains this text, in upper or lower case.
    error_contains: Option<String>,
    /// Only sagas that have been dead for longer than this.
    #[param(maximum = 31_622_400)]
    older_than_secs: Option<u64>,
    /// Only sagas that have been dead for no longer than this.
    #[param(maximum = 31_622_400)]
    younger_than_secs: Option<u64>,
    /// The most items to return.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
    /// The `next_cursor` of the previous page.
    #[param(pattern = "^[A-Za-z0-9_-]{1,200}$")]
    cursor: Option<String>,
}

read_fields!(ListQuery { saga, step, error_contains, older_than_secs, younger_than_secs, limit by list::limit, cursor });

/// Filters of a list of groups of dead sagas.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::routes) struct GroupsQuery {
    /// Only sagas of this definition, such as `cancellation`.
    saga: Option<String>,
    /// Only sagas that stopped at this step, such as `refund_payment`.
    step: Option<String>,
    /// Only sagas whose error contains this text, in upper or lower case.
    error_contains: Option<String>,
    /// Only sagas that have been dead for longer than this.
    #[param(maximum = 31_622_400)]
    older_than_secs: Option<u64>,
    /// Only sagas that have been dead for no longer than this.
    #[param(maximum = 31_622_400)]
    younger_than_secs: Option<u64>,
    /// The most groups to return.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
}

read_fields!(GroupsQuery { saga, step, error_contains, older_than_secs, younger_than_secs, limit by list::limit });

/// List dead letters, newest first
#[utoipa::path(get, operation_id = "list_dead_letters", path = "/v1/ops/dead", tag = "ops", params(ListQuery),
    responses((status = OK, body = List<DeadLetterBody>)), security(("bearer" = [])))]
pub(in crate::routes) async fn list(
    State(app): State<App>,
    _: Operator,
    input: Input<Nothing, ListQuery>,
) -> Result<Json<List<DeadLetterBody>>, Problem> {
    let (page, filter) = input.query()?.into_parts();
    let limit = page.limit_read();
    let cursors = app.cursors.of("dead", &filter);
    let after = cursors.open(page.cursor.as_deref(), &CURSOR, |id| id.parse().ok())?;
    let filter = to_filter(filter, &At::QUERY, app.store.now().await?)?;
    let dead_letters = dead_letter::list(&*app.store, &REGISTRY, &filter, after, limit as usize).await?;
    let cursor = |dead: &DeadLetter| cursors.seal(&dead.id.to_string());
    Ok(Json(List::page(dead_letters, limit, cursor, DeadLetterBody::from)))
}

/// Count dead letters by definition, step and reason
///
/// The largest group comes first.
#[utoipa::path(get, operation_id = "group_dead_letters", path = "/v1/ops/dead/groups", tag = "ops", params(GroupsQuery),
    responses((status = OK, body = List<DeadLetterGroupBody>)), security(("bearer" = [])))]
pub(in crate::routes) async fn groups(
    State(app): State<App>,
    _: Operator,
    input: Input<Nothing, GroupsQuery>,
) -> Result<Json<List<DeadLetterGroupBody>>, Problem> {
    let (page, filter) = input.query()?.into_parts();
    let shown = page.limit_read() as usize - 1;
    let filter = to_filter(filter, &At::QUERY, app.store.now().await?)?;
    let dead_letters = dead_letter::list(&*app.store, &REGISTRY, &filter, None, usize::MAX).await?;
    let items = dead_letter::groups(&dead_letters).into_iter().take(shown).map(Into::into).collect();
    Ok(Json(List::whole(items)))
}

/// Retry dead letters
///
/// Resumes dead sagas at the step where they stopped: either the given ids or all that match a filter, at most 256 of
/// them in one commit; `next_cursor` continues after them. Each saga has its own result. With `dry_run` nothing changes:
/// each result shows the steps that would run, and the money and the stock that would move.
#[utoipa::path(post, operation_id = "retry_dead_letters", path = "/v1/ops/dead/retry", tag = "ops", request_body = RetryBody,
    responses((status = OK, body = DeadLetterResults)), security(("bearer" = [])))]
pub(in crate::routes) async fn retry(
    State(app): State<App>,
    Operator(by): Operator,
    input: Input<RetryBody>,
) -> Result<Json<DeadLetterResults>, Problem> {
    let RetryBody { ids, filter, cursor, dry_run, reason } = input.body()?;
    let action = DeadLetterAction::Retry { reason: reason.map(Into::into) };
    act_on(&app, &by, Selection { ids, filter, cursor }, dry_run, &action).await
}

/// Discard dead letters
///
/// Skips the step at which dead sagas stopped. A notification is dropped. A refund counts as settled manually: Holdfast
/// sends nothing for it, and the audit lists the order. The rest of the saga runs. Ids, filter and results are as for
/// a retry.
#[utoipa::path(post, operation_id = "discard_dead_letters", path = "/v1/ops/dead/discard", tag = "ops", request_body = DiscardBody,
    responses((status = OK, body = DeadLetterResults)), security(("bearer" = [])))]
pub(in crate::routes) async fn discard(
    State(app): State<App>,
    Operator(by): Operator,
    input: Input<DiscardBody>,
) -> Result<Json<DeadLetterResults>, Problem> {
    let DiscardBody { ids, filter, cursor, dry_run, reason } = input.body()?;
    let action = DeadLetterAction::Discard { reason: reason.into() };
    act_on(&app, &by, Selection { ids, filter, cursor }, dry_run, &action).await
}

/// The selected dead sagas: by id, or by filter.
struct Selection {
    ids: Option<Vec<SagaId>>,
    filter: Option<DeadLetterFilterBody>,
    cursor: Option<String>,
}

async fn act_on(
    app: &App,
    by: &Actor,
    selection: Selection,
    dry_run: bool,
    action: &DeadLetterAction,
) -> Result<Json<DeadLetterResults>, Problem> {
    let (ids, next_cursor) = select(app, selection).await?;
    if dry_run {
        let planned = preview_actions(&*app.store, &REGISTRY, &ids, action).await?.into_iter();
        let items = planned.map(|(id, planned)| DeadLetterResult::dry_run(id, action, planned)).collect();
        return Ok(Json(DeadLetterResults::new(items, next_cursor)));
    }
    let answers = act(&*app.store, &REGISTRY, &ids, action, by).await?;
    let accepted = |(_, answer): &(SagaId, Answer)| match answer {
        Ok(Answered::Accepted(hint)) => Some(*hint),
        Ok(Answered::Done(_) | Answered::Already(_)) | Err(_) => None,
    };
    app.wake(&answers.iter().filter_map(accepted).collect::<Vec<_>>());
    let items = answers.iter().map(|(id, answer)| DeadLetterResult::new(*id, action, answer)).collect();
    Ok(Json(DeadLetterResults::new(items, next_cursor)))
}

/// The ids of the selected sagas, and the cursor of the next ones.
async fn select(app: &App, selection: Selection) -> Result<(Vec<SagaId>, Option<String>), Problem> {
    let Selection { ids, filter, cursor } = selection;
    match (ids, filter) {
        (Some(ids), None) if cursor.is_none() => {
            if ids.is_empty() || ids.len() > DeadLetterResults::MAX {
                let detail = format!(
                    "expected 1 to {} ids; send the others in another request",
                    DeadLetterResults::MAX
                );
                return Err(Problem::of_fault(&At::BODY.field("ids"), Code::Invalid, detail));
            }
            Ok((ids, None))
        }
        (None, Some(filter)) => {
            let cursors = app.cursors.of("dead", &filter);
            let at = At::BODY.field("cursor");
            let after = cursors.open(cursor.as_deref(), &at, |id| id.parse().ok())?;
            let filter = to_filter(filter, &At::BODY.field("filter"), app.store.now().await?)?;
            let mut dead_letters =
                dead_letter::list(&*app.store, &REGISTRY, &filter, after, DeadLetterResults::MAX + 1).await?;
            let more = dead_letters.len() > DeadLetterResults::MAX;
            dead_letters.truncate(DeadLetterResults::MAX);
            let next = dead_letters.last().filter(|_| more).map(|dead| cursors.seal(&dead.id.to_string()));
            Ok((dead_letters.into_iter().map(|dead| dead.id).collect(), next))
        }
        (Some(_), _) | (None, None) => {
            let detail = "expected either `ids`, or a `filter` (`{}` selects all) with an optional `cursor`";
            Err(Problem::of_fault(&At::BODY, Code::Invalid, detail))
        }
    }
}

impl ListQuery {
    fn into_parts(self) -> (Page, DeadLetterFilterBody) {
        let Self { saga, step, error_contains, older_than_secs, younger_than_secs, limit, cursor } = self;
        (
            Page { limit, cursor },
            DeadLetterFilterBody { saga, step, error_contains, older_than_secs, younger_than_secs },
        )
    }
}

impl GroupsQuery {
    fn into_parts(self) -> (Page, DeadLetterFilterBody) {
        let Self { saga, step, error_contains, older_than_secs, younger_than_secs, limit } = self;
        (
            Page { limit, cursor: None },
            DeadLetterFilterBody { saga, step, error_contains, older_than_secs, younger_than_secs },
        )
    }
}

/// The filter, which is at `at`, with times instead of ages.
fn to_filter(filter: DeadLetterFilterBody, at: &At<'_>, now: Time) -> Result<DeadFilter, Problem> {
    let DeadLetterFilterBody { saga, step, error_contains, older_than_secs, younger_than_secs } = filter;
    let mut faults = Faults::default();
    let mut ago = |secs: Option<u64>, name| {
        if secs.is_some_and(|secs| secs > AGE_SECS_MAX) {
            faults.note(&at.field(name), Code::Invalid, format!("expected at most {AGE_SECS_MAX} s"));
        }
        secs.map(|secs| now - Duration::from_secs(secs.min(AGE_SECS_MAX)))
    };
    let (before, since) =
        (ago(older_than_secs, "older_than_secs"), ago(younger_than_secs, "younger_than_secs"));
    if !faults.is_empty() {
        return Err(Problem::of_faults(&faults));
    }
    Ok(DeadFilter { saga, step, error_contains, before, since })
}
