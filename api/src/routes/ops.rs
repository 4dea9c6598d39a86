//! What those who run Holdfast see and do, by the same rules as on the command line. Needs the role operator.

pub(super) mod dead;
pub(super) mod queues;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use holdfast_saga::operations::dead_letter::resolve;
use holdfast_saga::operations::signal;
use holdfast_saga::records::slot;
use holdfast_saga::records::view::SagaFilter;
use holdfast_saga::shop::answer::{Answer, Answered, Conflict};
use holdfast_shared::{OrderStatus, SagaId, SagaState};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::app::App;
use crate::auth::Caller;
use crate::body::List;
use crate::body::list::Page;
use crate::body::ops::audit::{AuditBody, AuditError};
use crate::body::ops::saga::{CommandResult, SagaBody, SagaDetails, SignalBody};
use crate::extract::{JsonBody, PathParam, QueryParams};
use crate::problem::Problem;

/// When to come again while somebody else's audit is reading.
const AUDIT_AGAIN_SECS: u64 = 5;

type Told = Result<(StatusCode, Json<CommandResult>), Problem>;

/// Which sagas to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Only of this definition, such as `checkout_online`.
    definition: Option<String>,
    /// Only in this state.
    #[param(value_type = Option<String>, example = "DEAD")]
    state: Option<SagaState>,
    /// How many at most.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(pattern = r"^[1-9][0-9]{0,15}\.[0-9]{1,2}$")]
    cursor: Option<String>,
}

/// List sagas, newest first
#[utoipa::path(get, operation_id = "list_sagas", path = "/v1/ops/sagas", tag = "ops", params(ListQuery),
    responses((status = OK, body = List<SagaBody>)), security(("bearer" = [])))]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    QueryParams(wanted): QueryParams<ListQuery>,
) -> Result<Json<List<SagaBody>>, Problem> {
    caller.operator()?;
    let page = Page { limit: wanted.limit, cursor: wanted.cursor };
    let limit = page.read()?;
    let before = page.after(|cursor| cursor.parse().ok())?;
    let filter = SagaFilter { definition: wanted.definition, state: wanted.state, before, limit };
    let sagas = SagaBody::list(&*app.store, &filter).await?;
    Ok(Json(List::page(sagas, limit, |saga| saga.id.to_string(), SagaBody::clone)))
}

/// Show one saga and its history
#[utoipa::path(get, operation_id = "show_saga", path = "/v1/ops/sagas/{id}", tag = "ops",
    params(("id" = String, Path, example = "1042.0")),
    responses((status = OK, body = SagaDetails)), security(("bearer" = [])))]
pub(super) async fn show(
    State(app): State<App>,
    caller: Caller,
    PathParam(id): PathParam<SagaId>,
) -> Result<Json<SagaDetails>, Problem> {
    caller.operator()?;
    let found = SagaDetails::read(&*app.store, id).await?;
    found.map(Json).ok_or_else(|| Conflict::UnknownSaga(id).into())
}

/// Let a dead saga go on where it stopped
///
/// 202: it goes on. 200: it is about to. 409: it is not dead, and what it is instead.
#[utoipa::path(post, operation_id = "retry_saga", path = "/v1/ops/sagas/{id}/retry", tag = "ops",
    params(("id" = String, Path, example = "1042.3")),
    responses((status = ACCEPTED, body = CommandResult), (status = OK, body = CommandResult)), security(("bearer" = [])))]
pub(super) async fn retry(State(app): State<App>, caller: Caller, PathParam(id): PathParam<SagaId>) -> Told {
    let by = caller.operator()?;
    let answer = resolve::retry(&*app.store, id, &by).await?;
    told(&app, id, answer, format!("saga {id} goes on with the next free worker"))
}

/// Tell a saga by hand what it waits for
///
/// 202: it hears of it. 200: it was told so already. 409: it waits for something else, or for nothing.
#[utoipa::path(post, operation_id = "signal_saga", path = "/v1/ops/sagas/{id}/signal", tag = "ops",
    params(("id" = String, Path, example = "1042.0")), request_body = SignalBody,
    responses((status = ACCEPTED, body = CommandResult), (status = OK, body = CommandResult)), security(("bearer" = [])))]
pub(super) async fn signal(
    State(app): State<App>,
    caller: Caller,
    PathParam(id): PathParam<SagaId>,
    JsonBody(body): JsonBody<SignalBody>,
) -> Told {
    let by = caller.operator()?;
    let answer = signal::signal(&*app.store, id, body.signal.into(), &by).await?;
    told(&app, id, answer, format!("saga {id} hears of it with the next free worker"))
}

/// Undo the order of a saga, before or after it was confirmed
///
/// 202: it will happen. 200: it is cancelled already, or about to be. 409: too late, and why.
#[utoipa::path(post, operation_id = "cancel_saga", path = "/v1/ops/sagas/{id}/cancel", tag = "ops",
    params(("id" = String, Path, example = "1042.0")),
    responses((status = ACCEPTED, body = CommandResult), (status = OK, body = CommandResult)), security(("bearer" = [])))]
pub(super) async fn cancel(State(app): State<App>, caller: Caller, PathParam(id): PathParam<SagaId>) -> Told {
    let by = caller.operator()?;
    let answer = signal::cancel(&*app.store, id, &by).await?;
    // What is done at once is counted here; what a saga does, by its worker.
    let begun = matches!(&answer, Ok(Answered::Accepted(hint)) if hint.saga.slot() == slot::CANCELLATION);
    if begun && let Some(view) = app.store.order(id.order()).await? {
        app.metrics.order(OrderStatus::Cancelling, view.order.method);
    }
    let order = id.order();
    told(&app, id, answer, format!("order {order}: accepted, the next free worker does it"))
}

/// Says what came of asking something of a saga; `accepted` in words.
fn told(app: &App, id: SagaId, answer: Answer, accepted: String) -> Told {
    let status = if let Ok(Answered::Accepted(hint)) = &answer {
        app.hurry(&[*hint]);
        StatusCode::ACCEPTED
    } else {
        StatusCode::OK
    };
    match CommandResult::new(id, answer, accepted) {
        Ok(body) => Ok((status, Json(body))),
        Err(Conflict::Instead(words)) => Err(Problem::new(StatusCode::CONFLICT, "saga_conflict", words)),
        Err(conflict) => Err(conflict.into()),
    }
}

/// Recompute every promise about stock, money and orders from the rows
///
/// It reads everything, so only one runs at a time in a process; 409 while another one does. The provider's own
/// books are not looked at: `holdfast audit` does that.
#[utoipa::path(get, operation_id = "audit", path = "/v1/ops/audit", tag = "ops",
    responses((status = OK, body = AuditBody)), security(("bearer" = [])))]
pub(super) async fn audit(State(app): State<App>, caller: Caller) -> Result<Json<AuditBody>, Problem> {
    caller.operator()?;
    let Ok(_alone) = app.auditing.try_lock() else {
        let words = "another audit is reading all rows; ask again when it is done";
        return Err(Problem::new(StatusCode::CONFLICT, "audit_running", words).retry_after(AUDIT_AGAIN_SECS));
    };
    match AuditBody::of(&*app.store, None).await {
        Ok(report) => Ok(Json(report)),
        Err(AuditError::Store(error)) => Err(error.into()),
        Err(AuditError::Books(_)) => Err(Problem::internal()),
    }
}
