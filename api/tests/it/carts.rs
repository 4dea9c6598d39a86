//! Carts over HTTP.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::fixture::{Shop, Who, card, cod, json_of, problem_of, text};

#[tokio::test(flavor = "multi_thread")]
async fn a_cart_is_filled_priced_and_emptied() {
    let shop = Shop::asleep().await;
    shop.stock("tee-01", 2_490, 5).await;
    let made = shop.post("/v1/carts", Who::Nobody).await;
    let location = made.headers()["location"].to_str().expect("a path").to_owned();
    let cart = json_of(made, StatusCode::CREATED).await;
    assert_eq!(
        (&cart["status"], &cart["totals"], &cart["items"]),
        (&json!("OPEN"), &json!(null), &json!([]))
    );
    let put = |sku: &str, quantity: u32| {
        let request = shop.ask(Method::PUT, &format!("{location}/items/{sku}"), Who::Nobody);
        async move { request.json(&json!({"quantity": quantity})).send().await.expect("an answer") }
    };
    json_of(put("tee-01", 1).await, StatusCode::OK).await;
    json_of(put("mug-01", 5).await, StatusCode::OK).await;
    let cart = json_of(put("mug-01", 2).await, StatusCode::OK).await;
    assert_eq!(cart["totals"]["total"]["amount_minor"], 2_490 + 2 * 1_299);
    assert_eq!(cart["items"].as_array().map(Vec::len), Some(2));
    for (sku, quantity, status, code) in [
        ("mug-01", 0, 422, "invalid_quantity"),
        ("mug-01", 10_001, 422, "invalid_quantity"),
        ("mug-01", u32::MAX, 422, "invalid_quantity"),
        ("nothing", 1, 422, "not_for_sale"),
    ] {
        problem_of(put(sku, quantity).await, status, code).await;
    }
    for body in
        [json!({"quantity": "1"}), json!({"quantity": 1.5}), json!({"quantity": 1, "price": 0}), json!([])]
    {
        let refused = shop.send(Method::PUT, &format!("{location}/items/mug-01"), Who::Nobody, body).await;
        problem_of(refused, 422, "invalid_body").await;
    }
    let path = format!("{location}/items/tee-01");
    for _ in 0..2 {
        let cart = shop.ask(Method::DELETE, &path, Who::Nobody).send().await.expect("an answer");
        assert_eq!(json_of(cart, StatusCode::OK).await["items"].as_array().map(Vec::len), Some(1));
    }
    let gone = shop.ask(Method::DELETE, &location, Who::Nobody).send().await.expect("an answer");
    assert_eq!(gone.status(), StatusCode::NO_CONTENT);
    problem_of(shop.get(&location, Who::Nobody).await, 404, "cart_not_found").await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guests_cart_joins_its_owners_when_they_log_in() {
    let shop = Shop::asleep().await;
    let carla = Who::Customer("carla");
    let (mine, guests) = (shop.cart(carla).await, shop.cart(Who::Nobody).await);
    let merged = json_of(shop.post(&format!("/v1/carts/{guests}/merge"), carla).await, StatusCode::OK).await;
    assert_eq!(text(&merged["id"]), mine);
    assert_eq!(merged["items"][0]["quantity"], 2);
    // F22: after a lost answer the same request gets it again, and nobody else does.
    for _ in 0..2 {
        let again = shop.post(&format!("/v1/carts/{guests}/merge"), carla).await;
        assert_eq!(json_of(again, StatusCode::OK).await, merged);
    }
    let others = shop.post(&format!("/v1/carts/{guests}/merge"), Who::Customer("mallory")).await;
    problem_of(others, 404, "cart_not_found").await;
    problem_of(shop.get(&format!("/v1/carts/{guests}"), Who::Nobody).await, 404, "cart_not_found").await;
    // Somebody without a cart of their own gets the guest's.
    let (dora, guests) = (Who::Customer("dora"), shop.cart(Who::Nobody).await);
    let merged = json_of(shop.post(&format!("/v1/carts/{guests}/merge"), dora).await, StatusCode::OK).await;
    assert_eq!(text(&merged["id"]), guests);
    problem_of(shop.get(&format!("/v1/carts/{guests}"), Who::Nobody).await, 404, "cart_not_found").await;
    problem_of(shop.post(&format!("/v1/carts/{guests}/merge"), carla).await, 404, "cart_not_found").await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guests_cart_is_its_first_known_editors() {
    let shop = Shop::asleep().await;
    let cart = shop.cart(Who::Nobody).await;
    let path = format!("/v1/carts/{cart}/items/mug-01");
    json_of(
        shop.send(Method::PUT, &path, Who::Customer("carla"), json!({"quantity": 3})).await,
        StatusCode::OK,
    )
    .await;
    problem_of(shop.get(&format!("/v1/carts/{cart}"), Who::Nobody).await, 404, "cart_not_found").await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f18_a_buyer_learns_what_is_short_and_is_shown_no_command() {
    let shop = Shop::open().await;
    shop.stock("tee-01", 2_490, 3).await;
    let carla = Who::Customer("carla");
    let cart = shop.cart(carla).await;
    let put = async |quantity: u32| {
        let path = format!("/v1/carts/{cart}/items/tee-01");
        let cart = json_of(
            shop.send(Method::PUT, &path, carla, json!({"quantity": quantity})).await,
            StatusCode::OK,
        )
        .await;
        let line =
            cart["items"].as_array().expect("items").iter().find(|item| item["sku"] == "tee-01").cloned();
        line.expect("the line")
    };
    let line = put(3).await;
    assert_eq!(
        (&line["available"], &line["in_stock"], &line["quantity_max"]),
        (&json!(true), &json!(true), &json!(3))
    );
    let line = put(4).await;
    assert_eq!(
        (&line["available"], &line["in_stock"], &line["quantity_max"]),
        (&json!(false), &json!(true), &json!(3))
    );
    let order = json_of(shop.check_out(&cart, "short", cod(), carla).await, StatusCode::CREATED).await;
    let id = text(&order["id"]);
    shop.until(&id, "CANCELLED").await;
    let timeline = json_of(shop.get(&format!("/v1/orders/{id}/timeline"), carla).await, StatusCode::OK).await;
    let shown = timeline["items"].to_string();
    assert!(shown.contains("there is not enough of tee-01 left"), "{shown}");
    let again = json_of(shop.get(&format!("/v1/carts/{cart}"), carla).await, StatusCode::OK).await;
    let available: Vec<_> =
        again["items"].as_array().expect("items").iter().map(|item| &item["available"]).collect();
    assert_eq!(available, [&json!(true), &json!(false)], "{again}");
    // An order that is stuck: the shop has to act, and its buyer hears so in plain English.
    let order = shop.order(card("tok_refund_fails"), carla).await;
    let id = text(&order["id"]);
    shop.until(&id, "CONFIRMED").await;
    let body = json!({"amount": {"amount_minor": 5, "currency": "EUR"}, "reason": "a test"});
    let refund = shop.ask(Method::POST, &format!("/v1/admin/orders/{id}/refund"), Who::Admin);
    let refund = refund.header("idempotency-key", "r").json(&body).send().await.expect("an answer");
    json_of(refund, StatusCode::ACCEPTED).await;
    let read = json_of(shop.get(&format!("/v1/orders/{id}"), carla).await, StatusCode::OK).await;
    assert_eq!((&read["pending"]["verb"], &read["pending"]["by"]), (&json!("refund"), &json!("shop")));
    let since = std::time::Instant::now();
    while json_of(shop.get(&format!("/v1/orders/{id}"), carla).await, StatusCode::OK).await["needs_attention"]
        .is_null()
    {
        assert!(since.elapsed().as_secs() < 30, "the refund does not die");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let refused = shop.post(&format!("/v1/orders/{id}/cancel"), carla).await;
    let shown = problem_of(refused, 409, "refund_under_way").await.to_string();
    assert!(!shown.contains("holdfast order") && !shown.contains('`'), "{shown}");
    shop.close().await;
}
