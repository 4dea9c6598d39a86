//! A database that is copied, restored or moved, as an operator meets it: what is refused, what is held, and the two
//! commands that answer for it (O9, M42).

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use holdfast_api::auth::Role;
use holdfast_saga::shop::checkout::AcceptPolicy;
use holdfast_saga::shop::order::Verb;
use holdfast_shared::{OrderId, OrderStatus, PaymentStatus};
use holdfast_store_postgres::PostgresStore;
use holdfast_testkit::redis::{RedisServer, connect};
use holdfast_testkit::shop::{Shop, admin};
use serde_json::{Value, json};

use crate::binary::{Ran, holdfast, run, run_on, sqlite_url};
use crate::fixture::{ServerDatabase, runtime, sql_on};
use crate::second_provider::second_provider;
use crate::server::{Server, get, json_of, stock, token, until};

/// The shop's id, as `holdfast shop show` names it.
fn shop_id(url: &str) -> String {
    shown(url)["id"].as_str().expect("an id").to_owned()
}

fn shown(url: &str) -> Value {
    run_on(url, &["shop", "show", "--output", "json"]).ends(0, "").json()
}

/// Copies the database, byte by byte.
fn copy(of: &ServerDatabase, to: &ServerDatabase) {
    let (server, name) = of.url.rsplit_once('/').expect("a URL with a name");
    let copy = to.url.rsplit('/').next().expect("a name");
    let server = format!("{server}/postgres");
    sql_on(
        &server,
        &format!("select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'"),
    );
    sql_on(&server, &format!("drop database {copy}"));
    sql_on(&server, &format!("create database {copy} template {name}"));
}

/// A worker on `database` with live credentials of the bank.
fn live_worker(database: &str, bank: &Server, redis: &RedisServer, sandbox: &Server, shop: &str) -> Command {
    let mut worker = second_provider("worker");
    worker
        .env("DATABASE_URL", database)
        .env("REDIS_URL", redis.url())
        .env("HOLDFAST_SANDBOX_URL", &sandbox.url);
    worker.env("BANK_URL", &bank.url).env("HOLDFAST_SHOP_ID", shop);
    worker
}

async fn shop_at(url: &str) -> Shop {
    let store = PostgresStore::connect(url, 2).await.expect("connects");
    let route = holdfast_test_bank::route();
    let mut shop = Shop::new(Arc::new(store));
    shop.policy = AcceptPolicy::routed(&route);
    shop
}

/// What was taken and given back of each payment of this shop at the bank.
async fn sums(bank: &Server, shop: &str) -> Vec<(i64, i64)> {
    let sums: Vec<Value> = json_of(get(&format!("{}/control/sums", bank.url), "").await, 200)
        .await
        .as_array()
        .expect("a list")
        .clone();
    let ours = sums.iter().filter(|sum| sum[0].as_str().is_some_and(|reference| reference.starts_with(shop)));
    ours.map(|sum| (sum[1].as_i64().expect("a sum"), sum[2].as_i64().expect("a sum"))).collect()
}

const ITEMS: [(&str, u32); 1] = [("cd-1", 1)];

/// Buys, and returns the orders that are paid and those whose buyers are at the bank.
async fn three_paid_and_two_open(url: &str) -> (Vec<OrderId>, Vec<OrderId>) {
    let shop = shop_at(url).await;
    shop.stock("cd-1", 1_000).await;
    let paid = shop.orders(3, &ITEMS, Some("bank_pays")).await;
    let open = shop.buyers(2, &ITEMS).await;
    shop.until("three are paid, and two wait for their buyers", async || {
        let mut views = Vec::new();
        for order in paid.iter().chain(&open) {
            views.push(shop.view(*order).await);
        }
        views[..3].iter().all(|view| view.order.status == OrderStatus::Confirmed)
            && views[3..].iter().all(|view| {
                view.payment.as_ref().is_some_and(|payment| payment.status == PaymentStatus::RequiresAction)
            })
    })
    .await;
    (paid, open)
}

struct Killed(std::process::Child);

impl Killed {
    fn start(command: &mut Command) -> Self {
        Self(command.spawn().expect("it runs"))
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn m42_a_production_dump_with_live_keys_is_refused_and_as_a_fork_never_touches_production() {
    let ledger = tempfile::tempdir().expect("a temporary folder");
    let sandbox = Server::sandbox(&ledger.path().join("sandbox.db"), "127.0.0.1:0", &[]);
    let bank = Server::start(second_provider("bank").env("BANK_IS_LIVE", "1").env("BANK_IS_CALM", "1"));
    let redis = runtime().block_on(RedisServer::start());
    let (production, staging) = (ServerDatabase::create(), ServerDatabase::create_alone());
    run_on(&production.url, &["migrate"]).ends(0, "applied");
    let id = shop_id(&production.url);

    // Credentials that move real money need the name of their shop, and the right one.
    let without =
        live_worker(&production.url, &bank, &redis, &sandbox, &id).env_remove("HOLDFAST_SHOP_ID").output();
    let without = Ran::of(without.expect("it runs"));
    assert!(
        without.code != Some(0) && without.stderr.contains(&format!("HOLDFAST_SHOP_ID={id}")),
        "{without:?}"
    );
    let strange = live_worker(&production.url, &bank, &redis, &sandbox, "0123456789").output();
    let strange = Ran::of(strange.expect("it runs"));
    assert!(strange.code != Some(0) && strange.stderr.contains(&id), "{strange:?}");

    let runtime = runtime();
    let (paid, open) = {
        let _worker = Killed::start(&mut live_worker(&production.url, &bank, &redis, &sandbox, &id));
        runtime.block_on(three_paid_and_two_open(&production.url))
    };
    let before = runtime.block_on(sums(&bank, &id));
    assert_eq!(before.iter().filter(|(captured, _)| *captured > 0).count(), 3, "{before:?}");
    copy(&production, &staging);

    // Production goes on; its dump, with the same settings, calls nobody.
    let _production = Killed::start(&mut live_worker(&production.url, &bank, &redis, &sandbox, &id));
    {
        let _staging = Killed::start(&mut live_worker(&staging.url, &bank, &redis, &sandbox, &id));
        runtime.block_on(async {
            let copy = shop_at(&staging.url).await;
            copy.ask(paid[0], Verb::Cancel, &admin()).await.expect("is accepted");
            let new = copy.order(&ITEMS, Some("bank_pays")).await;
            copy.until("its calls are held", async || copy.checkout(new).await.progress.parked).await;
            let cancels = copy.sagas().await;
            assert!(cancels.iter().any(|saga| saga.definition.name == "cancellation"), "{cancels:?}");
        });
        assert_eq!(runtime.block_on(sums(&bank, &id)), before, "nothing was sent");
    }
    assert!(shown(&staging.url)["held"].as_str().is_some_and(|held| held.contains("holdfast shop forked")));
    let held = run_on(&staging.url, &["saga", "list", "--held"]).ends(0, "").stdout.clone();
    assert!(held.contains("cancellation") && held.contains("holdfast shop forked"), "{held}");
    run_on(&staging.url, &["saga", "list", "--held", "--state", "DEAD"]).ends(2, "--held");
    let explained = run_on(&staging.url, &["order", "explain", &paid[0].number().to_string()]);
    assert!(explained.ends(0, "").stdout.contains("holdfast shop forked"), "{explained:?}");

    // As a shop of its own it has another id, so the settings of production do not fit any more.
    let forked = ["shop", "forked", "--reason", "a copy for staging", "--actor", "olga"];
    run_on(&staging.url, &forked).ends(4, "stop them");
    until("the killed worker counts as silent", || {
        let ran = run_on(&staging.url, &forked);
        (ran.code == Some(0)).then_some(())
    });
    let staging_id = shop_id(&staging.url);
    assert_ne!(staging_id, id);
    let strange = live_worker(&staging.url, &bank, &redis, &sandbox, &id).output();
    assert!(!strange.expect("it runs").status.success(), "production's settings are refused");
    holdfast_on(&staging.url, &id, &["shop", "show"]).ends(2, &staging_id);
    holdfast_on(&staging.url, &staging_id, &["shop", "show"]).ends(0, "");
    {
        let _staging = Killed::start(&mut live_worker(&staging.url, &bank, &redis, &sandbox, &staging_id));
        runtime.block_on(async {
            let copy = shop_at(&staging.url).await;
            copy.ask(open[0], Verb::Cancel, &admin()).await.expect("is accepted");
            copy.grant(paid[1], Some(300), "grant").await.expect("is accepted");
            let new = copy.order(&ITEMS, Some("bank_pays")).await;
            copy.until("its own order is paid", async || {
                copy.view(new).await.order.status == OrderStatus::Confirmed
            })
            .await;
            copy.until("what concerns production's orders is held", async || {
                let held = copy.sagas().await.into_iter().filter(|saga| saga.progress.parked).count();
                held >= 3
            })
            .await;
        });
    }
    assert_eq!(runtime.block_on(sums(&bank, &id)), before, "production's money stays");
    assert_eq!(runtime.block_on(sums(&bank, &staging_id)).len(), 1, "and staging's is its own");
    run_on(&production.url, &["audit"]).ends(0, "");
}

fn holdfast_on(url: &str, shop: &str, arguments: &[&str]) -> Ran {
    let mut command = holdfast();
    command.env("DATABASE_URL", url).env("HOLDFAST_SHOP_ID", shop).args(arguments);
    Ran::of(command.output().expect("the binary runs"))
}

/// An older state is put back into the same file: only what Redis remembers shows it.
#[test]
fn o9_a_file_that_went_back_in_time_is_noticed_by_what_redis_remembers() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (file, backup) = (folder.path().join("shop.db"), folder.path().join("backup.db"));
    let url = sqlite_url(&file);
    let sandbox = Server::sandbox(&folder.path().join("sandbox.db"), "127.0.0.1:0", &[]);
    let runtime = runtime();
    let redis = runtime.block_on(RedisServer::start());
    run_on(&url, &["migrate"]).ends(0, "applied");
    let id = shop_id(&url);
    let admin = token(Role::Admin);
    let deployed = || {
        let mut api = crate::server::api(&url);
        let api = Server::start(
            api.env("HOLDFAST_JWT_SECRET", crate::server::SECRET).env("REDIS_URL", redis.url()),
        );
        let worker = Server::start(&mut worker(&url, &sandbox, &redis));
        (api, worker)
    };
    {
        let (api, _worker) = deployed();
        runtime.block_on(stock(&api.url, &admin));
        assert_eq!(crate::identity::buy(&api.url, &admin, &["tok_ok"]), [(1, "CONFIRMED".to_owned())]);
    }
    // The last one to close the file leaves nothing beside it.
    run_on(&url, &["order", "list"]).ends(0, "");
    save_file(&file, &backup);
    {
        let (api, _worker) = deployed();
        crate::identity::buy(&api.url, &admin, &["tok_ok"; 3]);
        until("the last order is remembered", || {
            let remembered: Option<String> = runtime.block_on(async {
                let mut connection = connect(&redis.url()).await;
                let key = format!("holdfast:{id}:last-order:1");
                redis::cmd("GET").arg(key).query_async(&mut connection).await.expect("answers")
            });
            remembered.filter(|remembered| remembered.starts_with("4 "))
        });
    }
    run_on(&url, &["order", "list"]).ends(0, "");
    save_file(&backup, &file);
    let (api, worker) = deployed();
    let ready = format!("{}/readyz", worker.url);
    let held = until("the worker is held", || {
        let answer = runtime.block_on(async { get(&ready, "").await });
        (answer.status() == 503).then(|| runtime.block_on(answer.text()).expect("a text"))
    });
    assert!(held.contains("order 4") && held.contains("holdfast shop restored"), "{held}");
    let metrics = runtime.block_on(async { get(&format!("{}/metrics", worker.url), "").await.text().await });
    assert!(metrics.expect("a text").contains("holdfast_shop_held 1"));
    // Orders are taken all the same, under used numbers: their keys are others (M7).
    let order = runtime.block_on(async {
        let cart = crate::server::cart(&api.url).await;
        let request = crate::server::client()
            .post(format!("{}/v1/checkout", api.url))
            .header("idempotency-key", &cart)
            .json(&crate::cluster::body(&cart, "tok_ok"));
        json_of(request.send().await.expect("an answer"), 201).await
    });
    assert_eq!(order["number"], 2, "{order}");
    run_on(&url, &["shop", "restored", "--actor", "olga"]).ends(2, "--reason");
    let restored = run_on(&url, &["shop", "restored", "--reason", "the disk failed", "--actor", "olga"]);
    restored.ends(0, "holdfast audit");
    until("the order is confirmed", || {
        let shown = run_on(&url, &["order", "list", "--output", "json"]).json();
        let order = shown["items"].as_array()?.iter().find(|item| item["number"] == 2)?;
        (order["status"] == "CONFIRMED").then_some(())
    });
    let next = crate::identity::buy(&api.url, &admin, &["tok_ok"]);
    assert_eq!(next[0].0, 5, "no number up to the one that was missed is given again");
    let again = run_on(&url, &["shop", "restored", "--reason", "twice", "--actor", "olga"]);
    again.ends(0, "nothing is held");
    drop((api, worker));
    let audit = run_on(&url, &["audit", "--sandbox-url", &sandbox.url]);
    audit.ends(6, "3 promises broken");
    assert!(audit.stdout.contains("was a backup restored?"), "{}", audit.stdout);
}

fn worker(url: &str, sandbox: &Server, redis: &RedisServer) -> Command {
    let mut worker = holdfast();
    worker.env("DATABASE_URL", url).env("HOLDFAST_SANDBOX_URL", &sandbox.url).env("REDIS_URL", redis.url());
    worker.args(["worker", "--worker-addr", "127.0.0.1:0"]);
    worker
}

/// Writes the file's content into another one, which stays the file that it is.
fn save_file(from: &Path, to: &Path) {
    let log = format!("{}-wal", from.display());
    assert!(!Path::new(&log).exists(), "all of it is in the file");
    std::fs::copy(from, to).expect("is copied");
}

#[test]
fn o9_a_copied_file_is_noticed_and_becomes_a_shop_of_its_own() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("shop.db");
    run_on(&sqlite_url(&file), &["migrate"]).ends(0, "applied");
    let copied = folder.path().join("staging.db");
    std::fs::copy(&file, &copied).expect("is copied");
    let (url, copy) = (sqlite_url(&file), sqlite_url(&copied));
    let table = run_on(&copy, &["shop", "show"]);
    assert!(table.ends(0, "").stdout.contains("holdfast shop forked"), "{table:?}");
    let forked =
        run_on(&copy, &["shop", "forked", "--reason", "staging", "--actor", "olga", "--output", "json"]);
    assert_eq!(forked.ends(0, "a copy of shop").json()["forked_from"], shown(&url)["id"]);
    assert_eq!(shown(&copy)["held"], json!(null));
    // The original was never touched, and nobody forks it by mistake.
    assert_eq!((&shown(&url)["epoch"], &shown(&url)["held"]), (&json!(1), &json!(null)));
    run_on(&url, &["shop", "forked", "--reason", "staging", "--actor", "olga"]).ends(4, "--force");
    assert_eq!(shown(&url)["epoch"], 1);
}

#[test]
fn m42_a_shop_id_that_does_not_fit_is_refused_before_anything_is_changed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = sqlite_url(&folder.path().join("shop.db"));
    holdfast_on(&url, "9f2c41ab07", &["migrate"]).ends(2, "holds no shop yet");
    run_on(&url, &["shop", "show"]).ends(1, "holdfast migrate");
    run_on(&url, &["migrate"]).ends(0, "applied");
    let id = shop_id(&url);
    for arguments in [
        &["migrate"][..],
        &["up", "--http-addr", "127.0.0.1:0"],
        &["worker", "--worker-addr", "127.0.0.1:0"],
        &["worker", "list"],
        &["order", "list"],
        &["audit"],
        &["demo", "--orders", "1"],
    ] {
        holdfast_on(&url, "9f2c41ab07", arguments).ends(2, &id);
    }
    holdfast_on(&url, &id.to_uppercase(), &["shop", "show"]).ends(2, "ten hexadecimal digits");
    holdfast_on(&url, &id, &["order", "list"]).ends(0, "");
    // An empty variable counts as unset.
    holdfast_on(&url, "", &["order", "list"]).ends(0, "");
    let mut demo = holdfast();
    demo.env("HOLDFAST_SHOP_ID", &id).args(["demo", "--orders", "1"]);
    Ran::of(demo.output().expect("the binary runs")).ends(2, "the demo makes a new one");
    run(&["shop", "forked", "--actor", "olga"]).ends(2, "--reason");
}

/// Whoever serves a database that becomes another shop ends, and says why.
#[test]
fn o9_a_process_ends_when_its_database_becomes_another_shop() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = sqlite_url(&folder.path().join("shop.db"));
    run_on(&url, &["migrate"]).ends(0, "applied");
    let api = Server::api(&url);
    run_on(&url, &["shop", "forked", "--force", "--reason", "staging", "--actor", "olga"]).ends(0, "");
    let id = shop_id(&url);
    until("the API has ended", || api.stderr().contains(&format!("holds shop {id} now")).then_some(()));
}
