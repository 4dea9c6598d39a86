//! An admin's decisions about an order.

use axum::extract::State;
use axum::response::Response;
use holdfast_contract::input::Nothing;
use holdfast_contract::order::{OrderBody, ReasonBody, RefundBody};
use holdfast_contract::order_key::OrderKey;
use holdfast_saga::records::context::Dedupe;
use holdfast_saga::shop::checkout::digest;
use holdfast_saga::shop::order::{self, Asked, Grant, Verb};
use holdfast_shared::Actor;

use super::PREFER;
use super::orders::{answered, decide};
use crate::app::App;
use crate::auth::Admin;
use crate::extract::PathParam;
use crate::input::{IdempotencyKey, Input};
use crate::order_access::{OrderPath, find_any};
use crate::prefer::Wait;
use crate::problem::Problem;

type Answer = Result<Response, Problem>;

async fn decide_as_admin(
    app: &App,
    by: &Actor,
    id: OrderKey,
    verb: Verb,
    wait: &Wait,
    input: Input<ReasonBody>,
) -> Answer {
    let order = find_any(app, id).await?.order.id;
    let reason = input.body()?.reason.map(Into::into);
    decide(app, order, Asked { verb, reason }, by, wait).await
}

/// Confirm a cash-on-delivery order
///
/// 202: accepted, the order continues. 200: it was already confirmed. 409: something else happened first.
#[utoipa::path(post, operation_id = "confirm_order", path = "/v1/admin/orders/{id}/confirm", tag = "admin", params(("id" = OrderPath, Path), ("Prefer" = Option<String>, Header, description = PREFER)), request_body = Option<ReasonBody>,
    responses((status = ACCEPTED, body = OrderBody), (status = OK, body = OrderBody)), security(("bearer" = [])))]
pub(super) async fn confirm(
    State(app): State<App>,
    Admin(by): Admin,
    PathParam(OrderPath(id)): PathParam<OrderPath>,
    wait: Wait,
    input: Input<ReasonBody>,
) -> Answer {
    decide_as_admin(&app, &by, id, Verb::Confirm, &wait, input).await
}

/// Reject a cash-on-delivery order
#[utoipa::path(post, operation_id = "reject_order", path = "/v1/admin/orders/{id}/reject", tag = "admin", params(("id" = OrderPath, Path), ("Prefer" = Option<String>, Header, description = PREFER)), request_body = Option<ReasonBody>,
    responses((status = ACCEPTED, body = OrderBody), (status = OK, body = OrderBody)), security(("bearer" = [])))]
pub(super) async fn reject(
    State(app): State<App>,
    Admin(by): Admin,
    PathParam(OrderPath(id)): PathParam<OrderPath>,
    wait: Wait,
    input: Input<ReasonBody>,
) -> Answer {
    decide_as_admin(&app, &by, id, Verb::Reject, &wait, input).await
}

/// Start to prepare a confirmed order
#[utoipa::path(post, operation_id = "process_order", path = "/v1/admin/orders/{id}/process", tag = "admin", params(("id" = OrderPath, Path), ("Prefer" = Option<String>, Header, description = PREFER)), request_body = Option<ReasonBody>,
    responses((status = OK, body = OrderBody)), security(("bearer" = [])))]
pub(super) async fn process(
    State(app): State<App>,
    Admin(by): Admin,
    PathParam(OrderPath(id)): PathParam<OrderPath>,
    wait: Wait,
    input: Input<ReasonBody>,
) -> Answer {
    decide_as_admin(&app, &by, id, Verb::Process, &wait, input).await
}

/// Ship an order
#[utoipa::path(post, operation_id = "ship_order", path = "/v1/admin/orders/{id}/ship", tag = "admin", params(("id" = OrderPath, Path), ("Prefer" = Option<String>, Header, description = PREFER)), request_body = Option<ReasonBody>,
    responses((status = OK, body = OrderBody)), security(("bearer" = [])))]
pub(super) async fn ship(
    State(app): State<App>,
    Admin(by): Admin,
    PathParam(OrderPath(id)): PathParam<OrderPath>,
    wait: Wait,
    input: Input<ReasonBody>,
) -> Answer {
    decide_as_admin(&app, &by, id, Verb::Ship, &wait, input).await
}

/// Mark an order as delivered
///
/// Cash on delivery counts as collected from then on.
#[utoipa::path(post, operation_id = "deliver_order", path = "/v1/admin/orders/{id}/deliver", tag = "admin", params(("id" = OrderPath, Path), ("Prefer" = Option<String>, Header, description = PREFER)), request_body = Option<ReasonBody>,
    responses((status = OK, body = OrderBody)), security(("bearer" = [])))]
pub(super) async fn deliver(
    State(app): State<App>,
    Admin(by): Admin,
    PathParam(OrderPath(id)): PathParam<OrderPath>,
    wait: Wait,
    input: Input<ReasonBody>,
) -> Answer {
    decide_as_admin(&app, &by, id, Verb::Deliver, &wait, input).await
}

/// Cancel an order as an admin
///
/// Before or after it was confirmed.
#[utoipa::path(post, operation_id = "cancel_order_as_admin", path = "/v1/admin/orders/{id}/cancel", tag = "admin", params(("id" = OrderPath, Path), ("Prefer" = Option<String>, Header, description = PREFER)), request_body = Option<ReasonBody>,
    responses((status = ACCEPTED, body = OrderBody), (status = OK, body = OrderBody)), security(("bearer" = [])))]
pub(super) async fn cancel(
    State(app): State<App>,
    Admin(by): Admin,
    PathParam(OrderPath(id)): PathParam<OrderPath>,
    wait: Wait,
    input: Input<ReasonBody>,
) -> Answer {
    decide_as_admin(&app, &by, id, Verb::Cancel, &wait, input).await
}

/// Refund an order, fully or in part
///
/// The order stays as it is. If an answer got lost, repeat the request with the same `Idempotency-Key`: it is the same
/// refund.
#[utoipa::path(post, operation_id = "refund_order", path = "/v1/admin/orders/{id}/refund", tag = "admin",
    params(("id" = OrderPath, Path), ("Prefer" = Option<String>, Header, description = PREFER), ("Idempotency-Key" = String, Header, min_length = 1, max_length = 255)), request_body = RefundBody,
    responses((status = ACCEPTED, body = OrderBody), (status = OK, body = OrderBody)), security(("bearer" = [])))]
pub(super) async fn refund(
    State(app): State<App>,
    Admin(by): Admin,
    PathParam(OrderPath(id)): PathParam<OrderPath>,
    wait: Wait,
    input: Input<RefundBody, Nothing, IdempotencyKey>,
) -> Answer {
    let order = find_any(&app, id).await?.order.id;
    let (body, _, IdempotencyKey(key)) = input.check()?;
    let text = serde_json::to_string(&body).unwrap_or_default();
    let dedupe = Dedupe { key: digest(&["refund", &by.to_string(), &key]), body: digest(&[&text]) };
    let grant = Grant { amount: body.amount, reason: body.reason.into(), dedupe: Some(dedupe) };
    let answer = order::refund(&*app.store, order, grant, &by, &app.amounts).await?;
    answered(&app, order, "order.refund", &by, answer, &wait).await
}
