//! The schema: what this program brings along, what the file has, and whether the two go together.

use std::collections::BTreeSet;

use holdfast_saga::ports::StoreError;
use sqlx::SqliteConnection;
use sqlx::migrate::{MigrateError, Migrator};

use crate::error::{commit_error, store_error};
use crate::{SqliteStore, sql};

/// A migration that older programs must not run against says so in its file name:
/// `0042_breaking_split_orders.sql`.
const BREAKING: &str = "breaking";

type Version = (i64, String);

/// All migrations this program knows. One that it does not know is judged by its name, see [`BREAKING`].
fn migrator() -> Migrator {
    let mut migrator = sqlx::migrate!("../../migrations/sqlite");
    migrator.set_ignore_missing(true);
    migrator
}

impl SqliteStore {
    /// Brings the schema up to date, all of it or none, and returns what was newly applied.
    pub async fn migrate(&self) -> Result<Vec<(i64, String)>, StoreError> {
        let migrator = migrator();
        // One transaction around all of it: two programs that start at once take turns.
        let mut tx = self.write().await?;
        let before = applied(&mut tx).await?;
        refuse_breaking(&migrator, &before)?;
        migrator.run(&mut *tx).await.map_err(migrate_error)?;
        tx.commit().await.map_err(commit_error)?;
        Ok(pending(&migrator, &before))
    }

    /// Whether this program and the schema go together; if not, the refusal says what to do.
    pub async fn check_schema(&self) -> Result<(), StoreError> {
        let migrator = migrator();
        let mut connection = self.readers.acquire().await.map_err(store_error)?;
        let applied = applied(&mut connection).await?;
        refuse_breaking(&migrator, &applied)?;
        let pending = pending(&migrator, &applied);
        if let Some((version, description)) = pending.first() {
            return Err(StoreError::Refused(format!(
                "the database lacks {} of this program's migrations, from {version} ({description}) on: \
                 run `holdfast migrate`",
                pending.len()
            )));
        }
        Ok(())
    }

    pub(crate) async fn check_not_too_new(&self) -> Result<(), StoreError> {
        let mut connection = self.readers.acquire().await.map_err(store_error)?;
        refuse_breaking(&migrator(), &applied(&mut connection).await?)
    }
}

async fn applied(connection: &mut SqliteConnection) -> Result<Vec<Version>, StoreError> {
    let tables: i64 = sqlx::query_scalar(sql!("migrations_table"))
        .fetch_one(&mut *connection)
        .await
        .map_err(store_error)?;
    if tables == 0 {
        return Ok(Vec::new());
    }
    sqlx::query_as(sql!("migrations_applied")).fetch_all(connection).await.map_err(store_error)
}

fn pending(migrator: &Migrator, applied: &[Version]) -> Vec<Version> {
    let applied: BTreeSet<i64> = applied.iter().map(|(version, _)| *version).collect();
    migrator
        .iter()
        .filter(|migration| !applied.contains(&migration.version))
        .map(|migration| (migration.version, migration.description.clone().into_owned()))
        .collect()
}

fn refuse_breaking(migrator: &Migrator, applied: &[Version]) -> Result<(), StoreError> {
    let breaking = applied.iter().find(|(version, description)| {
        !migrator.version_exists(*version) && description.starts_with(BREAKING)
    });
    match breaking {
        None => Ok(()),
        Some((version, description)) => Err(StoreError::Refused(format!(
            "the database was migrated by a newer holdfast ({version}, {description:?}), and this one would misread \
             it: use that holdfast, or restore the backup made before the migration"
        ))),
    }
}

fn migrate_error(error: MigrateError) -> StoreError {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => store_error(error),
        MigrateError::VersionMismatch(version) => StoreError::Refused(format!(
            "migration {version} was changed after it had been applied to this database: \
             use a holdfast that was built from the unchanged file"
        )),
        other => StoreError::Refused(other.to_string()),
    }
}
