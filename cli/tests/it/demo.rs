//! The demo: on generated orders, on orders from a file, and killed in the middle.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::binary::{Ran, holdfast, run, run_on, sqlite_url};
use crate::fixture::{MAX_WAIT, ServerDatabase};

#[test]
fn a_small_demo_settles_everything_and_prints_three_timelines() {
    let ran = run(&["demo", "--orders", "150"]);
    ran.ends(0, "settling 150 orders");
    for message in
        ["CONFIRMED", "out_of_stock", "needs attention", ", fulfilled", ", undone", ", stuck", "next move"]
    {
        assert!(ran.stdout.contains(message), "{message:?} is not in {}", ran.stdout);
    }
    assert!(ran.stdout.contains("150 orders in "), "{}", ran.stdout);
    let broken = ran.stdout.lines().find(|line| line.starts_with("broken"));
    assert!(broken.is_some_and(|line| line.ends_with("nothing")), "{}", ran.stdout);
    // No bar where nobody looks, and no token anywhere.
    assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
    assert!(!ran.stdout.contains("tok_"), "{}", ran.stdout);
}

#[test]
fn a_bad_line_is_named_and_nothing_is_done() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let good = r#"{"lines":[{"sku":"cd-1","quantity":1,"unit_price_minor":999}],"currency":"USD"}"#;
    let cases = [
        ("not json", "line 2: not an order"),
        (r#"{"lines":[{"sku":"cd-1","quantity":1,"unit_p"#, "line 2: not an order"),
        (r#"{"lines":[],"currency":"USD"}"#, "line 2: an order without lines"),
        (
            r#"{"lines":[{"sku":"cd-1","quantity":0,"unit_price_minor":999}],"currency":"USD"}"#,
            "line 2: 0 of cd-1",
        ),
        (
            r#"{"lines":[{"sku":"cd-1","quantity":1,"unit_price_minor":998}],"currency":"USD"}"#,
            "line 2: cd-1 costs 9.98 USD here and 9.99 USD in an earlier line",
        ),
    ];
    for (bad, message) in cases {
        let input = folder.path().join("orders.jsonl");
        fs::write(&input, format!("{good}\n{bad}\n{good}\n")).expect("the input is written");
        let shop = folder.path().join("shop.db");
        let ran = run_on(&sqlite_url(&shop), &["demo", "--input", &input.to_string_lossy()]);
        ran.ends(2, message);
        assert!(!shop.exists(), "{bad}: a shop was made");
    }
    let empty = folder.path().join("empty.jsonl");
    fs::write(&empty, "\n\n").expect("the input is written");
    run(&["demo", "--input", &empty.to_string_lossy()]).ends(2, "has no orders");
    run(&["demo", "--input", "/nowhere/orders.jsonl"]).ends(2, "cannot be read");
    run(&["demo", "--resume"]).ends(2, "--database-url");
    run(&["demo", "--orders", "0"]).ends(2, "--orders");
}

#[test]
fn an_unreachable_database_is_said_in_one_sentence() {
    let started = Instant::now();
    let ran = run_on("postgres://nobody:s3cret@127.0.0.1:1/shop", &["demo"]);
    ran.ends(1, "nothing listens there");
    assert!(!ran.stderr.contains("s3cret"), "{}", ran.stderr);
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[test]
fn real_orders_settle_on_both_databases() {
    let input = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/cdnow-orders.jsonl");
    if !input.exists() {
        eprintln!("skipped: the real orders are not here ({})", input.display());
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let postgres = ServerDatabase::create();
    for url in [&sqlite_url(&folder.path().join("shop.db")), &postgres.url] {
        let ledger = folder.path().join(if url.starts_with("sqlite") { "a.db" } else { "b.db" });
        let (input, ledger) = (input.to_string_lossy(), ledger.to_string_lossy());
        let ran = run_on(url, &["demo", "--input", &input, "--sandbox-ledger", &ledger, "--output", "json"]);
        ran.ends(0, "settling 6911 orders");
        let summary = ran.json();
        let outcome = &summary["outcomes"][0];
        assert_eq!(
            (&outcome["status"], &outcome["orders"]),
            (&"CONFIRMED".into(), &6911.into()),
            "{summary}"
        );
        let audit = &summary["audit"];
        assert_eq!(
            (&audit["skus"], &audit["charges"], &audit["clean"]),
            (&1207.into(), &6911.into(), &true.into())
        );
    }
}

/// Kills demos of `orders` orders at `kills` random moments, then resumes, and audits.
fn killed(url: &str, kills: u32, orders: u32) {
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    eprintln!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let ledger = folder.path().join("ledger.db");
    let ledger = ledger.to_string_lossy().into_owned();
    let (mut round, mut longest) = (0, Duration::from_millis(700));
    // On a slow machine it takes longer until there is something to lose.
    while round < kills || accepted(url, &ledger) <= u64::from(kills) {
        assert!(longest < MAX_WAIT, "seed {seed}: hardly an order was accepted");
        let mut demo = start(url, &ledger, &["--orders", &orders.to_string(), "--seed", &round.to_string()]);
        sleep(longest.mul_f64(random.random_range(0.03..1.0)));
        demo.kill().expect("SIGKILL is sent");
        demo.wait().expect("it is gone");
        round += 1;
        longest = if round < kills { longest } else { longest * 2 };
    }
    let resumed = run_on(url, &["demo", "--resume", "--sandbox-ledger", &ledger]);
    resumed.ends(0, "");
    let audit = run_on(url, &["audit", "--sandbox-ledger", &ledger, "--output", "json"]);
    audit.ends(0, "");
    let report = audit.json();
    // What has not settled is parked, and says so.
    let parked = report["in_flight"].as_array().expect("a list").iter().all(|order| order["dead"] == true);
    assert!(parked, "seed {seed}: {report}");
}

/// How many orders there are; none where there is no shop yet.
fn accepted(url: &str, ledger: &str) -> u64 {
    let audit = run_on(url, &["audit", "--sandbox-ledger", ledger, "--output", "json"]);
    if audit.stdout.is_empty() { 0 } else { audit.json()["orders"].as_u64().expect("a number") }
}

fn start(url: &str, ledger: &str, arguments: &[&str]) -> Child {
    holdfast()
        .env("DATABASE_URL", url)
        .args(["demo", "--sandbox-ledger", ledger])
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary runs")
}

#[test]
fn every_accepted_order_settles_after_twenty_kills_on_postgres() {
    killed(&ServerDatabase::create().url, 20, 3_000);
}

#[test]
fn every_accepted_order_settles_after_five_kills_on_sqlite() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    killed(&sqlite_url(&folder.path().join("shop.db")), 5, 3_000);
}

#[test]
fn an_interrupted_demo_stops_in_good_order_and_says_how_to_go_on() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = sqlite_url(&folder.path().join("shop.db"));
    let mut demo = holdfast()
        .env("DATABASE_URL", &url)
        .args(["demo", "--orders", "3000"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut line = Vec::new();
    let stderr = demo.stderr.as_mut().expect("a pipe");
    // Byte by byte: what follows is for the end.
    while !line.ends_with(b"\n") {
        let mut byte = [0];
        assert_eq!(stderr.read(&mut byte).expect("it is read"), 1, "it ended: {line:?}");
        line.extend(byte);
    }
    assert!(line.ends_with(b"settling 3000 orders\n"), "{line:?}");
    let interrupt = std::process::Command::new("kill").args(["-INT", &demo.id().to_string()]).status();
    assert!(interrupt.is_ok_and(|status| status.success()), "kill is there");
    let ran = Ran::of(demo.wait_with_output().expect("it ends"));
    ran.ends(1, "--resume");
    let resumed = run_on(&url, &["demo", "--resume"]);
    resumed.ends(0, "");
}
