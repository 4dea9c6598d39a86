//! The desk: what it refuses, how long it keeps people waiting, and that they share its commits.

use std::time::{Duration, Instant};

use holdfast_saga::ports::Fault;
use holdfast_sandbox::http::{HttpSandbox, routes};
use holdfast_sandbox::{DurableSandbox, SandboxControl};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::file::raw;
use crate::{NO_ANSWER, PATIENCE, captured, charge, clock, eur, folder, line, opened, refund, statement};

/// A ledger that are served on a free port, until this is dropped.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) url: String,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Desk {
    pub(crate) async fn open(ledger: DurableSandbox, delay: Duration) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let (stop, stopped) = watch::channel(false);
        let routes = routes(ledger, delay, stopped);
        let serving = tokio::spawn(async { axum::serve(listener, routes).await.expect("serves") });
        Self { url, stop, serving }
    }

    pub(crate) fn client(&self, timeout: Duration) -> HttpSandbox {
        HttpSandbox::new(&self.url, timeout).expect("a URL")
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// A desk with an empty ledger that answers each charge after `delay`.
async fn desk(delay: Duration) -> (tempfile::TempDir, Desk) {
    let folder = folder();
    let desk = Desk::open(opened(&folder, &clock()).await, delay).await;
    (folder, desk)
}

#[tokio::test]
async fn what_goes_over_the_wire_is_what_its_page_says() {
    let (_folder, desk) = desk(Duration::ZERO).await;
    let http = Client::new();
    let at = |path: &str| format!("{}{path}", desk.url);
    let key = "00c0ffee42-1-81f3a2c95d0e:take_payment:1";
    let amount = json!({"amount_minor": 1_999, "currency": "EUR"});
    let answer = http.post(at("/charges")).header("idempotency-key", key);
    let answer = answer.json(&json!({"amount": amount, "token": "tok_ok"})).send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::OK);
    let paid = json!({
        "status": "captured", "amount": amount, "refunded_minor": 0, "provider_ref": "sbx_00c0ffee42-1-81f3a2c95d0e:take_payment:1",
    });
    assert_eq!(answer.json::<Value>().await.expect("JSON"), paid);

    let back =
        http.post(at("/refunds")).header("idempotency-key", "00c0ffee42-1-81f3a2c95d0e:refund_payment:1");
    let back = back.json(&json!({"charge": key, "amount_minor": 500})).send().await.expect("an answer");
    assert_eq!(back.status(), StatusCode::NO_CONTENT);
    let statement = http.get(at("/statement")).send().await.expect("an answer");
    let line = json!({"charge": key, "currency": "EUR", "captured_minor": 1_999, "refunded_minor": 500});
    assert_eq!(statement.json::<Value>().await.expect("JSON"), json!({"items": [line], "next_cursor": null}));
    let waiting = http.get(at("/charges?waiting")).send().await.expect("an answer");
    assert_eq!(waiting.json::<Value>().await.expect("JSON"), json!({"items": [], "next_cursor": null}));
    assert_eq!(http.get(at("/healthz")).send().await.expect("an answer").status(), StatusCode::OK);
}

#[tokio::test]
async fn what_is_not_understood_is_refused_and_does_nothing() {
    let (_folder, desk) = desk(Duration::ZERO).await;
    let http = Client::new();
    let post = |path: &str, key: &str, body: &str| {
        let request = http.post(format!("{}{path}", desk.url)).header("content-type", "application/json");
        request.header("idempotency-key", key).body(body.to_owned())
    };
    let good = r#"{"amount": {"amount_minor": 1, "currency": "EUR"}, "token": "tok_ok"}"#;
    let (endless, long_key) = (format!("{good}{}", " ".repeat(20_000)), "k".repeat(201));
    let asked = [
        (post("/charges", "k", "{}"), 422),
        (post("/charges", "k", "no json"), 400),
        (post("/charges", "k", &good.replace("EUR", "eur")), 422),
        (post("/charges", "k", &endless), 413),
        (post("/charges", "", good), 400),
        (post("/charges", &long_key, good), 400),
        (post("/charges", "two parts", good), 400),
        (post("/refunds", "k", r#"{"charge": "", "amount_minor": 1}"#), 400),
        (post("/charges/k/complete", "", ""), 400),
        (http.post(format!("{}/charges", desk.url)).json(&json!({})), 400),
        (http.get(format!("{}/charges", desk.url)), 400),
        (http.get(format!("{}/nothing", desk.url)), 404),
        (http.delete(format!("{}/charges/k", desk.url)), 405),
    ];
    for (number, (request, expected)) in asked.into_iter().enumerate() {
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        let body: Value = answer.json().await.unwrap_or_else(|error| panic!("request {number}: {error}"));
        assert_eq!((status, &body["code"]), (expected, &json!("invalid")), "request {number}: {body}");
        assert!(
            body["message"].as_str().is_some_and(|message| !message.is_empty()),
            "request {number}: {body}"
        );
    }
    assert_eq!(statement(&desk.client(PATIENCE)).await, []);
}

#[tokio::test]
async fn lists_of_many_pages_are_complete() {
    const ORDERS: i64 = 10_001;
    let (_folder, desk) = desk(Duration::ZERO).await;
    let ledger = desk.client(PATIENCE);
    let (mut asking, mut expected) = (JoinSet::new(), Vec::new());
    for order in 1..=ORDERS {
        while asking.len() >= 256 {
            asking.join_next().await;
        }
        let client = ledger.clone();
        // A void is in the ledger and not on the statement.
        asking.spawn(async move {
            if order % 5 == 0 {
                client.void(&charge(order)).await.expect("voided");
            } else {
                client.charge(&charge(order), eur(order), "tok_requires_action").await.expect("waits");
            }
        });
        if order % 5 != 0 {
            expected.push(charge(order));
        }
    }
    asking.join_all().await;
    expected.sort();
    assert_eq!(ledger.waiting_actions().await, Ok(expected.clone()));
    let lines = statement(&ledger).await;
    assert_eq!(lines.into_iter().map(|line| line.charge).collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn charges_that_come_together_share_a_commit() {
    const TOGETHER: i64 = 64;
    /// A page in the WAL, with its header; whoever commits a charge writes one at least.
    const FRAME: u64 = 4_096 + 24;
    let (folder, desk) = desk(Duration::ZERO).await;
    let client = desk.client(PATIENCE);
    let ledger = folder.path().join("sandbox.db");
    let mut neighbour = raw(&folder).await;
    sqlx::query("begin immediate").execute(&mut neighbour).await.expect("locks");
    let mut charging = JoinSet::new();
    for order in 1..=TOGETHER {
        let client = client.clone();
        charging.spawn(async move { client.charge(&charge(order), eur(100), "tok_ok").await });
    }
    assert!(tokio::time::timeout(NO_ANSWER, charging.join_next()).await.is_err(), "all wait for the lock");
    let written = || std::fs::metadata(ledger.with_extension("db-wal")).expect("a WAL").len();
    let before = written();
    sqlx::query("rollback").execute(&mut neighbour).await.expect("releases");
    for answer in charging.join_all().await {
        assert!(answer.is_ok(), "{answer:?}");
    }
    let frames = (written() - before) / FRAME;
    assert!(frames < 20, "{TOGETHER} charges wrote {frames} pages");
}

#[tokio::test]
async fn a_delay_holds_back_the_answer_and_not_the_money() {
    const DELAY: Duration = Duration::from_secs(2);
    let (_folder, desk) = desk(DELAY).await;
    let client = desk.client(PATIENCE);
    let since = Instant::now();
    let (paying, key) = (client.clone(), charge(1));
    let charging = tokio::spawn(async move { paying.charge(&key, eur(100), "tok_ok").await });
    let state = captured(&charge(1), eur(100), 0);
    while client.find(&charge(1)).await != Ok(Some(state.clone())) {
        assert!(since.elapsed() < PATIENCE, "the money does not move");
    }
    assert!(!charging.is_finished() && since.elapsed() < DELAY, "a look-up takes no time");
    assert_eq!(charging.await.expect("no panic"), Ok(state));
    assert!(since.elapsed() >= DELAY);
}

#[tokio::test]
async fn a_desk_that_stops_keeps_nobody_waiting() {
    let (_folder, desk) = desk(Duration::from_hours(1)).await;
    let client = desk.client(PATIENCE);
    let mut waiting = JoinSet::new();
    for (order, token) in [(1, "tok_ok"), (2, "tok_timeout")] {
        let client = client.clone();
        waiting.spawn(async move { (order, client.charge(&charge(order), eur(100), token).await) });
    }
    assert!(tokio::time::timeout(NO_ANSWER, waiting.join_next()).await.is_err(), "both wait");
    desk.stop.send(true).expect("it serves");
    for (order, answer) in waiting.join_all().await {
        if order == 1 {
            assert_eq!(answer, Ok(captured(&charge(1), eur(100), 0)));
        } else {
            assert_eq!(answer, Err(Fault::Unclear("the sandbox lost its answer".to_owned())));
        }
    }
}

/// Beyond the bound nobody is held: their answers are lost at once.
#[tokio::test]
async fn held_connections_are_bounded() {
    const BOUND: usize = 1_024;
    let (_folder, desk) = desk(Duration::ZERO).await;
    let client = desk.client(PATIENCE);
    let mut held = JoinSet::new();
    for order in 1..=i64::try_from(BOUND + 50).expect("small") {
        let client = client.clone();
        held.spawn(async move { client.charge(&charge(order), eur(100), "tok_timeout").await });
        // In waves: a thousand connections at once are too many for a listener, and that is another matter.
        if order % 50 == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    for _ in 0..50 {
        let answer = held.join_next().await.expect("one of them").expect("no panic");
        assert_eq!(answer, Err(Fault::Unclear("the sandbox lost its answer".to_owned())));
    }
    assert!(tokio::time::timeout(NO_ANSWER, held.join_next()).await.is_err(), "the others are held");
    // Who gives up makes room again.
    held.shutdown().await;
    let once_more = charge(100_000);
    let since = Instant::now();
    let unheard = async || {
        let asked = client.charge(&once_more, eur(100), "tok_timeout");
        tokio::time::timeout(NO_ANSWER, asked).await.is_err()
    };
    assert!(unheard().await, "room is free after {:?}", since.elapsed());
    assert_eq!(client.find(&charge(1)).await, Ok(Some(captured(&charge(1), eur(100), 0))));
}

#[tokio::test]
async fn who_hangs_up_has_paid_all_the_same() {
    let (_folder, desk) = desk(Duration::ZERO).await;
    let hasty = desk.client(NO_ANSWER);
    for token in ["tok_timeout", "tok_ok"] {
        let answer = hasty.charge(&charge(1), eur(100), token).await;
        match token {
            "tok_ok" => assert_eq!(answer, Ok(captured(&charge(1), eur(100), 0))),
            _ => assert!(matches!(&answer, Err(Fault::Unclear(message)) if message.contains("within 500ms"))),
        }
    }
    hasty.give_back(&refund(1), &charge(1), 40).await.expect("refunded");
    assert_eq!(statement(&hasty).await, [line(&charge(1), 100, 40)]);
}
