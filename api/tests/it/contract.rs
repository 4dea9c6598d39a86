//! The OpenAPI document says what is served: it is kept beside the code, and what it shows as examples works.

use std::path::Path;

use reqwest::StatusCode;
use serde_json::Value;

use crate::fixture::{Shop, Who};

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

#[test]
fn every_operation_is_described_with_its_problems() {
    let document: Value = serde_json::from_str(&holdfast_api::document()).expect("JSON");
    assert_eq!(document["openapi"], "3.1.0");
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            assert!(operation["summary"].is_string(), "{method} {path} has no summary");
            assert!(operation["responses"]["default"].is_object(), "{method} {path} has no problems");
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
