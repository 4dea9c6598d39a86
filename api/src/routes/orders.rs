//! Orders, for those they belong to and those who run the shop.

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use holdfast_saga::records::view::{OrderFilter, OrderView};
use holdfast_saga::shop::answer::Answered;
use holdfast_saga::shop::order::{Verb, ask};
use holdfast_saga::timeline::{self, Story};
use holdfast_shared::{Actor, OrderId, OrderStatus, PaymentMethod};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::app::App;
use crate::auth::{Caller, Role};
use crate::body::List;
use crate::body::list::Page;
use crate::body::order::{OrderBody, OrderDetails, TimelineEntry};
use crate::edge::X_ORDER_TOKEN;
use crate::extract::{PathParam, QueryParams};
use crate::problem::Problem;

/// What shows that a guest may see an order: its token, in a header.
#[derive(Debug, Clone, Default)]
pub(super) struct OrderToken(Option<String>);

/// The same, or in the query: a browser's `EventSource` can send no header. Nowhere else: queries end up in logs.
#[derive(Debug)]
pub(super) struct GuestKeyAnywhere(pub(super) OrderToken);

#[derive(Debug, Deserialize)]
struct TokenParam {
    order_token: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for OrderToken {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let token = parts.headers.get(X_ORDER_TOKEN).and_then(|token| token.to_str().ok());
        Ok(Self(token.map(str::to_owned)))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for GuestKeyAnywhere {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let OrderToken(token) = OrderToken::from_request_parts(parts, state).await?;
        let QueryParams(TokenParam { order_token }) = QueryParams::from_request_parts(parts, state).await?;
        Ok(Self(OrderToken(token.or(order_token))))
    }
}

/// The order of this public id, if the caller may see it. To others it does not exist.
pub(super) async fn find(
    app: &App,
    caller: &Caller,
    key: &OrderToken,
    id: Uuid,
) -> Result<OrderView, Problem> {
    let missing =
        || Problem::not_found("order_not_found", format!("there is no order {id}, or it is not yours"));
    let opened = key.0.as_deref().is_some_and(|token| app.tokens.fits(token, id));
    if !opened {
        caller.known()?;
    }
    let number = OrderId::from_public(id).ok_or_else(missing)?;
    let view = app.store.order(number).await?.filter(|view| view.public_id() == id).ok_or_else(missing)?;
    let owned = view.order.customer.is_some() && view.order.customer.as_deref() == caller.sub();
    if opened || owned || caller.sees_all() { Ok(view) } else { Err(missing()) }
}

/// Which orders to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Only in this state.
    status: Option<OrderStatus>,
    /// Only paid this way.
    payment_method: Option<PaymentMethod>,
    /// Only those that wait for an operator, or only those that do not.
    needs_attention: Option<bool>,
    /// How many at most.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(format = Uuid)]
    cursor: Option<String>,
}

/// List orders, newest first
///
/// A customer sees their own, an admin or operator everybody's.
#[utoipa::path(get, operation_id = "list_orders", path = "/v1/orders", tag = "orders", params(ListQuery),
    responses((status = OK, body = List<OrderBody>)), security(("bearer" = [])))]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    QueryParams(wanted): QueryParams<ListQuery>,
) -> Result<Json<List<OrderBody>>, Problem> {
    let own = caller.known()?.to_owned();
    let page = Page { limit: wanted.limit, cursor: wanted.cursor };
    let limit = page.read()?;
    let filter = OrderFilter {
        status: wanted.status,
        method: wanted.payment_method,
        needs_attention: wanted.needs_attention,
        customer: (!caller.sees_all()).then_some(own),
        before: page.after(|cursor| OrderId::from_public(cursor.parse().ok()?))?,
        limit,
        ..OrderFilter::default()
    };
    let views = app.store.orders(&filter).await?;
    Ok(Json(List::page(views, limit, |view| view.public_id().to_string(), OrderBody::new)))
}

/// Show one order
#[utoipa::path(get, operation_id = "show_order", path = "/v1/orders/{id}", tag = "orders", params(("id" = Uuid, Path)),
    responses((status = OK, body = OrderDetails)), security(("bearer" = []), ("order_token" = [])))]
pub(super) async fn show(
    State(app): State<App>,
    caller: Caller,
    key: OrderToken,
    PathParam(id): PathParam<Uuid>,
) -> Result<Json<OrderDetails>, Problem> {
    Ok(Json(OrderDetails::new(&find(&app, &caller, &key, id).await?)))
}

/// Cancel an order
///
/// Before it is confirmed its saga unwinds; after, a cancellation of its own gives money and goods back. 202: it
/// will happen. 200: it is cancelled already, or about to be. 409: too late, and why.
#[utoipa::path(post, operation_id = "cancel_order", path = "/v1/orders/{id}/cancel", tag = "orders", params(("id" = Uuid, Path)),
    responses((status = ACCEPTED, body = OrderBody), (status = OK, body = OrderBody)),
    security(("bearer" = []), ("order_token" = [])))]
pub(super) async fn cancel(
    State(app): State<App>,
    caller: Caller,
    key: OrderToken,
    PathParam(id): PathParam<Uuid>,
) -> Result<(StatusCode, Json<OrderBody>), Problem> {
    let view = find(&app, &caller, &key, id).await?;
    let by = match &caller {
        Caller::Known { role: Role::Admin, sub } => Actor::Admin(sub.clone()),
        Caller::Known { role: Role::Operator, .. } if view.order.customer.as_deref() != caller.sub() => {
            let words = "an operator runs Holdfast; an admin decides about orders";
            return Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", words));
        }
        Caller::Known { .. } | Caller::Guest => Actor::Customer,
    };
    decide(&app, view.order.id, Verb::Cancel, &by).await
}

/// Asks `verb` of an order, and answers with what is true of it then.
pub(super) async fn decide(
    app: &App,
    order: OrderId,
    verb: Verb,
    by: &Actor,
) -> Result<(StatusCode, Json<OrderBody>), Problem> {
    answered(app, order, ask(&*app.store, order, verb, by).await?).await
}

/// What came of asking, as a status and the order.
pub(super) async fn answered(
    app: &App,
    order: OrderId,
    answer: Result<Answered, holdfast_saga::shop::answer::Conflict>,
) -> Result<(StatusCode, Json<OrderBody>), Problem> {
    if let Ok(Answered::Accepted(hint)) = &answer {
        app.hurry(&[*hint]);
    }
    let view = app.store.order(order).await?;
    let status = match &answer {
        Ok(Answered::Accepted(_)) => StatusCode::ACCEPTED,
        Ok(Answered::Done(_) | Answered::Already(_)) => StatusCode::OK,
        Err(conflict) => {
            let standing = view.as_ref().map(|view| view.order.status);
            return Err(Problem::from(conflict.clone()).with_order_status(standing));
        }
    };
    let view = view.ok_or_else(Problem::internal)?;
    // What was done at once is counted here; what a saga does, by its worker.
    let begins = status == StatusCode::ACCEPTED && view.order.status == OrderStatus::Cancelling;
    if begins || matches!(answer, Ok(Answered::Done(_))) {
        app.metrics.order(view.order.status, view.order.method);
    }
    Ok((status, Json(OrderBody::new(&view))))
}

/// Tell what happened to an order, in words
///
/// An admin or operator is told everything, a buyer what became of their order.
#[utoipa::path(get, operation_id = "tell_order", path = "/v1/orders/{id}/timeline", tag = "orders", params(("id" = Uuid, Path)),
    responses((status = OK, body = List<TimelineEntry>)), security(("bearer" = []), ("order_token" = [])))]
pub(super) async fn timeline(
    State(app): State<App>,
    caller: Caller,
    key: OrderToken,
    PathParam(id): PathParam<Uuid>,
) -> Result<Json<List<TimelineEntry>>, Problem> {
    let order = find(&app, &caller, &key, id).await?.order.id;
    let mut story = Story::read(&*app.store, order).await?.ok_or_else(Problem::internal)?;
    story.audience = caller.audience();
    let items = timeline::timeline(&story).iter().map(TimelineEntry::from).collect();
    Ok(Json(List { items, next_cursor: None }))
}
