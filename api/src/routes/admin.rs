//! An admin's decisions about an order.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use holdfast_saga::records::context::Dedupe;
use holdfast_saga::shop::checkout::digest;
use holdfast_saga::shop::order::{self, Grant, Verb};
use uuid::Uuid;

use super::checkout::idempotency_key;
use super::orders::{answered, decide};
use crate::app::App;
use crate::auth::Caller;
use crate::extract::{JsonBody, PathParam};
use crate::order_access::{OrderToken, find};
use crate::problem::Problem;
use holdfast_contract::order::{OrderBody, RefundBody};

type Answer = Result<(StatusCode, Json<OrderBody>), Problem>;

async fn decide_as_admin(app: &App, caller: &Caller, id: Uuid, verb: Verb) -> Answer {
    let by = caller.admin()?;
    let order = find(app, caller, &OrderToken::default(), id).await?.order.id;
    decide(app, order, verb, &by).await
}

/// Confirm a cash-on-delivery order
///
/// 202: accepted, the order continues. 200: it was already confirmed. 409: something else happened first.
#[utoipa::path(post, operation_id = "confirm_order", path = "/v1/admin/orders/{id}/confirm", tag = "admin", params(("id" = Uuid, Path)),
    responses((status = ACCEPTED, body = OrderBody), (status = OK, body = OrderBody)), security(("bearer" = [])))]
pub(super) async fn confirm(
    State(app): State<App>,
    caller: Caller,
    PathParam(id): PathParam<Uuid>,
) -> Answer {
    decide_as_admin(&app, &caller, id, Verb::Confirm).await
}

/// Reject a cash-on-delivery order
#[utoipa::path(post, operation_id = "reject_order", path = "/v1/admin/orders/{id}/reject", tag = "admin", params(("id" = Uuid, Path)),
    responses((status = ACCEPTED, body = OrderBody), (status = OK, body = OrderBody)), security(("bearer" = [])))]
pub(super) async fn reject(State(app): State<App>, caller: Caller, PathParam(id): PathParam<Uuid>) -> Answer {
    decide_as_admin(&app, &caller, id, Verb::Reject).await
}

/// Start to prepare a confirmed order
#[utoipa::path(post, operation_id = "process_order", path = "/v1/admin/orders/{id}/process", tag = "admin", params(("id" = Uuid, Path)),
    responses((status = OK, body = OrderBody)), security(("bearer" = [])))]
pub(super) async fn process(
    State(app): State<App>,
    caller: Caller,
    PathParam(id): PathParam<Uuid>,
) -> Answer {
    decide_as_admin(&app, &caller, id, Verb::Process).await
}

/// Ship an order
#[utoipa::path(post, operation_id = "ship_order", path = "/v1/admin/orders/{id}/ship", tag = "admin", params(("id" = Uuid, Path)),
    responses((status = OK, body = OrderBody)), security(("bearer" = [])))]
pub(super) async fn ship(State(app): State<App>, caller: Caller, PathParam(id): PathParam<Uuid>) -> Answer {
    decide_as_admin(&app, &caller, id, Verb::Ship).await
}

/// Mark an order as delivered
///
/// Cash on delivery counts as collected from then on.
#[utoipa::path(post, operation_id = "deliver_order", path = "/v1/admin/orders/{id}/deliver", tag = "admin", params(("id" = Uuid, Path)),
    responses((status = OK, body = OrderBody)), security(("bearer" = [])))]
pub(super) async fn deliver(
    State(app): State<App>,
    caller: Caller,
    PathParam(id): PathParam<Uuid>,
) -> Answer {
    decide_as_admin(&app, &caller, id, Verb::Deliver).await
}

/// Cancel an order as an admin
///
/// Before or after it was confirmed.
#[utoipa::path(post, operation_id = "cancel_order_as_admin", path = "/v1/admin/orders/{id}/cancel", tag = "admin", params(("id" = Uuid, Path)),
    responses((status = ACCEPTED, body = OrderBody), (status = OK, body = OrderBody)), security(("bearer" = [])))]
pub(super) async fn cancel(State(app): State<App>, caller: Caller, PathParam(id): PathParam<Uuid>) -> Answer {
    decide_as_admin(&app, &caller, id, Verb::Cancel).await
}

/// Refund an order, fully or in part
///
/// The order stays as it is. If an answer got lost, repeat the request with the same `Idempotency-Key`: it is the same
/// refund.
#[utoipa::path(post, operation_id = "refund_order", path = "/v1/admin/orders/{id}/refund", tag = "admin",
    params(("id" = Uuid, Path), ("Idempotency-Key" = String, Header, min_length = 1, max_length = 255)), request_body = RefundBody,
    responses((status = ACCEPTED, body = OrderBody), (status = OK, body = OrderBody)), security(("bearer" = [])))]
pub(super) async fn refund(
    State(app): State<App>,
    caller: Caller,
    PathParam(id): PathParam<Uuid>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<RefundBody>,
) -> Answer {
    let by = caller.admin()?;
    let order = find(&app, &caller, &OrderToken::default(), id).await?.order.id;
    let key = idempotency_key(&headers)?;
    let text = serde_json::to_string(&body).unwrap_or_default();
    let dedupe = Dedupe { key: digest(&["refund", &by.to_string(), key]), body: digest(&[&text]) };
    let grant = Grant { amount: body.amount, reason: body.reason.into(), dedupe: Some(dedupe) };
    let answer = order::refund(&*app.store, order, grant, &by, &app.amounts).await?;
    answered(&app, order, "order.refund", &by, answer).await
}
