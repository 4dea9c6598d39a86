//! The schema: migrations are part of the binary, and a database that does not fit is refused.

use std::sync::LazyLock;
use std::time::Instant;

use holdfast_saga::ports::StoreError;
use holdfast_store_rows::migration::{self, Applied, Migration};
use tokio_postgres::Client;

use crate::error::store_error;
use crate::pool::{Pool, PooledConnection};

static MIGRATIONS: LazyLock<Vec<Migration>> = LazyLock::new(|| migration::of_files(migration::POSTGRES));

/// A migration may take any time, and waits for another process that migrates: the limits of orders are not its own. The
/// lock belongs to the transaction, so no connection pooler in between can leave it behind. A table is waited for
/// only as long as it takes to end an autovacuum that is in the way (`deadlock_timeout`): the shop waits behind the migration.
/// `transaction_timeout` exists from Postgres 17 on.
const BEGIN: &str = "
    set local statement_timeout = 0; set local lock_timeout = 0;
    select set_config(name, '0', true) from pg_settings where name = 'transaction_timeout';
    select pg_advisory_xact_lock(4983402716950321);
    set local lock_timeout = '2s';
    set local client_min_messages = warning";

/// Made by whoever applies the first migration, and by nobody who only looks.
const CREATE: &str = "
    create table if not exists _sqlx_migrations (
        version bigint primary key,
        description text not null,
        installed_on timestamptz not null default now(),
        success boolean not null,
        checksum bytea not null,
        execution_time bigint not null
    )";

/// Applies what is missing, each migration in a transaction of its own, and returns what was applied.
pub(crate) async fn migrate(pool: &Pool) -> Result<Vec<(i64, String)>, StoreError> {
    let mut done = Vec::new();
    while let Some(migration) = migrate_one(pool).await? {
        done.push((migration.version, migration.description.clone()));
    }
    Ok(done)
}

/// Applies the first migration that is missing, unless none is.
async fn migrate_one(pool: &Pool) -> Result<Option<&'static Migration>, StoreError> {
    let mut transaction = pool.acquire().await?;
    loop {
        match begin(&mut transaction).await {
            Ok(()) => break,
            Err(error) => transaction.revive(error).await?,
        }
    }
    let client = transaction.get()?.client();
    let applied = applied(client).await?;
    let Some(migration) = migration::pending(&MIGRATIONS, &applied)?.first().copied() else {
        transaction.rollback().await;
        return Ok(None);
    };
    client.batch_execute(CREATE).await.map_err(store_error)?;
    let since = Instant::now();
    let failed = |error: tokio_postgres::Error| in_migration(migration, store_error(error));
    client.batch_execute(migration.sql).await.map_err(failed)?;
    let elapsed = i64::try_from(since.elapsed().as_nanos()).unwrap_or(i64::MAX);
    let record = "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
                  values ($1, $2, true, $3, $4)";
    let Migration { version, description, .. } = migration;
    client.execute(record, &[version, description, &migration.checksum(), &elapsed]).await.map_err(failed)?;
    transaction.commit().await.map_err(|error| in_migration(migration, error))?;
    Ok(Some(migration))
}

pub(crate) async fn check(pool: &Pool) -> Result<(), StoreError> {
    let mut acquired = pool.acquire().await?;
    loop {
        let found = applied(acquired.statements()?.client()).await;
        if let Some(applied) = acquired.settle(found).await? {
            return migration::check(&MIGRATIONS, &applied);
        }
    }
}

async fn begin(transaction: &mut PooledConnection) -> Result<(), StoreError> {
    // A database that is set to read-only stays as it is.
    let (connection, begun) = transaction.begin("begin").await?;
    begun.await?;
    connection.simple_query(BEGIN).await.map_err(store_error)
}

/// The shop that the database holds, whatever its schema; `None`: none yet.
pub(crate) async fn shop(pool: &Pool) -> Result<Option<String>, StoreError> {
    let mut acquired = pool.acquire().await?;
    loop {
        let found = shop_of(acquired.statements()?.client()).await;
        if let Some(shop) = acquired.settle(found).await? {
            return Ok(shop);
        }
    }
}

async fn shop_of(client: &Client) -> Result<Option<String>, StoreError> {
    if !is_there(client, "shop").await? {
        return Ok(None);
    }
    Ok(client.query_opt("select id from shop", &[]).await.map_err(store_error)?.map(|row| row.get(0)))
}

async fn is_there(client: &Client, table: &str) -> Result<bool, StoreError> {
    // Not `to_regclass`: it goes by what the session knew before it waited for its lock.
    let ask = "select exists (select from pg_class where relname = $1 and relkind = 'r' and pg_table_is_visible(oid))";
    Ok(client.query_one(ask, &[&table]).await.map_err(store_error)?.get(0))
}

async fn applied(client: &Client) -> Result<Vec<Applied>, StoreError> {
    if !is_there(client, "_sqlx_migrations").await? {
        return Ok(Vec::new());
    }
    let read = "select version, description, checksum, success from _sqlx_migrations order by version";
    let rows = client.query(read, &[]).await.map_err(store_error)?;
    rows.iter()
        .map(|row| {
            Ok(Applied {
                version: row.try_get(0)?,
                description: row.try_get(1)?,
                checksum: row.try_get(2)?,
                success: row.try_get(3)?,
            })
        })
        .collect::<Result<_, tokio_postgres::Error>>()
        .map_err(store_error)
}

/// An error that says which migration it stopped.
fn in_migration(migration: &Migration, error: StoreError) -> StoreError {
    let Migration { version, description, .. } = migration;
    let detail = |cause| format!("migration {version} ({description}) was not applied: {cause}");
    match error {
        StoreError::Refused(cause) => StoreError::Refused(detail(cause)),
        StoreError::Unavailable(cause) => StoreError::Unavailable(detail(cause)),
        StoreError::Contention(cause) => StoreError::Contention(detail(cause)),
        StoreError::Data(cause) => StoreError::Data(detail(cause)),
        error @ (StoreError::Mismatch { .. } | StoreError::CommitUnknown(_)) => error,
    }
}
