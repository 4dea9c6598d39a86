//! Where a measured shop lives: a database of its own, on Postgres or in a file.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use holdfast_saga::ports::Store;
use holdfast_saga::records::view::OrderFilter;
use holdfast_shared::{OrderStatus, SystemClock};
use holdfast_store_sqlite::SqliteStore;
use serde::Serialize;
use tempfile::TempDir;

use super::latency::Latencies;
use crate::database::Database;

/// Orders read at once.
const PAGE: u32 = 500;
/// How long the last orders of a run may take to be decided before it counts as hung.
const SETTLED_WITHIN: Duration = Duration::from_mins(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        })
    }
}

/// A database that is gone when the run is over, and a folder for what a server keeps beside it.
#[derive(Debug)]
pub(crate) struct TargetDatabase {
    pub(crate) url: String,
    folder: TempDir,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Postgres(Database),
    Sqlite(SqliteStore),
}

impl TargetDatabase {
    pub(crate) async fn create(kind: Kind, postgres_url: &str) -> Result<Self> {
        let folder = folder()?;
        let (url, place) = match kind {
            Kind::Postgres => {
                let database = Database::create(postgres_url).await?;
                database.insist_on_durability().await?;
                (database.url.clone(), Place::Postgres(database))
            }
            Kind::Sqlite => {
                let url = format!("sqlite://{}", folder.path().join("shop.db").display());
                let store = SqliteStore::open(&url, Arc::new(SystemClock)).await?;
                store.migrate().await?;
                (url, Place::Sqlite(store))
            }
        };
        Ok(Self { url, folder, place })
    }

    /// A target around a database that is there already.
    pub(crate) fn around(database: Database) -> Result<Self> {
        Ok(Self { url: database.url.clone(), folder: folder()?, place: Place::Postgres(database) })
    }

    /// The database, if it is on Postgres.
    pub(crate) const fn database(&self) -> Option<&Database> {
        match &self.place {
            Place::Postgres(database) => Some(database),
            Place::Sqlite(_) => None,
        }
    }

    /// The store, for tasks that outlive a borrow.
    pub(crate) fn shared(&self) -> Arc<dyn Store> {
        match &self.place {
            Place::Postgres(database) => Arc::new(database.store.clone()),
            Place::Sqlite(store) => Arc::new(store.clone()),
        }
    }

    pub(crate) fn store(&self) -> &dyn Store {
        match &self.place {
            Place::Postgres(database) => &database.store,
            Place::Sqlite(store) => store,
        }
    }

    /// The sandbox provider's ledger: outside the shop's transactions, on the same disk.
    pub(crate) fn ledger(&self) -> PathBuf {
        self.folder.path().join("sandbox.db")
    }

    pub(crate) async fn settle_down(&self) -> Result<()> {
        match &self.place {
            Place::Postgres(database) => database.settle_down().await,
            Place::Sqlite(_) => Ok(()),
        }
    }

    /// Waits until no more than `waiting` orders are undecided.
    pub(crate) async fn decided(&self, waiting: u64) -> Result<()> {
        let since = Instant::now();
        loop {
            let pending = self.store().pending(waiting + 1).await?;
            if pending <= waiting {
                return Ok(());
            }
            ensure!(since.elapsed() < SETTLED_WITHIN, "orders are undecided after {SETTLED_WITHIN:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// How long each of the newest `count` orders took to be CONFIRMED, by the clock of the transactions:
    /// from the instant of the one that accepted it to the instant of the one that confirmed it.
    pub(crate) async fn confirmations(&self, count: u64) -> Result<Latencies> {
        let mut latencies = Latencies::default();
        let mut before = None;
        while latencies.count() < count {
            let filter = OrderFilter { before, limit: PAGE, ..OrderFilter::default() };
            let page = self.store().orders(&filter).await?;
            let missing = count - latencies.count();
            ensure!(!page.is_empty(), "{missing} of {count} orders are not in the database");
            for view in page.iter().take(usize::try_from(missing)?) {
                let order = &view.order;
                ensure!(order.status == OrderStatus::Confirmed, "order {} is {}", order.id, order.status);
                latencies.record(order.updated_at.since(order.accepted_at));
            }
            before = page.last().map(|view| view.order.id);
        }
        Ok(latencies)
    }

    pub(crate) async fn clear_away(self) -> Result<()> {
        match self.place {
            Place::Postgres(database) => database.drop().await?,
            Place::Sqlite(store) => store.close().await,
        }
        self.folder.close().context("clearing away the folder")
    }
}

/// Not in /tmp unless asked to: that is memory on many machines, where an fsync costs nothing.
fn folder() -> Result<TempDir> {
    let parent = std::env::var_os("TMPDIR").map_or_else(|| PathBuf::from("/var/tmp"), PathBuf::from);
    let made = TempDir::with_prefix_in("holdfast-bench.", &parent);
    made.with_context(|| format!("a temporary folder cannot be made in {}", parent.display()))
}
