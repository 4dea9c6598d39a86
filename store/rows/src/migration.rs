//! Which migrations a database lacks, and whether it fits this binary. The table is the one that sqlx keeps
//! (`_sqlx_migrations`), so that a database which an older binary has migrated goes on as it is.

use std::collections::BTreeMap;

use holdfast_saga::ports::StoreError;
use sha2::{Digest as _, Sha384};

/// A newer migration is harmless unless its file name says otherwise: `0007_breaking_….sql` (E8).
const BREAKING: &str = "breaking";

/// The files of `migrations/postgres`: name and text.
pub const POSTGRES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/postgres.rs"));

/// The files of `migrations/sqlite`: name and text.
pub const SQLITE: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/sqlite.rs"));

/// A migration of this binary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// The number that its file name begins with.
    pub version: i64,
    /// The rest of its file name, with spaces.
    pub description: String,
    /// Its statements.
    pub sql: &'static str,
}

/// A migration that the database has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Its number.
    pub version: i64,
    /// What it was called.
    pub description: String,
    /// The SHA-384 of its file.
    pub checksum: Vec<u8>,
    /// False while a migration without a transaction has not ended.
    pub success: bool,
}

impl Migration {
    /// A migration from the name and the text of its file: `0003_operations.sql`.
    ///
    /// # Panics
    ///
    /// If the name does not begin with a number.
    pub fn of_file((name, sql): (&str, &'static str)) -> Self {
        let stem = name.strip_suffix(".sql").unwrap_or(name);
        let (number, description) = stem.split_once('_').unwrap_or((stem, ""));
        let version =
            number.parse().unwrap_or_else(|_| panic!("migration {name:?} does not begin with its number"));
        Self { version, description: description.replace('_', " "), sql }
    }

    /// The SHA-384 of its file.
    pub fn checksum(&self) -> Vec<u8> {
        Sha384::digest(self.sql.as_bytes()).to_vec()
    }
}

/// The migrations of a folder, oldest first.
pub fn of_files(files: &[(&str, &'static str)]) -> Vec<Migration> {
    let mut migrations: Vec<Migration> = files.iter().copied().map(Migration::of_file).collect();
    migrations.sort_by_key(|migration| migration.version);
    migrations
}

/// Those of `known` that the database lacks, oldest first.
///
/// Refused: a database with a migration that this binary would misread, one that did not end, or one whose file has
/// changed since it was applied. Nothing is written before all of that is known.
pub fn pending<'m>(known: &'m [Migration], applied: &[Applied]) -> Result<Vec<&'m Migration>, StoreError> {
    refuse_breaking(known, applied)?;
    let applied: BTreeMap<i64, &Applied> = applied.iter().map(|row| (row.version, row)).collect();
    let mut pending = Vec::new();
    for migration in known {
        let Some(row) = applied.get(&migration.version) else {
            pending.push(migration);
            continue;
        };
        let (version, description) = (migration.version, &migration.description);
        if !row.success {
            return Err(StoreError::Refused(format!(
                "migration {version} ({description}) was begun on this database and did not end: \
                 restore the backup made before it, then run `holdfast migrate`"
            )));
        }
        if row.checksum != migration.checksum() {
            return Err(StoreError::Refused(format!(
                "migration {version} was changed after it had been applied to this database as {description:?}: \
                 use a holdfast that was built from the unchanged file; nothing was changed"
            )));
        }
    }
    Ok(pending)
}

/// Refuses a database with a migration that this binary does not know and would misread.
pub fn refuse_breaking(known: &[Migration], applied: &[Applied]) -> Result<(), StoreError> {
    let is_known = |version| known.iter().any(|migration| migration.version == version);
    let breaking = applied.iter().find(|row| !is_known(row.version) && row.description.starts_with(BREAKING));
    let Some(Applied { version, description, .. }) = breaking else { return Ok(()) };
    Err(StoreError::Refused(format!(
        "the database was migrated by a newer holdfast ({version}, {description:?}), and this one would misread it: \
         upgrade holdfast, or restore the backup made before that migration; nothing was changed"
    )))
}

/// Refuses a database that lacks a migration, or that [`pending`] refuses.
pub fn check(known: &[Migration], applied: &[Applied]) -> Result<(), StoreError> {
    refuse_breaking(known, applied)?;
    let lacks = |migration: &&Migration| !applied.iter().any(|row| row.version == migration.version);
    let lacking: Vec<&Migration> = known.iter().filter(lacks).collect();
    match lacking.first() {
        None => Ok(()),
        Some(first) => Err(StoreError::Refused(format!(
            "the database lacks {} of this program's migrations, from {} ({}) on: run `holdfast migrate`",
            lacking.len(),
            first.version,
            first.description
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Vec<Migration> {
        of_files(&[("0002_carts.sql", "select 2"), ("0001_foundation.sql", "select 1")])
    }

    fn applied(version: i64, description: &str, sql: &'static str) -> Applied {
        let migration = Migration { version, description: description.to_owned(), sql };
        let checksum = migration.checksum();
        Applied { version, description: description.to_owned(), checksum, success: true }
    }

    #[test]
    fn a_file_names_its_number_and_its_subject() {
        let all = known();
        let names: Vec<_> = all.iter().map(|found| (found.version, found.description.as_str())).collect();
        assert_eq!(names, [(1, "foundation"), (2, "carts")]);
    }

    #[test]
    fn what_is_missing_is_pending_and_what_does_not_fit_is_refused() {
        let known = known();
        let first = || applied(1, "foundation", "select 1");
        let versions = |rows: &[Applied]| {
            pending(&known, rows).map(|found| found.iter().map(|it| it.version).collect::<Vec<_>>())
        };
        assert_eq!(versions(&[]).expect("an empty database"), [1, 2]);
        assert_eq!(versions(&[first()]).expect("an older database"), [2]);
        assert_eq!(versions(&[first(), applied(9, "an index", "")]).expect("a harmless newer one"), [2]);
        for (rows, reason) in [
            (vec![first(), applied(9, "breaking carts", "")], "newer holdfast (9, \"breaking carts\")"),
            (vec![applied(1, "foundation", "select 7")], "migration 1 was changed after it had been applied"),
            (vec![Applied { success: false, ..first() }], "migration 1 (foundation) was begun"),
        ] {
            let refused = versions(&rows).expect_err(reason).to_string();
            assert!(refused.contains(reason), "{refused}");
        }
        let lacking = check(&known, &[first()]).expect_err("lacks one").to_string();
        assert!(lacking.contains("from 2 (carts) on: run `holdfast migrate`"), "{lacking}");
    }
}
