//! The OpenAPI document says what is served: it is kept beside the code, and what it shows as examples works.

use std::collections::BTreeSet;
use std::path::Path;

use holdfast_contract::cart::CartBody;
use holdfast_contract::order::{OrderBody, OrderDetails};
use holdfast_contract::problem::ProblemBody;
use reqwest::StatusCode;
use serde_json::Value;

use crate::fixture::{Shop, Who, document};

/// `HOLDFAST_UPDATE_OPENAPI=1` writes it anew.
#[test]
fn the_document_is_the_one_beside_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let document = holdfast_api::document() + "\n";
    if std::env::var_os("HOLDFAST_UPDATE_OPENAPI").is_some() {
        std::fs::write(&path, &document).expect("a writable checkout");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == document, "api/openapi.json is another one; HOLDFAST_UPDATE_OPENAPI=1 writes it anew");
}

/// `HOLDFAST_UPDATE_ERRORS=1` writes it anew.
#[test]
fn f17_the_page_about_errors_is_the_catalogue() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/errors.md");
    let page = holdfast_api::errors_page();
    if std::env::var_os("HOLDFAST_UPDATE_ERRORS").is_some() {
        std::fs::write(&path, &page).expect("a writable checkout");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == page, "docs/errors.md is another one; HOLDFAST_UPDATE_ERRORS=1 writes it anew");
}

/// Every object of the document with its place.
fn walk<'a>(value: &'a Value, at: &str, visit: &mut dyn FnMut(&str, &'a Value)) {
    visit(at, value);
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| walk(value, &format!("{at}/{name}"), visit));
        }
        Value::Array(values) => {
            values.iter().enumerate().for_each(|(n, value)| walk(value, &format!("{at}/{n}"), visit));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// What OpenAPI 3.1 demands, and what its readers stumble over.
#[test]
fn f45_the_document_is_valid() {
    let document = document();
    assert!(document["info"]["title"].is_string() && document["info"]["version"].is_string());
    let (mut refs, mut ids) = (BTreeSet::new(), BTreeSet::new());
    walk(document, "", &mut |at, value| {
        if let Some(to) = value.as_str().filter(|_| at.ends_with("/$ref")) {
            let pointer = to.strip_prefix('#').unwrap_or_else(|| panic!("{at}: {to} leads elsewhere"));
            assert!(document.pointer(pointer).is_some(), "{at}: {to} leads nowhere");
            refs.insert(to.to_owned());
        }
    });
    for (path, item) in document["paths"].as_object().expect("paths") {
        let named: BTreeSet<&str> =
            path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
        for (method, operation) in item.as_object().expect("operations") {
            let what = format!("{method} {path}");
            assert!(
                ids.insert(operation["operationId"].as_str().expect("an id")),
                "{what}: its id is used twice"
            );
            let parameters: Vec<&Value> = operation["parameters"].as_array().into_iter().flatten().collect();
            let in_path: BTreeSet<&str> = parameters
                .iter()
                .filter(|parameter| parameter["in"] == "path")
                .map(|parameter| parameter["name"].as_str().expect("a name"))
                .collect();
            assert_eq!(in_path, named, "{what}: the parameters of its path");
            let all: BTreeSet<_> =
                parameters.iter().map(|one| (one["in"].as_str(), one["name"].as_str())).collect();
            assert_eq!(all.len(), parameters.len(), "{what}: a parameter twice");
            for parameter in &parameters {
                assert!(parameter["schema"].is_object(), "{what}: {parameter} has no schema");
                assert!(parameter["in"] != "path" || parameter["required"] == true, "{what}: {parameter}");
            }
            assert!(method != "get" || operation["requestBody"].is_null(), "{what} has a body");
            let responses = operation["responses"].as_object().expect("responses");
            assert!(responses.keys().any(|status| status.starts_with('2')), "{what} never succeeds");
            for (status, response) in responses {
                let description = response["description"].as_str().unwrap_or_default();
                assert!(!description.is_empty(), "{what} {status} has no description");
                assert!(
                    status.len() == 3 && status.bytes().all(|byte| byte.is_ascii_digit()),
                    "{what} {status}"
                );
            }
            for status in ["400", "401", "422", "500"] {
                assert!(responses.contains_key(status), "{what} does not name {status}");
            }
        }
    }
    for (kind, things) in document["components"].as_object().expect("components") {
        if kind == "securitySchemes" {
            continue;
        }
        for name in things.as_object().expect("things").keys() {
            let used = refs.contains(&format!("#/components/{kind}/{name}"));
            assert!(used, "{kind} {name} is used by nothing");
        }
    }
    for operation in
        document["paths"].as_object().expect("paths").values().filter_map(|item| item.as_object()).flatten()
    {
        for way in operation.1["security"].as_array().into_iter().flatten() {
            for scheme in way.as_object().expect("a way").keys() {
                assert!(
                    document["components"]["securitySchemes"].get(scheme).is_some(),
                    "{scheme} is no scheme"
                );
            }
        }
    }
}

/// A client that is generated reads what is shown: the examples are of the types that they show.
#[test]
fn f45_examples_are_true() {
    let schemas = &document()["components"]["schemas"];
    let example = |name: &str| {
        let found = &schemas[name]["example"];
        assert!(found.is_object(), "{name} has no example");
        found.clone()
    };
    let order: OrderBody = serde_json::from_value(example("Order")).expect("an order");
    assert_eq!(serde_json::to_value(&order).expect("JSON"), example("Order"));
    let details: OrderDetails = serde_json::from_value(example("OrderDetails")).expect("an order");
    assert_eq!(details.order, order);
    let sum: i64 = order.lines.iter().map(|line| line.total.amount_minor).sum();
    assert_eq!(sum, order.totals.total.amount_minor);
    for line in &order.lines {
        assert_eq!(line.unit_price.amount_minor * i64::from(line.quantity), line.total.amount_minor);
    }
    assert!(order.cancel_reason.is_none() && !order.status.is_pending());
    let cart: CartBody = serde_json::from_value(example("Cart")).expect("a cart");
    assert_eq!(serde_json::to_value(&cart).expect("JSON"), example("Cart"));
    let sum: i64 = cart.items.iter().filter_map(|item| item.total).map(|total| total.amount_minor).sum();
    assert_eq!(cart.totals.expect("totals").total.amount_minor, sum);
    for (name, example) in document()["components"]["examples"].as_object().expect("examples") {
        let problem: ProblemBody = serde_json::from_value(example["value"].clone()).expect("a problem");
        assert_eq!((&problem.code, problem.kind), (name, format!("urn:holdfast:problem:{name}")));
    }
}

#[test]
fn every_operation_is_described_with_its_problems() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            assert!(operation["summary"].is_string(), "{method} {path} has no summary");
            assert!(operation["security"].is_array(), "{method} {path} does not say who may");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_served_and_read_without_any_other_host() {
    let shop = Shop::asleep().await;
    let served: Value = shop.get("/openapi.json", Who::Nobody).await.json().await.expect("JSON");
    let known: Value = serde_json::from_str(&holdfast_api::document()).expect("JSON");
    assert_eq!(served, known);
    let page = shop.get("/docs/", Who::Nobody).await;
    assert_eq!(page.status(), StatusCode::OK);
    // Without this header the page is blank: the API forbids loading anything by default.
    let policy = page.headers()["content-security-policy"].to_str().expect("text").to_owned();
    assert!(policy.starts_with("default-src 'self'"), "{policy}");
    let html = page.text().await.expect("a page");
    for attribute in ["src=\"http", "href=\"http", "src=\"//", "href=\"//"] {
        assert!(!html.contains(attribute), "{html}");
    }
    for script in ["swagger-initializer.js", "swagger-ui-bundle.js", "swagger-ui.css"] {
        assert_eq!(
            shop.get(&format!("/docs/{script}"), Who::Nobody).await.status(),
            StatusCode::OK,
            "{script}"
        );
    }
    shop.close().await;
}
