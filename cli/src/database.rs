//! The database that a command works on, and whether its schema fits this binary.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use holdfast_saga::ports::{Store, StoreError};

use crate::address::Address;
use crate::assemble;
use crate::exit::Exit;
use crate::schema::Schema;

/// The file in which `up` keeps a shop without a database URL.
pub(crate) const DEFAULT_SHOP: &str = "holdfast.db";
/// Longer than connecting to a healthy database takes, and shorter than a person waits.
const CONNECT_WITHIN: Duration = Duration::from_secs(6);

pub(crate) struct Database {
    store: Arc<dyn Store>,
    schema: Box<dyn Schema>,
    path: Option<PathBuf>,
}

impl Database {
    /// Opens the database, whatever its schema. A file that does not exist is created.
    pub(crate) async fn connect(address: &Address) -> anyhow::Result<Self> {
        let connecting = tokio::time::timeout(CONNECT_WITHIN, assemble::store(address));
        let connected = connecting.await.unwrap_or_else(|_| {
            Err(StoreError::Unavailable(format!("no answer within {} s", CONNECT_WITHIN.as_secs())))
        });
        let (store, schema) = connected.map_err(|error| at(address, error))?;
        Ok(Self { store, schema, path: address.path().map(Path::to_owned) })
    }

    /// Opens the database that `url` names, and refuses it unless its schema fits this binary.
    pub(crate) async fn open(url: Option<&str>) -> anyhow::Result<Self> {
        let address = Address::parse(url)?;
        if let Some(path) = address.path().filter(|path| !path.exists()) {
            anyhow::bail!("{} does not exist; `holdfast migrate` creates it", path.display());
        }
        let database = Self::connect(&address).await?;
        database.schema.check().await.map_err(|error| at(&address, error))?;
        Ok(database)
    }

    /// Applies the missing migrations, and returns them.
    pub(crate) async fn migrate(&self) -> Result<Vec<(i64, String)>, StoreError> {
        self.schema.migrate().await
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

/// Runs a command on the database that `url` names, and closes it afterwards.
pub(crate) async fn with_database(
    url: Option<&str>,
    command: impl AsyncFnOnce(&Database) -> anyhow::Result<Exit>,
) -> anyhow::Result<Exit> {
    let database = Database::open(url).await?;
    let ended = command(&database).await;
    database.close().await;
    ended
}

/// Says which database an error is about.
fn at(address: &Address, error: StoreError) -> anyhow::Error {
    let shown = address.shown();
    if error.to_string().starts_with(&shown) {
        return error.into();
    }
    anyhow::Error::new(error).context(shown)
}
