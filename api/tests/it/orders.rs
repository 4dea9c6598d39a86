//! Orders over HTTP: what is asked of them is answered with what is true.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::fixture::{Shop, Who, card, cod, json_of, problem_of, text};

/// E12.
#[tokio::test(flavor = "multi_thread")]
async fn cash_on_delivery_goes_from_confirmation_to_the_door() {
    let shop = Shop::open().await;
    let order = shop.order(cod(), Who::Nobody).await;
    assert_eq!(order["status"], "PENDING_CONFIRMATION");
    let id = text(&order["id"]);
    let verb = |verb: &str| format!("/v1/admin/orders/{id}/{verb}");
    let early = problem_of(shop.post(&verb("ship"), Who::Admin).await, 409, "order_not_ready").await;
    assert_eq!(early["order_status"], "PENDING_CONFIRMATION");
    json_of(shop.post(&verb("confirm"), Who::Admin).await, StatusCode::ACCEPTED).await;
    shop.until(&id, "CONFIRMED").await;
    assert!(shop.post(&verb("confirm"), Who::Admin).await.status().is_success(), "confirming twice is fine");
    for (step, status) in [("process", "PROCESSING"), ("ship", "SHIPPED"), ("deliver", "DELIVERED")] {
        assert_eq!(json_of(shop.post(&verb(step), Who::Admin).await, StatusCode::OK).await["status"], status);
        assert_eq!(json_of(shop.post(&verb(step), Who::Admin).await, StatusCode::OK).await["status"], status);
    }
    let delivered = shop.until(&id, "DELIVERED").await;
    assert_eq!(delivered["payment"]["status"], "COLLECTED");
    problem_of(shop.post(&verb("cancel"), Who::Admin).await, 409, "order_shipped").await;
    let timeline =
        json_of(shop.get(&format!("/v1/orders/{id}/timeline"), Who::Admin).await, StatusCode::OK).await;
    let shown = timeline["items"].to_string();
    for word in ["ada", "confirm", "carrier", "delivered"] {
        assert!(shown.contains(word), "{word}: {shown}");
    }
    assert!(!shown.contains("tok_"), "{shown}");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_order_cannot_be_confirmed_any_more() {
    let shop = Shop::open().await;
    let order = shop.order(cod(), Who::Nobody).await;
    let id = text(&order["id"]);
    json_of(shop.post(&format!("/v1/admin/orders/{id}/reject"), Who::Admin).await, StatusCode::ACCEPTED)
        .await;
    shop.until(&id, "CANCELLED").await;
    let late = shop.post(&format!("/v1/admin/orders/{id}/confirm"), Who::Admin).await;
    let shown = problem_of(late, 409, "order_cancelled").await;
    assert_eq!(shown["order_status"], "CANCELLED");
    assert!(text(&shown["detail"]).contains("rejected"), "{shown}");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f4_a_cancelled_order_owes_nothing() {
    let shop = Shop::open().await;
    let rejected = shop.order(cod(), Who::Nobody).await;
    assert_eq!(rejected["payment"]["status"], "DUE_ON_DELIVERY");
    let cancelled = shop.order(cod(), Who::Nobody).await;
    for (order, verb) in [(&rejected, "reject"), (&cancelled, "cancel")] {
        let path = format!("/v1/admin/orders/{}/{verb}", text(&order["id"]));
        json_of(shop.post(&path, Who::Admin).await, StatusCode::ACCEPTED).await;
    }
    let adjust = json!({"delta": -100, "reason": "water damage"});
    json_of(
        shop.send(Method::POST, "/v1/admin/stock/mug-01/adjust", Who::Admin, adjust).await,
        StatusCode::OK,
    )
    .await;
    let short = shop.order(card("tok_ok"), Who::Nobody).await;
    let declined = shop.order(card("tok_declined"), Who::Nobody).await;
    for order in [&rejected, &cancelled, &short, &declined] {
        let shown = shop.until(&text(&order["id"]), "CANCELLED").await;
        let payment = &shown["payment"];
        assert!(["CANCELLED", "DECLINED"].contains(&text(&payment["status"]).as_str()), "{shown}");
        assert_eq!(payment["captured"]["amount_minor"], 0, "{shown}");
        assert!(payment.get("next_action").is_none_or(serde_json::Value::is_null), "{shown}");
    }
    shop.close().await;
}

// An order that has left the house cannot be cancelled, and nobody is sent in a circle.
#[tokio::test(flavor = "multi_thread")]
async fn f6_what_cannot_be_undone_says_what_can_be_done() {
    let shop = Shop::open().await;
    let order = shop.order(cod(), Who::Nobody).await;
    let id = text(&order["id"]);
    for (verb, status) in [("confirm", "CONFIRMED"), ("process", "PROCESSING"), ("ship", "SHIPPED")] {
        assert!(shop.post(&format!("/v1/admin/orders/{id}/{verb}"), Who::Admin).await.status().is_success());
        shop.until(&id, status).await;
    }
    for verb in ["cancel", "reject"] {
        let refused = shop.post(&format!("/v1/admin/orders/{id}/{verb}"), Who::Admin).await;
        let shown = text(&problem_of(refused, 409, "order_shipped").await["detail"]);
        assert!(shown.contains("if its parcel comes back"), "{verb}: {shown}");
        assert!(!shown.contains("return") && !shown.contains("cancel it"), "{verb}: {shown}");
    }
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn money_and_goods_come_back_after_the_pivot() {
    let shop = Shop::open().await;
    let carla = Who::Customer("carla");
    let order = shop.order(card("tok_ok"), carla).await;
    let id = text(&order["id"]);
    shop.until(&id, "CONFIRMED").await;
    let refund = json!({"amount": {"amount_minor": 299, "currency": "EUR"}, "reason": "damaged box"});
    let path = format!("/v1/admin/orders/{id}/refund");
    let asked = |body| {
        let request = shop.ask(Method::POST, &path, Who::Admin).header("idempotency-key", "refund-1");
        request.json(body).send()
    };
    json_of(asked(&refund).await.expect("an answer"), StatusCode::ACCEPTED).await;
    let since = std::time::Instant::now();
    loop {
        let order = json_of(shop.get(&format!("/v1/orders/{id}"), carla).await, StatusCode::OK).await;
        if order["payment"]["refunded"]["amount_minor"] == 299 {
            assert_eq!(order["payment"]["status"], "PARTIALLY_REFUNDED");
            break;
        }
        assert!(since.elapsed().as_secs() < 20, "{order}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    // The same request again is the same refund.
    assert!(asked(&refund).await.expect("an answer").status().is_success());
    // Under the same key another one is none.
    let other = json!({"amount": {"amount_minor": 300, "currency": "EUR"}, "reason": "damaged box"});
    problem_of(asked(&other).await.expect("an answer"), 422, "idempotency_key_reused").await;
    problem_of(
        shop.send(Method::POST, &path, Who::Admin, refund.clone()).await,
        400,
        "idempotency_key_missing",
    )
    .await;
    let most = json!({"amount": {"amount_minor": 1_001, "currency": "EUR"}, "reason": "all of it"});
    let request = shop.ask(Method::POST, &path, Who::Admin).header("idempotency-key", "refund-2").json(&most);
    problem_of(request.send().await.expect("an answer"), 409, "refund_too_large").await;
    json_of(shop.post(&format!("/v1/orders/{id}/cancel"), carla).await, StatusCode::ACCEPTED).await;
    let order = shop.until(&id, "CANCELLED").await;
    assert_eq!(order["cancel_reason"], "customer_request");
    assert_eq!(order["payment"]["refunded"]["amount_minor"], 1_299);
    let level = json_of(shop.get("/v1/admin/stock/mug-01", Who::Admin).await, StatusCode::OK).await;
    assert_eq!((&level["on_hand"], &level["reserved"]), (&json!(100), &json!(0)));
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_listed_by_filter_and_page_each_to_their_owner() {
    let shop = Shop::asleep().await;
    let (carla, dora) = (Who::Customer("carla"), Who::Customer("dora"));
    let mut hers = BTreeSet::new();
    for number in 0..5 {
        let payment = if number % 2 == 0 { cod() } else { card("tok_ok") };
        hers.insert(text(&shop.order(payment, carla).await["id"]));
        shop.order(cod(), dora).await;
    }
    let (mut seen, mut cursor) = (BTreeSet::new(), String::new());
    loop {
        let page =
            json_of(shop.get(&format!("/v1/orders?limit=2{cursor}"), carla).await, StatusCode::OK).await;
        for order in page["items"].as_array().expect("items") {
            assert!(seen.insert(text(&order["id"])), "{order} twice");
        }
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen, hers);
    for (query, who, expected) in [
        ("status=PENDING_CONFIRMATION", carla, 3),
        ("payment_method=card", carla, 2),
        ("payment_method=card&status=PENDING_CONFIRMATION", carla, 0),
        ("needs_attention=true", Who::Admin, 0),
        ("limit=100", Who::Admin, 10),
    ] {
        let page = json_of(shop.get(&format!("/v1/orders?{query}"), who).await, StatusCode::OK).await;
        assert_eq!(page["items"].as_array().map(Vec::len), Some(expected), "{query}");
    }
    for query in ["status=confirmed", "limit=0", "limit=x", "needs_attention=perhaps"] {
        problem_of(shop.get(&format!("/v1/orders?{query}"), carla).await, 400, "invalid_query").await;
    }
    problem_of(shop.get("/v1/orders?cursor=1", carla).await, 400, "invalid_cursor").await;
    problem_of(shop.get("/v1/orders/nonsense", carla).await, 404, "not_found").await;
    let made_up = uuid::Uuid::now_v7();
    problem_of(shop.get(&format!("/v1/orders/{made_up}"), Who::Admin).await, 404, "order_not_found").await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_reads_their_own_messages_once() {
    let shop = Shop::open().await;
    let carla = Who::Customer("carla");
    let order = shop.order(card("tok_ok"), carla).await;
    shop.until(&text(&order["id"]), "CONFIRMED").await;
    let list = |query: &'static str, who| {
        let shop = &shop;
        async move {
            let page =
                json_of(shop.get(&format!("/v1/notifications{query}"), who).await, StatusCode::OK).await;
            page["items"].as_array().expect("items").clone()
        }
    };
    let unread = list("?unread=true", carla).await;
    assert_eq!(unread.len(), 1);
    assert_eq!((&unread[0]["notice"], &unread[0]["order_id"]), (&json!("order_confirmed"), &order["id"]));
    let path = format!("/v1/notifications/{}/read", text(&unread[0]["id"]));
    problem_of(shop.post(&path, Who::Customer("mallory")).await, 404, "notification_not_found").await;
    let first = json_of(shop.post(&path, carla).await, StatusCode::OK).await;
    let again = json_of(shop.post(&path, carla).await, StatusCode::OK).await;
    assert_eq!(first["read_at"], again["read_at"]);
    assert_eq!(list("?unread=true", carla).await.len(), 0);
    assert_eq!(list("", Who::Customer("mallory")).await.len(), 0);
    assert_eq!(list("", Who::Admin).await.len(), 1);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f22_what_was_accepted_is_pending_until_it_is_done() {
    let asleep = Shop::asleep().await;
    for (verb, who, by) in [
        ("cancel", Who::Customer("carla"), "customer"),
        ("confirm", Who::Admin, "shop"),
        ("reject", Who::Admin, "shop"),
    ] {
        let order = asleep.order(cod(), Who::Customer("carla")).await;
        let id = text(&order["id"]);
        assert!(order.get("pending").is_none(), "{order}");
        let path = if who == Who::Admin { "admin/orders" } else { "orders" };
        let answer = asleep.post(&format!("/v1/{path}/{id}/{verb}"), who).await;
        let accepted = json_of(answer, StatusCode::ACCEPTED).await;
        let read = json_of(asleep.get(&format!("/v1/orders/{id}"), who).await, StatusCode::OK).await;
        for shown in [&accepted, &read] {
            assert_eq!(
                (&shown["pending"]["verb"], &shown["pending"]["by"]),
                (&json!(verb), &json!(by)),
                "{shown}"
            );
            assert!(shown["pending"]["at"].is_string());
        }
    }
    let listed = json_of(asleep.get("/v1/orders", Who::Admin).await, StatusCode::OK).await;
    let listed = listed["items"].as_array().expect("a list");
    let verbs: Vec<_> = listed.iter().map(|order| &order["pending"]["verb"]).collect();
    assert_eq!(verbs, ["reject", "confirm", "cancel"], "newest first");
    asleep.close().await;
    let shop = Shop::open().await;
    let order = shop.order(cod(), Who::Customer("carla")).await;
    let id = text(&order["id"]);
    shop.post(&format!("/v1/orders/{id}/cancel"), Who::Customer("carla")).await;
    assert!(shop.until(&id, "CANCELLED").await.get("pending").is_none(), "it is done");
    shop.close().await;
}

// Contract: whoever prefers to wait hears what came of it, and holds nobody up meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn f22_a_caller_may_wait_for_the_outcome() {
    let decide = async |shop: &Shop, id: &str, verb: &str, prefer: Option<&'static str>| {
        let request = shop.ask(Method::POST, &format!("/v1/admin/orders/{id}/{verb}"), Who::Admin);
        let request = match prefer {
            Some(prefer) => request.header("prefer", prefer),
            None => request,
        };
        let since = Instant::now();
        let answer = request.send().await.expect("an answer");
        let applied = answer
            .headers()
            .get("preference-applied")
            .map(|applied| applied.to_str().unwrap_or("").to_owned());
        (answer.status(), applied, since.elapsed(), answer.json::<Value>().await.expect("a document"))
    };
    let shop = Shop::open().await;
    for (verb, ends) in [("confirm", "CONFIRMED"), ("reject", "CANCELLED"), ("cancel", "CANCELLED")] {
        let id = text(&shop.order(cod(), Who::Nobody).await["id"]);
        let (status, applied, took, order) = decide(&shop, &id, verb, Some("wait=2")).await;
        assert_eq!((status, applied.as_deref()), (StatusCode::OK, Some("wait=2")), "{order}");
        assert_eq!(order["status"], ends);
        assert!(order.get("pending").is_none() && took < Duration::from_secs(2), "{took:?}: {order}");
    }
    shop.close().await;
    let asleep = Shop::asleep().await;
    let id = text(&asleep.order(cod(), Who::Nobody).await["id"]);
    let (status, applied, took, order) = decide(&asleep, &id, "confirm", Some("respond-async, wait=1")).await;
    assert_eq!((status, applied.as_deref()), (StatusCode::ACCEPTED, Some("wait=1")), "nobody works");
    assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(2), "{took:?}");
    assert_eq!(order["pending"]["verb"], "confirm");
    for prefer in [None, Some("wait=soon"), Some("return=minimal")] {
        let id = text(&asleep.order(cod(), Who::Nobody).await["id"]);
        let (status, applied, took, _) = decide(&asleep, &id, "confirm", prefer).await;
        assert_eq!((status, applied), (StatusCode::ACCEPTED, None), "{prefer:?}");
        assert!(took < Duration::from_secs(1), "{prefer:?}: {took:?}");
    }
    // More callers wait than writes have room.
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let request = asleep.ask(Method::POST, &format!("/v1/admin/orders/{id}/confirm"), Who::Admin);
            tokio::spawn(request.header("prefer", "wait=2").send())
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let since = Instant::now();
    asleep.cart(Who::Nobody).await;
    assert!(since.elapsed() < Duration::from_millis(900), "{:?}", since.elapsed());
    for request in waiting {
        request.await.expect("ends").expect("an answer");
    }
    asleep.close().await;
}

// Contract: staff know orders by their numbers; for everybody else numbers, which can be guessed, name nothing.
#[tokio::test(flavor = "multi_thread")]
async fn staff_name_orders_by_their_numbers() {
    let shop = Shop::open().await;
    let order = shop.order(cod(), Who::Customer("carla")).await;
    let path = format!("/v1/orders/{}", order["number"]);
    for who in [Who::Admin, Who::Operator] {
        assert_eq!(json_of(shop.get(&path, who).await, StatusCode::OK).await["id"], order["id"]);
    }
    problem_of(shop.get(&path, Who::Customer("carla")).await, 404, "order_not_found").await;
    problem_of(shop.get(&path, Who::Nobody).await, 401, "authentication_required").await;
    for unknown in ["/v1/orders/999999", "/v1/orders/0", "/v1/orders/00", "/v1/orders/99999999999999999999"] {
        let answer = shop.get(unknown, Who::Admin).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{unknown}");
    }
    let confirm = format!("/v1/admin/orders/{}/confirm", order["number"]);
    json_of(shop.post(&confirm, Who::Admin).await, StatusCode::ACCEPTED).await;
    shop.until(&text(&order["id"]), "CONFIRMED").await;
    shop.close().await;
}

// Contract: lists can be queried. What each filter finds is in the stores' own tests.
#[tokio::test(flavor = "multi_thread")]
async fn orders_are_listed_by_several_filters_at_once() {
    let shop = Shop::open().await;
    let waits = shop.order(cod(), Who::Nobody).await;
    let paid = shop.order(card("tok_ok"), Who::Nobody).await;
    let declined = shop.order(card("tok_declined"), Who::Nobody).await;
    shop.until(&text(&paid["id"]), "CONFIRMED").await;
    shop.until(&text(&declined["id"]), "CANCELLED").await;
    let accepted_at = text(&paid["accepted_at"]);
    for (query, expected) in [
        ("status=CONFIRMED,CANCELLED", vec![&declined, &paid]),
        ("status=confirmed", vec![]),
        ("status=PENDING_CONFIRMATION,%20CONFIRMED&total_min=1299&total_max=1299", vec![&paid, &waits]),
        ("total_min=1300", vec![]),
        (&format!("until={accepted_at}"), vec![&waits]),
        (&format!("since={accepted_at}&status=CONFIRMED"), vec![&paid]),
        ("phone=%2B49%2030", vec![]),
    ] {
        let answer = shop.get(&format!("/v1/orders?{query}"), Who::Admin).await;
        if query == "status=confirmed" {
            problem_of(answer, 400, "invalid_query").await;
            continue;
        }
        let listed = json_of(answer, StatusCode::OK).await;
        let found: Vec<_> =
            listed["items"].as_array().expect("a list").iter().map(|order| &order["id"]).collect();
        assert_eq!(found, expected.iter().map(|order| &order["id"]).collect::<Vec<_>>(), "{query}");
    }
    for (query, detail) in [
        ("status=CONFIRMED,LOST", "expected one of PENDING_PAYMENT"),
        ("status=CONFIRMED,,", "expected one of"),
        ("status=", "expected one of"),
        ("total_min=-1", "expected a whole number"),
        ("until=yesterday", "expected a time"),
    ] {
        let problem =
            problem_of(shop.get(&format!("/v1/orders?{query}"), Who::Admin).await, 400, "invalid_query")
                .await;
        assert!(problem["detail"].as_str().expect("a text").contains(detail), "{query}: {problem}");
    }
    shop.close().await;
}
