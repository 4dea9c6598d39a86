//! The bench as it is used: its binary plays small scenarios on real servers, and tells no figure of a shop in which
//! something is wrong.

use std::process::{Command, Output, Stdio};

use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

fn server_url() -> String {
    std::env::var("HOLDFAST_TEST_POSTGRES_URL").expect(
        "HOLDFAST_TEST_POSTGRES_URL is not set: run `make test`, or `scripts/with-servers cargo test`",
    )
}

fn play(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_holdfast-bench"))
        .args(["run", "--idle-within", "0", "--output", "json"])
        .args(args)
        .stdin(Stdio::null())
        .output()
        .expect("runs")
}

/// The only round of a run that measured something.
fn measured(args: &[&str]) -> Value {
    let played = play(&[args, &["--rounds", "1"]].concat());
    let stderr = String::from_utf8_lossy(&played.stderr);
    assert!(played.status.success(), "{args:?}: {stderr}");
    let mut report: Value = serde_json::from_slice(&played.stdout).expect("JSON");
    assert_eq!(report["scenario"], args[0]);
    let round = report["result"]["rounds"][0].take();
    assert_eq!(round["verified"], true, "{round}");
    for figure in ["orders_per_s", "elapsed_s"] {
        assert!(round[figure].as_f64().is_some_and(|figure| figure > 0.0), "{figure} in {round}");
    }
    for latency in ["accept_ms", "settled_ms"] {
        assert_eq!(round[latency]["count"], round["orders"], "{latency} in {round}");
        assert!(round[latency]["p50"].as_f64() <= round[latency]["p99"].as_f64(), "{latency} in {round}");
    }
    round
}

/// How the orders of all kinds ended.
fn ends(round: &Value) -> Vec<(String, u64)> {
    let kinds = round["ends"].as_array().expect("kinds").iter();
    kinds
        .flat_map(|kind| kind["ends"].as_object().expect("ends"))
        .map(|(end, orders)| (end.clone(), orders.as_u64().expect("a count")))
        .collect()
}

async fn execute(url: &str, sql: &str) {
    let mut shell = PgConnection::connect(url).await.expect("connects");
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut shell).await.expect("executes");
}

#[test]
fn a_flash_sale_sells_what_there_is_and_no_more() {
    let round = measured(&["flash-sale", "--orders", "300", "--units", "20"]);
    assert_eq!(
        ends(&round),
        [("CANCELLED out_of_stock".to_owned(), 280), ("CONFIRMED".to_owned(), 20)],
        "{round}"
    );
    assert_eq!(round["audited_charges"], 20);
}

#[test]
fn a_mix_ends_card_by_card_as_it_must() {
    let round = measured(&["mixed", "--orders", "90", "--units", "2"]);
    let ended = |end: &str| -> u64 {
        ends(&round).iter().filter(|(name, _)| name == end).map(|(_, orders)| orders).sum()
    };
    assert_eq!(ended("CANCELLED out_of_stock"), 4, "{round}");
    // The warm-up's are among these.
    for end in ["CONFIRMED", "CANCELLED payment_declined", "CANCELLED rejected_by_admin"] {
        assert!(ended(end) >= 3, "{end} in {round}");
    }
}

#[test]
fn an_open_loop_counts_until_the_message_leaves() {
    let round = measured(&["steady", "--rate", "50", "--seconds", "1"]);
    assert_eq!(round["orders"], 50);
    assert_eq!(round["settled_seen"], "by_the_message");
}

#[test]
fn all_of_it_runs_in_one_process_on_sqlite() {
    let round = measured(&["checkout-online", "--on", "sqlite", "--orders", "60"]);
    assert_eq!(round["orders"], 60);
}

#[test]
fn rounds_that_begin_with_past_orders_begin_alike() {
    let played = play(&["checkout-online", "--orders", "20", "--past-orders", "30", "--rounds", "2"]);
    let stderr = String::from_utf8_lossy(&played.stderr);
    assert!(played.status.success(), "{stderr}");
    let report: Value = serde_json::from_slice(&played.stdout).expect("JSON");
    let rounds = report["result"]["rounds"].as_array().expect("rounds");
    let audited: Vec<_> = rounds.iter().map(|round| round["audited_orders"].clone()).collect();
    assert_eq!(audited, [55, 55]);
}

#[tokio::test]
async fn a_cooked_row_costs_the_figure() {
    let name = format!("holdfast_bench_cooked_{}", std::process::id());
    let args = ["checkout-online", "--orders", "20", "--past-orders", "40", "--database", &name];
    let round = measured(&args);
    assert_eq!(round["audited_orders"], 65, "20, a quarter of it to warm up, 40 past: {round}");

    let server = server_url();
    let url = format!("{}/{name}", &server[..server.rfind('/').expect("a name")]);
    execute(&url, "update stock set on_hand = on_hand - 1 where sku = 'sku-000007'").await;
    let refused = play(&[&args[..], &["--rounds", "1"]].concat());
    let stderr = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{stderr}");
    assert!(refused.stdout.is_empty(), "a figure was printed: {}", String::from_utf8_lossy(&refused.stdout));
    assert!(stderr.contains("counts for nothing") && stderr.contains("sku-000007"), "{stderr}");

    let copy =
        stderr.split_once("left for a look at ").map(|(_, rest)| rest.lines().next().unwrap_or_default());
    let copy = copy.and_then(|url| url.rsplit('/').next()).expect("names what it left");
    for database in [name.as_str(), copy] {
        execute(&server, &format!("drop database {database} with (force)")).await;
    }
}
