//! The checkout: one request, one order, however often it is sent.

use axum::Json;
use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use holdfast_saga::records::Order;
use holdfast_saga::shop::checkout::{CheckoutRequest, digest};

use crate::app::App;
use crate::auth::Caller;
use crate::body::checkout::CheckoutBody;
use crate::body::order::OrderDetails;
use crate::edge::{IDEMPOTENCY_KEY, IDEMPOTENT_REPLAYED};
use crate::extract::JsonBody;
use crate::problem::Problem;

/// The route, as far as keys are scoped to it.
const ROUTE: &str = "POST /v1/checkout";
/// Longer keys are none that a generator makes.
const KEY_MAX: usize = 255;

/// Check a cart out
///
/// The order is accepted and will end fully done, fully undone, or visibly stuck with a next move. Repeat the
/// request with the same `Idempotency-Key` whenever the answer got lost: the answer will be the same, byte by
/// byte, with the header `Idempotent-Replayed: true`. Keys are remembered for at least 24 hours, for each caller
/// (a guest's: for each cart).
#[utoipa::path(post, operation_id = "check_out", path = "/v1/checkout", tag = "checkout", request_body = CheckoutBody,
    params(("Idempotency-Key" = String, Header, min_length = 1, max_length = 255,
        description = "A fresh name for this request, such as a UUID; quotes around it are optional")),
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
    let request = CheckoutRequest { may_place: app.admission.is_open(), ..asked(&caller, key, body) };
    let customer = request.customer.is_some();
    let accepted = app.checkout_intake.accept(request).await??;
    let (order, replayed) = match accepted.placed {
        Some(placed) => (placed, accepted.replayed),
        None => (placed_before(&app, accepted.order).await?.into(), true),
    };
    Ok(answer(&app, &order, customer, replayed))
}

fn asked(caller: &Caller, key: &str, body: CheckoutBody) -> CheckoutRequest {
    // What the request says, however it was written down.
    let said = serde_json::to_string(&body).unwrap_or_default();
    let cart = body.cart_id.to_string();
    let scope = match caller.sub() {
        Some(sub) => ["customer", sub],
        None => ["guest", &cart],
    };
    CheckoutRequest {
        key: digest(&[ROUTE, scope[0], scope[1], key]),
        body: digest(&[&said]),
        cart: body.cart_id,
        customer: caller.sub().map(str::to_owned),
        method: body.payment.method,
        token: body.payment.token.map(Into::into),
        contact: body.contact.into(),
        shipping_address: body.shipping_address.into(),
        expected_total: body.expected_total,
        notes: body.notes.map(Into::into),
        may_place: true,
    }
}

async fn placed_before(app: &App, order: holdfast_shared::OrderId) -> Result<Order, Problem> {
    let view = app.store.order(order).await?;
    view.map(|view| view.order).ok_or_else(|| {
        tracing::error!("order {order} is gone, its idempotency key is not");
        Problem::internal()
    })
}

/// Depends on the order as it was accepted alone, so every answer to one key is the same.
fn answer(app: &App, order: &Order, customer: bool, replayed: bool) -> Response {
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

/// The key, with or without the quotes that make it a structured field.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<&str, Problem> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let missing = || {
        let words = "the header Idempotency-Key is missing; send a fresh UUID, and the same one when you repeat the request";
        Problem::bad_request("idempotency_key_missing", words)
    };
    let value = values.next().ok_or_else(missing)?;
    let malformed = || {
        let words = format!(
            "Idempotency-Key must be one value of 1 to {KEY_MAX} printable ASCII characters without blanks"
        );
        Problem::bad_request("idempotency_key_malformed", words)
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
        let told = idempotency_key(&headers).map_err(|problem| format!("{problem:?}"));
        match expected {
            Ok(key) => assert_eq!(told, Ok(key), "{values:?}"),
            Err(code) => {
                assert!(told.as_ref().is_err_and(|told| told.contains(code)), "{values:?}: {told:?}");
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
