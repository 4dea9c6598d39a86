//! Connections that die while nobody uses them, and those that nobody needs any more.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use holdfast_saga::ports::{Claim, Store, StoreError};
use holdfast_saga::records::batch_rows::{Footprint, World, Writes};
use holdfast_saga::records::view::{Heartbeat, OrderFilter, ProductFilter};
use holdfast_saga::records::{Identity, Product};
use holdfast_shared::{CartId, Currency, CustomerId, Money, OrderId, Time};
use holdfast_store_postgres::PostgresStore;
use holdfast_testkit::database::PostgresDatabase;
use holdfast_testkit::proxy::Proxy;
use holdfast_testkit::redis::free_port;
use holdfast_testkit::rows::sku;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use tokio::time::Instant;
use uuid::Uuid;

type Use = (&'static str, fn(&PostgresStore) -> Pin<Box<dyn Future<Output = Result<(), StoreError>> + '_>>);

/// Every way in which a connection is taken.
const USES: [Use; 14] = [
    ("an order", |store| Box::pin(async { store.order(OrderId::new(1)).await.map(drop) })),
    ("orders", |store| Box::pin(async { store.orders(&OrderFilter::default()).await.map(drop) })),
    ("products", |store| Box::pin(async { store.products(&ProductFilter::default()).await.map(drop) })),
    ("a cart", |store| Box::pin(async { store.cart(CartId(Uuid::nil())).await.map(drop) })),
    ("the shop", |store| Box::pin(async { store.shop().await.map(drop) })),
    ("queues", |store| Box::pin(async { store.queues().await.map(drop) })),
    ("the present", |store| Box::pin(async { store.now().await.map(drop) })),
    ("facts", |store| Box::pin(async { store.facts(&mut |_| ()).await })),
    ("the schema", |store| Box::pin(async { store.check_schema().await })),
    ("migrations", |store| Box::pin(async { store.migrate().await.map(drop) })),
    ("a heartbeat", |store| Box::pin(async { store.heartbeat(&heartbeat()).await })),
    ("a customer", |store| {
        Box::pin(async {
            let identity = Identity { issuer: "i".to_owned(), sub: Uuid::now_v7().to_string() };
            store.customer(&identity, CustomerId::random()).await.map(drop)
        })
    }),
    ("a claim", |store| {
        Box::pin(async {
            store.begin().await?.claim(&Claim { due_max: 1, ..Claim::default() }).await.map(drop)
        })
    }),
    ("a transaction that saves", |store| {
        Box::pin(async {
            let mut tx = store.begin().await?;
            let mut world = World::default();
            tx.load(&Footprint::default(), &mut world).await?;
            let mut writes = Writes { at: world.now, ..Writes::default() };
            let product = Product {
                sku: sku("cd-1"),
                name: "CD".to_owned(),
                price: Money::new(100, Currency::EUR),
                active: true,
            };
            writes.put_products.insert(product.sku.clone(), product);
            tx.save(&writes).await
        })
    }),
];

fn heartbeat() -> Heartbeat {
    Heartbeat {
        name: "w1".to_owned(),
        host: "here".to_owned(),
        pid: 1,
        version: "0".to_owned(),
        pools: [].into(),
        definitions: vec![],
        providers: None,
        in_flight: 0,
        started_at: Time::from_micros(1),
    }
}

/// Both pools hold connections that have been used.
async fn warm(store: &PostgresStore) {
    for (what, work) in USES {
        work(store).await.unwrap_or_else(|error| panic!("{what}: {error}"));
    }
}

/// Ends every connection of the store before its process can hear of it: nothing else runs on this thread meanwhile.
fn terminate_all(url: &str) {
    let url = url.to_owned();
    let ended = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let mut shell = PgConnection::connect(&url).await.expect("connects");
            let others = "select count(pg_terminate_backend(pid, 5000)) from pg_stat_activity
                          where datname = current_database() and application_name = 'holdfast'";
            sqlx::query_scalar::<_, i64>(others).fetch_one(&mut shell).await.expect("terminates")
        })
    });
    assert!(ended.join().expect("ends") > 0, "there was a connection");
}

#[tokio::test]
async fn f33_a_connection_that_was_terminated_unheard_is_no_error() {
    let database = PostgresDatabase::create().await;
    let store = database.store().await;
    for (what, work) in USES {
        warm(&store).await;
        terminate_all(&database.url);
        work(&store).await.unwrap_or_else(|error| panic!("{what}: {error}"));
    }
}

#[tokio::test]
async fn f33_connections_that_a_firewall_forgot_are_no_error_however_many() {
    let database = PostgresDatabase::create().await;
    let proxy = Proxy::open(&database.url).await;
    let store = PostgresStore::connect(&proxy.url, 5).await.expect("connects");
    for (what, work) in USES {
        warm(&store).await;
        proxy.forget_connections();
        work(&store).await.unwrap_or_else(|error| panic!("{what}: {error}"));
    }
    // All at once: each of the idle connections is found dead by somebody.
    let filter = OrderFilter { limit: 5, ..OrderFilter::default() };
    let together = || async {
        let reads = (0..5).map(|_| store.orders(&filter));
        futures_util::future::try_join_all(reads).await.map(drop)
    };
    together().await.expect("reads");
    proxy.forget_connections();
    together().await.expect("reads once more on fresh ones");
}

#[tokio::test]
async fn f33_after_quiet_the_servers_own_limit_is_no_error() {
    let database = PostgresDatabase::create().await;
    let mut shell = database.shell().await;
    let name: String =
        sqlx::query_scalar("select current_database()").fetch_one(&mut shell).await.expect("reads");
    let limit = AssertSqlSafe(format!("alter database {name} set idle_session_timeout = '300ms'"));
    shell.execute(sqlx::raw_sql(limit)).await.expect("sets");
    let store = database.store().await;
    for (what, work) in USES {
        warm(&store).await;
        // Both sides of the very moment.
        for millis in [290, 310, 400] {
            std::thread::sleep(Duration::from_millis(millis));
            work(&store).await.unwrap_or_else(|error| panic!("{what} after {millis} ms: {error}"));
        }
    }
}

#[tokio::test]
async fn f14_a_server_that_is_not_there_is_named_at_once() {
    let nobody = format!("postgres://shop@127.0.0.1:{}/shop", free_port());
    let folder = tempfile::tempdir().expect("a folder");
    let no_socket = format!("postgres://shop@/shop?host={}&port=7", folder.path().display());
    for (url, next) in [(nobody, "nothing listens there"), (no_socket, "there is no such socket")] {
        let since = Instant::now();
        let refused =
            PostgresStore::connect(&url, 2).await.map(drop).expect_err("nobody is there").to_string();
        assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
        assert!(refused.contains(next) && !refused.contains("became free"), "{refused}");
    }
}

#[tokio::test]
async fn f32_connections_that_nobody_uses_are_given_back() {
    let database = PostgresDatabase::create().await;
    let store = database.store().await;
    let mut shell = database.shell().await;
    let filter = OrderFilter { limit: 5, ..OrderFilter::default() };
    let reads = (0..5).map(|_| store.orders(&filter));
    futures_util::future::try_join_all(reads).await.expect("reads");
    let mut held = Vec::new();
    for _ in 0..5 {
        held.push(store.begin().await.expect("begins"));
    }
    drop(held);
    let since = Instant::now();
    let mut most = 0;
    loop {
        let count = "select count(*) from pg_stat_activity
                     where datname = current_database() and application_name = 'holdfast'";
        let open: i64 = sqlx::query_scalar(count).fetch_one(&mut shell).await.expect("counts");
        most = most.max(open);
        if open == 0 {
            break;
        }
        assert!(since.elapsed() < Duration::from_secs(40), "{open} of {most} are still open");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(most >= 6, "{most} were open");
    store.now().await.expect("opens another one");
}

#[tokio::test]
async fn f32_a_server_without_a_connection_to_spare_says_so() {
    let database = PostgresDatabase::create().await;
    let mut shell = database.shell().await;
    let (role, name) =
        (format!("few_{}", Uuid::now_v7().simple()), database.url.rsplit('/').next().expect("a name"));
    let sql = format!(
        "create role {role} login connection limit 2; grant all on all tables in schema public to {role}"
    );
    shell.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.expect("makes a role");
    let place = database.url.rsplit_once('@').expect("names a user").1;
    let url = format!("postgres://{role}@{place}");
    let (one, two) = (PgConnection::connect(&url).await, PgConnection::connect(&url).await);
    let (one, two) = (one.expect("connects"), two.expect("connects"));
    let refused =
        PostgresStore::connect(&url, 2).await.map(drop).expect_err("the limit is reached").to_string();
    assert!(refused.contains("(53300)") && refused.contains("raise max_connections"), "{name}: {refused}");
    two.close().await.expect("closes");
    // One is left: reads share it, and a transaction finds none.
    let store = PostgresStore::connect(&url, 2).await.expect("one is left");
    let (left, right) = tokio::join!(store.order(OrderId::new(1)), store.order(OrderId::new(2)));
    left.expect("reads");
    right.expect("waits for the same connection");
    let refused = store.try_write().await.expect_err("no order can be saved").to_string();
    assert!(refused.contains("(53300)"), "{refused}");
    one.close().await.expect("closes");
    store.try_write().await.expect("an order can be saved");
    store.close();
    let drop_role = format!("drop owned by {role}; drop role {role}");
    let since = Instant::now();
    while shell.execute(sqlx::raw_sql(AssertSqlSafe(drop_role.clone()))).await.is_err() {
        assert!(since.elapsed() < Duration::from_secs(10), "the role stays in use");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
