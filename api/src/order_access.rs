//! Who may see an order: its customer, its guest with the token, and whoever runs the shop.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use holdfast_contract::problem::Code;
use holdfast_contract::read_fields;
use holdfast_saga::records::view::OrderView;
use holdfast_shared::OrderId;
use uuid::Uuid;

use crate::app::App;
use crate::auth::Caller;
use crate::headers::X_ORDER_TOKEN;
use crate::input::parameters;
use crate::problem::Problem;

/// A guest's token for an order, from the header `X-Order-Token`.
#[derive(Debug, Clone, Default)]
pub(crate) struct OrderToken(Option<String>);

/// The same, from the header or from the query: a browser's `EventSource` cannot send headers. Only the event stream
/// accepts it in the query, because queries end up in logs.
#[derive(Debug)]
pub(crate) struct OrderTokenAnywhere(pub(crate) OrderToken);

/// The query of an event stream.
#[derive(Debug)]
pub(crate) struct StreamQuery {
    /// Read by [`OrderTokenAnywhere`] before anything else.
    #[expect(dead_code, reason = "it is named so that it is known")]
    order_token: Option<String>,
}

read_fields!(StreamQuery { order_token });

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
        let mut pairs = parameters(&parts.uri).into_iter();
        let in_query = pairs.find(|(name, _)| name == "order_token").map(|(_, token)| token);
        Ok(Self(OrderToken(token.or(in_query))))
    }
}

/// The order of this public id, if the caller may see it. For others it does not exist.
pub(crate) async fn find(
    app: &App,
    caller: &Caller,
    token: &OrderToken,
    id: Uuid,
) -> Result<OrderView, Problem> {
    let has_token = token.0.as_deref().is_some_and(|token| app.tokens.fits(token, id));
    if !has_token && caller.sub().is_none() {
        return Err(locked(token));
    }
    if has_token || caller.sees_all() {
        return find_any(app, id).await;
    }
    let number = OrderId::from_public(id).ok_or_else(|| missing(id))?;
    let (view, customer) = app.store.order_and_customer(number, &app.identity(caller.known()?)).await?;
    let own = view.filter(|view| view.public_id() == id && customer.is_some());
    own.filter(|view| view.order.customer == customer).ok_or_else(|| missing(id))
}

/// The order of this public id, for callers who may see every order.
pub(crate) async fn find_any(app: &App, id: Uuid) -> Result<OrderView, Problem> {
    let number = OrderId::from_public(id).ok_or_else(|| missing(id))?;
    app.store.order(number).await?.filter(|view| view.public_id() == id).ok_or_else(|| missing(id))
}

fn missing(id: Uuid) -> Problem {
    Problem::new(Code::OrderNotFound, format!("order {id} does not exist, or it is not yours"))
}

/// The refusal of a guest who has no token that fits.
fn locked(token: &OrderToken) -> Problem {
    if token.0.is_some() {
        let detail =
            "the order token is not that of this order; send the order_token from the answer to its checkout";
        return Problem::new(Code::InvalidOrderToken, detail);
    }
    let detail = "this request needs the token of the order: X-Order-Token: <order_token from the answer to its \
        checkout>; or, for the order of a customer, Authorization: Bearer <token>";
    Problem::new(Code::AuthenticationRequired, detail)
}

/// Whether the order is the caller's own.
pub(crate) async fn is_owner(app: &App, caller: &Caller, view: &OrderView) -> Result<bool, Problem> {
    match view.order.customer {
        Some(customer) => Ok(app.known_customer(caller).await? == Some(customer)),
        None => Ok(false),
    }
}
