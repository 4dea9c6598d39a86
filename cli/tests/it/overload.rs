//! More requests than a shop can answer: some are refused at once, and neither the others nor those who run the shop pay
//! for it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use holdfast_api::auth::Role;
use holdfast_testkit::redis::free_port;
use reqwest::StatusCode;
use serde_json::Value;
use sqlx::Connection as _;
use tokio::task::JoinSet;

use crate::binary::run_on;
use crate::fixture::{ServerDatabase, runtime};
use crate::server::{SECRET, Server, api, cart, checkout, client, json_of, stock, token};

const CROWD: usize = 300;

/// Asks again and again until `until`; returns how often it was answered with each code, and the longest wait for a refusal
/// once the shop knows how slow it is.
async fn ask(url: String, order_token: String, until: Instant) -> (BTreeMap<String, u32>, Vec<Duration>) {
    let (client, mut codes, mut refusals) = (client(), BTreeMap::<String, u32>::new(), Vec::new());
    while Instant::now() < until {
        let since = Instant::now();
        let answer = client.get(&url).header("x-order-token", &order_token).send().await.expect("an answer");
        let (status, retry_after) = (answer.status(), answer.headers().get("retry-after").cloned());
        let body: Value = answer.json().await.expect("a document");
        let code = if status == StatusCode::OK { "ok" } else { body["code"].as_str().expect("a code") };
        if code == "overloaded" {
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
            let seconds: u64 =
                retry_after.expect("says when").to_str().expect("a text").parse().expect("seconds");
            assert!((1..=3).contains(&seconds), "{seconds}");
            refusals.push(since.elapsed());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        *codes.entry(code.to_owned()).or_default() += 1;
    }
    (codes, refusals)
}

#[test]
fn f24_a_crowd_is_refused_at_once_and_leaves_room_for_those_who_run_the_shop() {
    let database = ServerDatabase::create();
    run_on(&database.url, &["migrate"]).ends(0, "applied");
    let mut command = api(&database.url);
    let metrics_addr = format!("127.0.0.1:{}", free_port());
    command.env("HOLDFAST_JWT_SECRET", SECRET).args(["--database-connections", "8"]);
    command.args(["--metrics-addr", &metrics_addr]);
    let server = Server::start(&mut command);
    runtime().block_on(async {
        let client = client();
        stock(&server.url, &token(Role::Admin)).await;
        let cart = cart(&server.url).await;
        let placed = checkout(&client, &server.url, &cart, "k").send().await.expect("an answer");
        let placed = json_of(placed, 201).await;
        let text = |name: &str| placed[name].as_str().expect("a text").to_owned();
        let url = format!("{}/v1/orders/{}", server.url, text("id"));
        // Nothing that needs an order is answered for a while.
        let mut shell = sqlx::PgConnection::connect(&database.url).await.expect("connects");
        let lock = "begin; lock table orders in access exclusive mode";
        sqlx::raw_sql(lock).execute(&mut shell).await.expect("locks");
        let until = Instant::now() + Duration::from_secs(6);
        let mut crowd: JoinSet<_> =
            (0..CROWD).map(|_| ask(url.clone(), text("order_token"), until)).collect();
        let (mut longest, token) = (Duration::ZERO, token(Role::Operator));
        while Instant::now() < until {
            let since = Instant::now();
            let request = client.get(format!("{}/v1/ops/queues", server.url)).bearer_auth(&token);
            json_of(request.send().await.expect("an answer"), 200).await;
            longest = longest.max(since.elapsed());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let (mut codes, mut refusals) = (BTreeMap::<String, u32>::new(), Vec::new());
        while let Some(asked) = crowd.join_next().await {
            let (of_one, some) = asked.expect("ends");
            for (code, count) in of_one {
                *codes.entry(code).or_default() += count;
            }
            refusals.extend(some);
        }
        refusals.sort_unstable();
        eprintln!(
            "{codes:?}; staff waited {longest:?} at most; refusals {:?} in the median",
            refusals[refusals.len() / 2]
        );
        assert!(codes.keys().all(|code| code == "overloaded" || code == "database_unavailable"), "{codes:?}");
        assert!(codes["overloaded"] > codes["database_unavailable"], "{codes:?}");
        assert!(refusals[refusals.len() / 2] < Duration::from_millis(100), "at once");
        assert!(refusals[refusals.len() - 1] < Duration::from_secs(3), "{:?}", refusals.last());
        assert!(longest < Duration::from_millis(1_500), "{longest:?}");
        sqlx::raw_sql("rollback").execute(&mut shell).await.expect("unlocks");
        let metrics = client.get(format!("http://{metrics_addr}/metrics")).send().await.expect("an answer");
        let metrics = metrics.text().await.expect("a text");
        let shed = format!("holdfast_http_requests_shed_total{{lane=\"reads\"}} {}", codes["overloaded"]);
        assert!(metrics.contains(&shed), "{shed}: {metrics}");
        let public = client.get(format!("{}/metrics", server.url)).send().await.expect("an answer");
        assert_eq!(public.status(), StatusCode::NOT_FOUND, "buyers do not see how the shop is doing");
        let (again, _) = ask(url, text("order_token"), Instant::now() + Duration::from_millis(300)).await;
        assert_eq!(again.keys().collect::<Vec<_>>(), ["ok"], "and it is over");
    });
    assert!(server.stderr().contains("HOLDFAST_DATABASE_CONNECTIONS"), "the log says what to do");
}
