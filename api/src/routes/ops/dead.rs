//! Dead sagas: listed, grouped, set going again, or taken off the shop's hands.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use holdfast_saga::flows::REGISTRY;
use holdfast_saga::operations::dead_letter::resolve::{DeadLetterAction, act, preview_actions};
use holdfast_saga::operations::dead_letter::{self, DeadFilter};
use holdfast_saga::shop::answer::{Answer, Answered};
use holdfast_shared::{Actor, SagaId, Time};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::app::App;
use crate::auth::Caller;
use crate::body::List;
use crate::body::list::Page;
use crate::body::ops::dead::{
    DeadBody, DeadGroupBody, DeadLetterResult, DeadLetterResults, DiscardBody, FilterBody, RetryBody,
};
use crate::extract::{JsonBody, QueryParams};
use crate::problem::Problem;

/// Longer ages say nothing more.
const AGE_SECS_MAX: u64 = 366 * 24 * 3_600;

/// Which dead sagas to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::routes) struct ListQuery {
    /// Only of this definition, such as `cancellation`.
    saga: Option<String>,
    /// Only those that stopped at this step, such as `refund_payment`.
    step: Option<String>,
    /// Only those whose reason contains this.
    reason: Option<String>,
    /// Only those dead for longer than this.
    #[param(maximum = 31_622_400)]
    older_than_secs: Option<u64>,
    /// Only those dead for no longer than this.
    #[param(maximum = 31_622_400)]
    younger_than_secs: Option<u64>,
    /// How many at most.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(pattern = r"^[1-9][0-9]{0,15}\.[0-9]{1,2}$")]
    cursor: Option<String>,
}

/// List dead sagas, newest first
#[utoipa::path(get, operation_id = "list_dead", path = "/v1/ops/dead", tag = "ops", params(ListQuery),
    responses((status = OK, body = List<DeadBody>)), security(("bearer" = [])))]
pub(in crate::routes) async fn list(
    State(app): State<App>,
    caller: Caller,
    QueryParams(wanted): QueryParams<ListQuery>,
) -> Result<Json<List<DeadBody>>, Problem> {
    caller.operator()?;
    let (page, filter) = wanted.into_parts();
    let limit = page.read()?;
    let after = page.after(|cursor| cursor.parse().ok())?;
    let filter = to_filter(filter, app.store.now().await?)?;
    let dead_letters = dead_letter::list(&*app.store, &REGISTRY, &filter, after, limit as usize).await?;
    Ok(Json(List::page(dead_letters, limit, |letter| letter.id.to_string(), |letter| letter.clone().into())))
}

/// Count dead sagas by definition, step and reason, the largest group first
#[utoipa::path(get, operation_id = "group_dead", path = "/v1/ops/dead/groups", tag = "ops", params(ListQuery),
    responses((status = OK, body = List<DeadGroupBody>)), security(("bearer" = [])))]
pub(in crate::routes) async fn groups(
    State(app): State<App>,
    caller: Caller,
    QueryParams(wanted): QueryParams<ListQuery>,
) -> Result<Json<List<DeadGroupBody>>, Problem> {
    caller.operator()?;
    let (page, filter) = wanted.into_parts();
    let shown = page.read()? as usize - 1;
    let filter = to_filter(filter, app.store.now().await?)?;
    let dead_letters = dead_letter::list(&*app.store, &REGISTRY, &filter, None, usize::MAX).await?;
    let items = dead_letter::groups(&dead_letters).into_iter().take(shown).map(Into::into).collect();
    Ok(Json(List { items, next_cursor: None }))
}

/// Let dead sagas go on where they stopped
///
/// Those that are named, or those that fit a filter: at most 256 of them, in one commit; `next_cursor` says where
/// the next ones begin. Each is answered for itself. With `dry_run` nothing is done, and each answer tells which
/// steps would run, and what money and stock would move.
#[utoipa::path(post, operation_id = "retry_dead", path = "/v1/ops/dead/retry", tag = "ops", request_body = RetryBody,
    responses((status = OK, body = DeadLetterResults)), security(("bearer" = [])))]
pub(in crate::routes) async fn retry(
    State(app): State<App>,
    caller: Caller,
    JsonBody(body): JsonBody<RetryBody>,
) -> Result<Json<DeadLetterResults>, Problem> {
    let by = caller.operator()?;
    let RetryBody { ids, filter, cursor, dry_run } = body;
    actions(&app, &by, Which { ids, filter, cursor }, dry_run, &DeadLetterAction::Retry).await
}

/// Take responsibility for the step that dead sagas stopped at
///
/// A message is given up; a refund counts as settled by hand: nothing more is sent for it, the rest of its saga goes
/// on, and the audit lists the order. Bounded and answered as a retry is.
#[utoipa::path(post, operation_id = "discard_dead", path = "/v1/ops/dead/discard", tag = "ops", request_body = DiscardBody,
    responses((status = OK, body = DeadLetterResults)), security(("bearer" = [])))]
pub(in crate::routes) async fn discard(
    State(app): State<App>,
    caller: Caller,
    JsonBody(body): JsonBody<DiscardBody>,
) -> Result<Json<DeadLetterResults>, Problem> {
    let by = caller.operator()?;
    let DiscardBody { ids, filter, cursor, dry_run, reason } = body;
    let action = DeadLetterAction::Discard { reason: reason.into() };
    actions(&app, &by, Which { ids, filter, cursor }, dry_run, &action).await
}

/// Which dead sagas are meant: those that are named, or those that fit a filter.
struct Which {
    ids: Option<Vec<String>>,
    filter: Option<FilterBody>,
    cursor: Option<String>,
}

async fn actions(
    app: &App,
    by: &Actor,
    which: Which,
    dry_run: bool,
    action: &DeadLetterAction,
) -> Result<Json<DeadLetterResults>, Problem> {
    let (asked, next_cursor) = named(app, which).await?;
    if dry_run {
        let planned = preview_actions(&*app.store, &REGISTRY, &asked, action).await?.into_iter();
        let items = planned.map(|(id, told)| DeadLetterResult::planned(id, action, told)).collect();
        return Ok(Json(DeadLetterResults::new(items, next_cursor)));
    }
    let answers = act(&*app.store, &REGISTRY, &asked, action, by).await?;
    let accepted = |(_, answer): &(SagaId, Answer)| match answer {
        Ok(Answered::Accepted(hint)) => Some(*hint),
        Ok(Answered::Done(_) | Answered::Already(_)) | Err(_) => None,
    };
    app.hurry(&answers.iter().filter_map(accepted).collect::<Vec<_>>());
    let items = answers.iter().map(|(id, answer)| DeadLetterResult::new(*id, action, answer)).collect();
    Ok(Json(DeadLetterResults::new(items, next_cursor)))
}

/// The sagas that are meant, and where the next ones begin.
async fn named(app: &App, which: Which) -> Result<(Vec<SagaId>, Option<String>), Problem> {
    let Which { ids, filter, cursor } = which;
    match (ids, filter) {
        (Some(ids), None) if cursor.is_none() => {
            if ids.is_empty() || ids.len() > DeadLetterResults::MAX {
                let words = format!(
                    "1 to {} ids are expected; send the others in another request",
                    DeadLetterResults::MAX
                );
                return Err(Problem::unprocessable("invalid_body", words));
            }
            let parse = |id: &String| {
                let words = format!("ids: {id:?} is not a saga id such as 1042.3");
                id.parse().map_err(|_| Problem::unprocessable("invalid_body", words))
            };
            Ok((ids.iter().map(parse).collect::<Result<_, _>>()?, None))
        }
        (None, Some(filter)) => {
            let page = Page { limit: None, cursor };
            let after = page.after(|cursor| cursor.parse().ok())?;
            let filter = to_filter(filter, app.store.now().await?)?;
            let mut dead_letters =
                dead_letter::list(&*app.store, &REGISTRY, &filter, after, DeadLetterResults::MAX + 1).await?;
            let more = dead_letters.len() > DeadLetterResults::MAX;
            dead_letters.truncate(DeadLetterResults::MAX);
            let next = dead_letters.last().filter(|_| more).map(|letter| letter.id.to_string());
            Ok((dead_letters.into_iter().map(|letter| letter.id).collect(), next))
        }
        (Some(_), _) | (None, None) => {
            let words = "either `ids`, or a `filter` (`{}` is all) and maybe a `cursor`, is expected";
            Err(Problem::unprocessable("invalid_body", words))
        }
    }
}

impl ListQuery {
    fn into_parts(self) -> (Page, FilterBody) {
        let Self { saga, step, reason, older_than_secs, younger_than_secs, limit, cursor } = self;
        (Page { limit, cursor }, FilterBody { saga, step, reason, older_than_secs, younger_than_secs })
    }
}

/// A filter by ages, as one by instants.
fn to_filter(filter: FilterBody, now: Time) -> Result<DeadFilter, Problem> {
    let FilterBody { saga, step, reason, older_than_secs, younger_than_secs } = filter;
    let ago = |secs: Option<u64>| match secs {
        Some(secs) if secs > AGE_SECS_MAX => {
            let words = format!("an age of {secs} s; at most {AGE_SECS_MAX} are expected");
            Err(Problem::bad_request("invalid_query", words))
        }
        secs => Ok(secs.map(|secs| now - Duration::from_secs(secs))),
    };
    Ok(DeadFilter { saga, step, reason, before: ago(older_than_secs)?, since: ago(younger_than_secs)? })
}
