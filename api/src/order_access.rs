//! Who may see an order: its customer, its guest with the token, and whoever runs the shop.

use std::borrow::Cow;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use holdfast_contract::order_key::OrderKey;
use holdfast_contract::problem::Code;
use holdfast_contract::read_fields;
use holdfast_saga::records::view::OrderView;
use serde::Deserialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

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

/// An order as a path names it.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct OrderPath(pub(crate) OrderKey);

impl TryFrom<String> for OrderPath {
    type Error = String;

    /// A number has one spelling: `01042` and `+1042` are none.
    fn try_from(text: String) -> Result<Self, String> {
        match text.parse()? {
            OrderKey::Number(number) if number.to_string() != text => Err(format!("{text} is not a number")),
            key => Ok(Self(key)),
        }
    }
}

impl PartialSchema for OrderPath {
    fn schema() -> RefOr<Schema> {
        let uuid = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}";
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(
                "The id of an order. Those who run the shop may use its number as well, such as 1042.",
            ))
            .pattern(Some(format!("^({uuid}|[1-9][0-9]{{0,12}})$")))
            .examples(["01890a5d-ac96-774b-bcce-b302099a8057"])
            .into()
    }
}

impl ToSchema for OrderPath {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("OrderKey")
    }
}

/// The order of this id, if the caller may see it. For others it does not exist. Numbers can be guessed, so they name
/// orders only to those who may see all of them.
pub(crate) async fn find(
    app: &App,
    caller: &Caller,
    token: &OrderToken,
    key: OrderKey,
) -> Result<OrderView, Problem> {
    if caller.sees_all() {
        return find_any(app, key).await;
    }
    let OrderKey::Public(id) = key else {
        return Err(if caller.sub().is_some() { missing(key) } else { locked(token) });
    };
    if token.0.as_deref().is_some_and(|token| app.tokens.fits(token, id)) {
        return find_any(app, key).await;
    }
    let Some(sub) = caller.sub() else { return Err(locked(token)) };
    let number = key.number().ok_or_else(|| missing(key))?;
    let (view, customer) = app.store.order_and_customer(number, &app.identity(sub)).await?;
    let own = view.filter(|view| key.names(view) && customer.is_some());
    own.filter(|view| view.order.customer == customer).ok_or_else(|| missing(key))
}

/// The order of this id, for callers who may see every order.
pub(crate) async fn find_any(app: &App, key: OrderKey) -> Result<OrderView, Problem> {
    key.find(&*app.store).await?.ok_or_else(|| missing(key))
}

fn missing(key: OrderKey) -> Problem {
    Problem::new(Code::OrderNotFound, format!("order {key} does not exist, or it is not yours"))
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
