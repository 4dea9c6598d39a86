//! Queues, pausing them, and the workers.

use axum::Json;
use axum::extract::State;
use holdfast_saga::operations::{queue, queue_list};
use holdfast_shared::Queue;

use crate::app::App;
use crate::auth::Operator;
use crate::extract::PathParam;
use crate::input::Input;
use crate::problem::Problem;
use holdfast_contract::List;
use holdfast_contract::queue::{PauseBody, QueueBody, QueueResult};
use holdfast_contract::worker::WorkerBody;

/// List the queues
///
/// Each with its due, in-flight, retrying and dead sagas, its live workers, and who paused it.
#[utoipa::path(get, operation_id = "list_queues", path = "/v1/ops/queues", tag = "ops",
    responses((status = OK, body = List<QueueBody>)), security(("bearer" = [])))]
pub(in crate::routes) async fn list(
    State(app): State<App>,
    _: Operator,
    input: Input,
) -> Result<Json<List<QueueBody>>, Problem> {
    input.check()?;
    let (queues, now) = queue_list::list(&*app.store).await?;
    let items = queues.into_iter().map(|state| QueueBody::new(state, now)).collect();
    Ok(Json(List::whole(items)))
}

/// Pause a queue
///
/// Workers take no more sagas of it; calls in flight may end. If it is already paused, nothing changes.
#[utoipa::path(post, operation_id = "pause_queue", path = "/v1/ops/queues/{queue}/pause", tag = "ops",
    params(("queue" = String, Path, example = "checkout")), request_body = Option<PauseBody>,
    responses((status = OK, body = QueueResult)), security(("bearer" = [])))]
pub(in crate::routes) async fn pause(
    State(app): State<App>,
    Operator(by): Operator,
    PathParam(name): PathParam<Queue>,
    input: Input<PauseBody>,
) -> Result<Json<QueueResult>, Problem> {
    let body = input.body()?;
    let answered = queue::pause(&*app.store, name, body.reason.map(Into::into), &by).await?;
    Ok(Json(QueueResult::new(name, answered)))
}

/// Resume a queue
#[utoipa::path(post, operation_id = "resume_queue", path = "/v1/ops/queues/{queue}/resume", tag = "ops",
    params(("queue" = String, Path, example = "checkout")),
    responses((status = OK, body = QueueResult)), security(("bearer" = [])))]
pub(in crate::routes) async fn resume(
    State(app): State<App>,
    Operator(by): Operator,
    PathParam(name): PathParam<Queue>,
    input: Input,
) -> Result<Json<QueueResult>, Problem> {
    input.check()?;
    let answered = queue::resume(&*app.store, name, &by).await?;
    Ok(Json(QueueResult::new(name, answered)))
}

/// List the workers
///
/// Each is alive, silent, or has left.
#[utoipa::path(get, operation_id = "list_workers", path = "/v1/ops/workers", tag = "ops",
    responses((status = OK, body = List<WorkerBody>)), security(("bearer" = [])))]
pub(in crate::routes) async fn workers(
    State(app): State<App>,
    _: Operator,
    input: Input,
) -> Result<Json<List<WorkerBody>>, Problem> {
    input.check()?;
    let now = app.store.now().await?;
    let workers = app.store.workers().await?.into_iter();
    let items = workers.map(|view| WorkerBody::new(view, now)).collect();
    Ok(Json(List::whole(items)))
}
