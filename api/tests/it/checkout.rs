//! The checkout's promises: one key, one order, one answer.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::fixture::{Shop, Who, card, checkout, cod, json_of, problem_of, text};

#[tokio::test(flavor = "multi_thread")]
async fn a_cart_becomes_an_order_that_is_confirmed() {
    let shop = Shop::open().await;
    let cart = shop.cart(Who::Nobody).await;
    let answer = shop.check_out(&cart, "first", card("tok_ok"), Who::Nobody).await;
    let location = answer.headers()["location"].to_str().expect("a path").to_owned();
    let order = json_of(answer, StatusCode::CREATED).await;
    assert_eq!(location, format!("/v1/orders/{}", text(&order["id"])));
    assert_eq!(order["status"], "PENDING_PAYMENT");
    assert_eq!(order["totals"]["total"], json!({"amount_minor": 1_299, "currency": "EUR"}));
    assert!(text(&order["order_token"]).starts_with("ot_"));
    let order = shop.until(&text(&order["id"]), "CONFIRMED").await;
    assert_eq!(order["payment"]["status"], "CAPTURED");
    let cart = json_of(shop.get(&format!("/v1/carts/{cart}"), Who::Nobody).await, StatusCode::OK).await;
    assert_eq!(cart["status"], "CLEARED");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declined_card_cancels_the_order_and_gives_the_stock_back() {
    let shop = Shop::open().await;
    let order = shop.order(card("tok_declined"), Who::Nobody).await;
    let order = shop.until(&text(&order["id"]), "CANCELLED").await;
    assert_eq!(order["cancel_reason"], "payment_declined");
    let level = json_of(shop.get("/v1/admin/stock/mug-01", Who::Admin).await, StatusCode::OK).await;
    assert_eq!((&level["on_hand"], &level["reserved"]), (&json!(100), &json!(0)));
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn m14_an_order_that_costs_nothing_has_no_payment() {
    let shop = Shop::open().await;
    let free = json!({"name": "Mug", "price": {"amount_minor": 0, "currency": "EUR"}, "active": true});
    shop.send(Method::PUT, "/v1/admin/products/mug-01", Who::Admin, free).await;
    for payment in [card("tok_declined"), cod(), json!({"method": "card"}), json!({"method": "none"})] {
        let cart = shop.cart(Who::Nobody).await;
        let asked = async || shop.check_out(&cart, "free", payment.clone(), Who::Nobody).await;
        let order = json_of(asked().await, StatusCode::CREATED).await;
        assert_eq!(
            (&order["payment_method"], &order["payment"]),
            (&json!("none"), &json!(null)),
            "{payment}"
        );
        let confirmed = shop.until(&text(&order["id"]), "CONFIRMED").await;
        assert_eq!(confirmed["payment"], json!(null), "{payment}");
        assert_eq!(json_of(asked().await, StatusCode::CREATED).await, order, "{payment}");
        let path = format!("/v1/admin/orders/{}/confirm", text(&order["id"]));
        problem_of(shop.post(&path, Who::Admin).await, 409, "order_confirms_itself").await;
    }
    let listed = json_of(shop.get("/v1/orders?payment_method=none", Who::Admin).await, StatusCode::OK).await;
    assert_eq!(listed["items"].as_array().expect("a list").len(), 4);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn m14_a_cart_that_costs_something_must_be_paid() {
    let shop = Shop::asleep().await;
    let cart = shop.cart(Who::Nobody).await;
    let refused = shop.check_out(&cart, "unpaid", json!({"method": "none"}), Who::Nobody).await;
    problem_of(refused, 422, "payment_method_missing").await;
    shop.close().await;
}

/// Pitfall 9.
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_requests_with_one_key_get_one_answer_byte_by_byte() {
    let shop = Shop::open().await;
    let cart = shop.cart(Who::Nobody).await;
    let asked = (0..100).map(|_| async {
        let answer = shop.check_out(&cart, "one", card("tok_ok"), Who::Nobody).await;
        assert_eq!(answer.status(), StatusCode::CREATED);
        let replayed = answer.headers().contains_key("idempotent-replayed");
        (replayed, answer.bytes().await.expect("a body"))
    });
    let mut answers = futures_util::future::join_all(asked).await;
    // Later, when everything about the order has changed, the answer still has not.
    let id = text(&serde_json::from_slice::<serde_json::Value>(&answers[0].1).expect("JSON")["id"]);
    shop.until(&id, "CONFIRMED").await;
    let again = shop.check_out(&cart, "one", card("tok_ok"), Who::Nobody).await;
    answers.push((again.headers().contains_key("idempotent-replayed"), again.bytes().await.expect("a body")));
    assert_eq!(answers.iter().filter(|(replayed, _)| !replayed).count(), 1, "one of them made the order");
    assert!(answers.iter().all(|(_, body)| *body == answers[0].1), "all bodies are the same");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_needed_and_its_own_request_only() {
    let shop = Shop::asleep().await;
    let cart = shop.cart(Who::Nobody).await;
    let bare = shop.send(Method::POST, "/v1/checkout", Who::Nobody, checkout(&cart, &card("tok_ok"))).await;
    problem_of(bare, 400, "idempotency_key_missing").await;
    let blank = shop.check_out(&cart, "a b", card("tok_ok"), Who::Nobody).await;
    problem_of(blank, 400, "idempotency_key_malformed").await;
    let order =
        json_of(shop.check_out(&cart, "k", card("tok_ok"), Who::Nobody).await, StatusCode::CREATED).await;
    let other = shop.check_out(&cart, "k", card("tok_flaky"), Who::Nobody).await;
    problem_of(other, 422, "idempotency_key_reused").await;
    // The same request under quotes is the same request.
    let same =
        json_of(shop.check_out(&cart, "\"k\"", card("tok_ok"), Who::Nobody).await, StatusCode::CREATED).await;
    assert_eq!(same, order);
    // Somebody else's key of the same name is another key.
    let mine = shop.cart(Who::Customer("carla")).await;
    let theirs = shop.check_out(&mine, "k", card("tok_ok"), Who::Customer("carla")).await;
    assert_ne!(json_of(theirs, StatusCode::CREATED).await["id"], order["id"]);
    // A refusal is not remembered: the key may be used once the reason is gone.
    let empty = json_of(shop.post("/v1/carts", Who::Nobody).await, StatusCode::CREATED).await;
    let empty = text(&empty["id"]);
    problem_of(shop.check_out(&empty, "later", cod(), Who::Nobody).await, 422, "cart_empty").await;
    let path = format!("/v1/carts/{empty}/items/mug-01");
    json_of(shop.send(Method::PUT, &path, Who::Nobody, json!({"quantity": 1})).await, StatusCode::OK).await;
    json_of(shop.check_out(&empty, "later", cod(), Who::Nobody).await, StatusCode::CREATED).await;
    shop.close().await;
}

/// Pitfalls 11 and 18.
#[tokio::test(flavor = "multi_thread")]
async fn the_server_names_the_price_and_a_cart_is_checked_out_once() {
    let shop = Shop::asleep().await;
    let cart = shop.cart(Who::Nobody).await;
    let mut dear = checkout(&cart, &card("tok_ok"));
    dear["expected_total"] = json!({"amount_minor": 1_298, "currency": "EUR"});
    let request = shop.ask(Method::POST, "/v1/checkout", Who::Nobody).header("idempotency-key", "dear");
    let refused = request.json(&dear).send().await.expect("an answer");
    problem_of(refused, 409, "cart_changed").await;
    json_of(shop.check_out(&cart, "a", card("tok_ok"), Who::Nobody).await, StatusCode::CREATED).await;
    problem_of(shop.check_out(&cart, "b", card("tok_ok"), Who::Nobody).await, 409, "cart_in_checkout").await;
    let path = format!("/v1/carts/{cart}/items/mug-01");
    let edited = shop.send(Method::PUT, &path, Who::Nobody, json!({"quantity": 2})).await;
    problem_of(edited, 409, "cart_in_checkout").await;
    // A product that was withdrawn since is a change of the cart.
    let other = shop.cart(Who::Nobody).await;
    let gone = json!({"name": "Mug", "price": {"amount_minor": 1_299, "currency": "EUR"}, "active": false});
    shop.send(Method::PUT, "/v1/admin/products/mug-01", Who::Admin, gone).await;
    problem_of(shop.check_out(&other, "c", card("tok_ok"), Who::Nobody).await, 409, "cart_changed").await;
    shop.close().await;
}

/// Pitfall 12.
#[tokio::test(flavor = "multi_thread")]
async fn a_card_number_is_refused_in_any_field() {
    let shop = Shop::asleep().await;
    let cart = shop.cart(Who::Nobody).await;
    for (field, value) in [
        ("notes", json!("4242 4242 4242 4242")),
        ("payment", json!({"method": "card", "token": "4242424242424242"})),
        ("card", json!({"number": 4_242_424_242_424_242_u64})),
    ] {
        let mut body = checkout(&cart, &card("tok_ok"));
        body[field] = value;
        let request = shop.ask(Method::POST, "/v1/checkout", Who::Nobody).header("idempotency-key", "card");
        let problem =
            problem_of(request.json(&body).send().await.expect("an answer"), 422, "card_number_refused")
                .await;
        assert!(!problem.to_string().contains("4242"), "{problem}");
    }
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_the_bound_checkouts_are_refused() {
    let settings = holdfast_api::Settings { requests_per_second: None, pending_max: 2, ..Default::default() };
    let shop = Shop::with(settings, false).await;
    let first = shop.cart(Who::Nobody).await;
    let order = json_of(shop.check_out(&first, "first", cod(), Who::Nobody).await, StatusCode::CREATED).await;
    shop.order(cod(), Who::Nobody).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let cart = shop.cart(Who::Nobody).await;
    let refused = shop.check_out(&cart, "late", cod(), Who::Nobody).await;
    assert!(refused.headers().contains_key("retry-after"));
    problem_of(refused, 503, "too_many_pending_orders").await;
    // Who was let in before gets their answer again.
    let again = shop.check_out(&first, "first", cod(), Who::Nobody).await;
    assert_eq!(json_of(again, StatusCode::CREATED).await["id"], order["id"]);
    shop.close().await;
}

// F26: orders that wait for the shop are no work, so whoever places them keeps nobody out.
#[tokio::test(flavor = "multi_thread")]
async fn f26_orders_that_wait_for_a_person_fill_no_bound() {
    let settings = holdfast_api::Settings { requests_per_second: None, pending_max: 3, ..Default::default() };
    let shop = Shop::with(settings, true).await;
    for round in 0..4 {
        for _ in 0..2 {
            let order = shop.order(cod(), Who::Nobody).await;
            let saga = format!("/v1/ops/sagas/{}.0", order["number"]);
            let since = std::time::Instant::now();
            while json_of(shop.get(&saga, Who::Operator).await, StatusCode::OK).await["state"] != "WAITING" {
                assert!(since.elapsed() < Duration::from_secs(20), "{saga} never waits");
            }
        }
        // By now they are counted.
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        let order = shop.order(card("tok_ok"), Who::Nobody).await;
        assert_eq!(
            shop.until(&text(&order["id"]), "CONFIRMED").await["status"],
            "CONFIRMED",
            "round {round}"
        );
    }
    shop.close().await;
}
