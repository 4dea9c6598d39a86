//! Operating Holdfast, by the same rules as the command line. Requires the role operator.

pub(super) mod actions;
pub(super) mod dead_letters;
pub(super) mod queues;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use holdfast_saga::flows;
use holdfast_saga::operations::dead_letter::resolve;
use holdfast_saga::operations::saga_list::{self, ListedSaga};
use holdfast_saga::operations::{audit_run, signal};
use holdfast_saga::ports::Providers;
use holdfast_saga::records::slot;
use holdfast_saga::records::view::{SagaFilter, ShownState};
use holdfast_saga::shop::answer::{Answer, Answered, Conflict};
use holdfast_shared::{OrderStatus, SagaId};
use utoipa::IntoParams;

use super::CURSOR;
use crate::app::App;
use crate::auth::Operator;
use crate::extract::PathParam;
use crate::input::Input;
use crate::problem::Problem;
use holdfast_contract::audit::AuditBody;
use holdfast_contract::input::{At, Nothing};
use holdfast_contract::list::{self, Page};
use holdfast_contract::order::ReasonBody;
use holdfast_contract::problem::Code;
use holdfast_contract::saga::{
    CommandResult, SagaBody, SagaDetails, SignalBody, will_be_carried_out, will_read_signal, will_resume,
};
use holdfast_contract::{List, read_fields};

/// When to retry while another audit runs.
const AUDIT_RETRY_SECS: u64 = 5;

type CommandResponse = Result<(StatusCode, Json<CommandResult>), Problem>;

/// Filters and paging of a list of sagas.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Only sagas of this definition, such as `checkout_online`.
    definition: Option<String>,
    /// Only sagas in this state, or `RETRYING`: those whose current step failed or is held back, and that will be retried automatically. They are
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
    #[param(pattern = "^[A-Za-z0-9_-]{1,200}$")]
    cursor: Option<String>,
}

read_fields!(ListQuery { definition, state, held, limit by list::limit, cursor });

/// List sagas, newest first
#[utoipa::path(get, operation_id = "list_sagas", path = "/v1/ops/sagas", tag = "ops", params(ListQuery),
    responses((status = OK, body = List<SagaBody>)), security(("bearer" = [])))]
pub(super) async fn list(
    State(app): State<App>,
    _: Operator,
    input: Input<Nothing, ListQuery>,
) -> Result<Json<List<SagaBody>>, Problem> {
    let ListQuery { definition, state, held, limit, cursor } = input.query()?;
    let page = Page { limit, cursor };
    let limit = page.limit_read();
    let held = held == Some(true);
    if held && (definition.is_some() || state.is_some()) {
        let detail = "it cannot be combined with definition or state; leave those out";
        return Err(Problem::of_fault(&At::QUERY.field("held"), Code::Invalid, detail));
    }
    let cursors = app.cursors.of("sagas", &(held, &definition, state));
    let before = cursors.open(page.cursor.as_deref(), &CURSOR, |id| id.parse().ok())?;
    let sagas = if held {
        saga_list::held(&*app.store, before, limit).await?
    } else {
        saga_list::list(&*app.store, &SagaFilter { definition, state, before, limit }).await?
    };
    let cursor = |listed: &ListedSaga| cursors.seal(&listed.saga.id.to_string());
    Ok(Json(List::page(sagas, limit, cursor, |listed| SagaBody::from(&listed))))
}

/// Get a saga with its history
#[utoipa::path(get, operation_id = "get_saga", path = "/v1/ops/sagas/{id}", tag = "ops",
    params(("id" = String, Path, example = "1042.0")),
    responses((status = OK, body = SagaDetails)), security(("bearer" = [])))]
pub(super) async fn get(
    State(app): State<App>,
    _: Operator,
    PathParam(id): PathParam<SagaId>,
    input: Input,
) -> Result<Json<SagaDetails>, Problem> {
    let found = saga_list::find(&*app.store, id).await?.ok_or(Conflict::UnknownSaga(id))?;
    input.check()?;
    Ok(Json(SagaDetails::new(found)))
}

/// Resume a dead saga at the step where it stopped
///
/// 202: it will be resumed. 200: it is about to be. 409: it is not dead; the problem says what it is instead.
#[utoipa::path(post, operation_id = "retry_saga", path = "/v1/ops/sagas/{id}/retry", tag = "ops",
    params(("id" = String, Path, example = "1042.3")), request_body = Option<ReasonBody>,
    responses((status = ACCEPTED, body = CommandResult), (status = OK, body = CommandResult)), security(("bearer" = [])))]
pub(super) async fn retry(
    State(app): State<App>,
    Operator(by): Operator,
    PathParam(id): PathParam<SagaId>,
    input: Input<ReasonBody>,
) -> CommandResponse {
    let reason = checked(&app, id, input).await?.reason.map(Into::into);
    let answer = resolve::retry(&*app.store, id, reason, &by).await?;
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
    Operator(by): Operator,
    PathParam(id): PathParam<SagaId>,
    input: Input<SignalBody>,
) -> CommandResponse {
    let body = checked(&app, id, input).await?;
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
    Operator(by): Operator,
    PathParam(id): PathParam<SagaId>,
    input: Input,
) -> CommandResponse {
    checked(&app, id, input).await?;
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

/// What a command about a saga brings. One about a saga that does not exist is 404, whatever else is wrong with it.
async fn checked<B>(app: &App, id: SagaId, input: Input<B>) -> Result<B, Problem> {
    if input.is_faulty() && app.store.saga(id).await?.is_none() {
        return Err(Conflict::UnknownSaga(id).into());
    }
    input.body()
}

/// The response to a command about a saga; `accepted` explains what happens next.
fn respond(app: &App, id: SagaId, answer: Answer, accepted: String) -> CommandResponse {
    let status = if let Ok(Answered::Accepted(hint)) = &answer {
        app.wake(&[*hint]);
        StatusCode::ACCEPTED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(CommandResult::new(id, answer, accepted)?)))
}

/// Audit the shop: recompute every promise about stock, money and orders
///
/// The audit reads all rows, so a process runs one at a time: 409 while another one runs. It does not read the
/// provider's own ledger; `holdfast audit` does.
#[utoipa::path(get, operation_id = "run_audit", path = "/v1/ops/audit", tag = "ops",
    responses((status = OK, body = AuditBody)), security(("bearer" = [])))]
pub(super) async fn audit(
    State(app): State<App>,
    _: Operator,
    input: Input,
) -> Result<Json<AuditBody>, Problem> {
    input.check()?;
    let Ok(_alone) = app.audit_lock.try_lock() else {
        let detail = "another audit is running; try again when it is done";
        return Err(Problem::new(Code::AuditRunning, detail).retry_after(AUDIT_RETRY_SECS));
    };
    let report = audit_run::run(&*app.store, flows::REGISTRY, &Providers::default()).await?;
    Ok(Json(report.into()))
}
