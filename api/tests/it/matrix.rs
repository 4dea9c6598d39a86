//! Who may do what: every route, every kind of caller, the status they get.
//!
//! Pitfall 13 (IDOR). The table is held against the OpenAPI document, which is made of the routes that are
//! served: a route that is missing here fails the test.

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::fixture::{Shop, Who, card, checkout, cod, json_of, text};

/// What the callers of a row get, in the order of [`CALLERS`].
type Row = (&'static str, &'static str, [u16; 7]);

const OWNER: &str = "carla";
const CALLERS: [&str; 7] =
    ["none", "guest's token", "wrong token", "other customer", "owner", "admin", "operator"];

/// Orders and carts here belong to the customer carla; "guest's token" is the order token of another, a guest's,
/// order, sent along for carla's.
#[rustfmt::skip]
const TABLE: &[Row] = &[
    // method, path                                 none  guest wrong other owner admin operator
    ("POST",   "/v1/carts",                         [201, 201, 201, 201, 201, 201, 201]),
    ("GET",    "/v1/carts/{id}",                    [404, 404, 404, 404, 200, 404, 404]),
    ("PUT",    "/v1/carts/{id}/items/{sku}",        [404, 404, 404, 404, 200, 404, 404]),
    ("DELETE", "/v1/carts/{id}/items/{sku}",        [404, 404, 404, 404, 200, 404, 404]),
    ("POST",   "/v1/carts/{id}/merge",              [401, 401, 401, 404, 200, 404, 404]),
    ("DELETE", "/v1/carts/{id}",                    [404, 404, 404, 404, 204, 404, 404]),
    ("POST",   "/v1/checkout",                      [404, 404, 404, 404, 201, 404, 404]),
    ("GET",    "/v1/orders",                        [401, 401, 401, 200, 200, 200, 200]),
    ("GET",    "/v1/orders/{id}",                   [401, 401, 401, 404, 200, 200, 200]),
    ("GET",    "/v1/orders/{id}/timeline",          [401, 401, 401, 404, 200, 200, 200]),
    ("GET",    "/v1/orders/{id}/events",            [401, 401, 401, 404, 200, 200, 200]),
    ("POST",   "/v1/orders/{id}/cancel",            [401, 401, 401, 404, 202, 202, 403]),
    ("POST",   "/v1/admin/orders/{id}/confirm",     [401, 401, 401, 403, 403, 202, 403]),
    ("POST",   "/v1/admin/orders/{id}/reject",      [401, 401, 401, 403, 403, 202, 403]),
    ("POST",   "/v1/admin/orders/{id}/process",     [401, 401, 401, 403, 403, 409, 403]),
    ("POST",   "/v1/admin/orders/{id}/ship",        [401, 401, 401, 403, 403, 409, 403]),
    ("POST",   "/v1/admin/orders/{id}/deliver",     [401, 401, 401, 403, 403, 409, 403]),
    ("POST",   "/v1/admin/orders/{id}/cancel",      [401, 401, 401, 403, 403, 202, 403]),
    ("POST",   "/v1/admin/orders/{id}/refund",      [401, 401, 401, 403, 403, 409, 403]),
    ("GET",    "/v1/products",                      [200, 200, 200, 200, 200, 200, 200]),
    ("GET",    "/v1/products/{sku}",                [200, 200, 200, 200, 200, 200, 200]),
    ("PUT",    "/v1/admin/products/{sku}",          [401, 401, 401, 403, 403, 200, 403]),
    ("GET",    "/v1/admin/stock/{sku}",             [401, 401, 401, 403, 403, 200, 403]),
    ("POST",   "/v1/admin/stock/{sku}/adjust",      [401, 401, 401, 403, 403, 200, 403]),
    ("GET",    "/v1/notifications",                 [401, 401, 401, 200, 200, 200, 200]),
    ("POST",   "/v1/notifications/{id}/read",       [401, 401, 401, 404, 200, 404, 404]),
    ("GET",    "/v1/ops/sagas",                       [401, 401, 401, 403, 403, 403, 200]),
    ("GET",    "/v1/ops/sagas/{id}",                  [401, 401, 401, 403, 403, 403, 200]),
    ("POST",   "/v1/ops/sagas/{id}/retry",            [401, 401, 401, 403, 403, 403, 409]),
    ("POST",   "/v1/ops/sagas/{id}/signal",           [401, 401, 401, 403, 403, 403, 202]),
    ("POST",   "/v1/ops/sagas/{id}/cancel",           [401, 401, 401, 403, 403, 403, 202]),
    ("GET",    "/v1/ops/dead",                        [401, 401, 401, 403, 403, 403, 200]),
    ("GET",    "/v1/ops/dead/groups",                 [401, 401, 401, 403, 403, 403, 200]),
    ("POST",   "/v1/ops/dead/retry",                  [401, 401, 401, 403, 403, 403, 200]),
    ("POST",   "/v1/ops/dead/discard",                [401, 401, 401, 403, 403, 403, 200]),
    ("GET",    "/v1/ops/actions",                     [401, 401, 401, 403, 403, 403, 200]),
    ("GET",    "/v1/ops/queues",                      [401, 401, 401, 403, 403, 403, 200]),
    ("POST",   "/v1/ops/queues/{queue}/pause",        [401, 401, 401, 403, 403, 403, 200]),
    ("POST",   "/v1/ops/queues/{queue}/resume",       [401, 401, 401, 403, 403, 403, 200]),
    ("GET",    "/v1/ops/workers",                     [401, 401, 401, 403, 403, 403, 200]),
    ("GET",    "/v1/ops/audit",                       [401, 401, 401, 403, 403, 403, 200]),
    ("GET",    "/v1/problems",                      [200, 200, 200, 200, 200, 200, 200]),
    ("GET",    "/healthz",                          [200, 200, 200, 200, 200, 200, 200]),
    ("GET",    "/readyz",                           [200, 200, 200, 200, 200, 200, 200]),
];

#[test]
fn the_table_names_every_route_there_is() {
    let document: Value = serde_json::from_str(&holdfast_api::document()).expect("JSON");
    let methods = |(path, item): (&String, &Value)| {
        let item = item.as_object().expect("a path").clone();
        item.into_iter().map(|(method, _)| (method.to_uppercase(), path.clone())).collect::<Vec<_>>()
    };
    let served: BTreeSet<_> =
        document["paths"].as_object().expect("paths").iter().flat_map(methods).collect();
    let shown: BTreeSet<_> =
        TABLE.iter().map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned())).collect();
    assert_eq!(shown, served);
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_gets_what_is_theirs_and_nothing_else() {
    let working = Shop::open().await;
    let asleep = Shop::asleep().await;
    let mut wrong = Vec::new();
    for (method, path, expected) in TABLE {
        for (caller, expected) in CALLERS.into_iter().zip(expected) {
            // A message exists only where somebody works; an order that waits only where nobody does.
            let shop = if path.starts_with("/v1/notifications/") { &working } else { &asleep };
            let got = ask(shop, method, path, caller).await;
            if got.as_u16() != *expected {
                wrong.push(format!("{method} {path} by {caller}: {got}, {expected} expected"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    working.close().await;
    asleep.close().await;
}

/// Asks for a fresh thing of carla's each time, so that no row depends on another.
async fn ask(shop: &Shop, method: &str, path: &str, caller: &str) -> StatusCode {
    let who = match caller {
        "other customer" => Who::Customer("mallory"),
        "owner" => Who::Customer(OWNER),
        "admin" => Who::Admin,
        "operator" => Who::Operator,
        _ => Who::Nobody,
    };
    let owner = Who::Customer(OWNER);
    let mut body = json!({});
    let mut id = String::new();
    if path.starts_with("/v1/carts/") || path == "/v1/checkout" {
        id = shop.cart(owner).await;
        if path == "/v1/checkout" {
            body = checkout(&id, &card("tok_ok"));
        } else if path.contains("/items/") {
            body = json!({"quantity": 2});
        }
    } else if path.starts_with("/v1/notifications/") {
        let order = shop.order(card("tok_ok"), owner).await;
        shop.until(&text(&order["id"]), "CONFIRMED").await;
        id = format!("{}.1", order["number"]);
    } else if path.starts_with("/v1/ops/sagas/") {
        id = format!("{}.0", shop.order(cod(), owner).await["number"]);
        if path.ends_with("/signal") {
            body = json!({"signal": "confirmation"});
        }
    } else if path.starts_with("/v1/ops/dead/") {
        body = if path.ends_with("discard") {
            json!({"filter": {}, "reason": "a test"})
        } else {
            json!({"filter": {}})
        };
    } else if path.contains("orders/{id}") {
        id = text(&shop.order(cod(), owner).await["id"]);
        body = json!({"reason": "a test"});
    } else if path.ends_with("/adjust") {
        body = json!({"delta": 1, "reason": "a test"});
    } else if path.contains("/admin/products/") {
        body = json!({"name": "Mug", "price": {"amount_minor": 1_299, "currency": "EUR"}, "active": true});
    }
    let path = path.replace("{id}", &id).replace("{sku}", "mug-01").replace("{queue}", "notifications");
    let mut request = shop.ask(Method::from_bytes(method.as_bytes()).expect("a method"), &path, who);
    match caller {
        "guest's token" => {
            let theirs = shop.order(cod(), Who::Nobody).await;
            request = request.header("x-order-token", text(&theirs["order_token"]));
        }
        "wrong token" => request = request.header("x-order-token", "ot_00000000000000000000000000000000"),
        _ => {}
    }
    if method == "PUT" || method == "POST" {
        request = request.json(&body);
        if ["/v1/checkout", "/refund", "/adjust"].iter().any(|keyed| path.ends_with(keyed)) {
            request = request.header("idempotency-key", uuid());
        }
    }
    request.send().await.expect("an answer").status()
}

fn uuid() -> String {
    uuid::Uuid::new_v4().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_opens_their_own_order_with_its_token() {
    let shop = Shop::asleep().await;
    let order = shop.order(cod(), Who::Nobody).await;
    let (id, token) = (text(&order["id"]), text(&order["order_token"]));
    for path in ["", "/timeline"] {
        let path = format!("/v1/orders/{id}{path}");
        let opened = shop.ask(Method::GET, &path, Who::Nobody).header("x-order-token", &token).send().await;
        json_of(opened.expect("an answer"), StatusCode::OK).await;
        // A query ends up in logs: there it opens nothing but a stream.
        let asked = shop.get(&format!("{path}?order_token={token}"), Who::Nobody).await;
        assert_eq!(asked.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(shop.get(&path, Who::Nobody).await.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(shop.get(&path, Who::Customer("carla")).await.status(), StatusCode::NOT_FOUND);
    }
    let cancel = shop.ask(Method::POST, &format!("/v1/orders/{id}/cancel"), Who::Nobody);
    let cancelled = cancel.header("x-order-token", &token).send().await.expect("an answer");
    json_of(cancelled, StatusCode::ACCEPTED).await;
    shop.close().await;
}
