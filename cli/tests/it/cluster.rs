//! A shop as it runs in production: processes of their own for the API, the workers and the provider, joined by
//! a Postgres and a Redis.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use holdfast_api::auth::Role;
use holdfast_shared::OrderId;
use holdfast_testkit::redis::RedisServer;
use reqwest::Client;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tempfile::TempDir;

use crate::binary::{holdfast, run_on};
use crate::fixture::{MAX_WAIT, ServerDatabase, runtime};
use crate::server::{SECRET, Server, api, cart, checkout, client, json_of, stock, token};

/// Short, so that a takeover is no test of patience.
pub(crate) const LEASE: Duration = Duration::from_secs(2);

/// The processes of a cluster that every test has, and where they meet.
pub(crate) struct Cluster {
    pub(crate) api: Server,
    pub(crate) sandbox: Server,
    pub(crate) redis: RedisServer,
    pub(crate) client: Client,
    backend: &'static str,
    /// Gone after those who use it.
    pub(crate) database: ServerDatabase,
    ledger_folder: TempDir,
}

/// A test in a cluster without a worker; each charge of its provider is answered `delay` after it was taken.
pub(crate) fn in_cluster(delay: &str, test: impl AsyncFnOnce(Cluster)) {
    on_backend("streams", delay, test);
}

/// The same, with hints kept as `backend` does it.
pub(crate) fn on_backend(backend: &'static str, delay: &str, test: impl AsyncFnOnce(Cluster)) {
    let database = ServerDatabase::create();
    runtime().block_on(async { test(Cluster::open(database, backend, delay).await).await });
}

impl Cluster {
    pub(crate) async fn open(database: ServerDatabase, backend: &'static str, delay: &str) -> Self {
        run_on(&database.url, &["migrate"]).ends(0, "applied");
        let redis = RedisServer::start().await;
        let ledger_folder = tempfile::tempdir().expect("a temporary folder");
        let ledger = ledger_folder.path().join("sandbox.db");
        let sandbox = Server::sandbox(&ledger, "127.0.0.1:0", &["--delay", delay]);
        let mut command = api(&database.url);
        command.env("HOLDFAST_JWT_SECRET", SECRET).env("REDIS_URL", redis.url());
        let api = Server::start(command.env("HOLDFAST_QUEUE_BACKEND", backend));
        stock(&api.url, &token(Role::Admin)).await;
        Self { api, sandbox, redis, client: client(), backend, database, ledger_folder }
    }

    /// Opens the provider again after it was killed: the same ledger, the same address.
    pub(crate) fn reopen_sandbox(&mut self) {
        let address = self.sandbox.url.trim_start_matches("http://").to_owned();
        self.sandbox = Server::sandbox(&self.ledger_folder.path().join("sandbox.db"), &address, &[]);
    }

    /// The shop's id.
    pub(crate) async fn shop(&self) -> String {
        let ready = self.client.get(format!("{}/readyz", self.api.url)).send().await.expect("an answer");
        json_of(ready, 200).await["shop"].as_str().expect("a shop id").to_owned()
    }

    /// How a worker of this cluster is started.
    pub(crate) fn worker_command(&self) -> Command {
        let mut worker = holdfast();
        worker.env("DATABASE_URL", &self.database.url).env("REDIS_URL", self.redis.url());
        worker.env("HOLDFAST_SANDBOX_URL", &self.sandbox.url).env("HOLDFAST_QUEUE_BACKEND", self.backend);
        worker.args(["worker", "--worker-addr", "127.0.0.1:0", "--lease", "2s", "--call-timeout", "1s"]);
        worker
    }

    /// A worker of all pools.
    pub(crate) fn worker(&self) -> Server {
        Server::start(&mut self.worker_command())
    }

    /// Places an order by card: its public id.
    pub(crate) async fn order(&self, token: &str) -> String {
        let cart = cart(&self.api.url).await;
        let request = checkout(&self.client, &self.api.url, &cart, &cart).json(&body(&cart, token));
        let order = json_of(request.send().await.expect("an answer"), 201).await;
        order["id"].as_str().expect("an id").to_owned()
    }

    /// Places that many.
    pub(crate) async fn orders(&self, count: usize, token: &str) -> Vec<String> {
        let mut orders = Vec::with_capacity(count);
        for _ in 0..count {
            orders.push(self.order(token).await);
        }
        orders
    }

    /// Where all orders stand, and how many of each.
    pub(crate) async fn stats(&self) -> Vec<(String, i64)> {
        let statement =
            "select status || coalesce(' ' || cancel_reason, ''), count(*) from orders group by 1 order by 1";
        let mut connection = self.sql().await;
        sqlx::query_as(AssertSqlSafe(statement)).fetch_all(&mut connection).await.expect("counts")
    }

    /// One number from the database.
    pub(crate) async fn number(&self, statement: &str) -> i64 {
        let statement = AssertSqlSafe(statement.to_owned());
        sqlx::query_scalar(statement).fetch_one(&mut self.sql().await).await.expect("counts")
    }

    /// A connection to the database, for the test itself.
    pub(crate) async fn sql(&self) -> PgConnection {
        PgConnection::connect(&self.database.url).await.expect("Postgres answers")
    }

    /// Where each order stands, by its number.
    pub(crate) async fn ends(&self) -> BTreeMap<i64, String> {
        let statement = "select id, status || coalesce(' ' || cancel_reason, '') from orders";
        let ends: Vec<(i64, String)> =
            sqlx::query_as(AssertSqlSafe(statement)).fetch_all(&mut self.sql().await).await.expect("reads");
        ends.into_iter().collect()
    }

    /// Waits until all sagas are settled.
    pub(crate) async fn rest(&self) {
        self.settle(MAX_WAIT).await;
    }

    /// The same, for so long.
    pub(crate) async fn settle(&self, patience: Duration) {
        let open = "select count(*) from sagas where state not in ('COMPLETED', 'COMPENSATED', 'DEAD')";
        self.within(patience, "all sagas are settled", async || self.number(open).await == 0).await;
    }

    /// Looks again and again until it is so.
    pub(crate) async fn until(&self, what: &str, is_so: impl AsyncFn() -> bool) {
        self.within(MAX_WAIT, what, is_so).await;
    }

    async fn within(&self, patience: Duration, what: &str, is_so: impl AsyncFn() -> bool) {
        let since = Instant::now();
        while !is_so().await {
            assert!(since.elapsed() < patience, "{what}: not within {patience:?}; {:?}", self.stats().await);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The shop's promises hold, by its own rows and by the provider's.
    pub(crate) fn assert_clean(&self) {
        run_on(&self.database.url, &["audit", "--sandbox-url", &self.sandbox.url]).ends(0, "");
    }

    /// What the provider knows of every charge: how much it took and gave back.
    pub(crate) async fn statement(&self) -> Vec<Value> {
        let mut lines = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.client.get(format!("{}/statement{cursor}", self.sandbox.url)).send().await;
            let page = json_of(page.expect("an answer"), 200).await;
            lines.extend(page["items"].as_array().expect("a list").iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("?cursor={next}"),
                None => return lines,
            }
        }
    }
}

/// A guest's checkout.
pub(crate) fn body(cart: &str, token: &str) -> Value {
    serde_json::json!({
        "cart_id": cart,
        "payment": {"method": "card", "token": token},
        "contact": {"email": "buyer@example.com"},
        "shipping_address": {
            "name": "A. Buyer", "line1": "1 High Street", "city": "Springfield", "postal_code": "12345", "country": "US"
        }
    })
}

/// The number of the order with a public id; only the binary can convert it.
pub(crate) fn order_of(public: &str) -> OrderId {
    OrderId::from_public(public.parse().expect("a UUID")).expect("one of ours")
}
