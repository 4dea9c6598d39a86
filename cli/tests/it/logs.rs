//! The log tells the story of an order that went wrong, whoever carried it on, and names nobody.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::binary::{Ran, holdfast, run_on};
use crate::cluster::{LEASE, in_cluster};
use crate::personal_data::PARTS_OF_BUYERS;
use crate::server::{Server, cart, checkout, json_of};

/// What a demo of 60 orders says on stderr at this level, in this format.
fn log_of_a_demo(level: &str, format: &str) -> String {
    let mut command = holdfast();
    command.env("RUST_LOG", level).env("HOLDFAST_LOG", format).args(["demo", "--orders", "60"]);
    let ran = Ran::of(command.output().expect("the binary runs"));
    ran.ends(0, "settling 60 orders");
    ran.stderr
}

/// The lines that were logged as JSON; other messages are on stderr, too.
fn lines(stderr: &str) -> Vec<Map<String, Value>> {
    let logged = stderr.lines().filter(|line| line.starts_with('{'));
    logged.map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

fn text<'a>(line: &'a Map<String, Value>, field: &str) -> &'a str {
    line.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// What the log says of the order that `is_it` finds: its lines' messages, in order.
fn story(lines: &[Map<String, Value>], is_it: impl Fn(&Map<String, Value>) -> bool) -> Vec<String> {
    let line = lines.iter().find(|line| is_it(line)).expect("there is such a line");
    let order = &line["order.id"];
    let of_order = lines.iter().filter(|line| line.get("order.id") == Some(order));
    of_order.map(|line| text(line, "message").to_owned()).collect()
}

#[test]
fn a_declined_a_retried_and_a_dead_order_can_be_read_from_the_log_alone() {
    let lines = lines(&log_of_a_demo("info", "json"));

    let declined = story(&lines, |line| text(line, "message") == "declined");
    assert_eq!(declined, ["accepted", "declined", "unwinding", "settled", "notified", "settled"]);

    let flaky = |line: &Map<String, Value>| text(line, "why").contains("failed 1 of 2 times");
    let retried = story(&lines, flaky);
    assert_eq!(retried[..2], ["accepted", "failed, nothing moved"], "{retried:?}");
    assert_eq!(retried.last().map(String::as_str), Some("settled"));
    let failure = lines.iter().find(|line| flaky(line)).expect("is there");
    assert_eq!((text(failure, "step"), &failure["attempt"]), ("take_payment", &Value::from(1)));
    assert!(text(failure, "retry_at").ends_with('Z'), "{failure:?}");

    let dead = story(&lines, |line| text(line, "message") == "dead, an operator must act");
    assert_eq!(dead.first().map(String::as_str), Some("accepted"));
    assert_eq!(dead.last().map(String::as_str), Some("dead, an operator must act"), "{dead:?}");
    let death = lines.iter().find(|line| text(line, "level") == "ERROR").expect("is there");
    assert_eq!(text(death, "next"), format!("holdfast dead show {}", text(death, "saga.id")));
    assert!(text(death, "why").contains("failed 8 times"), "{death:?}");

    // Every order's end is logged once, with how many steps it took and how long.
    let ends = |line: &&Map<String, Value>| {
        text(line, "saga.id").ends_with(".0") && text(line, "message") == "settled"
    };
    let settled: Vec<_> = lines.iter().filter(ends).collect();
    assert_eq!(settled.len(), 60);
    for line in settled {
        let is_done = text(line, "state") == "COMPLETED";
        assert_eq!(line.get("steps").is_some_and(Value::is_u64), is_done, "{line:?}");
        assert_eq!(line.contains_key("reason"), !is_done, "{line:?}");
        assert!(line["duration_ms"].is_u64() && line["commits"].is_u64(), "{line:?}");
        assert!(!text(line, "request_id").is_empty(), "{line:?}");
    }
}

#[test]
fn s9_the_log_names_no_buyer_and_no_token_however_much_it_shows() {
    for format in ["text", "json"] {
        let log = log_of_a_demo("trace", format);
        for line in log.lines().filter(|line| line.contains("holdfast")) {
            for hidden in PARTS_OF_BUYERS.into_iter().chain(["tok_o", "tok_d", "tok_r"]) {
                assert!(!line.contains(hidden), "{hidden}: {line}");
            }
        }
    }
}

#[test]
fn no_field_of_a_json_line_stands_there_twice() {
    for line in log_of_a_demo("debug", "json").lines().filter(|line| line.starts_with('{')) {
        // A map keeps one of two equal names, so it prints shorter.
        let parsed: Map<String, Value> = serde_json::from_str(line).expect("is JSON");
        let names: BTreeSet<_> = parsed.keys().collect();
        let written = names.iter().map(|name| line.matches(&format!("\"{name}\":")).count()).sum::<usize>();
        assert_eq!(written, names.len(), "{line}");
    }
}

#[test]
fn a_takeover_is_logged_by_the_worker_that_goes_on() {
    in_cluster("900ms", async |cluster| {
        let mut first = Server::start(cluster.worker_command().env("HOLDFAST_LOG", "json"));
        cluster.order("tok_ok").await;
        cluster.until("the money is taken", async || !cluster.statement().await.is_empty()).await;
        first.kill();
        let second = Server::start(cluster.worker_command().env("HOLDFAST_LOG", "json"));
        tokio::time::sleep(LEASE).await;
        cluster.rest().await;
        let logged = || lines(&second.stderr());
        cluster
            .until("its end is logged", async || {
                logged().iter().any(|line| text(line, "message") == "settled")
            })
            .await;
        let lines = logged();
        let taken = lines.iter().find(|line| text(line, "level") == "WARN").expect("a warning");
        assert_eq!(text(taken, "message"), "taken over from a worker that vanished");
        assert_eq!((text(taken, "step"), text(taken, "saga.id")), ("take_payment", "1.0"));
        assert!(!text(taken, "from").is_empty(), "{taken:?}");
    });
}

#[test]
fn a_request_and_its_trace_reach_the_saga_and_its_lines() {
    in_cluster("0s", async |cluster| {
        let worker = Server::start(cluster.worker_command().env("HOLDFAST_LOG", "json"));
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let cart = cart(&cluster.api.url).await;
        let request = checkout(&cluster.client, &cluster.api.url, &cart, "one")
            .header("x-request-id", "mine-42")
            .header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"));
        json_of(request.send().await.expect("an answer"), 201).await;
        cluster.rest().await;
        let is_end = |line: &&Map<String, Value>| text(line, "message") == "settled";
        cluster
            .until("its end is logged", async || lines(&worker.stderr()).iter().any(|line| is_end(&line)))
            .await;
        let lines = lines(&worker.stderr());
        let settled = lines.iter().find(is_end).expect("is there");
        assert_eq!((text(settled, "request_id"), text(settled, "trace_id")), ("mine-42", trace));
        let accepted = cluster.api.stderr();
        let accepted = accepted.lines().find(|line| line.contains("accepted")).expect("is logged");
        assert!(accepted.contains("request_id=mine-42") && accepted.contains(trace), "{accepted}");
    });
}

#[test]
fn an_unknown_format_is_refused() {
    let mut command = holdfast();
    let output =
        command.env("HOLDFAST_LOG", "xml").args(["order", "list"]).output().expect("the binary runs");
    Ran::of(output).ends(2, "HOLDFAST_LOG is \"xml\"; it can be text or json");
}

#[test]
fn a_command_that_asks_logs_nothing_unasked() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = crate::binary::sqlite_url(&folder.path().join("shop.db"));
    run_on(&url, &["migrate"]).ends(0, "applied");
    let ran = run_on(&url, &["order", "list"]);
    assert_eq!(
        ran.ends(0, "").stderr,
        format!("shop at {}\nno orders\n", folder.path().join("shop.db").display())
    );
}
