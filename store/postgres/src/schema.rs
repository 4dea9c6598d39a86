//! The schema: migrations are part of the binary, and a database that does not fit is refused.

use holdfast_saga::ports::StoreError;
use sqlx::PgPool;
use sqlx::migrate::{Migrate, MigrateError, Migrator};

use crate::error::store_error;

/// A newer migration is harmless unless the file says otherwise: `0007_breaking_….sql` (E8).
const BREAKING: &str = "breaking";

static MIGRATOR: Migrator = {
    let mut migrator = sqlx::migrate!("../../migrations/postgres");
    migrator.ignore_missing = true;
    migrator
};

pub(crate) async fn migrate(pool: &PgPool) -> Result<Vec<(i64, String)>, StoreError> {
    let before = applied(pool).await?;
    refuse_breaking(&before)?;
    MIGRATOR.run(pool).await.map_err(migrate_error)?;
    let known = MIGRATOR.iter().map(|migration| (migration.version, migration.description.to_string()));
    Ok(known.filter(|(version, _)| !before.iter().any(|(applied, _)| applied == version)).collect())
}

pub(crate) async fn check(pool: &PgPool) -> Result<(), StoreError> {
    let applied = applied(pool).await?;
    refuse_breaking(&applied)?;
    let missing =
        MIGRATOR.iter().find(|migration| !applied.iter().any(|(version, _)| *version == migration.version));
    match missing {
        None => Ok(()),
        Some(migration) => Err(StoreError::Refused(format!(
            "the database lacks migration {} ({}); run `holdfast migrate` first",
            migration.version, migration.description
        ))),
    }
}

fn refuse_breaking(applied: &[(i64, String)]) -> Result<(), StoreError> {
    let known = |version: i64| MIGRATOR.iter().any(|migration| migration.version == version);
    match applied.iter().find(|(version, words)| !known(*version) && words.starts_with(BREAKING)) {
        None => Ok(()),
        Some((version, words)) => Err(StoreError::Refused(format!(
            "the database has migration {version} ({words}), which this binary is too old for; \
             upgrade holdfast, nothing was changed"
        ))),
    }
}

/// What is applied: version and description; empty on a database that was never migrated.
async fn applied(pool: &PgPool) -> Result<Vec<(i64, String)>, StoreError> {
    let mut connection = pool.acquire().await.map_err(store_error)?;
    connection.ensure_migrations_table("_sqlx_migrations").await.map_err(migrate_error)?;
    sqlx::query_as("select version, description from _sqlx_migrations order by version")
        .fetch_all(&mut *connection)
        .await
        .map_err(store_error)
}

fn migrate_error(error: MigrateError) -> StoreError {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => store_error(error),
        other => StoreError::Refused(format!("the schema cannot be migrated: {other}")),
    }
}
