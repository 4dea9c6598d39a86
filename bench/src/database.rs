//! A Postgres database of its own for every round: made, counted, verified and dropped.

use std::time::Duration;

use anyhow::{Context, Error, Result, ensure};
use holdfast_saga::flows::REGISTRY;
use holdfast_saga::operations::shop;
use holdfast_shared::Actor;
use holdfast_store_postgres::PostgresStore;
use serde::Serialize;
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};
use uuid::Uuid;

#[derive(Debug)]
pub(crate) struct Database {
    admin_url: String,
    name: String,
    pub(crate) url: String,
    pub(crate) store: PostgresStore,
    /// For the bench's own statements.
    pub(crate) shell: PgPool,
}

/// What Postgres has counted.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Counters {
    pub(crate) commits: i64,
    pub(crate) row_versions: i64,
    pub(crate) hot_updates: i64,
    pub(crate) updates: i64,
    pub(crate) wal_bytes: i64,
    /// `None` where `pg_stat_statements` is not loaded.
    pub(crate) statements: Option<i64>,
}

impl Counters {
    pub(crate) fn since(&self, before: &Self) -> Self {
        Self {
            commits: self.commits - before.commits,
            row_versions: self.row_versions - before.row_versions,
            hot_updates: self.hot_updates - before.hot_updates,
            updates: self.updates - before.updates,
            wal_bytes: self.wal_bytes - before.wal_bytes,
            statements: self.statements.zip(before.statements).map(|(now, then)| now - then),
        }
    }
}

impl Database {
    /// A new, empty database on the server that `admin_url` names.
    pub(crate) async fn create(admin_url: &str) -> Result<Self> {
        let name = fresh_name();
        let mut admin = PgConnection::connect(admin_url).await.context("connecting to Postgres")?;
        sqlx::raw_sql(AssertSqlSafe(format!("create database {name}"))).execute(&mut admin).await?;
        Self::open(admin_url, name).await
    }

    /// The database of this name; it is created when it is not there.
    pub(crate) async fn named(admin_url: &str, name: &str) -> Result<Self> {
        let is_plain = |name: &str| {
            name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit())
        };
        ensure!(
            name.starts_with(|first: char| first.is_ascii_lowercase()) && is_plain(name),
            "{name:?} is no name for a database here: lower-case letters, digits and _"
        );
        let mut admin = PgConnection::connect(admin_url).await.context("connecting to Postgres")?;
        let is_there: bool = sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
            .bind(name)
            .fetch_one(&mut admin)
            .await?;
        if !is_there {
            sqlx::raw_sql(AssertSqlSafe(format!("create database {name}"))).execute(&mut admin).await?;
        }
        Self::open(admin_url, name.to_owned()).await
    }

    async fn close(&self) {
        self.store.close();
        self.shell.close().await;
    }

    /// A copy of it, which nobody may use meanwhile.
    pub(crate) async fn copy(&self) -> Result<Self> {
        self.close().await;
        let mut admin = PgConnection::connect(&self.admin_url).await?;
        let version: i32 = sqlx::query_scalar("select current_setting('server_version_num')::int")
            .fetch_one(&mut admin)
            .await?;
        // Page by page through the log, as newer servers do it by default, takes far longer for a large one.
        let strategy = if version >= 150_000 { "strategy file_copy" } else { "" };
        let (name, from) = (fresh_name(), &self.name);
        let sql = format!("create database {name} template {from} {strategy}");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut admin).await?;
        let copy = Self::open(&self.admin_url, name).await?;
        // Workers call nobody on a copy before somebody has answered for it.
        let by = Actor::Operator("bench".to_owned());
        shop::restored(&copy.store, &REGISTRY, "a copy for one round", &by).await?.map_err(Error::msg)?;
        Ok(copy)
    }

    /// The same with connections of its own.
    pub(crate) async fn reopened(self) -> Result<Self> {
        self.close().await;
        Self::open(&self.admin_url, self.name).await
    }

    /// One that is there, with its schema brought up to date.
    async fn open(admin_url: &str, name: String) -> Result<Self> {
        let slash = admin_url.rfind('/').context("the Postgres URL names no database")?;
        let url = format!("{}/{name}", &admin_url[..slash]);
        // Two connections: one for the intake, one for the executor. More of them lose.
        let store = PostgresStore::connect(&url, 4).await?;
        store.migrate().await?;
        let shell = PgPoolOptions::new().max_connections(4).connect_lazy(&url)?;
        // Absent where the server was not started with it; then statements are not counted.
        let _ = sqlx::raw_sql("create extension if not exists pg_stat_statements").execute(&shell).await;
        Ok(Self { admin_url: admin_url.to_owned(), name, url, store, shell })
    }

    /// Refuses a server on which a commit is not on disk when it is answered.
    pub(crate) async fn insist_on_durability(&self) -> Result<()> {
        for setting in ["synchronous_commit", "fsync"] {
            let value: String =
                sqlx::query_scalar("select current_setting($1)").bind(setting).fetch_one(&self.shell).await?;
            ensure!(value == "on", "{setting} is {value}: figures without durability mean nothing");
        }
        Ok(())
    }

    /// Dirty pages and missing statistics of the seeding are not the round's to pay for.
    pub(crate) async fn settle_down(&self) -> Result<()> {
        // Past the store, whose statements end after some seconds.
        let mut shell = PgConnection::connect(&self.url).await?;
        // Not the empty ones: then they count as empty for good, and what is planned for them is wrong soon.
        let filled: Vec<String> = sqlx::query_scalar(
            "select relname::text from pg_class
             where relkind = 'r' and relnamespace = 'public'::regnamespace and pg_relation_size(oid) > 0",
        )
        .fetch_all(&mut shell)
        .await?;
        let sql = format!("vacuum analyze {}", filled.join(", "));
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut shell).await?;
        sqlx::raw_sql("checkpoint").execute(&mut shell).await?;
        shell.close().await?;
        Ok(())
    }

    pub(crate) async fn counters(&self) -> Result<Counters> {
        // Each backend reports its counts when it has been idle for a second.
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        let pool = &self.shell;
        let commits =
            sqlx::query_scalar("select xact_commit from pg_stat_database where datname = current_database()")
                .fetch_one(pool)
                .await?;
        let (row_versions, updates, hot_updates) = sqlx::query_as(
            "select sum(n_tup_ins + n_tup_upd + n_tup_del)::bigint, sum(n_tup_upd)::bigint, sum(n_tup_hot_upd)::bigint
             from pg_stat_user_tables",
        )
        .fetch_one(pool)
        .await?;
        let wal_bytes = sqlx::query_scalar("select (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint")
            .fetch_one(pool)
            .await?;
        let statements = sqlx::query_scalar(
            "select coalesce(sum(calls), 0)::bigint from pg_stat_statements
             where dbid = (select oid from pg_database where datname = current_database())",
        )
        .fetch_one(pool)
        .await
        .ok();
        Ok(Counters { commits, row_versions, hot_updates, updates, wal_bytes, statements })
    }

    /// A figure counts only when every order is done, every message sent and every piece accounted for.
    pub(crate) async fn verify(&self, orders: usize, lines: usize) -> Result<()> {
        let count = async |sql: &'static str| -> Result<i64> {
            Ok(sqlx::query_scalar(sql).fetch_one(&self.shell).await?)
        };
        let orders = i64::try_from(orders)?;
        let confirmed = count("select count(*) from orders where status = 'CONFIRMED'").await?;
        ensure!(confirmed == orders, "{confirmed} of {orders} orders are CONFIRMED");
        let captured = count(
            "select count(*) from payments where status = 'CAPTURED' and captured_minor = amount_minor",
        );
        ensure!(captured.await? == orders, "not every payment is captured in full");
        let sent = count("select count(*) from notifications where status = 'SENT'").await?;
        ensure!(sent == orders, "{sent} of {orders} messages are SENT");
        let cleared = count("select count(*) from carts where status = 'CLEARED'").await?;
        ensure!(cleared == orders, "{cleared} of {orders} carts are CLEARED");
        let sold = count("select sum(quantity)::bigint from order_lines").await?;
        ensure!(sold == orders * i64::try_from(lines)?, "{sold} pieces were sold");
        let left = count(
            "select coalesce(sum(abs(on_hand + sold - 10000000) + reserved), 0)::bigint
             from stock join (select sku, sum(quantity) as sold from order_lines group by sku) lines using (sku)",
        );
        ensure!(left.await? == 0, "the stock of some SKU does not add up");
        Ok(())
    }

    pub(crate) async fn drop(self) -> Result<()> {
        self.close().await;
        let mut admin = PgConnection::connect(&self.admin_url).await?;
        let sql = format!("drop database {} with (force)", self.name);
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut admin).await?;
        Ok(())
    }
}

fn fresh_name() -> String {
    format!("holdfast_bench_{}", Uuid::now_v7().simple())
}
