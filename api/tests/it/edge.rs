//! What holds for every request, whatever it asks.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::fixture::{Shop, Who, problem_of};

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_refused_is_refused_in_one_shape() {
    let shop = Shop::asleep().await;
    let item = format!("/v1/carts/{}/items/mug-01", shop.cart(Who::Nobody).await);
    let put = || shop.ask(Method::PUT, &item, Who::Nobody);
    problem_of(shop.get("/nowhere", Who::Nobody).await, 404, "route_not_found").await;
    let wrong = shop.post("/v1/products", Who::Nobody).await;
    assert!(wrong.headers().contains_key("allow"));
    problem_of(wrong, 405, "method_not_allowed").await;
    let json = |body: String| put().header("content-type", "application/json").body(body).send();
    problem_of(json("{".to_owned()).await.expect("an answer"), 400, "malformed_json").await;
    problem_of(json("\u{0}".to_owned()).await.expect("an answer"), 400, "malformed_json").await;
    let large = format!("{{\"quantity\": 1, \"x\": \"{}\"}}", "x".repeat(70_000));
    problem_of(json(large).await.expect("an answer"), 413, "body_too_large").await;
    let form = put().header("content-type", "text/plain").body("quantity=1").send().await;
    problem_of(form.expect("an answer"), 415, "unsupported_media_type").await;
    problem_of(put().body("{}").send().await.expect("an answer"), 415, "unsupported_media_type").await;
    let forged = shop.ask(Method::GET, "/v1/products", Who::Nobody).bearer_auth("a.b.c").send().await;
    let forged = forged.expect("an answer");
    assert_eq!(forged.headers()["www-authenticate"], "Bearer");
    problem_of(forged, 401, "invalid_token").await;
    let basic = shop.ask(Method::GET, "/v1/orders", Who::Nobody).basic_auth("a", Some("b")).send().await;
    problem_of(basic.expect("an answer"), 401, "invalid_token").await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_token_is_refused() {
    let shop = Shop::asleep().await;
    // Signed with our secret: {"sub":"ada","role":"admin","exp":1,..}.
    let claims =
        json!({"sub": "ada", "role": "admin", "iat": 0, "exp": 1, "iss": "holdfast", "aud": "holdfast"});
    let key = jsonwebtoken::EncodingKey::from_secret(crate::fixture::SECRET.as_bytes());
    let expired = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).expect("a token");
    let asked = shop.ask(Method::GET, "/v1/orders", Who::Nobody).bearer_auth(expired).send().await;
    let shown = problem_of(asked.expect("an answer"), 401, "invalid_token").await;
    assert!(shown["detail"].to_string().contains("expired"), "{shown}");
    // A token without a signature, or with a role of its own making, is none.
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiJhZGEiLCJyb2xlIjoiYWRtaW4ifQ.";
    let asked = shop.ask(Method::GET, "/v1/orders", Who::Nobody).bearer_auth(none).send().await;
    problem_of(asked.expect("an answer"), 401, "invalid_token").await;
    let claims = json!({"sub": "ada", "role": "root", "iat": 0, "exp": 9_999_999_999_u64, "iss": "holdfast", "aud": "holdfast"});
    let root = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).expect("a token");
    let asked = shop.ask(Method::GET, "/v1/orders", Who::Nobody).bearer_auth(root).send().await;
    problem_of(asked.expect("an answer"), 401, "invalid_token").await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_names_its_request_and_keeps_browsers_in_bounds() {
    let shop = Shop::asleep().await;
    let asked = |id: &'static str| {
        shop.ask(Method::GET, "/v1/problems", Who::Nobody).header("x-request-id", id).send()
    };
    let kept = asked("mine-42").await.expect("an answer");
    assert_eq!(kept.headers()["x-request-id"], "mine-42");
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ] {
        assert_eq!(kept.headers()[name], value);
    }
    for unfit in ["two parts", "ada@example.com", "ada%40example.com", ""] {
        let answer = asked(unfit).await.expect("an answer");
        let given = answer.headers()["x-request-id"].to_str().expect("an id");
        assert!(uuid::Uuid::try_parse(given).is_ok(), "{unfit}: {given}");
    }
    let problem = problem_of(shop.get("/nowhere", Who::Nobody).await, 404, "route_not_found").await;
    assert!(uuid::Uuid::try_parse(problem["request_id"].as_str().expect("an id")).is_ok());
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_shops_own_pages_may_call_from_a_browser() {
    let settings = holdfast_api::Settings {
        requests_per_second: None,
        cors_origins: vec!["https://shop.example".parse().expect("an origin")],
        ..Default::default()
    };
    let shop = Shop::with(settings, false).await;
    for (origin, allowed) in [("https://shop.example", true), ("https://evil.example", false)] {
        let asked = shop.ask(Method::OPTIONS, "/v1/checkout", Who::Nobody).header("origin", origin);
        let asked = asked.header("access-control-request-method", "POST").send().await.expect("an answer");
        let shown = asked
            .headers()
            .get("access-control-allow-origin")
            .map(|origin| origin.to_str().expect("text").to_owned());
        assert_eq!(shown.as_deref(), allowed.then_some(origin));
    }
    // A refusal, too, can be read by the page that was refused.
    let asked = |path| shop.ask(Method::GET, path, Who::Nobody).header("origin", "https://shop.example");
    let unknown = asked("/nowhere").send().await.expect("an answer");
    let forged = asked("/v1/products").bearer_auth("a.b.c").send().await.expect("an answer");
    for (refused, status, code) in [(unknown, 404, "route_not_found"), (forged, 401, "invalid_token")] {
        assert_eq!(refused.headers()["access-control-allow-origin"], "https://shop.example");
        problem_of(refused, status, code).await;
    }
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_over_the_limit_learns_when_to_retry_and_others_are_served() {
    let shop = Shop::limited(5).await;
    let mut refused = None;
    for _ in 0..40 {
        let answer = shop.get("/v1/products", Who::Nobody).await;
        assert!(
            answer.headers().contains_key("ratelimit") && answer.headers().contains_key("ratelimit-policy")
        );
        if answer.status() == StatusCode::TOO_MANY_REQUESTS {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("40 requests at once are more than 5 a second");
    assert!(refused.headers().contains_key("retry-after"));
    problem_of(refused, 429, "rate_limited").await;
    assert_eq!(shop.get("/v1/products", Who::Customer("carla")).await.status(), StatusCode::OK);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_guesses_at_tokens_is_counted() {
    let shop = Shop::limited(5).await;
    let guess = || shop.ask(Method::GET, "/v1/orders", Who::Nobody).bearer_auth("a.b.c").send();
    let wrong = guess().await.expect("an answer");
    assert!(wrong.headers().contains_key("ratelimit"));
    problem_of(wrong, 401, "invalid_token").await;
    let mut last = StatusCode::UNAUTHORIZED;
    for _ in 0..40 {
        last = guess().await.expect("an answer").status();
        if last == StatusCode::TOO_MANY_REQUESTS {
            break;
        }
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_never_ends_is_cut_off() {
    let shop = Shop::asleep().await;
    let address = shop.url.strip_prefix("http://").expect("a URL");
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(b"GET /v1/products HTTP/1.1\r\nhost: x\r\n").await.expect("a head");
    let header = format!("x-long: {}\r\n", "x".repeat(1_000));
    let mut answer = Vec::new();
    for _ in 0..100 {
        if stream.write_all(header.as_bytes()).await.is_err() {
            break;
        }
    }
    let read = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
    assert!(read.is_ok(), "the server waits for more of a head of 100 KiB");
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_server_lets_requests_end_and_accepts_no_more() {
    let shop = Shop::asleep().await;
    assert_eq!(shop.get("/readyz", Who::Nobody).await.status(), StatusCode::OK);
    shop.stop.send(true).expect("a door");
    let since = std::time::Instant::now();
    while TcpStream::connect(shop.url.strip_prefix("http://").expect("a URL")).await.is_ok() {
        assert!(since.elapsed() < Duration::from_secs(5), "still listening");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_count_by_route_never_by_path() {
    let shop = Shop::open().await;
    let cart = shop.cart(Who::Nobody).await;
    let order = shop.order(crate::fixture::card("tok_ok"), Who::Nobody).await;
    shop.until(&crate::fixture::text(&order["id"]), "CONFIRMED").await;
    shop.get("/no/such/path", Who::Nobody).await;
    // One that waits for its admin stands among the unsettled ones, counted now and then.
    shop.order(crate::fixture::cod(), Who::Nobody).await;
    let waiting = r#"holdfast_sagas{saga="checkout_cod",state="WAITING"} 1"#;
    let since = std::time::Instant::now();
    while !shop.metrics().contains(waiting) {
        assert!(since.elapsed() < Duration::from_secs(20), "{waiting} is missing");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let metrics = shop.metrics();
    for line in [
        r#"holdfast_http_requests_total{method="POST",route="/v1/carts",status="201"} 3"#,
        r#"holdfast_http_requests_total{method="GET",route="none",status="404"} 1"#,
        r#"holdfast_orders_total{payment_method="card",status="PENDING_PAYMENT"} 1"#,
        r#"holdfast_orders_total{payment_method="card",status="CONFIRMED"} 1"#,
        r#"holdfast_sagas_started_total{saga="checkout_online"} 1"#,
        r#"holdfast_sagas_finished_total{outcome="completed",saga="checkout_online"} 1"#,
        r#"holdfast_step_attempts_total{outcome="succeeded",saga="checkout_online",step="take_payment"} 1"#,
        r#"holdfast_step_duration_seconds_count{saga="checkout_online",step="take_payment"} 1"#,
        r#"holdfast_saga_duration_seconds_count{outcome="completed",saga="checkout_online"} 1"#,
        r#"holdfast_queue_depth{queue="checkout"} 0"#,
        r#"holdfast_queue_oldest_seconds{queue="notifications"} 0"#,
    ] {
        assert!(metrics.lines().any(|shown| shown == line), "{line} is missing in:\n{metrics}");
    }
    assert!(!metrics.contains(&cart), "a path became a label");
    shop.close().await;
}
