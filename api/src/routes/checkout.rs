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
use crate::extract::JsonBody;
use crate::headers::{IDEMPOTENCY_KEY, IDEMPOTENT_REPLAYED};
use crate::middleware::request_id::origin;
use crate::problem::Problem;
use holdfast_contract::checkout::CheckoutBody;
use holdfast_contract::order::OrderDetails;

/// The route, as part of the scope of idempotency keys.
const ROUTE: &str = "POST /v1/checkout";
/// The longest idempotency key.
const KEY_MAX: usize = 255;

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
    JsonBody(body): JsonBody<CheckoutBody>,
) -> Result<Response, Problem> {
    let key = idempotency_key(&headers)?;
    let customer = app.customer(&caller).await?;
    let may_place = app.admission.is_open();
    let request = CheckoutRequest { may_place, ..request_of(customer, key, origin(&headers), body) };
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

/// The idempotency key, with or without the quotes of a structured field.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<&str, Problem> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let missing = || {
        let detail = "the header Idempotency-Key is missing; send a fresh UUID, and the same one when you repeat the request";
        Problem::bad_request("idempotency_key_missing", detail)
    };
    let value = values.next().ok_or_else(missing)?;
    let malformed = || {
        let detail = format!(
            "Idempotency-Key must be one value of 1 to {KEY_MAX} printable ASCII characters without blanks"
        );
        Problem::bad_request("idempotency_key_malformed", detail)
    };
    let text = value.to_str().map_err(|_| malformed())?.trim();
    let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let fits = (1..=KEY_MAX).contains(&bare.len())
        && bare.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"')
        && values.next().is_none();
    if fits { Ok(bare) } else { Err(malformed()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[&'static str], expected: Result<&str, &str>) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(IDEMPOTENCY_KEY, HeaderValue::from_static(value));
        }
        let parsed = idempotency_key(&headers).map_err(|problem| format!("{problem:?}"));
        match expected {
            Ok(key) => assert_eq!(parsed, Ok(key), "{values:?}"),
            Err(code) => {
                let is_refused = parsed.as_ref().is_err_and(|problem| problem.contains(code));
                assert!(is_refused, "{values:?}: {parsed:?}");
            }
        }
    }

    #[test]
    fn a_key_is_one_printable_word_quoted_or_not() {
        check(&["abc-1"], Ok("abc-1"));
        check(&["\"abc-1\""], Ok("abc-1"));
        check(&[], Err("idempotency_key_missing"));
        for malformed in ["", "\"\"", "a b", "\"a", "a\"b"] {
            check(&[malformed], Err("idempotency_key_malformed"));
        }
        check(&["a", "b"], Err("idempotency_key_malformed"));
    }
}
