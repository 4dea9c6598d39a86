//! A database of its own for every round: seeded, counted, verified and dropped.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use holdfast_saga::ports::Store;
use holdfast_saga::rows::{Cart, CartItem, Product, StockAdjustment, StockMove};
use holdfast_saga::world::World;
use holdfast_shared::{CartId, CartStatus, Currency, Money, Sku, Time};
use holdfast_store_postgres::PostgresStore;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

/// More than all rounds can sell.
const ON_HAND: i64 = 10_000_000;
/// Carts written in one statement.
const SEED_BATCH: usize = 2_000;

#[derive(Debug)]
pub(crate) struct Database {
    admin_url: String,
    name: String,
    pub(crate) url: String,
    pub(crate) store: PostgresStore,
}

/// What Postgres has counted.
#[derive(Debug, Clone, Copy, Default)]
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

/// Names have a suffix, so that hot rows are as long as those of a real shop.
pub(crate) fn sku(number: usize) -> String {
    format!("sku-{number:06}")
}

impl Database {
    pub(crate) async fn create(admin_url: &str) -> Result<Self> {
        let name = format!("holdfast_bench_{}", Uuid::now_v7().simple());
        let mut admin = PgConnection::connect(admin_url).await.context("connecting to Postgres")?;
        sqlx::raw_sql(AssertSqlSafe(format!("create database {name}"))).execute(&mut admin).await?;
        let slash = admin_url.rfind('/').context("the Postgres URL names no database")?;
        let url = format!("{}/{name}", &admin_url[..slash]);
        // Two connections: one for the acceptor, one for the executor. More of them lose.
        let store = PostgresStore::connect(&url, 4).await?;
        store.migrate().await?;
        // Absent where the server was not started with it; then statements are not counted.
        let _ =
            sqlx::raw_sql("create extension if not exists pg_stat_statements").execute(store.pool()).await;
        Ok(Self { admin_url: admin_url.to_owned(), name, url, store })
    }

    /// Stocks the shop and fills one cart an order; returns the carts.
    pub(crate) async fn seed(&self, orders: usize, skus: usize, lines: usize) -> Result<Vec<CartId>> {
        let now = Time::system_now();
        let mut world = World::default();
        world.writes.at = now;
        for number in 0..skus {
            let sku: Sku = sku(number).parse()?;
            let price = Money::new(1_000 + i64::try_from(number)?, Currency::EUR);
            let product =
                Product { sku: sku.clone(), name: format!("Product {number}"), price, active: true };
            world.writes.put_products.insert(sku.clone(), product);
            world.writes.stock.insert(sku.clone(), StockMove { on_hand: ON_HAND, reserved: 0 });
            world.writes.adjustments.push(StockAdjustment {
                sku,
                delta: ON_HAND,
                reason: "opening stock".to_owned(),
                actor: "bench".to_owned(),
                at: now,
            });
        }
        self.store.begin().await?.save(&world.writes).await?;

        let mut ids = Vec::with_capacity(orders);
        for start in (0..orders).step_by(SEED_BATCH) {
            let mut world = World::default();
            world.writes.at = now;
            world.writes.put_carts = (start..orders.min(start + SEED_BATCH))
                .map(|order| filled_cart(order, skus, lines, now))
                .collect::<Result<BTreeMap<_, _>>>()?;
            ids.extend(world.writes.put_carts.keys().copied());
            self.store.begin().await?.save(&world.writes).await?;
        }
        Ok(ids)
    }

    pub(crate) async fn settle_down(&self) -> Result<()> {
        sqlx::raw_sql("vacuum analyze").execute(self.store.pool()).await?;
        sqlx::raw_sql("checkpoint").execute(self.store.pool()).await?;
        Ok(())
    }

    pub(crate) async fn counters(&self) -> Result<Counters> {
        // Each backend reports its counts when it has been idle for a second.
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        let pool = self.store.pool();
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
            Ok(sqlx::query_scalar(sql).fetch_one(self.store.pool()).await?)
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
        self.store.pool().close().await;
        let mut admin = PgConnection::connect(&self.admin_url).await?;
        let sql = format!("drop database {} with (force)", self.name);
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut admin).await?;
        Ok(())
    }
}

/// A cart of different SKUs, spread so that neighbouring orders share few of them.
fn filled_cart(order: usize, skus: usize, lines: usize, now: Time) -> Result<(CartId, Cart)> {
    let id = CartId(Uuid::now_v7());
    let items = (0..lines)
        .map(|line| Ok(CartItem { sku: sku((order * 7_919 + line * 104_729) % skus).parse()?, quantity: 1 }))
        .collect::<Result<Vec<_>>>()?;
    let cart = Cart { id, owner: None, status: CartStatus::Open, order: None, items, updated_at: now };
    Ok((id, cart))
}
