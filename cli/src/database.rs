//! The database a command works on: which one, how to reach it, and whether its schema fits.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use holdfast_saga::ports::{Store, StoreError};
use holdfast_shared::SystemClock;
use holdfast_store_postgres::PostgresStore;
use holdfast_store_sqlite::SqliteStore;

use crate::exit::usage;
use crate::redact::redact;

/// A command asks one thing after another; a demo accepts, carries on, sweeps and looks at the same time.
const CONNECTIONS: u32 = 6;

/// Longer than a connection to a database that is well ever takes, shorter than a person's patience.
const PATIENCE: Duration = Duration::from_secs(6);

/// What `DATABASE_URL` may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    /// A Postgres server.
    Postgres(String),
    /// A file.
    Sqlite {
        /// As it was given.
        url: String,
        /// Where the file is.
        path: PathBuf,
    },
}

/// An open database.
#[derive(Debug, Clone)]
pub(crate) enum Database {
    /// On a Postgres server.
    Postgres(PostgresStore),
    /// In a file.
    Sqlite {
        /// The store.
        store: SqliteStore,
        /// Where the file is.
        path: PathBuf,
    },
}

impl Address {
    /// Understands a database URL; a refusal names what is expected, never the URL itself.
    pub(crate) fn parse(url: Option<&str>) -> anyhow::Result<Self> {
        let Some(url) = url.filter(|url| !url.is_empty()) else {
            return Err(usage(
                "which database? Give --database-url or set DATABASE_URL, for example sqlite://holdfast.db",
            ));
        };
        if let Some(rest) = url.strip_prefix("sqlite://") {
            let path = decoded(rest.split('?').next().unwrap_or(rest));
            if path.as_os_str().is_empty() {
                return Err(usage("the database URL names no file; sqlite://PATH is expected"));
            }
            return Ok(Self::Sqlite { url: url.to_owned(), path });
        }
        if ["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
            return Ok(Self::Postgres(url.to_owned()));
        }
        let scheme = url.split_once("://").map_or("no scheme at all", |(scheme, _)| scheme);
        Err(usage(format!(
            "the database URL begins with {}; postgres://USER@HOST/NAME or sqlite://PATH is expected",
            redact(&scheme.chars().take(20).collect::<String>())
        )))
    }

    /// Where the file is, if it is one.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::Postgres(_) => None,
            Self::Sqlite { path, .. } => Some(path),
        }
    }

    /// The address for people to read.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Postgres(url) => redact(url),
            Self::Sqlite { path, .. } => path.display().to_string(),
        }
    }
}

impl Database {
    /// Opens the database that `url` names, whatever its schema. A file that is missing is created.
    pub(crate) async fn connect(address: &Address) -> anyhow::Result<Self> {
        let connecting = async {
            Ok::<_, StoreError>(match address {
                Address::Postgres(url) => Self::Postgres(PostgresStore::connect(url, CONNECTIONS).await?),
                Address::Sqlite { url, path } => Self::Sqlite {
                    store: SqliteStore::open(url, Arc::new(SystemClock)).await?,
                    path: path.clone(),
                },
            })
        };
        let connected = tokio::time::timeout(PATIENCE, connecting).await.unwrap_or_else(|_| {
            Err(StoreError::Unavailable(format!("no answer within {} s", PATIENCE.as_secs())))
        });
        connected.map_err(|error| at(address, error))
    }

    /// Opens the database that `url` names, and refuses it unless it was migrated and fits this binary.
    pub(crate) async fn open(url: Option<&str>) -> anyhow::Result<Self> {
        let address = Address::parse(url)?;
        if let Address::Sqlite { path, .. } = &address
            && !path.exists()
        {
            anyhow::bail!("{} does not exist; `holdfast migrate` creates it", path.display());
        }
        let database = Self::connect(&address).await?;
        match &database {
            Self::Postgres(store) => store.check_schema().await,
            Self::Sqlite { store, .. } => store.check_schema().await,
        }
        .map_err(|error| at(&address, error))?;
        Ok(database)
    }

    /// Applies the migrations that are missing, and returns them.
    pub(crate) async fn migrate(&self) -> Result<Vec<(i64, String)>, StoreError> {
        match self {
            Self::Postgres(store) => store.migrate().await,
            Self::Sqlite { store, .. } => store.migrate().await,
        }
    }

    /// The store, for those who outlive this value.
    pub(crate) fn shared(&self) -> Arc<dyn Store> {
        match self {
            Self::Postgres(store) => Arc::new(store.clone()),
            Self::Sqlite { store, .. } => Arc::new(store.clone()),
        }
    }

    /// The store.
    pub(crate) fn store(&self) -> &dyn Store {
        match self {
            Self::Postgres(store) => store,
            Self::Sqlite { store, .. } => store,
        }
    }

    /// Where the file is, if it is one.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::Postgres(_) => None,
            Self::Sqlite { path, .. } => Some(path),
        }
    }

    /// Tidies up, as far as the database answers; nothing is lost without it.
    pub(crate) async fn close(&self) {
        let closing = async {
            match self {
                Self::Postgres(store) => store.close().await,
                Self::Sqlite { store, .. } => store.close().await,
            }
        };
        let _ = tokio::time::timeout(PATIENCE, closing).await;
    }
}

/// Says which database an error is about.
fn at(address: &Address, error: StoreError) -> anyhow::Error {
    let shown = address.shown();
    if error.to_string().starts_with(&shown) {
        return error.into();
    }
    anyhow::Error::new(error).context(shown)
}

/// A path as it is written in a URL: `%20` is a blank.
fn decoded(path: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = tail.get(..2).filter(|_| *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        let byte = escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &tail[2..] } else { tail };
    }
    PathBuf::from(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_postgres_server_or_a_sqlite_file() {
        let sqlite =
            |url: &str, path: &str| Address::Sqlite { url: url.to_owned(), path: PathBuf::from(path) };
        let cases = [
            ("sqlite://shop.db", Ok(sqlite("sqlite://shop.db", "shop.db"))),
            (
                "sqlite:///var/my%20shop.db?mode=rwc",
                Ok(sqlite("sqlite:///var/my%20shop.db?mode=rwc", "/var/my shop.db")),
            ),
            ("postgres://a:b@c/d", Ok(Address::Postgres("postgres://a:b@c/d".to_owned()))),
            ("postgresql://c/d", Ok(Address::Postgres("postgresql://c/d".to_owned()))),
            ("sqlite://", Err("the database URL names no file; sqlite://PATH is expected")),
            (
                "mysql://a:s3cret@c/d",
                Err("the database URL begins with mysql; \
                postgres://USER@HOST/NAME or sqlite://PATH is expected"),
            ),
            (
                "a:s3cret@c/d",
                Err("the database URL begins with no scheme at all; \
                postgres://USER@HOST/NAME or sqlite://PATH is expected"),
            ),
            (
                "",
                Err(
                    "which database? Give --database-url or set DATABASE_URL, for example sqlite://holdfast.db",
                ),
            ),
        ];
        for (url, expected) in cases {
            let address = Address::parse(Some(url)).map_err(|error| error.to_string());
            assert_eq!(address, expected.map_err(str::to_owned), "{url}");
        }
    }
}
