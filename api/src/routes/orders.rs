//! Orders, for their buyers and for whoever runs the shop.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use holdfast_saga::records::view::{OrderFilter, OrderView};
use holdfast_saga::shop::answer::Answered;
use holdfast_saga::shop::order::{self, Asked, Verb};
use holdfast_saga::timeline::{self, Story};
use holdfast_shared::{Actor, OrderId, OrderStatus, PaymentMethod, Time};
use utoipa::IntoParams;

use super::{CURSOR, PREFER};
use crate::app::App;
use crate::auth::{Caller, Role};
use crate::extract::PathParam;
use crate::input::Input;
use crate::order_access::{OrderPath, OrderToken, find, is_owner};
use crate::prefer::Wait;
use crate::problem::Problem;
use holdfast_contract::input::Nothing;
use holdfast_contract::list::{self, Page};
use holdfast_contract::order::{OrderBody, OrderDetails, PendingBody, ReasonBody, TimelineEntry};
use holdfast_contract::problem::Code;
use holdfast_contract::{List, read_fields};

/// Filters and paging of a list of orders.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Only orders with this status, or with one of several, separated by commas.
    #[param(value_type = Option<String>, example = "CONFIRMED,PROCESSING")]
    status: Option<Vec<OrderStatus>>,
    /// Only orders with this payment method.
    payment_method: Option<PaymentMethod>,
    /// Only orders that wait for an operator (`true`), or only the others (`false`).
    needs_attention: Option<bool>,
    /// Only orders of the buyer with this e-mail address, in upper or lower case.
    email: Option<String>,
    /// Only orders of the buyer with this telephone number, however it is grouped.
    phone: Option<String>,
    /// Only orders accepted at this instant or later.
    since: Option<Time>,
    /// Only orders accepted before this instant.
    until: Option<Time>,
    /// Only orders of this total or more, in minor units.
    #[param(minimum = 0)]
    total_min: Option<u32>,
    /// Only orders of this total or less, in minor units.
    #[param(minimum = 0)]
    total_max: Option<u32>,
    /// The most items to return.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
    /// The `next_cursor` of the previous page.
    #[param(pattern = "^[A-Za-z0-9_-]{1,200}$")]
    cursor: Option<String>,
}

read_fields!(ListQuery {
    status,
    payment_method,
    needs_attention,
    email,
    phone,
    since,
    until,
    total_min,
    total_max,
    limit by list::limit,
    cursor,
});

/// List orders, newest first
///
/// A customer sees their own, an admin or an operator sees all.
#[utoipa::path(get, operation_id = "list_orders", path = "/v1/orders", tag = "orders", params(ListQuery),
    responses((status = OK, body = List<OrderBody>)), security(("bearer" = [])))]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    input: Input<Nothing, ListQuery>,
) -> Result<Json<List<OrderBody>>, Problem> {
    let customer = app.listed_customer(&caller).await?;
    let query = input.query()?;
    let page = Page { limit: query.limit, cursor: query.cursor };
    let limit = page.limit_read();
    let filter = OrderFilter {
        statuses: query.status.unwrap_or_default(),
        method: query.payment_method,
        needs_attention: query.needs_attention,
        customer,
        email: query.email,
        phone: query.phone,
        since: query.since,
        until: query.until,
        total_min: query.total_min.map(i64::from),
        total_max: query.total_max.map(i64::from),
        ..OrderFilter::default()
    };
    let cursors = app.cursors.of("orders", &filter);
    let before = cursors.open(page.cursor.as_deref(), &CURSOR, |id| id.parse().ok())?;
    let views = app.store.orders(&OrderFilter { before, limit, ..filter }).await?;
    let cursor = |view: &OrderView| cursors.seal(&view.order.id.to_string());
    Ok(Json(List::page(views, limit, cursor, |view| OrderBody::new(&view))))
}

/// Get an order
#[utoipa::path(get, operation_id = "get_order", path = "/v1/orders/{id}", tag = "orders", params(("id" = OrderPath, Path)),
    responses((status = OK, body = OrderDetails)), security(("bearer" = []), ("order_token" = [])))]
pub(super) async fn get(
    State(app): State<App>,
    caller: Caller,
    token: OrderToken,
    PathParam(OrderPath(id)): PathParam<OrderPath>,
    input: Input,
) -> Result<Json<OrderDetails>, Problem> {
    let view = find(&app, &caller, &token, id).await?;
    input.check()?;
    Ok(Json(OrderDetails::new(&view)))
}

/// Cancel an order
///
/// Before the order is confirmed, its checkout is undone. After that, a cancellation refunds the money and returns the
/// goods to stock. 202: accepted. 200: it is already cancelled, or about to be. 409: it is too late; the problem says why.
#[utoipa::path(post, operation_id = "cancel_order", path = "/v1/orders/{id}/cancel", tag = "orders",
    params(("id" = OrderPath, Path), ("Prefer" = Option<String>, Header, description = PREFER)), request_body = Option<ReasonBody>,
    responses((status = ACCEPTED, body = OrderBody), (status = OK, body = OrderBody)),
    security(("bearer" = []), ("order_token" = [])))]
pub(super) async fn cancel(
    State(app): State<App>,
    caller: Caller,
    token: OrderToken,
    PathParam(OrderPath(id)): PathParam<OrderPath>,
    wait: Wait,
    input: Input<ReasonBody>,
) -> Result<Response, Problem> {
    let view = find(&app, &caller, &token, id).await?;
    let by = match &caller {
        Caller::Known { role: Role::Admin, sub } => Actor::Admin(sub.clone()),
        Caller::Known { role: Role::Operator, .. } if !is_owner(&app, &caller, &view).await? => {
            let detail = "an operator cannot cancel the order of somebody else; this needs the role admin";
            return Err(Problem::new(Code::Forbidden, detail));
        }
        Caller::Known { .. } | Caller::Guest => Actor::Customer,
    };
    let reason = input.body()?.reason.map(Into::into);
    decide(&app, view.order.id, Asked { verb: Verb::Cancel, reason }, &by, &wait).await
}

/// Does with an order what is asked, and responds with the order afterwards.
pub(super) async fn decide(
    app: &App,
    order: OrderId,
    asked: Asked,
    by: &Actor,
    wait: &Wait,
) -> Result<Response, Problem> {
    let act = asked.verb.action();
    answered(app, order, act, by, order::ask(&*app.store, order, asked, by).await?, wait).await
}

/// The response to what `by` asked of an order: its status, and the order.
pub(super) async fn answered(
    app: &App,
    order: OrderId,
    act: &'static str,
    by: &Actor,
    answer: Result<Answered, holdfast_saga::shop::answer::Conflict>,
    wait: &Wait,
) -> Result<Response, Problem> {
    let outcome = match &answer {
        Ok(Answered::Accepted(hint)) => {
            app.wake(&[*hint]);
            "accepted"
        }
        Ok(Answered::Done(_)) => "done",
        Ok(Answered::Already(_)) => "already so",
        Err(_) => "refused",
    };
    let why = answer.as_ref().err().map(ToString::to_string);
    tracing::info!(
        target: "holdfast::order",
        { order.id = order.number(), act, by = by.to_string(), outcome, why },
        "asked"
    );
    let view = app.store.order(order).await?;
    let status = match &answer {
        Ok(Answered::Accepted(_)) => StatusCode::ACCEPTED,
        Ok(Answered::Done(_) | Answered::Already(_)) => StatusCode::OK,
        Err(conflict) => {
            let status = view.as_ref().map(|view| view.order.status);
            return Err(Problem::from(conflict.clone()).with_order_status(status));
        }
    };
    let view = view.ok_or_else(Problem::internal)?;
    // A change of this request is counted here, a change of a saga by its worker.
    let is_cancelling = status == StatusCode::ACCEPTED && view.order.status == OrderStatus::Cancelling;
    if is_cancelling || matches!(answer, Ok(Answered::Done(_))) {
        app.metrics.order(view.order.status, view.order.method);
    }
    if status == StatusCode::ACCEPTED
        && let Some(done) = wait.for_outcome(app, order).await?
    {
        return Ok(wait.applied((StatusCode::OK, Json(OrderBody::new(&done)))));
    }
    let mut body = OrderBody::new(&view);
    // Nothing is pending of a saga that was quick; its 202 still says what was asked.
    if status == StatusCode::ACCEPTED && body.pending.is_none() {
        let verb = act.strip_prefix("order.").unwrap_or(act);
        body.pending = Some(PendingBody::new(verb, by, view.order.updated_at));
    }
    Ok(wait.applied((status, Json(body))))
}

/// Get the timeline of an order
///
/// An admin or an operator sees every entry, a buyer sees what matters to a buyer.
#[utoipa::path(get, operation_id = "get_order_timeline", path = "/v1/orders/{id}/timeline", tag = "orders", params(("id" = OrderPath, Path)),
    responses((status = OK, body = List<TimelineEntry>)), security(("bearer" = []), ("order_token" = [])))]
pub(super) async fn timeline(
    State(app): State<App>,
    caller: Caller,
    token: OrderToken,
    PathParam(OrderPath(id)): PathParam<OrderPath>,
    input: Input,
) -> Result<Json<List<TimelineEntry>>, Problem> {
    let order = find(&app, &caller, &token, id).await?.order.id;
    input.check()?;
    let mut story = Story::read(&*app.store, order).await?.ok_or_else(Problem::internal)?;
    story.audience = caller.audience();
    let items = timeline::timeline(&story).iter().map(TimelineEntry::from).collect();
    Ok(Json(List::whole(items)))
}
