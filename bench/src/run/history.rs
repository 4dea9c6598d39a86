//! Past orders: a shop that has sold before. Traps others fell into begin with empty tables, where plans, indices and
//! caches are not those of a shop.
//!
//! The engine itself settles them all. Copies of one order would be quicker, and wrong: where rows lie in their pages,
//! and how much room is left beside them, comes from how they grew.

use anyhow::{Context, Result, ensure};

use crate::database::Database;
use crate::engine;
use crate::shop::{self, Goods};

/// Orders between two vacuums: a shop takes days for what is written here in minutes, and is vacuumed all the while.
const CHUNK: usize = 20_000;

/// A database full of past orders, to be measured on or copied.
#[derive(Debug)]
pub(crate) struct Past {
    database: Database,
    pub(crate) orders: usize,
    /// Whether somebody wants it again.
    is_kept: bool,
}

impl Past {
    /// Makes sure that there are so many past orders: in the database `name`, which stays, or in one for this run.
    /// Zero means as many as are there.
    pub(crate) async fn write(
        admin_url: &str,
        name: Option<&str>,
        orders: usize,
        goods: Goods,
    ) -> Result<Self> {
        let database = match name {
            Some(name) => Database::named(admin_url, name).await?,
            None => Database::create(admin_url).await?,
        };
        let mut there = count(&database, "select count(*) from orders").await?;
        let on_their_way = count(&database, "select count(*) from sagas where wake_at is not null").await?;
        ensure!(on_their_way == 0, "{} was left in the middle of it: drop it and begin again", database.url);
        ensure!(
            there <= orders || orders == 0,
            "{} holds {there} past orders, more than {orders}",
            database.url
        );
        if there == 0 && orders > 0 {
            shop::stock(&database.store, &goods.shelf()?).await.context("stocking the shop")?;
        }
        while there < orders {
            let baskets = (there..orders.min(there + CHUNK)).map(|order| goods.basket(order));
            let carts = shop::fill(&database.store, baskets.collect::<Result<_>>()?).await?;
            there += carts.len();
            engine::settle(&database, carts).await.context("settling past orders")?;
            database.settle_down().await?;
            eprintln!("past orders: {there} of {orders}");
        }
        Ok(Self { database, orders: there, is_kept: name.is_some() })
    }

    /// A database to measure on: a copy, or for the last round of a run this very one, unless it is kept.
    pub(crate) async fn open(self, is_last: bool) -> Result<(Database, Option<Self>)> {
        if is_last && !self.is_kept {
            // Copying closed its connections.
            return Ok((self.database.reopened().await?, None));
        }
        let copy = self.database.copy().await.context("copying the past orders")?;
        Ok((copy, (!is_last).then_some(self)))
    }
}

async fn count(database: &Database, sql: &'static str) -> Result<usize> {
    let count: i64 = sqlx::query_scalar(sql).fetch_one(&database.shell).await?;
    Ok(usize::try_from(count)?)
}
