//! One key, one order, however many ask, wherever, and whoever dies meanwhile.

use std::time::{SystemTime, UNIX_EPOCH};

use holdfast_api::auth::Role;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use reqwest::StatusCode;
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant, sleep};

use crate::binary::run_on;
use crate::fixture::{MAX_WAIT, ServerDatabase, runtime};
use crate::server::{Server, cart, checkout, client, stock, token};

/// What a checkout was answered: whether as a repetition, and the body byte by byte.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Answer {
    replayed: bool,
    body: Vec<u8>,
}

/// The answer to a checkout; `None`: its connection broke, or it shall be asked again.
async fn ask(client: &reqwest::Client, url: &str, cart: &str, key: &str) -> Option<Answer> {
    let response = checkout(client, url, cart, key).send().await.ok()?;
    let (status, replayed) = (response.status(), response.headers().contains_key("idempotent-replayed"));
    let body = response.bytes().await.ok()?.to_vec();
    match status {
        StatusCode::CREATED => Some(Answer { replayed, body }),
        StatusCode::CONFLICT | StatusCode::SERVICE_UNAVAILABLE => None,
        status => panic!("{status}: {}", String::from_utf8_lossy(&body)),
    }
}

/// The answer, asked for until there is one.
async fn insist(client: &reqwest::Client, url: &str, cart: &str, key: &str) -> Answer {
    let since = Instant::now();
    loop {
        if let Some(answer) = ask(client, url, cart, key).await {
            return answer;
        }
        assert!(since.elapsed() < MAX_WAIT, "{key} is not answered");
        sleep(Duration::from_millis(50)).await;
    }
}

fn orders(url: &str) -> usize {
    let listed = run_on(url, &["order", "list", "--limit", "1000", "--output", "json"]);
    listed.ends(0, "").json()["items"].as_array().expect("a list").len()
}

#[test]
fn a_hundred_requests_with_one_key_at_two_replicas_are_one_order() {
    let database = ServerDatabase::create();
    run_on(&database.url, &["migrate"]).ends(0, "applied");
    let replicas = [Server::api(&database.url), Server::api(&database.url)];
    let answers = runtime().block_on(async {
        stock(&replicas[0].url, &token(Role::Admin)).await;
        let cart = cart(&replicas[1].url).await;
        let client = client();
        let mut asking = JoinSet::new();
        for at in 0..100 {
            let (client, url, cart) = (client.clone(), replicas[at % 2].url.clone(), cart.clone());
            asking.spawn(async move { ask(&client, &url, &cart, "one").await });
        }
        asking.join_all().await
    });
    let answers: Vec<Answer> = answers.into_iter().map(|answer| answer.expect("201")).collect();
    assert_eq!(answers.len(), 100);
    assert_eq!(answers.iter().filter(|answer| !answer.replayed).count(), 1, "one of them made the order");
    assert!(answers.iter().all(|answer| answer.body == answers[0].body), "all bodies are the same");
    assert_eq!(orders(&database.url), 1);
}

/// This includes the crash between commit and answer: it shows as a repetition without a first answer.
#[test]
fn an_answer_that_a_crash_swallowed_is_given_by_another_replica() {
    const ROUNDS: u64 = 20;
    const BUYERS: usize = 8;
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    eprintln!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let database = ServerDatabase::create();
    run_on(&database.url, &["migrate"]).ends(0, "applied");
    let survivor = Server::api(&database.url);
    let (mut acknowledged, mut swallowed) = (0, 0);
    let runtime = runtime();
    runtime.block_on(stock(&survivor.url, &token(Role::Admin)));
    // How long an answer takes is different on each machine; the crash shall come about then.
    let mut took = Duration::from_millis(20);
    for round in 0..ROUNDS {
        let mut victim = Server::api(&database.url);
        let wait = took.mul_f64(random.random_range(0.4..1.2));
        runtime.block_on(async {
            let client = client();
            let mut carts = Vec::new();
            for _ in 0..BUYERS {
                carts.push(cart(&survivor.url).await);
            }
            let (mut asking, since) = (JoinSet::new(), Instant::now());
            for (buyer, cart) in carts.into_iter().enumerate() {
                let (client, url, key) = (client.clone(), victim.url.clone(), format!("{round}-{buyer}"));
                asking.spawn(async move {
                    let answer = ask(&client, &url, &cart, &key).await;
                    (answer.map(|answer| (answer, since.elapsed())), cart, key)
                });
            }
            let mut answered = None;
            sleep(wait).await;
            victim.kill();
            for (first, cart, key) in asking.join_all().await {
                let again = insist(&client, &survivor.url, &cart, &key).await;
                let later = insist(&client, &survivor.url, &cart, &key).await;
                assert!(later.replayed, "seed {seed}: {key}");
                assert_eq!(again.body, later.body, "seed {seed}: {key}");
                match first {
                    Some((first, after)) => {
                        assert!(again.replayed && first.body == again.body, "seed {seed}: {key}");
                        answered = answered.max(Some(after));
                        acknowledged += 1;
                    }
                    None => swallowed += usize::from(again.replayed),
                }
            }
            took = answered.unwrap_or(took.mul_f64(1.5));
        });
    }
    let keys = usize::try_from(ROUNDS).expect("few") * BUYERS;
    eprintln!(
        "{keys} keys: {acknowledged} were answered, {swallowed} answers were swallowed after the commit"
    );
    assert_eq!(orders(&database.url), keys, "seed {seed}: one order for each key");
}
