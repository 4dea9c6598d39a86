//! Strict at the door: nothing that is sent is swallowed, and all that is wrong is listed at once.

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::fixture::{Shop, Who, card, checkout, cod, document, json_of, problem_of, text};

/// An operation of the document.
struct Operation {
    method: Method,
    path: String,
    described: &'static Value,
}

impl Operation {
    fn all() -> Vec<Self> {
        let mut operations = Vec::new();
        for (path, item) in document()["paths"].as_object().expect("paths") {
            for (method, described) in item.as_object().expect("operations") {
                let method = Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method");
                operations.push(Self { method, path: path.clone(), described });
            }
        }
        operations
    }

    fn takes(&self, kind: &str, name: &str) -> bool {
        let mut parameters = self.described["parameters"].as_array().into_iter().flatten();
        parameters.any(|parameter| parameter["in"] == kind && parameter["name"] == name)
    }

    /// Who may call it.
    fn caller(&self) -> Who {
        match self.path.as_str() {
            path if path.starts_with("/v1/ops") => Who::Operator,
            path if path.starts_with("/v1/carts") || path.starts_with("/v1/notifications") => {
                Who::Customer("carla")
            }
            _ => Who::Admin,
        }
    }
}

/// What the paths of a shop can name.
struct Things {
    cart: String,
    order: String,
    number: String,
}

impl Things {
    async fn of(shop: &Shop) -> Self {
        let carla = Who::Customer("carla");
        let order = shop.order(cod(), carla).await;
        Self { cart: shop.cart(carla).await, order: text(&order["id"]), number: order["number"].to_string() }
    }

    fn path(&self, operation: &Operation) -> String {
        let id = match operation.path.as_str() {
            path if path.contains("/carts/") => self.cart.clone(),
            path if path.contains("/sagas/") => format!("{}.0", self.number),
            path if path.contains("/notifications/") => format!("{}.1", self.number),
            _ => self.order.clone(),
        };
        operation.path.replace("{id}", &id).replace("{sku}", "mug-01").replace("{queue}", "notifications")
    }
}

/// The places of all faults of a problem, each with its code.
fn faults(problem: &Value) -> BTreeSet<(String, String)> {
    let place = |fault: &Value| {
        let places = ["pointer", "parameter", "header"];
        text(places.iter().map(|place| &fault[place]).find(|place| place.is_string()).expect("a place"))
    };
    let faults = problem["errors"].as_array().unwrap_or_else(|| panic!("no errors: {problem}"));
    faults.iter().map(|fault| (place(fault), text(&fault["code"]))).collect()
}

pub(crate) fn assert_has(problem: &Value, place: &str, code: &str) {
    assert!(faults(problem).contains(&(place.to_owned(), code.to_owned())), "{place} {code}: {problem:#}");
}

async fn problem(request: reqwest::RequestBuilder, what: &str) -> Value {
    let answer = request.send().await.expect("an answer");
    let status = answer.status().as_u16();
    assert!(status == 400 || status == 422, "{what}: {status}: {}", answer.text().await.unwrap_or_default());
    let code = |problem: &Value| text(&problem["code"]);
    let (url, text) = (answer.url().clone(), answer.text().await.expect("a body"));
    let problem: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{url}: {error}: {text}"));
    assert!(
        ["invalid_body", "invalid_query", "invalid_header", "invalid_request"]
            .contains(&code(&problem).as_str())
    );
    for rust in ["u32", "i64", "struct ", "enum ", "variant", "Option<", "serde", "deserial"] {
        assert!(!text.contains(rust), "{what}: {rust} in {text}");
    }
    problem
}

#[tokio::test(flavor = "multi_thread")]
async fn f15_no_operation_swallows_what_it_does_not_know() {
    let shop = Shop::asleep().await;
    let things = Things::of(&shop).await;
    let operations = Operation::all();
    assert!(operations.len() > 40);
    for operation in &operations {
        // A stream has no message in this shop to be read of; everything else exists.
        if operation.path.contains("/notifications/") {
            continue;
        }
        let (path, what) = (things.path(operation), format!("{} {}", operation.method, operation.path));
        let ask = |path: &str| shop.ask(operation.method.clone(), path, operation.caller());
        for unknown in ["bogus", "q", "e-mail"] {
            let shown = problem(ask(&format!("{path}?{unknown}=mug")), &what).await;
            assert_has(&shown, unknown, "unknown_parameter");
        }
        if operation.takes("query", "limit") {
            let shown = problem(ask(&format!("{path}?limit=5&limit=5")), &what).await;
            assert_has(&shown, "limit", "duplicate_parameter");
        }
        for (header, value) in [("Idempotency-Key", "k-1"), ("If-Match", "\"1\""), ("If-None-Match", "*")] {
            let is_conditional_read = operation.method == Method::GET && header.starts_with("If-");
            if operation.takes("header", header) || is_conditional_read {
                continue;
            }
            let answer = ask(&path).header(header, value);
            let shown = answer.send().await.expect("an answer");
            // A read without a version to compare takes no condition either, but needs not refuse it.
            let shown: Value = shown.json().await.expect("JSON");
            assert_has(&shown, header, "unexpected_header");
        }
        // A body is read, or refused, whether or not the operation has one.
        let shown = problem(ask(&path).json(&json!({"nonsense": 1})), &what).await;
        assert_has(&shown, "/nonsense", "unknown_field");
        let shown = problem(ask(&path).json(&json!([])), &what).await;
        assert_has(&shown, "", "wrong_type");
    }
    // Nothing was changed by any of it.
    let order =
        json_of(shop.get(&format!("/v1/orders/{}", things.order), Who::Admin).await, StatusCode::OK).await;
    assert_eq!(order["status"], "PENDING_CONFIRMATION");
    let level = json_of(shop.get("/v1/admin/stock/mug-01", Who::Admin).await, StatusCode::OK).await;
    assert_eq!(level["on_hand"], 100);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f15_what_a_verb_cannot_keep_is_refused_by_name_and_a_reason_is_kept() {
    let shop = Shop::open().await;
    let order = shop.order(cod(), Who::Nobody).await;
    let id = text(&order["id"]);
    let ask = |verb: &str, body: &Value| {
        shop.ask(Method::POST, &format!("/v1/admin/orders/{id}/{verb}"), Who::Admin).json(body).send()
    };
    for (verb, body, fields) in [
        (
            "ship",
            json!({"carrier": "DHL", "tracking_number": "00340434161234567890"}),
            vec!["/carrier", "/tracking_number"],
        ),
        (
            "deliver",
            json!({"amount_collected": {"amount_minor": 1, "currency": "EUR"}}),
            vec!["/amount_collected"],
        ),
        ("process", json!({"priority": "high", "reason": "a gift"}), vec!["/priority"]),
        ("reject", json!({"why": "fraud"}), vec!["/why"]),
    ] {
        let shown = problem_of(ask(verb, &body).await.expect("an answer"), 422, "invalid_body").await;
        let expected = fields.iter().map(|field| ((*field).to_owned(), "unknown_field".to_owned())).collect();
        assert_eq!(faults(&shown), expected);
    }
    for (verb, reason, status) in [
        ("confirm", " Ada called\tback ", "CONFIRMED"),
        ("process", "the last one on the shelf; reason: none", "PROCESSING"),
        ("ship", "picked up by hand", "SHIPPED"),
    ] {
        assert!(ask(verb, &json!({"reason": reason})).await.expect("an answer").status().is_success());
        shop.until(&id, status).await;
    }
    let timeline =
        json_of(shop.get(&format!("/v1/orders/{id}/timeline"), Who::Admin).await, StatusCode::OK).await;
    let shown = timeline["items"].to_string();
    for reason in [
        "because: Ada called back",
        "because: the last one on the shelf; reason: none",
        "because: picked up by hand",
    ] {
        assert!(shown.contains(reason), "{reason}: {shown}");
    }
    // A buyer may say why, too; the shop reads it, the buyer is not shown what the shop said.
    let order = shop.order(cod(), Who::Customer("carla")).await;
    let path = format!("/v1/orders/{}/cancel", text(&order["id"]));
    let body = json!({"reason": "found it cheaper"});
    json_of(shop.send(Method::POST, &path, Who::Customer("carla"), body).await, StatusCode::ACCEPTED).await;
    for (who, is_shown) in [(Who::Admin, true), (Who::Customer("carla"), false)] {
        let path = format!("/v1/orders/{}/timeline", text(&order["id"]));
        let shown = json_of(shop.get(&path, who).await, StatusCode::OK).await.to_string();
        assert_eq!(shown.contains("found it cheaper"), is_shown, "{shown}");
    }
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f15_an_adjustment_that_is_repeated_under_its_key_is_booked_once() {
    let shop = Shop::asleep().await;
    let ask = |key: &'static str, delta: i64| {
        let request = shop.ask(Method::POST, "/v1/admin/stock/mug-01/adjust", Who::Admin);
        request.header("idempotency-key", key).json(&json!({"delta": delta, "reason": "delivery"})).send()
    };
    let answers = futures_util::future::join_all((0..20).map(|_| ask("delivery-7", 5))).await;
    let mut replayed = 0;
    for answer in answers {
        let answer = answer.expect("an answer");
        replayed += usize::from(answer.headers().contains_key("idempotent-replayed"));
        assert_eq!(json_of(answer, StatusCode::OK).await["on_hand"], 105);
    }
    assert_eq!(replayed, 19);
    problem_of(ask("delivery-7", 6).await.expect("an answer"), 422, "idempotency_key_reused").await;
    assert_eq!(json_of(ask("delivery-8", 5).await.expect("an answer"), StatusCode::OK).await["on_hand"], 110);
    problem_of(ask("delivery 9", 5).await.expect("an answer"), 400, "idempotency_key_malformed").await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f16_the_parsers_laxity_is_not_the_contract() {
    let shop = Shop::asleep().await;
    let cart = shop.cart(Who::Nobody).await;
    let send = |path: &str, method: Method, body: &str| {
        let request = shop.ask(method, path, Who::Admin).header("content-type", "application/json");
        request.body(body.to_owned()).send()
    };
    let product = "/v1/admin/products/cup-01";
    for (body, place, code) in [
        (r#"{"name": "Cup", "price": [5, "EUR"]}"#, "/price", "wrong_type"),
        (r#"["cup-01", "Cup", [5, "EUR"], true]"#, "", "wrong_type"),
        (
            r#"{"name": "Cup", "name": "Mug", "price": {"amount_minor": 5, "currency": "EUR"}}"#,
            "/name",
            "duplicate_field",
        ),
        (
            r#"{"name": "Cup", "price": {"amount_minor": 5, "currency": "EUR", "currency": "JPY"}}"#,
            "/price/currency",
            "duplicate_field",
        ),
        (
            r#"{"name": "Cup", "price": {"amount_minor": 5, "currency": "EUR", "vat": 1}}"#,
            "/price/vat",
            "unknown_field",
        ),
        (
            r#"{"name": "Cup", "price": {"amount_minor": 5.5, "currency": "EUR"}}"#,
            "/price/amount_minor",
            "wrong_type",
        ),
        (
            r#"{"name": "Cup", "price": {"amount_minor": 5, "currency": "EUR"}, "active": "yes"}"#,
            "/active",
            "wrong_type",
        ),
        (
            r#"{"name": "Cup", "price": {"amount_minor": 99999999999999999999, "currency": "EUR"}}"#,
            "/price/amount_minor",
            "wrong_type",
        ),
        ("null", "", "wrong_type"),
        ("\"\"", "", "wrong_type"),
    ] {
        let answer = send(product, Method::PUT, body).await.expect("an answer");
        assert_has(&problem_of(answer, 422, "invalid_body").await, place, code);
    }
    for malformed in ["{} {}", "{}x", "{", "{\"name\": \"Cup\",}", "\u{feff}{}", "{'name': 'Cup'}"] {
        problem_of(send(product, Method::PUT, malformed).await.expect("an answer"), 400, "malformed_json")
            .await;
    }
    let array =
        format!(r#"["{cart}", ["cod"], ["ada@example.com"], ["A", "1 Way", null, "B", null, "1", "US"]]"#);
    let request = shop.ask(Method::POST, "/v1/checkout", Who::Nobody).header("idempotency-key", "k");
    let answer = request.header("content-type", "application/json").body(array).send().await;
    assert_has(&problem_of(answer.expect("an answer"), 422, "invalid_body").await, "", "wrong_type");
    // Neither does a body of another type pass where none is needed.
    let merge =
        shop.ask(Method::POST, "/v1/carts", Who::Nobody).header("content-type", "text/plain").body("{}");
    problem_of(merge.send().await.expect("an answer"), 415, "unsupported_media_type").await;
    let form = shop
        .ask(Method::POST, "/v1/carts", Who::Nobody)
        .header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(
        form.send().await.expect("an answer").status(),
        StatusCode::CREATED,
        "without a body its type says nothing"
    );
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f17_everything_that_is_wrong_is_listed_at_once() {
    let shop = Shop::asleep().await;
    let cart = shop.cart(Who::Nobody).await;
    let mut body = checkout(&cart, &card("tok_ok"));
    body["contact"]["email"] = json!("nobody");
    body["shipping_address"]["country"] = json!("UK");
    body["payment"]["tokn"] = json!("x");
    let bare = shop.send(Method::POST, "/v1/checkout?coupon=SAVE", Who::Nobody, body).await;
    let shown = problem_of(bare, 422, "invalid_request").await;
    let expected = [
        ("Idempotency-Key", "idempotency_key_missing"),
        ("coupon", "unknown_parameter"),
        ("/contact/email", "invalid"),
        ("/shipping_address/country", "invalid"),
        ("/payment/tokn", "unknown_field"),
    ];
    let expected = expected.map(|(place, code)| (place.to_owned(), code.to_owned()));
    assert_eq!(faults(&shown), expected.into_iter().collect());
    let shown = shop
        .send(Method::PUT, "/v1/admin/products/mug-01", Who::Admin, json!({"price": {}, "active": 1}))
        .await;
    let shown = problem_of(shown, 422, "invalid_body").await;
    for (place, code) in [
        ("/name", "missing"),
        ("/price/amount_minor", "missing"),
        ("/price/currency", "missing"),
        ("/active", "wrong_type"),
    ] {
        assert_has(&shown, place, code);
    }
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f17_who_may_not_ask_hears_nothing_of_the_request() {
    let shop = Shop::asleep().await;
    let order = shop.order(cod(), Who::Customer("carla")).await;
    let (id, cart) = (text(&order["id"]), shop.cart(Who::Customer("carla")).await);
    let wrong = json!({"nonsense": 1});
    let mallory = Who::Customer("mallory");
    let sent = async |method, path: &str, who| {
        shop.send(method, &format!("{path}?bogus=1"), who, wrong.clone()).await
    };
    for path in [
        "/v1/admin/products/mug-01",
        "/v1/admin/orders/x/ship",
        "/v1/ops/dead/retry",
        "/v1/ops/queues/x/pause",
    ] {
        let method = || if path.contains("products") { Method::PUT } else { Method::POST };
        problem_of(sent(method(), path, Who::Nobody).await, 401, "authentication_required").await;
        problem_of(sent(method(), path, mallory).await, 403, "forbidden").await;
    }
    problem_of(
        sent(Method::PUT, &format!("/v1/carts/{cart}/items/mug-01"), mallory).await,
        404,
        "cart_not_found",
    )
    .await;
    problem_of(sent(Method::POST, &format!("/v1/carts/{cart}/merge"), mallory).await, 404, "cart_not_found")
        .await;
    problem_of(sent(Method::POST, &format!("/v1/orders/{id}/cancel"), mallory).await, 404, "order_not_found")
        .await;
    problem_of(sent(Method::GET, "/v1/orders", Who::Nobody).await, 401, "authentication_required").await;
    problem_of(sent(Method::POST, "/v1/admin/stock/none/adjust", Who::Admin).await, 404, "stock_not_found")
        .await;
    problem_of(sent(Method::POST, "/v1/ops/sagas/999.0/signal", Who::Operator).await, 404, "saga_not_found")
        .await;
    // A guest hears of the token that a guest has.
    let bare =
        problem_of(shop.get(&format!("/v1/orders/{id}"), Who::Nobody).await, 401, "authentication_required")
            .await;
    assert!(text(&bare["detail"]).contains("X-Order-Token"), "{bare}");
    let wrong =
        shop.ask(Method::GET, &format!("/v1/orders/{id}"), Who::Nobody).header("x-order-token", "ot_0");
    problem_of(wrong.send().await.expect("an answer"), 401, "invalid_order_token").await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f17_the_catalogue_is_served() {
    let shop = Shop::asleep().await;
    let listed = json_of(shop.get("/v1/problems", Who::Nobody).await, StatusCode::OK).await;
    let codes = listed["items"].as_array().expect("items");
    assert_eq!(codes.len(), holdfast_contract::problem::Code::ALL.len());
    let empty = codes.iter().find(|code| code["code"] == "cart_empty").expect("a code");
    assert_eq!(empty["status"], 422);
    assert!(!text(&empty["meaning"]).is_empty() && !text(&empty["action"]).is_empty());
    shop.close().await;
}
