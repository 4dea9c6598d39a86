//! A database that may not be written: set so for a database, a role or the whole server, while the shop runs; a role
//! with few rights; an encoding in which customers do not fit.

use std::time::Duration;

use holdfast_saga::ports::{Store as _, StoreError};
use holdfast_saga::records::Identity;
use holdfast_saga::records::batch_rows::{Footprint, World};
use holdfast_saga::records::view::OrderFilter;
use holdfast_shared::CustomerId;
use holdfast_store_postgres::PostgresStore;
use holdfast_testkit::database::{Database, PostgresDatabase, server_alone};
use holdfast_testkit::shop::{PATIENCE, Shop};
use sqlx::{AssertSqlSafe, Executor as _, PgConnection};
use tokio::time::Instant;
use uuid::Uuid;

async fn sql(shell: &mut PgConnection, text: String) {
    shell
        .execute(sqlx::raw_sql(AssertSqlSafe(text.clone())))
        .await
        .unwrap_or_else(|error| panic!("{text}: {error}"));
}

async fn begins(store: &PostgresStore) -> Result<(), StoreError> {
    store.begin().await?.load(&Footprint::default(), &mut World::default()).await
}

async fn adds_a_customer(store: &PostgresStore) -> Result<(), StoreError> {
    let identity = Identity { issuer: "i".to_owned(), sub: Uuid::now_v7().to_string() };
    store.add_customer(&identity, CustomerId::random()).await
}

/// Until a write of either kind is refused (or not): what was seen is believed for seconds.
async fn until_writes_are(store: &PostgresStore, allowed: bool) -> String {
    let since = Instant::now();
    loop {
        let (in_transaction, alone) = (begins(store).await, adds_a_customer(store).await);
        let tried = store.try_write().await;
        if [&in_transaction, &alone, &tried].iter().all(|done| done.is_ok() == allowed) {
            return [in_transaction, alone, tried]
                .map(|done| done.map_or_else(|why| why.to_string(), |()| String::new()))
                .join("\n");
        }
        assert!(since.elapsed() < PATIENCE, "{in_transaction:?} {alone:?} {tried:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn f31_a_database_that_becomes_read_only_is_not_written_and_goes_on_by_itself() {
    let database = PostgresDatabase::create().await;
    let store = database.store().await;
    let mut shell = database.shell().await;
    let name = database.url.rsplit('/').next().expect("a name").to_owned();
    until_writes_are(&store, true).await;
    for (set, reset) in [
        (
            format!("alter database {name} set default_transaction_read_only = on"),
            format!("alter database {name} reset default_transaction_read_only"),
        ),
        (
            format!("alter role holdfast in database {name} set default_transaction_read_only = yes"),
            format!("alter role holdfast in database {name} reset default_transaction_read_only"),
        ),
    ] {
        sql(&mut shell, set.clone()).await;
        let refused = until_writes_are(&store, false).await;
        assert!(refused.lines().all(|line| line.contains("read-only")), "{set}: {refused}");
        assert!(!refused.contains("not available"), "{refused}");
        // Readers read, those that began before and those that begin now.
        store.orders(&OrderFilter::default()).await.expect("reads");
        let other = database.store().await;
        other.check_schema().await.expect("reads");
        other.migrate().await.expect("has nothing to do");
        other.orders(&OrderFilter::default()).await.expect("reads");
        let refused = begins(&other).await.expect_err("is read-only").to_string();
        assert!(refused.contains("read-only"), "{refused}");
        sql(&mut shell, reset).await;
        until_writes_are(&store, true).await;
        until_writes_are(&other, true).await;
    }
    let url = format!("{}?options=-c%20default_transaction_read_only%3Don", database.url);
    let reader = PostgresStore::connect(&url, 2).await.expect("connects");
    until_writes_are(&reader, false).await;
}

#[tokio::test]
async fn f31_a_whole_server_that_is_set_to_read_only_is_not_written() {
    let _alone = server_alone().await;
    let database = PostgresDatabase::create_alone().await;
    let store = database.store().await;
    let mut shell = database.shell().await;
    until_writes_are(&store, true).await;
    sql(&mut shell, "alter system set default_transaction_read_only = on".to_owned()).await;
    sql(&mut shell, "select pg_reload_conf()".to_owned()).await;
    let since = Instant::now();
    let mut refused = begins(&store).await;
    while refused.is_ok() && since.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(100)).await;
        refused = begins(&store).await;
    }
    sql(&mut shell, "set default_transaction_read_only = off".to_owned()).await;
    sql(&mut shell, "alter system reset default_transaction_read_only".to_owned()).await;
    sql(&mut shell, "select pg_reload_conf()".to_owned()).await;
    let refused = refused.expect_err("is read-only").to_string();
    assert!(refused.contains("for the whole server"), "{refused}");
    until_writes_are(&store, true).await;
}

#[tokio::test]
async fn f31_a_role_that_may_create_nothing_works_and_says_what_it_may_not_do() {
    let database = PostgresDatabase::create().await;
    let mut shell = database.shell().await;
    let role = format!("poor_{}", Uuid::now_v7().simple());
    sql(
        &mut shell,
        format!(
            "create role {role} login; revoke create on schema public from public;
             grant usage on schema public to {role};
             grant select, insert, update, delete on all tables in schema public to {role};
             grant all on all sequences in schema public to {role}"
        ),
    )
    .await;
    let place = database.url.rsplit_once('@').expect("names a user").1;
    let store = PostgresStore::connect(&format!("postgres://{role}@{place}"), 2).await.expect("connects");
    store.check_schema().await.expect("only reads");
    assert_eq!(store.migrate().await.expect("has nothing to do"), []);
    until_writes_are(&store, true).await;
    let shop = Shop::new(std::sync::Arc::new(store.clone()));
    shop.stock("cd-1", 10).await;
    shop.order(&[("cd-1", 1)], None).await;
    sql(&mut shell, format!("revoke select on orders from {role}")).await;
    let refused =
        store.orders(&OrderFilter { limit: 1, ..OrderFilter::default() }).await.expect_err("may not");
    assert!(
        refused.to_string().contains("permission denied for table orders (42501); grant it"),
        "{refused}"
    );
    store.close();
    sql(&mut shell, format!("revoke all on all tables in schema public from {role}")).await;
    sql(&mut shell, format!("drop owned by {role}; drop role {role}")).await;
}

#[tokio::test]
async fn f36_a_role_without_a_schema_hears_of_its_search_path() {
    let database = PostgresDatabase::create().await;
    let mut shell = database.shell().await;
    let name = database.url.rsplit('/').next().expect("a name").to_owned();
    sql(&mut shell, format!("alter database {name} set search_path = nowhere")).await;
    let refused = database.store().await.migrate().await.expect_err("there is no schema").to_string();
    assert!(refused.contains("(3F000)") && refused.contains("search_path"), "{refused}");
}

#[tokio::test]
async fn f36_a_statement_that_is_cancelled_is_not_a_database_that_is_away() {
    let database = Database::postgres_by_its_own_clock().await;
    let mut shell = database.on_postgres().shell().await;
    sql(&mut shell, "begin; lock table orders in access exclusive mode".to_owned()).await;
    let store = database.on_postgres().store().await;
    let waits =
        tokio::spawn(async move { store.orders(&OrderFilter { limit: 1, ..OrderFilter::default() }).await });
    let cancel = "select count(pg_cancel_backend(pid)) from pg_stat_activity
                  where datname = current_database() and application_name = 'holdfast' and wait_event_type = 'Lock'";
    let mut killer = database.on_postgres().shell().await;
    let since = Instant::now();
    while sqlx::query_scalar::<_, i64>(cancel).fetch_one(&mut killer).await.expect("cancels") == 0 {
        assert!(since.elapsed() < PATIENCE, "the read never waited for the lock");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let refused = waits.await.expect("ends").expect_err("was cancelled").to_string();
    assert!(refused.contains("user request (57014)") && refused.contains("pg_stat_activity"), "{refused}");
}

#[tokio::test]
async fn f39_a_database_in_which_customers_do_not_fit_is_refused_by_name() {
    let database = PostgresDatabase::create().await;
    let mut shell = database.shell().await;
    for encoding in ["LATIN1", "SQL_ASCII", "EUC_JP"] {
        let name = format!("holdfast_test_{}", Uuid::now_v7().simple());
        sql(
            &mut shell,
            format!("create database {name} encoding '{encoding}' locale 'C' template template0"),
        )
        .await;
        let url = format!("{}/{name}", database.url.rsplit_once('/').expect("names a database").0);
        let refused = PostgresStore::connect(&url, 2).await.map(drop).expect_err("is refused").to_string();
        sql(&mut shell, format!("drop database {name} with (force)")).await;
        assert!(refused.contains(encoding) && refused.contains("encoding 'UTF8'"), "{refused}");
    }
}

/// A limit for orders is none for migrations.
// A migrator that is stopped in the middle still lets go of its tables, as every transaction does.
#[tokio::test]
async fn f35_a_migration_may_take_longer_than_any_order() {
    let database = PostgresDatabase::create().await;
    let mut shell = database.shell().await;
    let slow = "drop schema public cascade; create schema public;
                create function public.slow() returns event_trigger language plpgsql as $$
                begin
                    if current_setting('statement_timeout') <> '0'
                        or current_setting('idle_in_transaction_session_timeout') <> '5s' then
                        raise exception 'is bound by % and %', current_setting('statement_timeout'),
                            current_setting('idle_in_transaction_session_timeout');
                    end if;
                    if tg_tag = 'CREATE SEQUENCE' then perform pg_sleep(11); end if;
                end $$;
                create event trigger slow on ddl_command_end execute function public.slow()";
    sql(&mut shell, slow.to_owned()).await;
    let name = database.url.rsplit('/').next().expect("a name").to_owned();
    // What is set on the role does not bind it either.
    sql(&mut shell, format!("alter database {name} set statement_timeout = '2s'")).await;
    let since = Instant::now();
    database.store().await.migrate().await.expect("migrates");
    assert!(since.elapsed() > Duration::from_secs(11), "{:?}", since.elapsed());
}
