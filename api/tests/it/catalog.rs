//! The catalogue over HTTP: nobody overwrites what they have not seen.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::fixture::{Shop, Who, json_of, problem_of, text};

fn mug(price_minor: i64) -> serde_json::Value {
    json!({"name": "Mug", "price": {"amount_minor": price_minor, "currency": "EUR"}, "active": true})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_refused_when_somebody_else_was_faster() {
    let shop = Shop::asleep().await;
    let path = "/v1/admin/products/mug-02";
    let put = |name: &'static str, value: String, price| {
        let request = shop.ask(Method::PUT, path, Who::Admin).header(name, value).json(&mug(price));
        async { request.send().await.expect("an answer") }
    };
    let made = put("if-none-match", "*".to_owned(), 100).await;
    let first = made.headers()["etag"].to_str().expect("an ETag").to_owned();
    json_of(made, StatusCode::CREATED).await;
    problem_of(put("if-none-match", "*".to_owned(), 200).await, 412, "product_changed").await;
    let second = put("if-match", first.clone(), 200).await;
    assert_ne!(second.headers()["etag"].to_str().expect("an ETag"), first);
    json_of(second, StatusCode::OK).await;
    problem_of(put("if-match", first, 300).await, 412, "product_changed").await;
    problem_of(put("if-match", "no quotes".to_owned(), 300).await, 400, "invalid_precondition").await;
    let shown = json_of(shop.get("/v1/products/mug-02", Who::Nobody).await, StatusCode::OK).await;
    assert_eq!(shown["price"]["amount_minor"], 200);
    // A new product can be stocked at once.
    let stocked = json!({"delta": 7, "reason": "delivery"});
    let level = shop.send(Method::POST, "/v1/admin/stock/mug-02/adjust", Who::Admin, stocked).await;
    assert_eq!(json_of(level, StatusCode::OK).await["on_hand"], 7);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_conditional_changes_one_wins() {
    let shop = Shop::asleep().await;
    let seen = shop.get("/v1/products/mug-01", Who::Nobody).await.headers()["etag"].clone();
    let puts = (0..10).map(|price| {
        let request = shop.ask(Method::PUT, "/v1/admin/products/mug-01", Who::Admin);
        request.header("if-match", &seen).json(&mug(price)).send()
    });
    let answers = futures_util::future::join_all(puts).await;
    let won = answers.into_iter().filter(|answer| answer.as_ref().is_ok_and(|answer| answer.status() == 200));
    assert_eq!(won.count(), 1);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stock_is_adjusted_as_it_was_seen_and_never_below_what_is_promised() {
    let shop = Shop::asleep().await;
    let path = "/v1/admin/stock/mug-01/adjust";
    let seen = shop.get("/v1/admin/stock/mug-01", Who::Admin).await.headers()["etag"].clone();
    let adjust = |delta: i64, reason: &'static str| {
        let body = json!({"delta": delta, "reason": reason});
        shop.ask(Method::POST, path, Who::Admin).header("if-match", &seen).json(&body).send()
    };
    let level = json_of(adjust(-40, "counted").await.expect("an answer"), StatusCode::OK).await;
    assert_eq!(level["on_hand"], 60);
    problem_of(adjust(-40, "counted").await.expect("an answer"), 412, "stock_changed").await;
    for (body, status, code) in [
        (json!({"delta": -61, "reason": "theft"}), 409, "stock_reserved"),
        (json!({"delta": 0, "reason": "nothing"}), 422, "nothing_to_adjust"),
        (json!({"delta": 1, "reason": " "}), 422, "invalid_body"),
        (json!({"delta": 1}), 422, "invalid_body"),
    ] {
        problem_of(shop.send(Method::POST, path, Who::Admin, body).await, status, code).await;
    }
    let unknown = json!({"delta": 1, "reason": "delivery"});
    let unknown = shop.send(Method::POST, "/v1/admin/stock/nothing/adjust", Who::Admin, unknown).await;
    problem_of(unknown, 404, "stock_not_found").await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f5_a_price_is_in_a_currency_that_is_in_use() {
    let shop = Shop::asleep().await;
    let put = |currency: &'static str, active: bool| {
        let price = json!({"amount_minor": 500, "currency": currency});
        let body = json!({"name": "Cup", "price": price, "active": active});
        shop.send(Method::PUT, "/v1/admin/products/cup-01", Who::Admin, body)
    };
    for currency in ["QQQ", "XXX", "XAU", "DEM", "CLF"] {
        let refused = problem_of(put(currency, true).await, 422, "invalid_currency").await;
        assert!(text(&refused["detail"]).contains(currency), "{refused}");
    }
    problem_of(shop.get("/v1/products/cup-01", Who::Nobody).await, 404, "product_not_found").await;
    for currency in ["JPY", "KWD"] {
        let status = put(currency, true).await.status();
        assert!(status.is_success(), "{currency}: {status}");
    }
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn products_are_listed_page_by_page() {
    let shop = Shop::asleep().await;
    for number in 2..=5 {
        shop.stock(&format!("mug-{number:02}"), 100, 0).await;
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page =
            json_of(shop.get(&format!("/v1/products?limit=2{cursor}"), Who::Nobody).await, StatusCode::OK)
                .await;
        seen.extend(page["items"].as_array().expect("items").iter().map(|item| item["sku"].to_string()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen, ["\"mug-01\"", "\"mug-02\"", "\"mug-03\"", "\"mug-04\"", "\"mug-05\""]);
    problem_of(shop.get("/v1/products?limit=101", Who::Nobody).await, 400, "invalid_query").await;
    problem_of(shop.get("/v1/products?cursor=%20", Who::Nobody).await, 400, "invalid_cursor").await;
    shop.close().await;
}

// F23: what everybody may see may be kept by everybody, and is not sent again while it is the same.
#[tokio::test(flavor = "multi_thread")]
async fn f23_the_catalogue_can_be_cached() {
    let shop = Shop::open().await;
    for path in ["/v1/products", "/v1/products?limit=1", "/v1/products/mug-01"] {
        let read = async |who: Who, seen: Option<&str>| {
            let request = shop.ask(Method::GET, path, who);
            let request = match seen {
                Some(seen) => request.header("if-none-match", seen),
                None => request,
            };
            let answer = request.send().await.expect("an answer");
            let header = |name: &str| answer.headers()[name].to_str().expect("a text").to_owned();
            let (status, tag, kept, vary) =
                (answer.status(), header("etag"), header("cache-control"), header("vary"));
            assert!(vary.contains("authorization"), "{vary}");
            (status, tag, kept, answer.text().await.expect("a body"))
        };
        let (status, tag, kept, _) = read(Who::Nobody, None).await;
        assert_eq!((status, kept.as_str()), (StatusCode::OK, "public, max-age=10"), "{path}");
        for seen in [tag.clone(), format!("W/{tag}"), format!("\"old\", {tag}"), "*".to_owned()] {
            let (status, again, kept, body) = read(Who::Nobody, Some(&seen)).await;
            assert_eq!(
                (status, again, body.as_str()),
                (StatusCode::NOT_MODIFIED, tag.clone(), ""),
                "{path}: {seen}"
            );
            assert_eq!(kept, "public, max-age=10");
        }
        let (_, _, kept, _) = read(Who::Customer("carla"), None).await;
        assert_eq!(kept, "private, no-cache", "{path}");
        shop.stock("mug-01", 1_300, 0).await;
        let (status, changed, ..) = read(Who::Nobody, Some(&tag)).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert_ne!(changed, tag, "{path}");
        shop.stock("mug-01", 1_299, 0).await;
    }
    // What belongs to somebody is kept by nobody, and so are refusals.
    for path in ["/v1/products/none", "/v1/orders", "/healthz"] {
        let answer = shop.get(path, Who::Customer("carla")).await;
        assert_eq!(answer.headers()["cache-control"], "no-store", "{path}");
    }
    shop.close().await;
}
