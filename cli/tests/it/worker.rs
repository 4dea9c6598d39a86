//! `holdfast worker` as a process among others: what it refuses, what it takes over, how it stops.

use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use holdfast_testkit::redis::{RedisServer, free_port};
use serde_json::Value;

use crate::binary::{Ran, holdfast, run_on, sqlite_url};
use crate::cluster::{LEASE, in_cluster, on_backend, order_of};
use crate::fixture::{ServerDatabase, runtime};
use crate::server::{Server, client, json_of, signal, until};

const CONFIRMED: &str = "select count(*) from orders where status = 'CONFIRMED'";

fn ran(command: &mut Command) -> Ran {
    Ran::of(command.output().expect("the binary runs"))
}

#[test]
fn a_wrong_configuration_is_reported_before_anything_starts() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = sqlite_url(&folder.path().join("shop.db"));
    let refused = |arguments: &[&str], message: &str| {
        let mut command = holdfast();
        command.current_dir(folder.path()).env("DATABASE_URL", &url).arg("worker").args(arguments);
        ran(&mut command).ends(2, message);
    };
    refused(
        &["--queue", "checkouts=4"],
        "the pools are checkout, compensation, payment-events, notifications",
    );
    refused(&["--queue", "checkout"], "expected POOL=N, such as checkout=256");
    refused(&["--queue", "checkout=0"], "expected 1 to 10000 calls in flight");
    refused(&["--queue", "checkout=-1"], "expected 1 to 10000 calls in flight");
    refused(&["--queue", "checkout=1", "--queue", "checkout=2"], "--queue checkout is given twice");
    refused(&["--lease", "19s"], "is more than half the lease of 19s; raise the lease");
    refused(&["--lease", "0s"], "--lease");
    refused(&["--queue-backend", "kafka"], "streams, apalis-redis");
    // Only the API chooses a provider: a worker calls the one that each payment names.
    refused(&["--payment-provider", "sandbox"], "unexpected argument '--payment-provider'");
    for redis in
        ["nonsense", "http://localhost", "redis://localhost:port", "redis+sentinel://localhost", "redis://"]
    {
        refused(&["--redis-url", redis], "the Redis URL is invalid");
    }
    let both = ["--sandbox-url", "http://127.0.0.1:1", "--sandbox-ledger", "ledger.db"];
    refused(&both, "are both set");
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0, "nothing was made");
}

#[test]
fn a_missing_dependency_is_reported_in_one_sentence_without_secrets() {
    let database = ServerDatabase::create();
    run_on(&database.url, &["migrate"]).ends(0, "applied");
    let redis = runtime().block_on(RedisServer::start_with(&["--requirepass", "s3cret"]));
    let nobody = free_port();
    let taken = TcpListener::bind("127.0.0.1:0").expect("binds");
    let taken = taken.local_addr().expect("is bound").to_string();
    let address = redis.url().trim_start_matches("redis://").to_owned();
    let refused = |database: &str, redis: &str, address: &str, message: &str| {
        let mut command = holdfast();
        command.env("DATABASE_URL", database).env("REDIS_URL", redis).env("RUST_LOG", "trace");
        let since = Instant::now();
        let ran = ran(command.args(["worker", "--worker-addr", address, "--database-wait", "1s"]));
        ran.ends(1, message);
        assert_eq!(ran.stderr.matches("error: ").count(), 1, "{ran:#?}");
        assert!(!ran.stderr.contains("s3cret") && !ran.stderr.contains("hunter2"), "{ran:#?}");
        assert!(since.elapsed() < Duration::from_secs(15), "{:?}", since.elapsed());
    };
    let free = "127.0.0.1:0";
    let gone = format!("redis://ann:hunter2@127.0.0.1:{nobody}/0");
    refused(&database.url, &gone, free, "does not answer");
    refused(&database.url, &format!("redis://:hunter2@{address}"), free, "refuses the connection");
    refused(&database.url, &format!("redis://{address}"), free, "refuses the connection");
    refused(&database.url, &format!("redis://:s3cret@{address}"), &taken, "choose another --worker-addr");
    refused(&format!("postgres://ann:hunter2@127.0.0.1:{nobody}/shop"), &gone, free, "127.0.0.1");
}

#[test]
fn an_order_goes_through_all_processes() {
    for backend in ["streams", "apalis-redis"] {
        on_backend(backend, "0s", async |cluster| {
            let mut worker = cluster.worker();
            ready(&worker.url, 200).await;
            // It is heard of by a hint: what the sweep finds alone is due half a second later.
            let mut fastest = Duration::MAX;
            for _ in 0..5 {
                let order = cluster.order("tok_ok").await;
                let since = Instant::now();
                let confirmed = format!(
                    "select count(*) from orders where status = 'CONFIRMED' and id = {}",
                    order_of(&order)
                );
                cluster.until("it is confirmed", async || cluster.number(&confirmed).await == 1).await;
                fastest = fastest.min(since.elapsed());
            }
            assert!(fastest < Duration::from_millis(400), "{backend}: {fastest:?}");
            // A saga goes on behind the confirmation, and is counted once its last commit is there.
            for (name, at_least) in [
                ("holdfast_jobs_total{outcome=\"taken\",queue=\"checkout\"}", 5.0),
                ("holdfast_worker_last_poll_timestamp_seconds", 1.7e9),
                ("holdfast_worker_last_poll_age_seconds", 0.0),
                ("holdfast_sagas_finished_total{outcome=\"completed\",saga=\"checkout_online\"}", 5.0),
            ] {
                let counted = async || {
                    let metrics = client().get(format!("{}/metrics", worker.url)).send().await;
                    let metrics = metrics.expect("an answer").text().await.expect("text");
                    let line = metrics.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
                    line.trim().parse::<f64>().is_ok_and(|value| value >= at_least)
                };
                cluster.until(&format!("{name} is at least {at_least}"), counted).await;
            }
            worker.signal("TERM");
            assert_eq!(worker.ended(), Some(0), "{}", worker.stderr());
            cluster.rest().await;
            cluster.assert_clean();
        });
    }
}

#[test]
fn f14_a_worker_whose_provider_cannot_be_reached_says_so_and_goes_on() {
    in_cluster("0s", async |cluster| {
        for address in [format!("127.0.0.1:{}", free_port()), "no-such-host.invalid:9091".to_owned()] {
            let mut command = cluster.worker_command();
            command.env("HOLDFAST_SANDBOX_URL", format!("http://{address}"));
            let worker = crate::server::Server::start(&mut command);
            until("it says so", || {
                worker
                    .stderr()
                    .contains(&format!("the sandbox at http://{address} cannot be reached: "))
                    .then_some(())
            });
            ready(&worker.url, 200).await;
            assert!(
                worker.stderr().contains("the sandbox provider, which moves no money"),
                "{}",
                worker.stderr()
            );
        }
    });
}

async fn ready(url: &str, status: u16) -> Value {
    json_of(client().get(format!("{url}/readyz")).send().await.expect("an answer"), status).await
}

#[test]
fn pools_are_served_apart() {
    in_cluster("0s", async |cluster| {
        let serving = |pools: &[&str]| {
            let mut command = cluster.worker_command();
            for pool in pools {
                command.args(["--queue", pool]);
            }
            crate::server::Server::start(&mut command)
        };
        let _forward = serving(&["checkout=8"]);
        cluster.orders(10, "tok_ok").await;
        cluster.orders(5, "tok_declined").await;
        cluster.until("what goes forward is confirmed", async || cluster.number(CONFIRMED).await == 10).await;
        let sent = "select count(*) from notifications where status = 'SENT'";
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(cluster.number(sent).await, 0, "nobody sends messages yet");
        let _others = serving(&["compensation=4", "notifications=4"]);
        cluster.rest().await;
        assert_eq!(cluster.number(sent).await, 15);
        assert_eq!(
            cluster.stats().await,
            [("CANCELLED payment_declined".to_owned(), 5), ("CONFIRMED".to_owned(), 10)]
        );
        cluster.assert_clean();
    });
}

/// Pitfall 19: what it was doing is done by somebody else, and done once.
#[test]
fn a_killed_workers_calls_are_taken_over_within_four_seconds() {
    in_cluster("800ms", async |cluster| {
        let mut doomed = cluster.worker();
        let orders = cluster.orders(20, "tok_ok").await.len();
        let leased = "select count(*) from sagas where leased_until is not null";
        cluster.until("it has calls in flight", async || cluster.number(leased).await > 0).await;
        let _heir = cluster.worker();
        doomed.kill();
        let since = Instant::now();
        let left = cluster.number(leased).await;
        let all = i64::try_from(orders).expect("fits");
        cluster.until("all are confirmed", async || cluster.number(CONFIRMED).await == all).await;
        let took = since.elapsed();
        assert!(left > 0, "it died with calls in flight");
        assert!(took < LEASE * 2, "{took:?} after the kill");
        cluster.rest().await;
        cluster.assert_clean();
        assert!(
            cluster.statement().await.iter().all(|line| line["captured_minor"] == 1_299),
            "each is paid once"
        );
        println!("{left} calls of a killed worker, taken over within {took:?} with a lease of {LEASE:?}");
    });
}

/// Pitfall 21.
#[test]
fn after_a_flush_all_due_work_is_under_way_within_two_seconds() {
    in_cluster("0s", async |cluster| {
        let workers = [cluster.worker(), cluster.worker()];
        cluster.orders(3, "tok_ok").await;
        cluster.rest().await;
        for worker in &workers {
            worker.signal("STOP");
        }
        cluster.orders(200, "tok_ok").await;
        // All of them are due by now, and all that says so in Redis is lost.
        let due = "select count(*) from sagas where wake_at <= now()";
        cluster.until("all are due", async || cluster.number(due).await >= 190).await;
        let flushed = redis::cmd("FLUSHALL").query_async::<()>(&mut cluster.redis.connect().await).await;
        flushed.expect("flushes");
        for worker in &workers {
            worker.signal("CONT");
        }
        let since = Instant::now();
        cluster.until("nothing is due that is not under way", async || cluster.number(due).await == 0).await;
        let took = since.elapsed();
        assert!(took < Duration::from_secs(2), "{took:?}");
        cluster.rest().await;
        cluster.assert_clean();
        println!("200 due orders were under way {took:?} after Redis was flushed");
    });
}

/// Pitfall 27: an interrupted attempt is not a failed one.
#[test]
fn sigterm_lets_calls_end_and_counts_no_attempt() {
    in_cluster("700ms", async |cluster| {
        let mut first = cluster.worker();
        cluster.orders(10, "tok_ok").await;
        let leased = "select count(*) from sagas where leased_until is not null";
        cluster.until("it has calls in flight", async || cluster.number(leased).await > 3).await;
        let since = Instant::now();
        first.signal("TERM");
        assert_eq!(first.ended(), Some(0), "{}", first.stderr());
        assert!(since.elapsed() < Duration::from_secs(4), "{:?}", since.elapsed());
        assert_eq!(cluster.number(leased).await, 0, "nothing is left behind that somebody must wait for");
        let _second = cluster.worker();
        cluster.rest().await;
        assert_eq!(cluster.stats().await, [("CONFIRMED".to_owned(), 10)]);
        let taken_over = "select count(*) from saga_log where entries::text like '%taken_over%' or entries::text like '%unknown%'";
        assert_eq!(cluster.number(taken_over).await, 0);
        cluster.assert_clean();
    });
}

/// Pitfall 30: it insists on its Redis, and loses no time over that.
#[test]
fn a_worker_that_starts_while_redis_is_away_works_until_it_gives_up() {
    in_cluster("0s", async |mut cluster| {
        cluster.redis.kill();
        cluster.orders(10, "tok_ok").await;
        let mut command = cluster.worker_command();
        let started =
            command.env("RUST_LOG", "warn").stderr(Stdio::piped()).spawn().expect("the binary runs");
        let since = Instant::now();
        cluster.until("all are confirmed", async || cluster.number(CONFIRMED).await == 10).await;
        assert!(since.elapsed() < Duration::from_secs(4), "{:?}", since.elapsed());
        let ran = Ran::of(started.wait_with_output().expect("it ends"));
        ran.ends(1, "does not answer");
        assert_eq!(ran.stderr.lines().count(), 1, "{ran:#?}");
        assert!(since.elapsed() < Duration::from_secs(12), "{:?}", since.elapsed());
        cluster.redis.start_again().await;
        let _worker = cluster.worker();
        cluster.rest().await;
        cluster.assert_clean();
    });
}

#[test]
fn a_worker_that_waits_for_its_redis_stops_at_a_signal() {
    in_cluster("0s", async |mut cluster| {
        cluster.redis.kill();
        let mut started = cluster.worker_command().stderr(Stdio::piped()).spawn().expect("the binary runs");
        let heard_of = "select count(*) from workers";
        cluster.until("it works", async || cluster.number(heard_of).await == 1).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        let since = Instant::now();
        assert!(signal(started.id(), "TERM"));
        let ended = until("it ends", || started.try_wait().expect("it is ours"));
        assert_eq!(ended.code(), Some(0));
        assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
    });
}

/// Pitfall 20: a worker that Redis does not answer says that it is not ready, works on, and is ready again.
#[test]
fn a_worker_that_redis_does_not_answer_is_not_ready_and_works_on() {
    in_cluster("0s", async |mut cluster| {
        let worker = cluster.worker();
        ready(&worker.url, 200).await;
        cluster.redis.kill();
        cluster.orders(20, "tok_ok").await;
        cluster.rest().await;
        assert_eq!(cluster.stats().await, [("CONFIRMED".to_owned(), 20)]);
        let asked = async || client().get(format!("{}/readyz", worker.url)).send().await.expect("an answer");
        cluster.until("it says that it is deaf", async || asked().await.status() == 503).await;
        let problem = json_of(asked().await, 503).await;
        assert!(
            problem["detail"]
                .as_str()
                .is_some_and(|message| message.contains("queue checkout in Redis has not answered for")),
            "{problem}"
        );
        cluster.redis.start_again().await;
        cluster.until("it is ready again", async || asked().await.status() == 200).await;
        cluster.orders(5, "tok_ok").await;
        cluster.rest().await;
        cluster.assert_clean();
    });
}

// F13: whoever typed nothing but `holdfast worker` twice has two workers, and knows it.
#[test]
fn f13_a_second_worker_on_a_machine_finds_a_place_of_its_own() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let up = Server::up(folder.path());
    let worker =
        || Server::start(holdfast().current_dir(folder.path()).args(["worker", "--sandbox-url", &up.url]));
    let (one, two) = (worker(), worker());
    assert_ne!(one.url, two.url);
    assert!(two.stderr().contains("`holdfast worker list` lists all"), "{}", two.stderr());
}
