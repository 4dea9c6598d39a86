//! Carts over HTTP.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::fixture::{Shop, Who, json_of, problem_of, text};

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
        ("nothing", 1, 422, "not_for_sale"),
    ] {
        problem_of(put(sku, quantity).await, status, code).await;
    }
    for body in
        [json!({"quantity": -1}), json!({"quantity": 1.5}), json!({"quantity": 1, "price": 0}), json!([])]
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
