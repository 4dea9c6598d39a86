//! What operators see and do over HTTP: by the same rules as on the command line.

use std::time::{Duration, Instant};

use holdfast_saga::flows::notification;
use holdfast_saga::records::batch_rows::Writes;
use holdfast_saga::records::context::{Context, Notice, NoticeKind};
use holdfast_saga::records::slot;
use holdfast_shared::{Currency, Money, OrderId, SagaState};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::fixture::{Shop, Who, card, cod, json_of, problem_of, text};

const MAX_WAIT: Duration = Duration::from_secs(40);

async fn get(shop: &Shop, path: &str) -> Value {
    json_of(shop.get(path, Who::Operator).await, StatusCode::OK).await
}

async fn post(shop: &Shop, path: &str, body: Value, status: StatusCode) -> Value {
    json_of(shop.send(Method::POST, path, Who::Operator, body).await, status).await
}

/// Waits until `path` answers with what `is_so`.
async fn until(shop: &Shop, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let since = Instant::now();
    loop {
        let found = get(shop, path).await;
        if is_so(&found) {
            return found;
        }
        assert!(since.elapsed() < MAX_WAIT, "{path}: {found:#}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A confirmed order whose cancellation cannot give the money back: the order's id, and the dead saga's.
async fn dead(shop: &Shop) -> (String, String) {
    let order = shop.order(card("tok_refund_fails"), Who::Nobody).await;
    let (id, saga) = (text(&order["id"]), format!("{}.3", order["number"]));
    shop.until(&id, "CONFIRMED").await;
    let cancelled = shop.post(&format!("/v1/admin/orders/{id}/cancel"), Who::Admin).await;
    assert_eq!(cancelled.status(), StatusCode::ACCEPTED);
    until(shop, "/v1/ops/dead", |list| list["items"][0]["id"] == saga.as_str()).await;
    (id, saga)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_refund_is_looked_at_retried_and_settled_by_hand() {
    let shop = Shop::open().await;
    let (order, saga) = dead(&shop).await;
    let letter =
        get(&shop, "/v1/ops/dead?saga=cancellation&step=refund_payment&error_contains=refuses").await;
    let reason = text(&letter["items"][0]["reason"]);
    assert!(reason.contains("the sandbox refuses refunds") && !reason.contains("tok_"), "{reason}");
    for none in ["saga=notification", "step=send", "older_than_secs=3600", "error_contains=nothing"] {
        assert_eq!(get(&shop, &format!("/v1/ops/dead?{none}")).await["items"], json!([]), "{none}");
    }
    let groups = get(&shop, "/v1/ops/dead/groups").await;
    assert_eq!((&groups["items"][0]["count"], &groups["items"][0]["example"]), (&json!(1), &json!(saga)));

    let ids = json!({"ids": [saga], "dry_run": true});
    let shown = post(&shop, "/v1/ops/dead/retry", ids, StatusCode::OK).await;
    let preview = &shown["items"][0]["preview"];
    assert_eq!(preview["steps"], json!(["refund_payment", "restock", "cancel_order", "notify"]), "{shown:#}");
    assert_eq!(preview["money"][0]["amount"], json!({"amount_minor": 1_299, "currency": "EUR"}));
    assert_eq!(preview["stock"][0], json!({"sku": "mug-01", "on_hand": 1, "reserved": 0}));

    // Nobody takes it up meanwhile.
    let pause = json!({"reason": "the bank is down"});
    let paused = post(&shop, "/v1/ops/queues/compensation/pause", pause.clone(), StatusCode::OK).await;
    assert_eq!(paused["answer"], "done");
    let again = post(&shop, "/v1/ops/queues/compensation/pause", pause, StatusCode::OK).await;
    assert_eq!(again["answer"], "already");
    let queues = get(&shop, "/v1/ops/queues").await;
    assert_eq!(queues["items"][1]["queue"], "compensation");
    assert_eq!(queues["items"][1]["paused"]["reason"], "the bank is down");
    assert_eq!(queues["items"][1]["dead"], 1);

    let all = json!({"filter": {"saga": "cancellation"}});
    let retried = post(&shop, "/v1/ops/dead/retry", all.clone(), StatusCode::OK).await;
    assert_eq!((&retried["done"], &retried["next_cursor"]), (&json!(1), &Value::Null), "{retried:#}");
    let again = post(&shop, "/v1/ops/dead/retry", all, StatusCode::OK).await;
    assert_eq!((&again["done"], &again["already"]), (&json!(0), &json!(1)), "{again:#}");
    let single = post(&shop, &format!("/v1/ops/sagas/{saga}/retry"), json!({}), StatusCode::OK).await;
    assert_eq!(single["answer"], "already");
    let listed = get(&shop, "/v1/ops/dead").await;
    assert_eq!(listed["items"][0]["retry_pending"], true);
    let resumed = post(&shop, "/v1/ops/queues/compensation/resume", json!({}), StatusCode::OK).await;
    assert_eq!(resumed["answer"], "done");
    let is_dead_again =
        |list: &Value| list["items"][0]["id"] == saga.as_str() && list["items"][0]["retry_pending"].is_null();
    until(&shop, "/v1/ops/dead", is_dead_again).await;

    let mixed = json!({"ids": [saga, "1.0", "999.0"], "reason": "paid back in cash"});
    let shown = post(&shop, "/v1/ops/dead/discard", mixed, StatusCode::OK).await;
    let counts = (&shown["done"], &shown["refused"], &shown["not_found"]);
    assert_eq!(counts, (&json!(1), &json!(1), &json!(1)), "{shown:#}");
    let cancelled = shop.until(&order, "CANCELLED").await;
    assert_eq!(cancelled["payment"]["settled_manually"]["amount_minor"], 1_299);
    let audit = get(&shop, "/v1/ops/audit").await;
    assert_eq!((&audit["clean"], &audit["charges"]), (&json!(true), &Value::Null), "{audit:#}");
    assert_eq!(audit["settled_manually"][0]["amount"]["amount_minor"], 1_299);
    let saga = get(&shop, &format!("/v1/ops/sagas/{saga}")).await;
    assert_eq!(saga["state"], "COMPLETED");
    let message = saga["history"].to_string();
    assert!(
        message.contains("operator") && message.contains("settled by hand: paid back in cash"),
        "{message}"
    );
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saga_accepts_the_signal_it_waits_for_or_is_cancelled() {
    let shop = Shop::open().await;
    let order = shop.order(cod(), Who::Nobody).await;
    let (id, saga) = (text(&order["id"]), format!("{}.0", order["number"]));
    until(&shop, &format!("/v1/ops/sagas/{saga}"), |saga| saga["state"] == "WAITING").await;
    let listed = get(&shop, "/v1/ops/sagas?state=WAITING&definition=checkout_cod").await;
    assert_eq!(listed["items"][0]["id"], saga);
    assert_eq!(get(&shop, "/v1/ops/sagas?held=true").await["items"], json!([]), "it waits for a person");
    let both = shop.get("/v1/ops/sagas?held=true&state=WAITING", Who::Operator).await;
    problem_of(both, 400, "invalid_query").await;
    let path = format!("/v1/ops/sagas/{saga}/signal");
    let sent =
        async |sign: &str| shop.send(Method::POST, &path, Who::Operator, json!({"signal": sign})).await;
    problem_of(sent("payment_event").await, 409, "saga_conflict").await;
    problem_of(sent("smoke").await, 422, "invalid_body").await;
    let answer = json_of(sent("confirmation").await, StatusCode::ACCEPTED).await;
    assert_eq!((&answer["id"], &answer["answer"]), (&json!(saga), &json!("accepted")));
    shop.until(&id, "CONFIRMED").await;
    let metrics = shop.metrics();
    assert!(!metrics.contains("CANCELLING"), "{metrics}");
    let cancel = format!("/v1/ops/sagas/{saga}/cancel");
    post(&shop, &cancel, json!({}), StatusCode::ACCEPTED).await;
    shop.until(&id, "CANCELLED").await;
    post(&shop, &cancel, json!({}), StatusCode::OK).await;
    let metrics = shop.metrics();
    let counted = r#"holdfast_orders_total{payment_method="cod",status="CANCELLING"} 1"#;
    assert!(metrics.contains(counted), "{metrics}");
    problem_of(shop.post(&format!("/v1/ops/sagas/{saga}/retry"), Who::Operator).await, 409, "saga_conflict")
        .await;
    for path in ["/v1/ops/sagas/999.0", "/v1/ops/sagas/999.7"] {
        problem_of(shop.get(path, Who::Operator).await, 404, "saga_not_found").await;
    }
    problem_of(shop.get("/v1/ops/sagas/1", Who::Operator).await, 404, "not_found").await;
    problem_of(shop.post("/v1/ops/sagas/999.0/cancel", Who::Operator).await, 404, "saga_not_found").await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_about_dead_letters_are_bounded() {
    let shop = Shop::asleep().await;
    let many: Vec<String> = (1..=257).map(|number| format!("{number}.0")).collect();
    for (path, body) in [
        ("retry", json!({})),
        ("retry", json!({"ids": []})),
        ("retry", json!({"ids": many})),
        ("retry", json!({"ids": ["x"]})),
        ("retry", json!({"ids": ["1.0"], "filter": {}})),
        ("retry", json!({"ids": ["1.0"], "cursor": "1.0"})),
        ("retry", json!({"filter": {"colour": "red"}})),
        // What was meant to be a rehearsal is not done for real.
        ("retry", json!({"ids": ["1.0"], "dryrun": true})),
        ("discard", json!({"ids": ["1.0"]})),
        ("discard", json!({"ids": ["1.0"], "reason": " "})),
    ] {
        let asked = shop.send(Method::POST, &format!("/v1/ops/dead/{path}"), Who::Operator, body).await;
        problem_of(asked, 422, "invalid_body").await;
    }
    for query in ["limit=0", "limit=101", "older_than_secs=99999999", "younger_than_secs=x"] {
        let asked = shop.get(&format!("/v1/ops/dead?{query}"), Who::Operator).await;
        problem_of(asked, 400, "invalid_query").await;
    }
    problem_of(shop.get("/v1/ops/dead?cursor=x", Who::Operator).await, 400, "invalid_cursor").await;
    let some = json!({"ids": &many[..256]});
    let shown = post(&shop, "/v1/ops/dead/retry", some, StatusCode::OK).await;
    assert_eq!(shown["not_found"], 256);
    problem_of(shop.post("/v1/ops/queues/coffee/resume", Who::Operator).await, 404, "not_found").await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_is_processed_batch_by_batch() {
    let shop = Shop::asleep().await;
    let now = shop.store.now().await.expect("the store answers");
    let keys = shop.store.keys().await.expect("the store answers");
    let dead = (1..=300).map(|number| {
        let total = Money::new(1_299, Currency::EUR);
        let notice =
            Notice { notice: NoticeKind::OrderConfirmed, channel: "log".to_owned(), total, reason: None };
        let id = OrderId::new(number).saga(slot::CONFIRMED_NOTICE);
        let mut saga = notification::V1.start(id, Context::Notice(notice)).begin(keys.draw(id.order()), now);
        (saga.state, saga.wake_at) = (SagaState::Dead, None);
        saga.progress.stage = 2;
        saga.progress.error = Some(format!("no route to the mailbox of order {number}"));
        (id, saga)
    });
    let writes = Writes { at: now, new_sagas: dead.collect(), ..Writes::default() };
    shop.store.begin().await.expect("begins").save(&writes).await.expect("saves");

    let groups = get(&shop, "/v1/ops/dead/groups?error_contains=mailbox").await;
    assert_eq!(groups["items"][0]["count"], 300);
    assert_eq!(groups["items"][0]["reason"], "no route to the mailbox of order N");
    let page = get(&shop, "/v1/ops/dead?limit=100").await;
    assert_eq!(page["items"][99]["id"], "201.1");
    let next = format!("/v1/ops/dead?limit=100&cursor={}", text(&page["next_cursor"]));
    let page = get(&shop, &next).await;
    assert_eq!(page["items"][99]["id"], "101.1");
    let next = format!("/v1/ops/dead?limit=100&cursor={}", text(&page["next_cursor"]));
    let page = get(&shop, &next).await;
    assert_eq!((page["items"].as_array().map(Vec::len), &page["next_cursor"]), (Some(100), &Value::Null));

    let mut body = json!({"filter": {"step": "send"}});
    let mut counts = Vec::new();
    loop {
        let shown = post(&shop, "/v1/ops/dead/retry", body.clone(), StatusCode::OK).await;
        counts.push((shown["items"].as_array().map_or(0, Vec::len), shown["done"].clone()));
        if shown["next_cursor"].is_null() {
            break;
        }
        body["cursor"] = shown["next_cursor"].clone();
    }
    assert_eq!(counts, [(256, json!(256)), (44, json!(44))]);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_are_listed_and_one_audit_runs_at_a_time() {
    let shop = Shop::open().await;
    let listed = until(&shop, "/v1/ops/workers", |list| list["items"][0]["state"] == "alive").await;
    let worker = &listed["items"][0];
    assert_eq!(worker["pools"]["checkout"], 256, "{worker:#}");
    assert!(worker["definitions"].to_string().contains("checkout_online 2"), "{worker:#}");
    let audits = (0..24).map(|_| shop.get("/v1/ops/audit", Who::Operator));
    let mut made = 0;
    for audit in futures_util::future::join_all(audits).await {
        if audit.status() == StatusCode::OK {
            assert_eq!(audit.json::<Value>().await.expect("JSON")["clean"], true);
            made += 1;
        } else {
            assert!(audit.headers().contains_key("retry-after"));
            problem_of(audit, 409, "audit_running").await;
        }
    }
    assert!(made > 0);
    shop.close().await;
}

// What a database cannot keep, and what is no number of an order, is a fault of the request and none of the server.
#[tokio::test(flavor = "multi_thread")]
async fn f15_odd_values_in_a_query_are_faults() {
    let shop = Shop::open().await;
    for path in [
        "/v1/ops/actions?actor=%00",
        "/v1/ops/actions?action=a%00b",
        "/v1/ops/sagas?definition=%00",
        "/v1/ops/actions?order=0",
        "/v1/ops/actions?order=4503599627370496",
        "/v1/ops/actions?order=9223372036854775807",
        "/v1/ops/actions?order=1e3",
        "/v1/ops/actions?since=yesterday",
        "/v1/ops/sagas?state=retry",
    ] {
        problem_of(shop.get(path, Who::Operator).await, 400, "invalid_query").await;
    }
    for path in ["/v1/orders?email=a%00b@c", "/v1/orders?since=2026"] {
        problem_of(shop.get(path, Who::Admin).await, 400, "invalid_query").await;
    }
    for path in ["/v1/ops/actions?since=2026-01-01T00:00:00Z", "/v1/ops/sagas?state=RETRYING"] {
        assert_eq!(shop.get(path, Who::Operator).await.status(), StatusCode::OK, "{path}");
    }
    shop.close().await;
}
