//! The database that a command works on, and whether its schema fits this binary.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast_saga::ports::{Store, StoreError};
use holdfast_shared::ShopId;

use crate::address::Address;
use crate::assemble;
use crate::exit::{Exit, not_found, say, usage};
use crate::global::Global;
use crate::output::Format;
use crate::schema::Schema;
use crate::values::duration;

/// Longer than connecting to a healthy database takes, and shorter than a person waits.
const CONNECT_WITHIN: Duration = Duration::from_secs(6);
/// How often a process looks whether its database still holds its shop.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Most commands read one thing after another; a demo accepts, executes, sweeps and reads at the same time.
pub(crate) const CONNECTIONS: u32 = 6;

/// The pause between two attempts to reach a database that is away.
const RETRY_EVERY: Duration = Duration::from_millis(500);

/// The database of a process that serves.
#[derive(clap::Args)]
pub(crate) struct ServedDatabaseArgs {
    /// How long to wait at the start for a database that is away
    #[arg(long, value_name = "TIME", env = "HOLDFAST_DATABASE_WAIT", default_value = "1m", value_parser = duration)]
    database_wait: humantime::Duration,

    /// Connections to Postgres: at most so many, half of them for transactions
    #[arg(long, value_name = "N", env = "HOLDFAST_DATABASE_CONNECTIONS", default_value_t = 2 * CONNECTIONS)]
    #[arg(value_parser = clap::value_parser!(u32).range(4..=400))]
    database_connections: u32,
}

impl ServedDatabaseArgs {
    /// The connections for reads; there are as many for transactions.
    pub(crate) const fn connections(&self) -> u32 {
        self.database_connections / 2
    }
}

pub(crate) struct Database {
    store: Arc<dyn Store>,
    schema: Box<dyn Schema>,
    path: Option<PathBuf>,
}

impl Database {
    /// Opens the database, whatever its schema. A file that does not exist is created.
    pub(crate) async fn connect(address: &Address) -> anyhow::Result<Self> {
        Self::connected(address, CONNECTIONS).await.map_err(|error| at(address, error))
    }

    async fn connected(address: &Address, connections: u32) -> Result<Self, StoreError> {
        let connecting = tokio::time::timeout(CONNECT_WITHIN, assemble::store(address, connections));
        let connected = connecting.await.unwrap_or_else(|_| {
            Err(StoreError::Unavailable(format!(
                "no answer within {} s; check the host in DATABASE_URL, the network and firewalls",
                CONNECT_WITHIN.as_secs()
            )))
        });
        let (store, schema) = connected?;
        Ok(Self { store, schema, path: address.path().map(Path::to_owned) })
    }

    /// Opens the database, and refuses it unless its schema fits this binary and it holds the shop `named`.
    pub(crate) async fn open(address: &Address, named: Option<ShopId>) -> anyhow::Result<Self> {
        check_exists(address)?;
        let database = Self::fitting(address, CONNECTIONS).await.map_err(|error| at(address, error))?;
        database.check_shop(named, address).await?;
        Ok(database)
    }

    /// The same for a process that serves: it refuses a database that it may not write, and waits for one that is away.
    pub(crate) async fn open_to_work(
        address: &Address,
        named: Option<ShopId>,
        args: &ServedDatabaseArgs,
    ) -> anyhow::Result<Self> {
        check_exists(address)?;
        let (since, wait) = (Instant::now(), *args.database_wait);
        let mut said = None;
        let database = loop {
            let opened = async {
                let database = Self::fitting(address, args.connections()).await?;
                database.store.try_write().await?;
                Ok(database)
            };
            match opened.await {
                Err(StoreError::Unavailable(why) | StoreError::Contention(why))
                    if since.elapsed() + RETRY_EVERY < wait =>
                {
                    if said.as_ref() != Some(&why) {
                        let left = wait.saturating_sub(since.elapsed()).as_secs();
                        say(&format!("{}: {why}; trying again for {left} s", address.shown()));
                        said = Some(why);
                    }
                    tokio::time::sleep(RETRY_EVERY).await;
                }
                opened => break opened.map_err(|error| at(address, error))?,
            }
        };
        if said.is_some() {
            say(&format!("{}: the database is there", address.shown()));
        }
        database.check_shop(named, address).await?;
        Ok(database)
    }

    async fn fitting(address: &Address, connections: u32) -> Result<Self, StoreError> {
        let database = Self::connected(address, connections).await?;
        database.schema.check().await?;
        Ok(database)
    }

    /// Applies the missing migrations, and returns them. A database that does not hold the shop `named` is left alone.
    pub(crate) async fn migrate(
        &self,
        named: Option<ShopId>,
        address: &Address,
    ) -> anyhow::Result<Vec<(i64, String)>> {
        self.check_shop(named, address).await?;
        self.schema.migrate().await.map_err(|error| at(address, error))
    }

    async fn check_shop(&self, named: Option<ShopId>, address: &Address) -> anyhow::Result<()> {
        let Some(named) = named else { return Ok(()) };
        // Of a schema that this binary may still have to migrate.
        let Some(found) = self.schema.shop_id().await.map_err(|error| at(address, error))? else {
            return Err(usage(format!(
                "HOLDFAST_SHOP_ID (or --shop-id) is {named}, and {} holds no shop yet: unset it, run `holdfast \
                 migrate`, and set it to what `holdfast shop show` names",
                address.shown()
            )));
        };
        if found == named.to_string() {
            return Ok(());
        }
        Err(usage(format!(
            "HOLDFAST_SHOP_ID (or --shop-id) is {named}, and {} holds shop {found}: correct the one that is wrong, \
             DATABASE_URL or HOLDFAST_SHOP_ID",
            address.shown()
        )))
    }

    /// Ends when the database holds another shop than it did: what this process began would be done in the old one's name.
    pub(crate) async fn becomes_another_shop(&self) -> String {
        loop {
            // What it takes the keys of new sagas from, which it asks for once.
            let keys = self.store.keys().await;
            tokio::time::sleep(LOOK_EVERY).await;
            let (Ok(keys), Ok(shop)) = (keys, self.store.shop().await) else { continue };
            if shop.id != keys.shop() {
                return format!(
                    "this database holds shop {} now, and held shop {} when this process started; start it again",
                    shop.id,
                    keys.shop()
                );
            }
        }
    }

    pub(crate) fn shared(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// The path of the file, if it is one.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Closes the connections, if the database answers in time; nothing is lost otherwise.
    pub(crate) async fn close(&self) {
        let _ = tokio::time::timeout(CONNECT_WITHIN, self.schema.close()).await;
    }
}

/// Runs a command on the database that the options name, and closes it afterwards.
pub(crate) async fn with_database(
    global: &Global,
    command: impl AsyncFnOnce(&Database) -> anyhow::Result<Exit>,
) -> anyhow::Result<Exit> {
    let address = global.address()?;
    let database = Database::open(&address, global.shop_id()).await?;
    if global.output == Format::Table && !address.is_default() {
        say(&format!("shop at {}", address.shown()));
    }
    let ended = command(&database).await;
    database.close().await;
    ended
}

/// Refuses a file that does not exist.
fn check_exists(address: &Address) -> anyhow::Result<()> {
    if let Some(path) = address.path().filter(|path| !path.exists()) {
        let path = path.display();
        if address.is_default() {
            return Err(not_found(format!(
                "there is no shop here: {path} does not exist in this folder; name one with --database-url or \
                 DATABASE_URL, or make one with `holdfast up`"
            )));
        }
        anyhow::bail!("{path} does not exist; `holdfast migrate` creates it");
    }
    Ok(())
}

/// Says which database an error is about.
fn at(address: &Address, error: StoreError) -> anyhow::Error {
    let shown = address.shown();
    if error.to_string().starts_with(&shown) {
        return error.into();
    }
    anyhow::Error::new(error).context(shown)
}
