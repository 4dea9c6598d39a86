//! Operating Holdfast, by the same rules as the command line. Requires the role operator.

pub(super) mod actions;
pub(super) mod dead_letters;
pub(super) mod queues;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use holdfast_saga::flows;
use holdfast_saga::operations::dead_letter::resolve;
use holdfast_saga::operations::{audit_run, saga_list, signal};
use holdfast_saga::ports::Providers;
use holdfast_saga::records::slot;
use holdfast_saga::records::view::{SagaFilter, ShownState};
use holdfast_saga::shop::answer::{Answer, Answered, Conflict};
use holdfast_shared::{OrderStatus, SagaId};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::app::App;
use crate::auth::Caller;
use crate::extract::{JsonBody, PathParam, QueryParams};
use crate::problem::Problem;
use holdfast_contract::List;
use holdfast_contract::audit::AuditBody;
use holdfast_contract::list::Page;
use holdfast_contract::saga::{
    CommandResult, SagaBody, SagaDetails, SignalBody, will_be_carried_out, will_read_signal, will_resume,
};

/// When to retry while another audit runs.
const AUDIT_RETRY_SECS: u64 = 5;

type CommandResponse = Result<(StatusCode, Json<CommandResult>), Problem>;

/// Filters and paging of a list of sagas.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Only sagas of this definition, such as `checkout_online`.
    definition: Option<String>,
    /// Only sagas in this state, or `RETRYING`: those that tried a step in vain and will try again by themselves. They are
    /// `RUNNING`, `WAITING` or `COMPENSATING`, too.
    #[param(value_type = Option<String>, example = "DEAD")]
    state: Option<ShownState>,
    /// Only sagas whose call waits for the settings to change, the oldest orders first. Not together with `definition` or
    /// `state`.
    held: Option<bool>,
    /// The most items to return.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
    /// The `next_cursor` of the previous page.
    #[param(pattern = r"^[1-9][0-9]{0,15}\.[0-9]{1,2}$")]
    cursor: Option<String>,
}

/// List sagas, newest first
#[utoipa::path(get, operation_id = "list_sagas", path = "/v1/ops/sagas", tag = "ops", params(ListQuery),
    responses((status = OK, body = List<SagaBody>)), security(("bearer" = [])))]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    QueryParams(query): QueryParams<ListQuery>,
) -> Result<Json<List<SagaBody>>, Problem> {
    caller.operator()?;
    let page = Page { limit: query.limit, cursor: query.cursor };
    let limit = page.read()?;
    let cursor = page.after(|cursor| cursor.parse().ok())?;
    let ListQuery { definition, state, held, .. } = query;
    let sagas = if held == Some(true) {
        if definition.is_some() || state.is_some() {
            let detail = "held cannot be combined with definition or state; leave those out";
            return Err(Problem::bad_request("invalid_query", detail));
        }
        saga_list::held(&*app.store, cursor, limit).await?
    } else {
        let filter = SagaFilter { definition, state, before: cursor, limit };
        saga_list::list(&*app.store, &filter).await?
    };
    Ok(Json(List::page(sagas, limit, |listed| listed.saga.id.to_string(), |listed| SagaBody::from(&listed))))
}

/// Get a saga with its history
#[utoipa::path(get, operation_id = "get_saga", path = "/v1/ops/sagas/{id}", tag = "ops",
    params(("id" = String, Path, example = "1042.0")),
    responses((status = OK, body = SagaDetails)), security(("bearer" = [])))]
pub(super) async fn get(
    State(app): State<App>,
    caller: Caller,
    PathParam(id): PathParam<SagaId>,
) -> Result<Json<SagaDetails>, Problem> {
    caller.operator()?;
    let found = saga_list::find(&*app.store, id).await?;
    Ok(Json(SagaDetails::new(found.ok_or(Conflict::UnknownSaga(id))?)))
}

/// Resume a dead saga at the step where it stopped
///
/// 202: it will be resumed. 200: it is about to be. 409: it is not dead; the problem says what it is instead.
#[utoipa::path(post, operation_id = "retry_saga", path = "/v1/ops/sagas/{id}/retry", tag = "ops",
    params(("id" = String, Path, example = "1042.3")),
    responses((status = ACCEPTED, body = CommandResult), (status = OK, body = CommandResult)), security(("bearer" = [])))]
pub(super) async fn retry(
    State(app): State<App>,
    caller: Caller,
    PathParam(id): PathParam<SagaId>,
) -> CommandResponse {
    let by = caller.operator()?;
    let answer = resolve::retry(&*app.store, id, None, &by).await?;
    respond(&app, id, answer, will_resume(id))
}

/// Send a signal to a saga that waits for it
///
/// 202: it will read the signal. 200: it already has it. 409: it waits for another signal, or for none.
#[utoipa::path(post, operation_id = "signal_saga", path = "/v1/ops/sagas/{id}/signal", tag = "ops",
    params(("id" = String, Path, example = "1042.0")), request_body = SignalBody,
    responses((status = ACCEPTED, body = CommandResult), (status = OK, body = CommandResult)), security(("bearer" = [])))]
pub(super) async fn signal(
    State(app): State<App>,
    caller: Caller,
    PathParam(id): PathParam<SagaId>,
    JsonBody(body): JsonBody<SignalBody>,
) -> CommandResponse {
    let by = caller.operator()?;
    let answer = signal::signal(&*app.store, id, body.signal.into(), &by).await?;
    respond(&app, id, answer, will_read_signal(id))
}

/// Cancel the order of a saga
///
/// 202: accepted. 200: it is already cancelled, or about to be. 409: it is too late; the problem says why.
#[utoipa::path(post, operation_id = "cancel_saga", path = "/v1/ops/sagas/{id}/cancel", tag = "ops",
    params(("id" = String, Path, example = "1042.0")),
    responses((status = ACCEPTED, body = CommandResult), (status = OK, body = CommandResult)), security(("bearer" = [])))]
pub(super) async fn cancel(
    State(app): State<App>,
    caller: Caller,
    PathParam(id): PathParam<SagaId>,
) -> CommandResponse {
    let by = caller.operator()?;
    let answer = signal::cancel(&*app.store, id, &by).await?;
    // A change of this request is counted here, a change of a saga by its worker.
    let is_cancelling =
        matches!(&answer, Ok(Answered::Accepted(hint)) if hint.saga.slot() == Some(slot::CANCELLATION));
    if is_cancelling
        && let Some(order) = id.order()
        && let Some(view) = app.store.order(order).await?
    {
        app.metrics.order(OrderStatus::Cancelling, view.order.method);
    }
    respond(&app, id, answer, will_be_carried_out(id))
}

/// The response to a command about a saga; `accepted` explains what happens next.
fn respond(app: &App, id: SagaId, answer: Answer, accepted: String) -> CommandResponse {
    let status = if let Ok(Answered::Accepted(hint)) = &answer {
        app.wake(&[*hint]);
        StatusCode::ACCEPTED
    } else {
        StatusCode::OK
    };
    match CommandResult::new(id, answer, accepted) {
        Ok(body) => Ok((status, Json(body))),
        Err(Conflict::Instead(detail)) => Err(Problem::new(StatusCode::CONFLICT, "saga_conflict", detail)),
        Err(conflict) => Err(conflict.into()),
    }
}

/// Audit the shop: recompute every promise about stock, money and orders
///
/// The audit reads all rows, so a process runs one at a time: 409 while another one runs. It does not read the
/// provider's own ledger; `holdfast audit` does.
#[utoipa::path(get, operation_id = "run_audit", path = "/v1/ops/audit", tag = "ops",
    responses((status = OK, body = AuditBody)), security(("bearer" = [])))]
pub(super) async fn audit(State(app): State<App>, caller: Caller) -> Result<Json<AuditBody>, Problem> {
    caller.operator()?;
    let Ok(_alone) = app.audit_lock.try_lock() else {
        let detail = "another audit is running; try again when it is done";
        return Err(Problem::new(StatusCode::CONFLICT, "audit_running", detail).retry_after(AUDIT_RETRY_SECS));
    };
    let report = audit_run::run(&*app.store, flows::REGISTRY, &Providers::default()).await?;
    Ok(Json(report.into()))
}
