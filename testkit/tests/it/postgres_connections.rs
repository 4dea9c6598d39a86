//! The connections of the store on Postgres: bounded, given back whatever becomes of their caller; and migrations, of
//! which two processes do each once.

use std::time::Duration;

use holdfast_saga::ports::{Store as _, StoreError};
use holdfast_shared::OrderId;
use holdfast_store_postgres::PostgresStore;
use holdfast_testkit::database::PostgresDatabase;
use sqlx::{Connection as _, Executor as _, PgConnection};
use tokio::time::{Instant, timeout};

/// Makes every read of orders wait, until the transaction ends.
async fn lock_orders(shell: &mut PgConnection) {
    shell.execute("begin; lock table orders in access exclusive mode").await.expect("locks");
}

#[tokio::test]
async fn a_read_that_is_given_up_leaves_its_connection_to_the_next_one() {
    let database = PostgresDatabase::create().await;
    let store = PostgresStore::connect(&database.url, 1).await.expect("connects");
    let mut shell = database.shell().await;
    lock_orders(&mut shell).await;
    let id = OrderId::new(1);
    timeout(Duration::from_millis(100), store.order(id)).await.expect_err("waits for the lock");
    shell.execute("rollback").await.expect("releases");
    // The one connection is free once the server has answered what was given up.
    assert_eq!(store.order(id).await.expect("reads"), None);
    let name = "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()";
    let open: i64 = sqlx::query_scalar(name).fetch_one(&mut shell).await.expect("counts");
    assert_eq!(open, 1, "it is the same connection");
}

#[tokio::test]
async fn a_read_waits_five_seconds_for_a_connection_and_no_longer() {
    let database = PostgresDatabase::create().await;
    let store = PostgresStore::connect(&database.url, 1).await.expect("connects");
    let held = store.begin().await.expect("begins");
    let since = Instant::now();
    let refused = store.begin().await.map(drop).expect_err("the one connection is in use");
    assert!(matches!(&refused, StoreError::Unavailable(text) if text.contains("5s")), "{refused}");
    assert!((4_900..7_000).contains(&since.elapsed().as_millis()), "{:?}", since.elapsed());
    // Reads have connections of their own.
    store.order(OrderId::new(1)).await.expect("reads");
    drop(held);
    store.begin().await.expect("begins");
    store.close();
    let closed = store.order(OrderId::new(1)).await.expect_err("is closed");
    assert!(closed.to_string().contains("closed"), "{closed}");
}

#[tokio::test]
async fn two_processes_that_migrate_at_once_take_turns() {
    let database = PostgresDatabase::create().await;
    let mut shell = database.shell().await;
    shell.execute("drop schema public cascade; create schema public").await.expect("empties");
    let (one, two) = (database.store().await, database.store().await);
    let lacking = one.check_schema().await.expect_err("there is no schema");
    assert!(lacking.to_string().contains("run `holdfast migrate`"), "{lacking}");
    let (first, second) = tokio::join!(one.migrate(), two.migrate());
    let (first, second) = (first.expect("migrates"), second.expect("migrates"));
    let all: i64 = sqlx::query_scalar("select count(*) from _sqlx_migrations")
        .fetch_one(&mut shell)
        .await
        .expect("counts");
    assert_eq!(i64::try_from(first.len() + second.len()), Ok(all), "{first:?} {second:?}");
    assert!(all > 0);
    two.check_schema().await.expect("fits");
    shell.close().await.expect("closes");
}

#[tokio::test]
async fn a_migration_changed_after_the_fact_is_refused() {
    let database = PostgresDatabase::create().await;
    let store = database.store().await;
    let mut shell = database.shell().await;
    shell.execute(r"update _sqlx_migrations set checksum = '\x00' where version = 2").await.expect("changes");
    let refused = store.migrate().await.expect_err("is not the file it was");
    assert!(refused.to_string().contains("migration 2 was changed after it had been applied"), "{refused}");
}
