//! `holdfast api`: how it starts, how it stops, and what it says while the database is away.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use holdfast_api::auth::Role;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::binary::{Ran, holdfast, run_on, sqlite_url};
use crate::fixture::{MAX_WAIT, ServerDatabase, runtime, server_alone};
use crate::server::{SECRET, Server, api, cart, checkout, client, get, json_of, stock, token, until};

#[test]
fn a_wrong_configuration_is_reported_before_anything_is_served() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = sqlite_url(&folder.path().join("shop.db"));
    let refused = |variables: &[(&str, &str)], arguments: &[&str], message: &str| {
        let mut command = holdfast();
        let command = command.env("DATABASE_URL", &url).envs(variables.iter().copied()).args(arguments);
        Ran::of(command.output().expect("the binary runs")).ends(2, message);
    };
    let secret = ("HOLDFAST_JWT_SECRET", SECRET);
    refused(
        &[],
        &["api"],
        "set HOLDFAST_JWT_SECRET (`openssl rand -hex 32` makes one) or HOLDFAST_JWKS_FILE",
    );
    refused(&[("HOLDFAST_JWT_SECRET", "")], &["api"], "set HOLDFAST_JWT_SECRET");
    for command in ["up", "api"] {
        refused(&[secret, ("HOLDFAST_JWKS_FILE", "keys.json")], &[command], "are both set; keep the one");
        refused(&[("HOLDFAST_JWT_SECRET", "hunter2")], &[command], "has 7 bytes, at least 32 are needed");
        for origin in ["shop.example", "https://", "https://shop.example/", "*"] {
            let message = format!("--cors-origin {origin} is not an origin; expected https://shop.example");
            refused(&[secret], &[command, "--cors-origin", origin], &message);
        }
        let origins = ("HOLDFAST_CORS_ORIGINS", "https://a.example,b.example");
        refused(&[secret, origins], &[command], "b.example is not an origin");
        for flag in ["--payment-within", "--cod-confirm-within"] {
            refused(&[secret], &[command, flag, "soon"], "expected a duration such as 90s, 30m or 48h");
            refused(&[secret], &[command, &format!("{flag}=-1s")], flag);
            refused(&[secret], &[command, flag, "0s"], "expected 1s to 366d");
            refused(&[secret], &[command, flag, "500000years"], "expected at most 366d");
        }
        refused(&[secret, ("HOLDFAST_DRAIN_TIMEOUT", "x")], &[command], "--drain-timeout");
        refused(&[secret], &[command, "--http-addr", "8080"], "--http-addr");
        refused(&[secret], &[command, "--pending-max", "0"], "--pending-max");
        refused(
            &[secret, ("HOLDFAST_TRUSTED_PROXIES", "10.0.0.0/33")],
            &[command],
            "10.0.0.0/33 is no network",
        );
        refused(
            &[secret, ("HOLDFAST_FORWARDED_HEADER", "via")],
            &[command],
            "possible values: x-forwarded-for, forwarded",
        );
        refused(&[secret], &[command, "--method-card", "cash"], "possible values: sandbox, off");
    }
    assert!(!folder.path().join("shop.db").exists(), "nothing was made");
}

#[test]
fn a_token_needs_a_secret_a_role_and_a_name() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let refused = |arguments: &[&str], message: &str| {
        let ran = holdfast().current_dir(folder.path()).arg("token").args(arguments).output();
        Ran::of(ran.expect("the binary runs")).ends(2, message);
    };
    refused(&["--role", "admin", "--sub", "ada"], "no secret to sign with; set HOLDFAST_JWT_SECRET");
    refused(&["--role", "admin", "--sub", "ada", "--jwt-secret", "hunter2"], "at least 32 are needed");
    refused(
        &["--role", "admin", "--sub", "ada", "--jwks-file", "keys.json"],
        "only the issuer has the private key",
    );
    refused(
        &["--role", "admin", "--sub", "ada", "--jwt-issuer", ""],
        "a value is required for '--jwt-issuer",
    );
    refused(&["--role", "king", "--sub", "ada"], "possible values: customer, admin, operator");
    refused(&["--role", "admin"], "--sub <NAME>");
    refused(&["--role", "admin", "--sub", "ada", "--valid-for", "0s"], "expected 1s to 366d");
}

#[test]
fn a_database_without_a_schema_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("shop.db");
    let arguments = ["api", "--http-addr", "127.0.0.1:0", "--jwt-secret", SECRET];
    run_on(&sqlite_url(&file), &arguments).ends(1, "`holdfast migrate` creates it");
    std::fs::write(&file, "").expect("an empty file");
    run_on(&sqlite_url(&file), &arguments).ends(1, "run `holdfast migrate`");
    run_on(&ServerDatabase::create().url, &arguments).ends(1, "run `holdfast migrate`");
    let ran = holdfast().current_dir(folder.path()).args(arguments).output().expect("the binary runs");
    Ran::of(ran).ends(3, "there is no shop here: holdfast.db does not exist in this folder");
}

/// Ends with 0 within seconds, although somebody follows an order, some ask without a pause, and somebody
/// has begun to ask and never comes to the point.
fn stops(mut server: Server, admin: &str, signal: &str) {
    let runtime = runtime();
    let address = server.url.trim_start_matches("http://").to_owned();
    let mut slow = TcpStream::connect(&address).expect("it listens");
    slow.write_all(b"GET /healthz HTTP/1.1\r\nhost: shop\r\n").expect("it reads");
    let (client, mut following) = runtime.block_on(async {
        let (client, cart) = (client(), cart(&server.url).await);
        let placed = checkout(&client, &server.url, &cart, "k").send().await.expect("an answer");
        let order = json_of(placed, 201).await["id"].as_str().expect("an id").to_owned();
        let mut following = get(&format!("{}/v1/orders/{order}/events", server.url), admin).await;
        let mut shown = Vec::new();
        while !String::from_utf8_lossy(&shown).contains("event: order") {
            shown.extend(following.chunk().await.expect("a stream").expect("an event"));
        }
        (client, following)
    });
    let mut asking = JoinSet::new();
    let (_runs, answered) = (runtime.enter(), Arc::new(AtomicUsize::new(0)));
    for _ in 0..4 {
        let (client, url, answered) = (client.clone(), server.url.clone(), Arc::clone(&answered));
        asking.spawn(async move {
            loop {
                let cart = client.post(format!("{url}/v1/carts"));
                // Refused is not broken: once it has said a word, it says all of it.
                let Ok(answer) = cart.send().await else { return };
                json_of(answer, 201).await;
                answered.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    until("some are answered", || (answered.load(Ordering::Relaxed) > 20).then_some(()));
    let since = Instant::now();
    server.signal(signal);
    let rest = runtime.block_on(async {
        let end = async { while let Ok(Some(_)) = following.chunk().await {} };
        timeout(MAX_WAIT, end).await.expect("the stream ends");
        timeout(MAX_WAIT, asking.join_all()).await
    });
    rest.expect("nobody is left without an answer");
    assert_eq!(server.ended(), Some(0), "{}", server.stderr());
    assert!(since.elapsed() < Duration::from_secs(20), "{:?}", since.elapsed());
    until("the slow one was cut off", || server.stderr().contains("cut off: 1").then_some(()));
    let mut left = Vec::new();
    // Cut off, or without an answer.
    let _ = slow.read_to_end(&mut left);
    assert!(left.is_empty(), "{left:?}");
    assert!(runtime.block_on(async { client.get(format!("{}/healthz", server.url)).send().await }).is_err());
}

#[test]
fn sigterm_and_ctrl_c_end_it_gracefully_with_open_connections() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for signal in ["TERM", "INT"] {
        let mut command = holdfast();
        command.current_dir(folder.path()).env("HOLDFAST_JWT_SECRET", SECRET);
        command.args(["up", "--http-addr", "127.0.0.1:0", "--rate-limit", "0", "--drain-timeout", "2s"]);
        let up = Server::start(&mut command);
        stops(up, &token(Role::Admin), signal);
        let url = sqlite_url(&folder.path().join("holdfast.db"));
        let mut command = api(&url);
        let api = Server::start(command.env("HOLDFAST_JWT_SECRET", SECRET).args(["--drain-timeout", "2s"]));
        stops(api, &token(Role::Admin), signal);
    }
    run_on(&sqlite_url(&folder.path().join("holdfast.db")), &["audit"]).ends(0, "");
}

/// The server, stopped; it is started again when this is dropped, whatever becomes of the test.
struct Stopped {
    pg_ctl: String,
}

impl Stopped {
    fn stop(pg_ctl: String) -> Self {
        let stopped = Self { pg_ctl };
        stopped.control(&["stop", "-m", "fast"]);
        stopped
    }

    fn control(&self, arguments: &[&str]) {
        let done = Command::new(&self.pg_ctl).args(arguments).stdout(Stdio::null()).status();
        let done = done.is_ok_and(|status| status.success());
        assert!(done || std::thread::panicking(), "pg_ctl {arguments:?}");
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        self.control(&["start"]);
    }
}

#[test]
fn without_its_database_it_says_so_and_recovers_by_itself() {
    let Ok(pg_ctl) = std::env::var("HOLDFAST_TEST_PG_CTL") else {
        eprintln!("not run: HOLDFAST_TEST_PG_CTL is not set, so this server may not be stopped");
        return;
    };
    let _alone = server_alone();
    let database = ServerDatabase::create_alone();
    run_on(&database.url, &["migrate"]).ends(0, "applied");
    let (shop, mut leaves) = (Server::api(&database.url), Server::api(&database.url));
    let (runtime, client, admin) = (runtime(), client(), token(Role::Admin));
    let cart = runtime.block_on(async {
        stock(&shop.url, &admin).await;
        cart(&shop.url).await
    });
    let stopped = Stopped::stop(pg_ctl);
    runtime.block_on(async {
        assert_eq!(
            client.get(format!("{}/healthz", shop.url)).send().await.expect("an answer").status(),
            200
        );
        let problem = |path: &'static str| {
            let request = client.get(format!("{}{path}", shop.url)).bearer_auth(&admin);
            async move {
                let since = Instant::now();
                let problem = json_of(request.send().await.expect("an answer"), 503).await;
                assert!(since.elapsed() < Duration::from_secs(15), "{path}: {:?}", since.elapsed());
                problem
            }
        };
        let ready = problem("/readyz").await;
        assert_eq!(ready["code"], "not_ready");
        assert!(ready["detail"].as_str().is_some_and(|why| why.contains("nothing listens there")), "{ready}");
        for path in ["/v1/orders", "/v1/products", "/v1/notifications"] {
            assert_eq!(problem(path).await["code"], "database_unavailable", "{path}");
        }
        let since = Instant::now();
        let refused = checkout(&client, &shop.url, &cart, "k").send().await.expect("an answer");
        assert!(refused.headers().contains_key("retry-after"));
        assert_eq!(json_of(refused, 503).await["code"], "database_unavailable");
        assert!(since.elapsed() < Duration::from_secs(15), "{:?}", since.elapsed());
    });
    let since = Instant::now();
    leaves.signal("TERM");
    assert_eq!(leaves.ended(), Some(0), "{}", leaves.stderr());
    assert!(since.elapsed() < Duration::from_secs(15), "{:?}", since.elapsed());
    drop(stopped);
    until("it is ready again", || {
        let ready = runtime.block_on(async { client.get(format!("{}/readyz", shop.url)).send().await });
        ready.expect("an answer").status().is_success().then_some(())
    });
    runtime.block_on(async {
        let placed = checkout(&client, &shop.url, &cart, "k").send().await.expect("an answer");
        assert!(!placed.headers().contains_key("idempotent-replayed"), "what was refused was nothing");
        json_of(placed, 201).await;
    });
}
