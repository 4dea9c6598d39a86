//! The address of a database: a Postgres server or a `SQLite` file.

use std::path::{Path, PathBuf};

use crate::exit::usage;
use crate::redact::redact;

/// The file that holds the shop of a command that names no database.
pub(crate) const DEFAULT_SHOP: &str = "holdfast.db";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    Postgres(String),
    Sqlite {
        url: String,
        /// The path of the file.
        path: PathBuf,
    },
}

impl Address {
    /// Parses a database URL; without one it is the shop in this folder. An error says what is expected, and never repeats
    /// the URL.
    pub(crate) fn parse(url: Option<&str>) -> anyhow::Result<Self> {
        let Some(url) = url.filter(|url| !url.is_empty()) else {
            let path = PathBuf::from(DEFAULT_SHOP);
            return Ok(Self::Sqlite { url: format!("sqlite://{DEFAULT_SHOP}"), path });
        };
        if let Some(rest) = url.strip_prefix("sqlite://") {
            let path = decoded(rest.split('?').next().unwrap_or(rest));
            if path.as_os_str().is_empty() {
                return Err(usage("the database URL names no file; expected sqlite://PATH"));
            }
            return Ok(Self::Sqlite { url: url.to_owned(), path });
        }
        if ["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
            return Ok(Self::Postgres(url.to_owned()));
        }
        let scheme = url.split_once("://").map_or("no scheme", |(scheme, _)| scheme);
        Err(usage(format!(
            "the database URL begins with {}; expected postgres://USER@HOST/NAME or sqlite://PATH",
            redact(&scheme.chars().take(20).collect::<String>())
        )))
    }

    /// The path of the file, if it is one.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::Postgres(_) => None,
            Self::Sqlite { path, .. } => Some(path),
        }
    }

    /// Whether it is the shop of a command that names no database.
    pub(crate) fn is_default(&self) -> bool {
        self.path() == Some(Path::new(DEFAULT_SHOP))
    }

    /// The URL to type again, without its password.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Postgres(url) | Self::Sqlite { url, .. } => redact(url),
        }
    }

    /// The address for people, without its password.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Postgres(url) => redact(url),
            Self::Sqlite { path, .. } => path.display().to_string(),
        }
    }
}

/// Decodes a path in a URL: `%20` is a space.
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
            ("sqlite://", Err("the database URL names no file; expected sqlite://PATH")),
            (
                "mysql://a:s3cret@c/d",
                Err("the database URL begins with mysql; \
                expected postgres://USER@HOST/NAME or sqlite://PATH"),
            ),
            (
                "a:s3cret@c/d",
                Err("the database URL begins with no scheme; \
                expected postgres://USER@HOST/NAME or sqlite://PATH"),
            ),
            ("", Ok(sqlite("sqlite://holdfast.db", "holdfast.db"))),
        ];
        for (url, expected) in cases {
            let address = Address::parse(Some(url)).map_err(|error| error.to_string());
            assert_eq!(address, expected.map_err(str::to_owned), "{url}");
        }
    }
}
