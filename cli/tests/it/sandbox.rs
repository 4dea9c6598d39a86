//! `holdfast sandbox`: a provider that outlives its workers, and its own death.

use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast_api::auth::Role;
use holdfast_saga::ports::Fault;
use holdfast_sandbox::http::HttpSandbox;
use holdfast_sandbox::{ChargeState, SandboxControl as _};
use holdfast_shared::{Currency, KeyPrefix, Money, OrderId, StepKey};
use serde_json::Value;
use sqlx::{Connection as _, SqliteConnection};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::binary::{Ran, holdfast, run, run_on, sqlite_url};
use crate::fixture::{MAX_WAIT, Shop, runtime};
use crate::server::{
    ANYWHERE, SECRET, Server, cart, checkout, client, get, json_of, place_orders, token, until,
};

const PRICE: Money = Money::new(1_999, Currency::EUR);

fn key(order: i64) -> StepKey {
    let shop = "00c0ffee42".parse().expect("a shop id");
    StepKey::new(&KeyPrefix::new(shop, OrderId::new(order), 7), "take_payment", 1)
}

fn ask(url: &str) -> HttpSandbox {
    HttpSandbox::new(url, MAX_WAIT).expect("a URL")
}

fn is_captured(state: &ChargeState) -> bool {
    matches!(state, ChargeState::Captured { amount, refunded_minor: 0, .. } if *amount == PRICE)
}

#[test]
fn a_kill_between_the_capture_and_its_answer_loses_and_doubles_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let ledger = folder.path().join("ledger.db");
    let mut first = Server::sandbox(&ledger, ANYWHERE, &["--delay", "1h"]);
    let runtime = runtime();
    let asked = ask(&first.url);
    let charging = {
        let asked = asked.clone();
        runtime.spawn(async move { asked.charge(&key(1), PRICE, "tok_ok").await })
    };
    let look = || runtime.block_on(asked.find(&key(1))).expect("it answers");
    until("the money has moved", || look().filter(is_captured));
    assert!(!charging.is_finished(), "no answer was sent yet");
    first.kill();
    let answer = runtime.block_on(charging).expect("no panic");
    assert!(matches!(answer, Err(Fault::Unclear(_))), "{answer:?}");

    let second = Server::sandbox(&ledger, ANYWHERE, &[]);
    let asked = ask(&second.url);
    runtime.block_on(async {
        let found = asked.find(&key(1)).await.expect("it answers");
        assert!(found.as_ref().is_some_and(is_captured), "{found:?}");
        assert_eq!(asked.charge(&key(1), PRICE, "tok_ok").await, Ok(found.expect("captured")));
        let statement = asked.statement().await.expect("it answers");
        assert_eq!(statement.iter().map(|line| line.captured_minor).collect::<Vec<_>>(), [1_999]);
    });
}

/// A whole shop whose provider dies in the middle of a payment and comes back at the same address.
#[test]
fn an_order_whose_provider_dies_under_the_payment_is_paid_once() {
    let (home, desk) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let ledger = desk.path().join("ledger.db");
    let mut first = Server::sandbox(&ledger, ANYWHERE, &["--delay", "1h"]);
    let (url, address) = (first.url.clone(), first.url.trim_start_matches("http://").to_owned());
    let mut up = holdfast();
    up.current_dir(home.path()).env("HOLDFAST_JWT_SECRET", SECRET).env("HOLDFAST_SANDBOX_URL", &url);
    let up = Server::start(up.args(["up", "--http-addr", ANYWHERE]));
    let runtime = runtime();
    let placed = runtime.block_on(async {
        let cart = cart(&up.url).await;
        json_of(checkout(&client(), &up.url, &cart, "k").send().await.expect("an answer"), 201).await
    });
    let captured = || {
        let statement = runtime.block_on(ask(&url).statement()).ok()?;
        (!statement.is_empty()).then_some(statement)
    };
    until("the money has moved", captured);
    first.kill();
    let again = Server::sandbox(&ledger, &address, &[]);
    assert_eq!(again.url, url);
    let order = format!("{}/v1/orders/{}", up.url, placed["id"].as_str().expect("an id"));
    until("the order is confirmed", || {
        let order = runtime.block_on(async { json_of(get(&order, &token(Role::Admin)).await, 200).await });
        (order["status"] == "CONFIRMED").then_some(())
    });
    assert_eq!(captured().expect("it answers").len(), 1);
    assert!(!home.path().join("sandbox.db").exists(), "up keeps no ledger of its own");
    let audit = run_on(
        &sqlite_url(&home.path().join("holdfast.db")),
        &["audit", "--sandbox-url", &url, "--output", "json"],
    );
    assert_eq!(audit.ends(0, "").json()["charges"], 1);
}

/// What `up` does inside itself goes over HTTP, too: somebody else can ask there.
#[test]
fn up_calls_its_own_sandbox_over_http() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut up = holdfast();
    let up = Server::start(up.current_dir(folder.path()).args(["up", "--http-addr", ANYWHERE]));
    let runtime = runtime();
    runtime.block_on(async {
        let cart = cart(&up.url).await;
        let lost = checkout(&client(), &up.url, &cart, "k").build().expect("a request");
        let body = lost.body().and_then(reqwest::Body::as_bytes).expect("JSON");
        let body = String::from_utf8_lossy(body).replace("tok_ok", "tok_timeout");
        let lost = checkout(&client(), &up.url, &cart, "k").body(body);
        json_of(lost.send().await.expect("an answer"), 201).await;
    });
    let inside = until("it says where its sandbox is", || {
        let shown = up.stderr();
        Some(shown.split("sandbox provider is at ").nth(1)?.lines().next()?.to_owned())
    });
    let timeline = || {
        let explained = run_on(
            &sqlite_url(&folder.path().join("holdfast.db")),
            &["order", "explain", "1", "--output", "json"],
        );
        let shown = explained.json();
        shown["now"].as_str().is_some_and(|now| now.contains("CONFIRMED")).then_some(shown)
    };
    let shown = until("the order is confirmed", timeline).to_string();
    assert!(shown.contains("was not answered") && shown.contains("2s"), "{shown}");
    let statement = runtime.block_on(ask(&inside).statement()).expect("it answers");
    assert_eq!(statement.len(), 1);
    run_on(&sqlite_url(&folder.path().join("holdfast.db")), &["audit"]).ends(0, "");
}

/// Two at first, then two a second: the last of eight payments is made after three seconds.
#[test]
fn up_asks_its_provider_no_more_often_than_it_may() {
    // Enough that the last one is still held when a busy machine comes to ask about it.
    const ORDERS: usize = 24;
    let (home, desk) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let sandbox = Server::sandbox(&desk.path().join("ledger.db"), ANYWHERE, &[]);
    let mut up = holdfast();
    let up = up.current_dir(home.path()).args(["up", "--http-addr", ANYWHERE, "--provider-rate", "2"]);
    let up = Server::start(up.args(["--sandbox-url", &sandbox.url]));
    let runtime = runtime();
    let since = Instant::now();
    runtime.block_on(place_orders(&up.url, ORDERS));
    let shop = sqlite_url(&home.path().join("holdfast.db"));
    until("the explanation names the reason", || {
        let shown = run_on(&shop, &["order", "explain", &ORDERS.to_string(), "--output", "json"]).json();
        let now = shown["now"].as_str().expect("text");
        now.contains("limited to 2 calls a second; tried again at").then_some(())
    });
    until("all are paid", || {
        let statement = runtime.block_on(ask(&sandbox.url).statement()).ok()?;
        (statement.len() == ORDERS).then_some(())
    });
    let took = since.elapsed();
    assert!(took >= Duration::from_secs(10), "{ORDERS} payments took {took:?}");
    until("all are confirmed", || {
        let listed =
            run_on(&shop, &["order", "list", "--status", "CONFIRMED", "--limit", "100", "--output", "json"])
                .json();
        (listed["items"].as_array().map(Vec::len) == Some(ORDERS)).then_some(())
    });
    run_on(&shop, &["audit", "--sandbox-url", &sandbox.url]).ends(0, "");
}

#[test]
fn a_demo_settles_against_a_sandbox_elsewhere() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let sandbox = Server::sandbox(&folder.path().join("ledger.db"), ANYWHERE, &[]);
    let shop = sqlite_url(&folder.path().join("shop.db"));
    let ran = run_on(&shop, &["demo", "--orders", "120", "--sandbox-url", &sandbox.url, "--output", "json"]);
    let charges = ran.ends(0, "").json()["audit"]["charges"].as_u64().expect("they were compared");
    assert!(charges > 60, "{charges}");
    let audit = run_on(&shop, &["audit", "--sandbox-url", &sandbox.url, "--output", "json"]);
    assert_eq!(audit.ends(0, "").json()["charges"], charges);
    assert!(!folder.path().join("sandbox.db").exists());
}

#[test]
fn it_stops_gracefully_with_waiting_requests() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut sandbox = Server::sandbox(&folder.path().join("ledger.db"), ANYWHERE, &[]);
    let runtime = runtime();
    let asked = ask(&sandbox.url);
    let lost = {
        let asked = asked.clone();
        runtime.spawn(async move { asked.charge(&key(1), PRICE, "tok_timeout").await })
    };
    until("the money has moved", || {
        runtime.block_on(asked.find(&key(1))).expect("it answers").filter(is_captured)
    });
    let since = Instant::now();
    sandbox.signal("TERM");
    assert_eq!(sandbox.ended(), Some(0), "{}", sandbox.stderr());
    assert!(since.elapsed() < Duration::from_secs(4), "the one who waits does not hold it up");
    assert!(sandbox.stderr().contains("stopping"), "{}", sandbox.stderr());
    let answer = runtime.block_on(lost).expect("no panic");
    assert!(matches!(answer, Err(Fault::Unclear(_))), "{answer:?}");
}

#[test]
fn a_sandbox_that_cannot_work_says_why_in_one_sentence() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let taken = TcpListener::bind(ANYWHERE).expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    let ledger = folder.path().join("ledger.db");
    let sandbox = |address: &str, ledger: &Path| {
        let mut sandbox = holdfast();
        sandbox.args(["sandbox", "--sandbox-addr", address, "--sandbox-ledger"]).arg(ledger);
        Ran::of(sandbox.output().expect("the binary runs"))
    };
    let message = format!("cannot listen on {address}; choose another --sandbox-addr");
    sandbox(&address, &ledger).ends(1, &message);
    assert!(!ledger.exists(), "nothing was begun");
    let nowhere = folder.path().join("no/folder/ledger.db");
    let no_ledger = folder.path().join("notes.txt");
    std::fs::write(&no_ledger, "this is not a ledger, however long it is: not at all").expect("writes");
    for path in [nowhere.as_path(), no_ledger.as_path(), folder.path()] {
        let ran = sandbox(ANYWHERE, path);
        ran.ends(1, &path.display().to_string());
        assert_eq!(ran.stderr.lines().count(), 1, "{ran:#?}");
    }
    run(&["sandbox", "--sandbox-addr", "here"]).ends(2, "--sandbox-addr");
    run(&["sandbox", "--delay", "soon"]).ends(2, "a duration such as 90s");
}

/// A ledger that opens and cannot be written is refused at start-up, not at the first charge.
#[test]
fn a_ledger_that_is_locked_elsewhere_is_refused_at_start_up() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let ledger = folder.path().join("ledger.db");
    drop(Server::sandbox(&ledger, ANYWHERE, &[]));
    let runtime = runtime();
    let _locked = runtime.block_on(async {
        let mut neighbour = SqliteConnection::connect(&sqlite_url(&ledger)).await.expect("opens");
        sqlx::query("begin immediate").execute(&mut neighbour).await.expect("locks");
        neighbour
    });
    let mut sandbox = holdfast();
    sandbox.args(["sandbox", "--sandbox-addr", ANYWHERE, "--sandbox-ledger"]).arg(&ledger);
    let ran = Ran::of(sandbox.output().expect("the binary runs"));
    ran.ends(1, &format!("{}: the sandbox provider's ledger cannot be written", ledger.display()));
}

#[test]
fn which_sandbox_is_said_once_and_properly() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let shop = sqlite_url(&folder.path().join("shop.db"));
    let both = ["--sandbox-url", "http://127.0.0.1:1", "--sandbox-ledger", "ledger.db"];
    let bad = ["--sandbox-url", "https://ann:s3cret@127.0.0.1:1"];
    for command in ["up", "demo", "audit"] {
        // An audit looks at the shop first.
        if command == "audit" {
            run_on(&shop, &["migrate"]).ends(0, "applied");
        }
        let free = ["--http-addr", ANYWHERE];
        let address: &[&str] = if command == "up" { &free } else { &[] };
        let ran = |arguments: &[&str]| {
            let mut holdfast = holdfast();
            holdfast.current_dir(folder.path()).env("DATABASE_URL", &shop).arg(command).args(address);
            Ran::of(holdfast.args(arguments).output().expect("the binary runs"))
        };
        ran(&both).ends(2, "--sandbox-url and --sandbox-ledger").ends(2, "keep the URL here");
        let refused = ran(&bad);
        refused.ends(2, "the sandbox URL begins with https; http://HOST:PORT is expected");
        assert!(!refused.stderr.contains("s3cret"), "{refused:#?}");
        if command != "audit" {
            assert_eq!(folder.path().read_dir().expect("a folder").count(), 0, "{command} made nothing");
        }
    }
}

#[test]
fn a_missing_sandbox_is_reported_in_one_sentence() {
    let shop = Shop::sqlite();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let nobody = "http://ann:s3cret@127.0.0.1:1";
    let audit = shop.run(&["audit", "--sandbox-url", nobody]);
    audit.ends(1, "the sandbox at http://127.0.0.1:1 cannot be reached: Connection refused");
    let demo = run_on(
        &sqlite_url(&folder.path().join("shop.db")),
        &["demo", "--orders", "1", "--sandbox-url", nobody],
    );
    demo.ends(1, "the sandbox at http://127.0.0.1:1 cannot be reached");
    let mut traced = holdfast();
    traced.env("RUST_LOG", "trace").env("HOLDFAST_SANDBOX_URL", nobody).env("DATABASE_URL", &shop.url);
    let traced = Ran::of(traced.arg("audit").output().expect("the binary runs"));
    traced.ends(1, "cannot be reached");
    for ran in [&audit, &demo, &traced] {
        // The second one is `ann:s3cret` as a header would carry it.
        assert!(!ran.stderr.contains("s3cret") && !ran.stderr.contains("YW5uOnMzY3JldA"), "{ran:#?}");
    }
    let errors = |ran: &Ran| ran.stderr.lines().filter(|line| line.starts_with("error: ")).count();
    assert_eq!((errors(&audit), errors(&demo)), (1, 1), "{audit:#?} {demo:#?}");
}

/// Two workers' clients under the same keys at once; how fast that is, and what an idle sandbox costs, is printed.
#[test]
fn two_workers_charge_under_the_same_keys_once_each() {
    const KEYS: i64 = 4_000;
    const IN_FLIGHT: usize = 64;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let sandbox = Server::sandbox(&folder.path().join("ledger.db"), ANYWHERE, &[]);
    let idle = sandbox.memory_kib();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let workers = [ask(&sandbox.url), ask(&sandbox.url)];
    let (took, statement) = runtime.block_on(async {
        let room = Arc::new(Semaphore::new(IN_FLIGHT));
        let mut charging = JoinSet::new();
        let since = Instant::now();
        for order in 1..=KEYS {
            for worker in &workers {
                let (worker, room) = (worker.clone(), Arc::clone(&room));
                charging.spawn(async move {
                    let _place = room.acquire().await.expect("never closed");
                    worker.charge(&key(order), PRICE, "tok_ok").await
                });
            }
        }
        for answer in charging.join_all().await {
            assert!(answer.as_ref().is_ok_and(is_captured), "{answer:?}");
        }
        (since.elapsed(), workers[0].statement().await.expect("it answers"))
    });
    assert_eq!(statement.len(), usize::try_from(KEYS).expect("few"));
    assert!(statement.iter().all(|line| line.captured_minor == PRICE.amount_minor));
    let rate = f64::from(u32::try_from(2 * KEYS).expect("few")) / took.as_secs_f64();
    eprintln!(
        "{rate:.0} charges/s over HTTP, {IN_FLIGHT} in flight from one process, half of them repeats (this build's \
         profile); an idle sandbox holds {idle:?} KiB, a busy one {:?}",
        sandbox.memory_kib()
    );
    assert!(idle.is_none_or(|kib| kib < 64 * 1024), "an idle sandbox holds {idle:?} KiB");
}

#[test]
fn a_sandbox_says_what_it_is_asked() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let sandbox = Server::sandbox(&folder.path().join("ledger.db"), ANYWHERE, &[]);
    let health: Value = runtime().block_on(async {
        json_of(client().get(format!("{}/healthz", sandbox.url)).send().await.expect("an answer"), 200).await
    });
    assert_eq!(health["status"], "ok");
}
