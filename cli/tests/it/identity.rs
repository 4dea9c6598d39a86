//! Shops that share a provider, a folder or a Redis, and shops that were made anew or restored: kept apart, never
//! mixed (M7).

use std::path::Path;

use holdfast_api::auth::Role;
use holdfast_testkit::redis::{RedisServer, connect};
use serde_json::Value;

use crate::binary::{Ran, holdfast, run_on, sqlite_url};
use crate::cluster::body;
use crate::fixture::{ServerDatabase, runtime, sql_on};
use crate::server::{SECRET, Server, api, cart, client, get, json_of, stock, token, until};

/// An API and a worker on the shop at `database`, which pay at `sandbox`.
struct Deployed {
    api: Server,
    _worker: Server,
}

fn deploy(database: &str, sandbox: &Server, redis: Option<&str>) -> Deployed {
    let mut api = api(database);
    let mut worker = holdfast();
    worker.env("DATABASE_URL", database).env("HOLDFAST_SANDBOX_URL", &sandbox.url);
    worker.args(["worker", "--worker-addr", "127.0.0.1:0"]);
    if let Some(redis) = redis {
        api.env("REDIS_URL", redis);
        worker.env("REDIS_URL", redis);
    }
    Deployed {
        api: Server::start(api.env("HOLDFAST_JWT_SECRET", SECRET)),
        _worker: Server::start(&mut worker),
    }
}

/// Buys a mug with each of these tokens: the number, status and reason of each order once it is decided.
pub(crate) fn buy(url: &str, admin: &str, tokens: &[&str]) -> Vec<(i64, String)> {
    let runtime = runtime();
    let orders: Vec<String> = runtime.block_on(async {
        let mut orders = Vec::new();
        for token in tokens {
            let cart = cart(url).await;
            let request = client().post(format!("{url}/v1/checkout")).header("idempotency-key", &cart);
            let placed = request.json(&body(&cart, token)).send().await.expect("an answer");
            orders.push(json_of(placed, 201).await["id"].as_str().expect("an id").to_owned());
        }
        orders
    });
    let decided = |order: &String| {
        until("the order is decided", || {
            let shown = format!("{url}/v1/orders/{order}");
            let order: Value = runtime.block_on(async { json_of(get(&shown, admin).await, 200).await });
            let status = order["status"].as_str().expect("a status");
            let reason = order["cancel_reason"].as_str().map(|reason| format!(" {reason}"));
            let end = format!("{status}{}", reason.unwrap_or_default());
            (status != "PENDING_PAYMENT").then(|| (order["number"].as_i64().expect("a number"), end))
        })
    };
    orders.iter().map(decided).collect()
}

/// How the order ends that is paid with this token.
fn end(token: &str) -> String {
    if token == "tok_declined" { "CANCELLED payment_declined".to_owned() } else { "CONFIRMED".to_owned() }
}

fn admin_of(folder: &Path) -> String {
    let made = holdfast().current_dir(folder).args(["token", "--sub", "ada", "--role", "admin"]).output();
    Ran::of(made.expect("the binary runs")).ends(0, "").stdout.trim().to_owned()
}

#[test]
fn m7_a_shop_made_anew_beside_an_old_ledger_pays_for_its_own_orders() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let shop = sqlite_url(&folder.path().join("holdfast.db"));
    let mut shops = Vec::new();
    for token in ["tok_ok", "tok_declined", "tok_ok", "tok_declined"] {
        let up = Server::up(folder.path());
        assert_eq!(buy(&up.url, &admin_of(folder.path()), &[token]), [(1, end(token))]);
        let ready = runtime().block_on(async {
            json_of(client().get(format!("{}/readyz", up.url)).send().await.expect("an answer"), 200).await
        });
        drop(up);
        let audit = run_on(&shop, &["audit", "--output", "json"]).ends(0, "").json();
        assert_eq!(audit["shop"], ready["shop"], "the shop says who it is");
        assert_eq!(audit["charges"], 1, "its own charge alone");
        shops.push(ready["shop"].as_str().expect("a shop id").to_owned());
        for file in folder.path().read_dir().expect("a folder").map(|file| file.expect("a file").path()) {
            if !file.to_string_lossy().contains("sandbox.db") {
                std::fs::remove_file(file).expect("is removed");
            }
        }
    }
    shops.sort_unstable();
    shops.dedup();
    assert_eq!(shops.len(), 4, "each database is a shop of its own: {shops:?}");
}

#[test]
fn two_shops_in_one_folder_share_a_ledger_and_no_money() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let up = Server::up(folder.path());
    buy(&up.url, &admin_of(folder.path()), &["tok_ok", "tok_declined"]);
    drop(up);
    let demo = holdfast()
        .current_dir(folder.path())
        .args(["demo", "--orders", "60", "--database-url", "sqlite://shop.db"])
        .output();
    Ran::of(demo.expect("the binary runs")).ends(0, "settling 60 orders");
    for shop in ["holdfast.db", "shop.db"] {
        run_on(&sqlite_url(&folder.path().join(shop)), &["audit"]).ends(0, "");
    }
}

#[test]
fn staging_and_production_share_a_provider_account_and_a_redis_and_meet_nowhere() {
    let ledger = tempfile::tempdir().expect("a temporary folder");
    let sandbox = Server::sandbox(&ledger.path().join("sandbox.db"), "127.0.0.1:0", &[]);
    let redis = runtime().block_on(RedisServer::start());
    // A test holds the server once at most: the second one lives no longer than the first.
    let databases = [ServerDatabase::create(), ServerDatabase::create_alone()];
    let mut shops = Vec::new();
    for (database, tokens) in databases.iter().zip([["tok_ok"; 5], ["tok_declined"; 5]]) {
        run_on(&database.url, &["migrate"]).ends(0, "applied");
        let deployed = deploy(&database.url, &sandbox, Some(&redis.url()));
        let admin = token(Role::Admin);
        runtime().block_on(stock(&deployed.api.url, &admin));
        let ends = buy(&deployed.api.url, &admin, &tokens);
        assert!(ends.iter().all(|(_, found)| *found == end(tokens[0])), "{ends:?}");
        shops.push(deployed);
    }
    for database in &databases {
        run_on(&database.url, &["audit", "--sandbox-url", &sandbox.url]).ends(0, "");
        let shop = run_on(&database.url, &["audit", "--output", "json"]).ends(0, "").json()["shop"].clone();
        let keys = format!("holdfast:{}:*", shop.as_str().expect("a shop id"));
        let keys: Vec<String> = runtime().block_on(async {
            let mut connection = connect(&redis.url()).await;
            redis::cmd("KEYS").arg(keys).query_async(&mut connection).await.expect("answers")
        });
        assert!(!keys.is_empty(), "its keys in Redis carry its id");
    }
    drop(shops);
}

#[test]
fn a_restored_backup_uses_numbers_again_and_takes_no_strangers_money() {
    let ledger = tempfile::tempdir().expect("a temporary folder");
    let sandbox = Server::sandbox(&ledger.path().join("sandbox.db"), "127.0.0.1:0", &[]);
    // A test holds the server once at most: the second one lives no longer than the first.
    let (lost, restored) = (ServerDatabase::create(), ServerDatabase::create_alone());
    run_on(&lost.url, &["migrate"]).ends(0, "applied");
    let admin = token(Role::Admin);
    {
        let deployed = deploy(&lost.url, &sandbox, None);
        runtime().block_on(stock(&deployed.api.url, &admin));
        assert_eq!(buy(&deployed.api.url, &admin, &["tok_ok"]).len(), 1);
    }
    // The backup, byte by byte.
    let (server, name) = lost.url.rsplit_once('/').expect("a URL with a name");
    let copy = restored.url.rsplit('/').next().expect("a name");
    let server = format!("{server}/postgres");
    sql_on(&server, &format!("drop database {copy}"));
    sql_on(&server, &format!("create database {copy} template {name}"));
    let forgotten = {
        let deployed = deploy(&lost.url, &sandbox, None);
        buy(&deployed.api.url, &admin, &["tok_ok"; 3])
    };
    let tokens = ["tok_declined", "tok_ok", "tok_declined"];
    run_on(&restored.url, &["shop", "restored", "--reason", "the disk failed", "--actor", "olga"])
        .ends(0, "");
    let again = {
        let deployed = deploy(&restored.url, &sandbox, None);
        buy(&deployed.api.url, &admin, &tokens)
    };
    for ((number, found), ((used, _), token)) in again.iter().zip(forgotten.iter().zip(tokens)) {
        assert_eq!((number, found), (used, &end(token)), "a used number");
    }
    let audit = run_on(&restored.url, &["audit", "--sandbox-url", &sandbox.url]);
    audit.ends(6, "3 promises broken");
    assert_eq!(audit.stdout.matches("was a backup restored?").count(), 3, "{}", audit.stdout);
}
