//! The schema: what this program brings along, what the file has, and whether the two go together.

use std::sync::LazyLock;
use std::time::Instant;

use holdfast_saga::ports::StoreError;
use holdfast_store_rows::migration::{self, Applied, Migration};
use sqlx::SqliteConnection;

use crate::connections::Connections;
use crate::error::{commit_error, store_error};
use crate::statement::sql;

static MIGRATIONS: LazyLock<Vec<Migration>> = LazyLock::new(|| migration::of_files(migration::SQLITE));

/// Brings the schema up to date, all of it or none, and returns what was newly applied.
pub(crate) async fn migrate(connections: &Connections) -> Result<Vec<(i64, String)>, StoreError> {
    // A file that lacks nothing need not be writable.
    let has = applied(&mut *connections.read().await?).await?;
    if !has.is_empty() && migration::pending(&MIGRATIONS, &has)?.is_empty() {
        return Ok(Vec::new());
    }
    // One transaction around all of it: two programs that start at once take turns.
    let mut tx = connections.write().await?;
    let applied = applied(&mut tx).await?;
    let pending = migration::pending(&MIGRATIONS, &applied)?;
    if !pending.is_empty() {
        sqlx::raw_sql(sql!("migrations_create")).execute(&mut *tx).await.map_err(store_error)?;
    }
    for migration in &pending {
        apply(&mut tx, migration).await?;
    }
    tx.commit().await.map_err(commit_error)?;
    Ok(pending.into_iter().map(|migration| (migration.version, migration.description.clone())).collect())
}

async fn apply(connection: &mut SqliteConnection, migration: &'static Migration) -> Result<(), StoreError> {
    let since = Instant::now();
    sqlx::raw_sql(migration.sql).execute(&mut *connection).await.map_err(store_error)?;
    sqlx::query(sql!("migrations_insert"))
        .bind(migration.version)
        .bind(&migration.description)
        .bind(migration.checksum())
        .bind(i64::try_from(since.elapsed().as_nanos()).unwrap_or(i64::MAX))
        .execute(connection)
        .await
        .map_err(store_error)?;
    Ok(())
}

/// Refuses a schema that this program does not go together with; the error says what to do.
pub(crate) async fn check(connections: &Connections) -> Result<(), StoreError> {
    migration::check(&MIGRATIONS, &applied(&mut *connections.read().await?).await?)
}

/// Refuses only a schema that is too new for this program. It may still be missing, or old.
pub(crate) async fn check_not_too_new(connections: &Connections) -> Result<(), StoreError> {
    migration::refuse_breaking(&MIGRATIONS, &applied(&mut *connections.read().await?).await?)
}

/// The shop that the file holds, whatever its schema; `None`: none yet.
pub(crate) async fn shop(connections: &Connections) -> Result<Option<String>, StoreError> {
    let mut connection = connections.read().await?;
    let tables: i64 =
        sqlx::query_scalar(sql!("shop_table")).fetch_one(&mut *connection).await.map_err(store_error)?;
    if tables == 0 {
        return Ok(None);
    }
    sqlx::query_scalar(sql!("shop_id")).fetch_optional(&mut *connection).await.map_err(store_error)
}

async fn applied(connection: &mut SqliteConnection) -> Result<Vec<Applied>, StoreError> {
    let tables: i64 = sqlx::query_scalar(sql!("migrations_table"))
        .fetch_one(&mut *connection)
        .await
        .map_err(store_error)?;
    if tables == 0 {
        return Ok(Vec::new());
    }
    let rows: Vec<(i64, String, Vec<u8>, bool)> =
        sqlx::query_as(sql!("migrations_read")).fetch_all(connection).await.map_err(store_error)?;
    let applied =
        |(version, description, checksum, success)| Applied { version, description, checksum, success };
    Ok(rows.into_iter().map(applied).collect())
}
