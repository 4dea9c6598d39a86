//! The checkout: one order for one key, however often the request is sent.

use axum::Json;
use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use holdfast_saga::records::Order;
use holdfast_saga::records::context::Origin;
use holdfast_saga::shop::checkout::{CheckoutRequest, digest};
use holdfast_shared::CustomerId;

use crate::app::App;
use crate::auth::Caller;
use crate::headers::IDEMPOTENT_REPLAYED;
use crate::input::{IdempotencyKey, Input};
use crate::middleware::request_id::origin;
use crate::problem::Problem;
use holdfast_contract::checkout::CheckoutBody;
use holdfast_contract::input::Nothing;
use holdfast_contract::order::OrderDetails;

/// The route, as part of the scope of idempotency keys.
const ROUTE: &str = "POST /v1/checkout";

/// Check a cart out
///
/// The order is accepted, and will end fully done, fully undone, or visibly stuck with a next move. If the answer got
/// lost, repeat the request with the same `Idempotency-Key`: you get the same answer, byte by byte, with the header
/// `Idempotent-Replayed: true`. Keys are stored for at least 24 hours, per customer or, for guests, per cart.
#[utoipa::path(post, operation_id = "check_out", path = "/v1/checkout", tag = "checkout", request_body = CheckoutBody,
    params(("Idempotency-Key" = String, Header, min_length = 1, max_length = 255,
        description = "A new key for this checkout, such as a UUID; quotes around it are optional")),
    responses(
        (status = CREATED, body = OrderDetails, headers(("Location" = String), ("Idempotent-Replayed" = String)))),
    security((), ("bearer" = [])))]
pub(super) async fn check_out(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    input: Input<CheckoutBody, Nothing, IdempotencyKey>,
) -> Result<Response, Problem> {
    let (body, _, IdempotencyKey(key)) = input.check()?;
    let customer = app.customer(&caller).await?;
    let may_place = app.admission.is_open();
    let request = CheckoutRequest { may_place, ..request_of(customer, &key, origin(&headers), body) };
    let accepted = app.checkout_intake.accept(request).await??;
    let (order, replayed) = match accepted.placed {
        Some(placed) => (placed, accepted.replayed),
        None => (placed_before(&app, accepted.order).await?.into(), true),
    };
    Ok(respond(&app, &order, customer.is_some(), replayed))
}

fn request_of(
    customer: Option<CustomerId>,
    key: &str,
    origin: Origin,
    body: CheckoutBody,
) -> CheckoutRequest {
    // The content of the request, independent of its formatting.
    let text = serde_json::to_string(&body).unwrap_or_default();
    let (scope, owner) = match customer {
        Some(customer) => ("customer", customer.0),
        None => ("guest", body.cart_id.0),
    };
    CheckoutRequest {
        key: digest(&[ROUTE, scope, &owner.to_string(), key]),
        body: digest(&[&text]),
        cart: body.cart_id,
        customer,
        method: body.payment.method,
        token: body.payment.token.map(Into::into),
        contact: body.contact.into(),
        shipping_address: body.shipping_address.into(),
        expected_total: body.expected_total,
        notes: body.notes.map(Into::into),
        origin,
        may_place: true,
    }
}

async fn placed_before(app: &App, order: holdfast_shared::OrderId) -> Result<Order, Problem> {
    let view = app.store.order(order).await?;
    view.map(|view| view.order).ok_or_else(|| {
        tracing::error!("order {order} does not exist, but its idempotency key does");
        Problem::internal()
    })
}

/// Depends only on the order as it was accepted, so all answers to one key are equal.
fn respond(app: &App, order: &Order, customer: bool, replayed: bool) -> Response {
    let public = order.id.public(order.accepted_at);
    let token = (!customer).then(|| app.tokens.of(public));
    let location = format!("/v1/orders/{public}");
    let body = Json(OrderDetails::accepted(order, token));
    let mut response = (StatusCode::CREATED, [(LOCATION, location)], body).into_response();
    if replayed {
        response.headers_mut().insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
    }
    response
}
