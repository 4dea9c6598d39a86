//! The problems that each operation can answer with.
//!
//! What follows from an operation's shape (who may call it, what it takes) is derived from the document; what its rules
//! refuse is in [`RULES`]. The tests check every refusal that they see against both.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use holdfast_contract::problem::{Code, PROBLEM_JSON};
use serde_json::json;
use utoipa::openapi::example::{Example, ExampleBuilder};
use utoipa::openapi::path::Operation;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Required, ResponseBuilder};

/// What every operation can refuse: the request is not of the form that it takes.
const REQUEST: [Code; 10] = [
    Code::MalformedJson,
    Code::InvalidBody,
    Code::InvalidQuery,
    Code::InvalidHeader,
    Code::InvalidRequest,
    Code::BodyIncomplete,
    Code::BodyTooLarge,
    Code::UnsupportedMediaType,
    Code::CardNumberRefused,
    Code::InvalidToken,
];
/// What every operation can fail with.
const SERVICE: [Code; 2] = [Code::Internal, Code::Timeout];
/// What every operation of the shop can fail with.
const SHOP: [Code; 3] = [Code::RateLimited, Code::Overloaded, Code::DatabaseUnavailable];

const CART: &[Code] = &[Code::CartNotFound, Code::CartInCheckout, Code::CartCleared];
const LINES: &[Code] = &[Code::InvalidQuantity, Code::TooManyLines, Code::MixedCurrencies];
const CANCEL: &[Code] = &[
    Code::OrderNotFound,
    Code::OrderShipped,
    Code::OrderNeedsAttention,
    Code::OrderInconsistent,
    Code::RefundUnderWay,
];
const DECIDE: &[Code] = &[
    Code::OrderNotFound,
    Code::OrderConfirmsItself,
    Code::OrderCancelled,
    Code::OrderBeingCancelled,
    Code::OrderShipped,
    Code::OrderConfirmed,
    Code::OrderDecided,
    Code::OrderNeedsAttention,
    Code::OrderInconsistent,
];
const FULFIL: &[Code] = &[
    Code::OrderNotFound,
    Code::OrderNotReady,
    Code::OrderBeingCancelled,
    Code::OrderCancelled,
    Code::OrderNeedsAttention,
    Code::OrderInconsistent,
];
const SAGA: &[Code] = &[Code::SagaNotFound, Code::SagaConflict];

/// What the rules behind an operation refuse, by its id.
const RULES: &[(&str, &[&[Code]])] = &[
    ("get_cart", &[&[Code::CartNotFound]]),
    ("delete_cart", &[CART]),
    ("put_cart_item", &[CART, LINES, &[Code::NotForSale]]),
    ("remove_cart_item", &[CART]),
    ("merge_cart", &[CART, LINES]),
    (
        "check_out",
        &[
            CART,
            LINES,
            &[
                Code::CartChanged,
                Code::CartEmpty,
                Code::DuplicateLine,
                Code::TotalTooLarge,
                Code::TokenMissing,
                Code::PaymentMethodMissing,
                Code::PaymentMethodUnavailable,
                Code::PaymentMethodDown,
                Code::AmountNotPayable,
                Code::IdempotencyInProgress,
                Code::TooManyPendingOrders,
                Code::Stopping,
            ],
        ],
    ),
    ("get_order", &[&[Code::OrderNotFound]]),
    ("get_order_timeline", &[&[Code::OrderNotFound]]),
    ("stream_order_events", &[&[Code::OrderNotFound, Code::TooManyStreams]]),
    ("cancel_order", &[CANCEL, &[Code::OrderInPreparation, Code::Forbidden]]),
    ("cancel_order_as_admin", &[CANCEL]),
    ("confirm_order", &[DECIDE]),
    ("reject_order", &[DECIDE]),
    ("process_order", &[FULFIL]),
    ("ship_order", &[FULFIL]),
    ("deliver_order", &[FULFIL]),
    (
        "refund_order",
        &[
            FULFIL,
            &[
                Code::InvalidAmount,
                Code::NothingToRefund,
                Code::RefundTooLarge,
                Code::RefundUnderWay,
                Code::RefundCurrency,
                Code::RefundNotPayable,
                Code::RefundSettledByHand,
                Code::RefundsUsedUp,
            ],
        ],
    ),
    ("get_product", &[&[Code::ProductNotFound]]),
    ("put_product", &[&[Code::ProductChanged, Code::InvalidName, Code::InvalidPrice, Code::InvalidCurrency]]),
    ("get_stock", &[&[Code::StockNotFound]]),
    (
        "adjust_stock",
        &[&[
            Code::StockNotFound,
            Code::StockChanged,
            Code::StockReserved,
            Code::NothingToAdjust,
            Code::TooMany,
        ]],
    ),
    ("mark_notification_read", &[&[Code::NotificationNotFound]]),
    ("get_saga", &[&[Code::SagaNotFound]]),
    ("retry_saga", &[SAGA]),
    ("signal_saga", &[SAGA, DECIDE]),
    ("cancel_saga", &[SAGA, CANCEL]),
    ("run_audit", &[&[Code::AuditRunning]]),
    ("retry_dead_letters", &[&[Code::InvalidCursor]]),
    ("discard_dead_letters", &[&[Code::InvalidCursor]]),
    ("readyz", &[&[Code::NotReady]]),
];

/// Adds the responses of all problems of an operation.
pub(super) fn describe(path: &str, operation: &mut Operation) {
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in codes(path, operation) {
        by_status.entry(code.status()).or_default().push(code);
    }
    for (status, mut codes) in by_status {
        codes.sort_unstable();
        codes.dedup();
        operation.responses.responses.insert(status.to_string(), response(&codes).into());
    }
}

/// The problem of each code, as an example.
pub(super) fn examples() -> BTreeMap<String, RefOr<Example>> {
    Code::ALL.iter().map(|code| (code.as_str().to_owned(), example(*code).into())).collect()
}

fn response(codes: &[Code]) -> utoipa::openapi::Response {
    let names: Vec<_> = codes.iter().map(|code| format!("`{}`", code.as_str())).collect();
    let examples = codes.iter().map(|code| {
        let at = format!("#/components/examples/{}", code.as_str());
        (code.as_str(), RefOr::<Example>::Ref(Ref::new(at)))
    });
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .examples_from_iter(examples)
        .build();
    ResponseBuilder::new().description(names.join(", ")).content(PROBLEM_JSON, content).build()
}

fn codes(path: &str, operation: &Operation) -> Vec<Code> {
    let id = operation.operation_id.as_deref().unwrap_or_default();
    let mut codes: Vec<Code> = REQUEST.into_iter().chain(SERVICE).collect();
    if path.starts_with("/v1/") {
        codes.extend(SHOP);
    }
    if path.contains('{') {
        codes.push(Code::NotFound);
    }
    let security = serde_json::to_value(&operation.security).unwrap_or_default();
    let ways: Vec<_> = security.as_array().into_iter().flatten().filter_map(|way| way.as_object()).collect();
    if !ways.is_empty() && ways.iter().all(|way| !way.is_empty()) {
        codes.push(Code::AuthenticationRequired);
    }
    if ways.iter().any(|way| way.contains_key("order_token")) {
        codes.push(Code::InvalidOrderToken);
    }
    let has_role = |tag: &String| tag == "admin" || tag == "ops";
    if operation.tags.iter().flatten().any(has_role) {
        codes.push(Code::Forbidden);
    }
    for parameter in operation.parameters.iter().flatten() {
        let RefOr::T(parameter) = parameter else { continue };
        match parameter.name.as_str() {
            "cursor" => codes.push(Code::InvalidCursor),
            "If-Match" | "If-None-Match" => codes.push(Code::InvalidPrecondition),
            "Idempotency-Key" => {
                codes.extend([Code::IdempotencyKeyMalformed, Code::IdempotencyKeyReused]);
                if matches!(parameter.required, Required::True) {
                    codes.push(Code::IdempotencyKeyMissing);
                }
            }
            _ => {}
        }
    }
    let rules =
        RULES.iter().filter(|(of, _)| *of == id).flat_map(|(_, lists)| lists.iter().copied().flatten());
    codes.extend(rules);
    codes
}

fn example(code: Code) -> Example {
    let status = StatusCode::from_u16(code.status()).unwrap_or_default();
    let mut problem = json!({
        "type": format!("urn:holdfast:problem:{}", code.as_str()),
        "title": status.canonical_reason().unwrap_or("Error"),
        "status": code.status(),
        "code": code.as_str(),
        "detail": code.example(),
        "request_id": "01890a5d-ac96-774b-bcce-b302099a8057",
    });
    if let Some(errors) = errors(code) {
        problem["errors"] = errors;
    }
    ExampleBuilder::new().summary(code.meaning()).value(Some(problem)).build()
}

/// The faults of an example.
fn errors(code: Code) -> Option<serde_json::Value> {
    let fault = |place: &str, at: &str, code: Code| json!({place: at, "code": code.as_str(), "detail": code.example()});
    Some(match code {
        Code::InvalidBody => json!([fault("pointer", "/quantity", Code::Missing)]),
        Code::InvalidQuery => json!([fault("parameter", "limt", Code::UnknownParameter)]),
        Code::InvalidHeader => json!([fault("header", "Idempotency-Key", Code::UnexpectedHeader)]),
        Code::InvalidRequest => json!([
            fault("header", "Idempotency-Key", Code::IdempotencyKeyMissing),
            fault("pointer", "/contact/email", Code::Invalid),
            fault("pointer", "/payment/tokn", Code::UnknownField),
            fault("pointer", "/shipping_address/city", Code::Missing),
        ]),
        Code::MalformedJson => json!([fault("pointer", "", code)]),
        Code::CardNumberRefused => json!([fault("pointer", "/notes", code)]),
        Code::InvalidCursor => json!([fault("parameter", "cursor", code)]),
        Code::InvalidPrecondition => json!([fault("header", "If-Match", code)]),
        Code::IdempotencyKeyMissing | Code::IdempotencyKeyMalformed | Code::IdempotencyKeyReused => {
            json!([fault("header", "Idempotency-Key", code)])
        }
        Code::InvalidQuantity => json!([fault("pointer", "/quantity", code)]),
        Code::InvalidAmount | Code::RefundNotPayable => {
            json!([fault("pointer", "/amount/amount_minor", code)])
        }
        Code::RefundCurrency => json!([fault("pointer", "/amount/currency", code)]),
        Code::InvalidName => json!([fault("pointer", "/name", code)]),
        Code::InvalidPrice => json!([fault("pointer", "/price/amount_minor", code)]),
        Code::InvalidCurrency => json!([fault("pointer", "/price/currency", code)]),
        Code::TokenMissing => json!([fault("pointer", "/payment/token", code)]),
        Code::PaymentMethodMissing | Code::PaymentMethodUnavailable | Code::AmountNotPayable => {
            json!([fault("pointer", "/payment/method", code)])
        }
        Code::CartEmpty
        | Code::DuplicateLine
        | Code::TotalTooLarge
        | Code::TooManyLines
        | Code::MixedCurrencies => json!([fault("pointer", "/cart_id", code)]),
        Code::NothingToAdjust | Code::TooMany => json!([fault("pointer", "/delta", code)]),
        _ => return None,
    })
}
