//! Who may see an order: its customer, its guest with the token, and whoever runs the shop.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use holdfast_saga::records::view::OrderView;
use holdfast_shared::OrderId;
use serde::Deserialize;
use uuid::Uuid;

use crate::app::App;
use crate::auth::Caller;
use crate::extract::QueryParams;
use crate::headers::X_ORDER_TOKEN;
use crate::problem::Problem;

/// A guest's token for an order, from the header `X-Order-Token`.
#[derive(Debug, Clone, Default)]
pub(crate) struct OrderToken(Option<String>);

/// The same, from the header or from the query: a browser's `EventSource` cannot send headers. Only the event stream
/// accepts it in the query, because queries end up in logs.
#[derive(Debug)]
pub(crate) struct OrderTokenAnywhere(pub(crate) OrderToken);

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

impl<S: Send + Sync> FromRequestParts<S> for OrderTokenAnywhere {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let OrderToken(token) = OrderToken::from_request_parts(parts, state).await?;
        let QueryParams(TokenParam { order_token }) = QueryParams::from_request_parts(parts, state).await?;
        Ok(Self(OrderToken(token.or(order_token))))
    }
}

/// The order of this public id, if the caller may see it. For others it does not exist.
pub(crate) async fn find(
    app: &App,
    caller: &Caller,
    token: &OrderToken,
    id: Uuid,
) -> Result<OrderView, Problem> {
    let missing =
        || Problem::not_found("order_not_found", format!("order {id} does not exist, or it is not yours"));
    let has_token = token.0.as_deref().is_some_and(|token| app.tokens.fits(token, id));
    if !has_token {
        caller.known()?;
    }
    let number = OrderId::from_public(id).ok_or_else(missing)?;
    let view = app.store.order(number).await?.filter(|view| view.public_id() == id).ok_or_else(missing)?;
    let may_see = has_token || caller.sees_all() || is_owner(app, caller, &view).await?;
    if may_see { Ok(view) } else { Err(missing()) }
}

/// Whether the order is the caller's own.
pub(crate) async fn is_owner(app: &App, caller: &Caller, view: &OrderView) -> Result<bool, Problem> {
    match view.order.customer {
        Some(customer) => Ok(app.known_customer(caller).await? == Some(customer)),
        None => Ok(false),
    }
}
