//! Who becomes known as a customer, and whose their things are.

use holdfast_saga::records::Identity;
use holdfast_shared::CustomerId;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::fixture::{Shop, Who, card, json_of, problem_of, text};

async fn known(shop: &Shop, issuer: &str, sub: &str) -> Option<CustomerId> {
    let identity = Identity { issuer: issuer.to_owned(), sub: sub.to_owned() };
    shop.store.known_customer(&identity).await.expect("the store answers")
}

#[tokio::test(flavor = "multi_thread")]
async fn s10_reading_makes_nobody_a_customer() {
    let shop = Shop::asleep().await;
    let dora = Who::Customer("dora");
    let carlas = shop.order(card("tok_ok"), Who::Customer("carla")).await;
    let guests_cart = shop.cart(Who::Nobody).await;
    let order = format!("/v1/orders/{}", text(&carlas["id"]));
    for (path, status) in [
        ("/v1/orders".to_owned(), 200),
        ("/v1/notifications".to_owned(), 200),
        (format!("/v1/carts/{guests_cart}"), 200),
        (order.clone(), 404),
        (format!("{order}/timeline"), 404),
        (format!("{order}/events"), 404),
    ] {
        let answer = shop.get(&path, dora).await;
        assert_eq!(answer.status().as_u16(), status, "{path}");
        assert_eq!(known(&shop, "holdfast", "dora").await, None, "{path}");
    }
    problem_of(shop.post(&format!("{order}/cancel"), dora).await, 404, "order_not_found").await;
    problem_of(shop.post("/v1/notifications/1.1/read", dora).await, 404, "notification_not_found").await;
    assert_eq!(known(&shop, "holdfast", "dora").await, None);
    // A caller without a customer record sees an empty list, not everybody's orders.
    let listed = json_of(shop.get("/v1/orders", dora).await, StatusCode::OK).await;
    assert_eq!(listed["items"], json!([]));

    shop.cart(dora).await;
    let id = known(&shop, "holdfast", "dora").await;
    assert!(id.is_some());
    let mine = shop.order(card("tok_ok"), dora).await;
    let listed = json_of(shop.get("/v1/orders", dora).await, StatusCode::OK).await;
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(listed["items"][0]["id"], mine["id"]);
    assert_eq!(known(&shop, "holdfast", "dora").await, id, "one id for good");
    // What was a guest's is theirs once they edit it.
    let (cart, item) = (format!("/v1/carts/{guests_cart}"), format!("/v1/carts/{guests_cart}/items/mug-01"));
    json_of(shop.send(Method::PUT, &item, dora, json!({"quantity": 2})).await, StatusCode::OK).await;
    problem_of(shop.get(&cart, Who::Customer("carla")).await, 404, "cart_not_found").await;
    shop.close().await;
}
