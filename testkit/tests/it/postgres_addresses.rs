//! Postgres wherever it is: reads and transactions, whose drivers are two, reach it alike, and believe the same servers.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use holdfast_saga::ports::{Store, StoreError};
use holdfast_saga::records::batch_rows::{Footprint, World};
use holdfast_store_postgres::PostgresStore;
use holdfast_testkit::certificates::certify;
use holdfast_testkit::database::{PostgresDatabase, server_alone};
use holdfast_testkit::shop::Shop;
use sqlx::{AssertSqlSafe, PgConnection};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_believe_whom_reads_believe() {
    if std::env::var("HOLDFAST_TEST_PG_CTL").is_err() {
        println!("not run: HOLDFAST_TEST_PG_CTL is not set, so this server cannot be switched to TLS");
        return;
    }
    let _alone = server_alone().await;
    let database = PostgresDatabase::create_alone().await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    certify(folder.path());
    // The certificate is for localhost, whose address is the server's.
    let by_name = database.url.replace("127.0.0.1", "localhost");
    let verdict = |url: &str, parameters: &str| opens(format!("{url}?{parameters}"));
    let refused = verdict(&by_name, "sslmode=require").await.expect_err("the server knows no TLS yet");
    assert!(refused.contains("TLS"), "{refused}");

    let mut shell = database.shell().await;
    serve_tls(&mut shell, folder.path()).await;
    let file = |name: &str| folder.path().join(name).display().to_string();
    let ours = format!("sslrootcert={}", file("ca.pem"));
    let other = format!("sslrootcert={}", file("other.pem"));
    let mut failures = Vec::new();
    for (url, parameters, is_believed) in [
        (&by_name, "sslmode=disable".to_owned(), true),
        (&by_name, "sslmode=prefer".to_owned(), true),
        (&by_name, "sslmode=require".to_owned(), true),
        (&by_name, format!("sslmode=verify-full&{ours}"), true),
        (&by_name, format!("sslmode=verify-full&{other}"), false),
        (&by_name, "sslmode=verify-full".to_owned(), false),
        (&database.url, format!("sslmode=verify-full&{ours}"), false),
        (&database.url, format!("sslmode=verify-ca&{ours}"), true),
        (&database.url, format!("sslmode=verify-ca&{other}"), false),
    ] {
        let opened = verdict(url, &parameters).await;
        if opened.is_ok() != is_believed {
            failures.push(format!("{url}?{parameters}: {opened:?}"));
        }
    }

    let store = PostgresStore::connect(&format!("{by_name}?sslmode=verify-full&{ours}"), 3).await;
    let shop = Shop::new(Arc::new(store.expect("connects")));
    shop.stock("cd-1", 10).await;
    let plain: i64 = sqlx::query_scalar(
        "select count(*) from pg_stat_ssl join pg_stat_activity using (pid)
         where application_name = 'holdfast' and datname = current_database() and not ssl",
    )
    .fetch_one(&mut shell)
    .await
    .expect("counts");
    execute(&mut shell, "alter system reset ssl").await;
    execute(&mut shell, "select pg_reload_conf()").await;
    assert_eq!(failures, Vec::<String>::new());
    assert_eq!(plain, 0, "nothing goes over the wire in plain");
}

#[tokio::test]
async fn a_socket_is_reached_whatever_is_asked_of_networks() {
    let database = PostgresDatabase::create().await;
    let mut shell = database.shell().await;
    let ask =
        "select split_part(current_setting('unix_socket_directories'), ',', 1), current_setting('port')";
    let (folder, port): (String, String) =
        sqlx::query_as(ask).fetch_one(&mut shell).await.expect("tells where it listens");
    if !Path::new(&folder).join(format!(".s.PGSQL.{port}")).exists() {
        println!("not run: the server listens on no socket of this machine");
        return;
    }
    let rest = database.url.split_once("://").expect("is a URL").1;
    let (user, name) =
        (rest.split_once('@').expect("names a user").0, rest.rsplit_once('/').expect("a path").1);
    for parameters in ["", "&sslmode=disable", "&sslmode=require"] {
        let url = format!("postgres:///{name}?user={user}&host={folder}&port={port}{parameters}");
        let opened = opens(url).await;
        // Nobody listens in on a socket, and no TLS is spoken there.
        assert_eq!(opened.is_ok(), parameters != "&sslmode=require", "{parameters}: {opened:?}");
    }
    // F34: as psql takes it.
    let encoded = folder.replace('/', "%2F");
    for url in [
        format!("postgres://{user}@/{name}?host={folder}&port={port}"),
        format!("postgres://{user}@/{name}?host={encoded}&port={port}&application_name=shop"),
        format!("postgresql://{user}@{encoded}:{port}/{name}"),
        format!("postgres://{user}@%2Fnowhere:1,{encoded}:{port}/{name}"),
        format!("postgres://{user}@127.0.0.1:{port},[::1]:{port}/{name}?load_balance_hosts=disable"),
    ] {
        opens(url.clone()).await.unwrap_or_else(|error| panic!("{url}: {error}"));
    }
}

/// Opens a transaction's connection, and the pool's.
async fn opens(url: String) -> Result<(), String> {
    let store = PostgresStore::connect(&url, 2).await.map_err(|error| error.to_string())?;
    let begun = read(&store).await.map_err(|error| error.to_string());
    store.close();
    begun
}

async fn read(store: &PostgresStore) -> Result<(), StoreError> {
    store.begin().await?.load(&Footprint::default(), &mut World::default()).await
}

/// Has the server take the certificate in `folder`. Its key is nobody's but the server's.
async fn serve_tls(shell: &mut PgConnection, folder: &Path) {
    for name in ["server.pem", "server.key"] {
        let text = fs::read_to_string(folder.join(name)).expect("reads");
        let copy = format!(
            "copy (select unnest(string_to_array('{text}', e'\\n'))) to program 'umask 077; cat > holdfast-{name}'"
        );
        execute(shell, &copy).await;
    }
    execute(shell, "alter system set ssl_cert_file = 'holdfast-server.pem'").await;
    execute(shell, "alter system set ssl_key_file = 'holdfast-server.key'").await;
    execute(shell, "alter system set ssl = on").await;
    execute(shell, "select pg_reload_conf()").await;
    // Every backend reads it when it is idle.
    loop {
        let ssl: String = sqlx::query_scalar("show ssl").fetch_one(&mut *shell).await.expect("shows");
        if ssl == "on" {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

async fn execute(shell: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(shell).await.expect(sql);
}
