//! What honest callers send is taken, versions and cursors are what they say, and card numbers stay outside.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::door::assert_has;
use crate::fixture::{Shop, Who, card, checkout, cod, json_of, problem_of, text};

#[tokio::test(flavor = "multi_thread")]
async fn f20_honest_input_is_taken_as_the_world_sends_it() {
    let shop = Shop::asleep().await;
    for (email, country, postal_code) in [
        ("max@müller.de", "HK", json!("")),
        ("用户@例子.公司", "AE", json!(null)),
        (" ada@example.com ", "IE", json!("D02 AF30")),
    ] {
        let cart = shop.cart(Who::Nobody).await;
        let mut body = checkout(&cart, &cod());
        body["contact"] = json!({"email": email, "phone": ""});
        body["notes"] = json!("gate code 7\r\n\tsecond floor\n");
        body["shipping_address"] = json!({
            "name": " Jose\u{301} Pérez ", "line1": "1 Way", "line2": "", "city": "Kowloon", "region": " ",
            "postal_code": postal_code, "country": country
        });
        let request = shop.ask(Method::POST, "/v1/checkout", Who::Nobody).header("idempotency-key", &cart);
        let order = json_of(request.json(&body).send().await.expect("an answer"), StatusCode::CREATED).await;
        assert_eq!(order["contact"], json!({"email": email.trim()}));
        assert_eq!(order["notes"], "gate code 7\n second floor");
        assert_eq!(order["shipping_address"]["name"], "Jos\u{e9} Pérez");
        assert!(order["shipping_address"].get("line2").is_none(), "{order}");
    }
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f19_an_etag_never_returns() {
    let shop = Shop::asleep().await;
    let level = async || shop.get("/v1/admin/stock/mug-01", Who::Admin).await.headers()["etag"].clone();
    let adjust = async |delta: i64, seen: Option<&reqwest::header::HeaderValue>| {
        let mut request = shop.ask(Method::POST, "/v1/admin/stock/mug-01/adjust", Who::Admin);
        if let Some(seen) = seen {
            request = request.header("if-match", seen);
        }
        request.json(&json!({"delta": delta, "reason": "a test"})).send().await.expect("an answer")
    };
    let seen = level().await;
    let first = adjust(5, Some(&seen)).await;
    let after = first.headers()["etag"].clone();
    assert_eq!(first.status(), StatusCode::OK);
    assert_eq!(level().await, after, "the ETag of the answer is that of the level");
    // Five are gone again: the level is as it was, and the request is not done twice.
    assert_eq!(adjust(-5, None).await.status(), StatusCode::OK);
    problem_of(adjust(5, Some(&seen)).await, 412, "stock_changed").await;
    assert_ne!(level().await, seen);
    // What is reserved moves with every order, and is no reason to count again.
    let seen = level().await;
    shop.order(cod(), Who::Nobody).await;
    assert_eq!(adjust(1, Some(&seen)).await.status(), StatusCode::OK);
    // A product that is changed back is another version, too.
    let put = async |name: &str| {
        let body = json!({"name": name, "price": {"amount_minor": 5, "currency": "EUR"}});
        shop.send(Method::PUT, "/v1/admin/products/mug-01", Who::Admin, body).await.headers()["etag"].clone()
    };
    let (one, two, three) = (put("A").await, put("B").await, put("A").await);
    assert!(one != two && two != three && one != three);
    assert_eq!(put("A").await, three, "nothing was changed");
    assert_eq!(shop.get("/v1/products/mug-01", Who::Nobody).await.headers()["etag"], three);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f19_a_withdrawn_product_stays_withdrawn_and_a_foreign_cursor_is_refused() {
    let shop = Shop::asleep().await;
    let price = json!({"amount_minor": 5, "currency": "EUR"});
    let put = async |sku: &str, body: Value| {
        shop.send(Method::PUT, &format!("/v1/admin/products/{sku}"), Who::Admin, body).await
    };
    put("cup-01", json!({"name": "Cup", "price": price, "active": false})).await;
    let again = put("cup-01", json!({"name": "Cup, blue", "price": price})).await;
    assert_eq!(json_of(again, StatusCode::OK).await["active"], false);
    for sku in ["~a%23b", "b%26c", "d"] {
        assert_eq!(put(sku, json!({"name": "x", "price": price})).await.status(), StatusCode::CREATED);
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page =
            json_of(shop.get(&format!("/v1/products?limit=1{cursor}"), Who::Nobody).await, StatusCode::OK)
                .await;
        seen.extend(page["items"].as_array().expect("items").iter().map(|item| text(&item["sku"])));
        assert!(seen.len() < 9, "the list goes round: {seen:?}");
        let Some(next) = page["next_cursor"].as_str() else { break };
        // Pasted as it came.
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen, ["b&c", "d", "mug-01", "~a#b"]);
    let page = json_of(shop.get("/v1/products?limit=1", Who::Nobody).await, StatusCode::OK).await;
    let foreign = text(&page["next_cursor"]);
    for (path, who) in
        [("/v1/orders", Who::Admin), ("/v1/ops/sagas", Who::Operator), ("/v1/ops/dead", Who::Operator)]
    {
        let shown =
            problem_of(shop.get(&format!("{path}?cursor={foreign}"), who).await, 400, "invalid_cursor").await;
        assert_has(&shown, "cursor", "invalid_cursor");
    }
    for raw in ["mug-01", "d", "1042.3", "A", &foreign[1..]] {
        problem_of(shop.get(&format!("/v1/products?cursor={raw}"), Who::Nobody).await, 400, "invalid_cursor")
            .await;
    }
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f21_card_numbers_are_refused_in_every_part_of_a_request() {
    let shop = Shop::asleep().await;
    let cart = shop.cart(Who::Nobody).await;
    let send = async |key: &str, edit: &dyn Fn(&mut Value)| {
        let mut body = checkout(&cart, &card("tok_ok"));
        edit(&mut body);
        let request = shop.ask(Method::POST, "/v1/checkout", Who::Nobody).header("idempotency-key", key);
        request.json(&body).send().await.expect("an answer")
    };
    let notes = |text: &'static str| move |body: &mut Value| body["notes"] = json!(text);
    for text in [
        "4242    4242    4242    4242",
        "5555x5555x5555x4444",
        "٤٢٤٢٤٢٤٢٤٢٤٢٤٢٤٢",
        "3782 822463 10005 12/29",
        "42424242424242421229",
    ] {
        assert_has(
            &problem_of(send("k", &notes(text)).await, 422, "card_number_refused").await,
            "/notes",
            "card_number_refused",
        );
    }
    let keyed = problem_of(send("4242-4242-4242-4242", &|_| ()).await, 422, "card_number_refused").await;
    assert_has(&keyed, "Idempotency-Key", "card_number_refused");
    let split = |body: &mut Value| {
        body["shipping_address"]["line1"] = json!("4242 4242");
        body["shipping_address"]["line2"] = json!("4242 4242");
    };
    problem_of(send("k", &split).await, 422, "card_number_refused").await;
    // What only looks like one is taken.
    let honest = |body: &mut Value| {
        body["contact"]["phone"] = json!("+49 1512 3410008");
        body["notes"] =
            json!("IBAN DE89 3704 0044 0532 0130 00, ISBN 978-3-16-148410-0, or call +86 138 0011 0001");
    };
    assert_eq!(send("k", &honest).await.status(), StatusCode::CREATED);
    // A request id gets into the log.
    let asked =
        shop.ask(Method::GET, "/v1/products", Who::Nobody).header("x-request-id", "4242-4242-4242-4242");
    let answer = asked.send().await.expect("an answer");
    assert_ne!(answer.headers()["x-request-id"], "4242-4242-4242-4242");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f17_a_refund_of_nothing_is_a_fault_of_the_request() {
    let shop = Shop::open().await;
    let order = shop.order(card("tok_ok"), Who::Nobody).await;
    let id = text(&order["id"]);
    shop.until(&id, "CONFIRMED").await;
    for amount in [0, -5, -1_299] {
        let body = json!({"amount": {"amount_minor": amount, "currency": "EUR"}, "reason": "a test"});
        let request = shop.ask(Method::POST, &format!("/v1/admin/orders/{id}/refund"), Who::Admin);
        let answer = request.header("idempotency-key", "r").json(&body).send().await.expect("an answer");
        assert_has(
            &problem_of(answer, 422, "invalid_amount").await,
            "/amount/amount_minor",
            "invalid_amount",
        );
    }
    let body = json!({"amount": {"amount_minor": 5, "currency": "USD"}, "reason": "a test"});
    let request = shop.ask(Method::POST, &format!("/v1/admin/orders/{id}/refund"), Who::Admin);
    let answer = request.header("idempotency-key", "r").json(&body).send().await.expect("an answer");
    assert_has(&problem_of(answer, 422, "refund_currency").await, "/amount/currency", "refund_currency");
    shop.close().await;
}
