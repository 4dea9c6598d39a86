//! A connection pooler in between: what it drops is noticed and refused by name, and what makes it fit is what we say.

use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast_saga::ports::Store as _;
use holdfast_saga::records::batch_rows::{Footprint, World};
use holdfast_shared::OrderStatus;
use holdfast_store_postgres::PostgresStore;
use holdfast_testkit::database::PostgresDatabase;
use holdfast_testkit::driver::{answer, batch, engine, hinted, outside, sweep};
use holdfast_testkit::pgbouncer::PgBouncer;
use holdfast_testkit::shop::{PATIENCE, Shop};
use sqlx::{AssertSqlSafe, Executor as _};

async fn refused(url: &str) -> String {
    PostgresStore::connect(url, 2).await.map(drop).expect_err("is refused").to_string()
}

#[tokio::test]
async fn f30_a_pooler_that_drops_our_settings_is_refused_by_name_and_leaves_no_lock_behind() {
    let database = PostgresDatabase::create().await;
    for mode in ["transaction", "session", "statement"] {
        let pool_mode = format!("pool_mode = {mode}");
        let strict = PgBouncer::start(&database.url, &[&pool_mode]).await;
        let text = refused(&strict.url).await;
        assert!(text.contains("unsupported startup parameter: options (08P01)"), "{mode}: {text}");
        assert!(text.contains("docs/deployment.md, connection poolers"), "{mode}: {text}");
        let lax = PgBouncer::start(&database.url, &[&pool_mode, "ignore_startup_parameters = options"]).await;
        let text = refused(&lax.url).await;
        for part in [
            "lock_timeout is 0 instead of 1s",
            "statement_timeout is 0 instead of 10s",
            "idle_in_transaction_session_timeout is 0 instead of 5s",
            "enable_seqscan is on instead of off",
            "alter role \"holdfast\" in database",
        ] {
            assert!(text.contains(part), "{mode}: {part}: {text}");
        }
    }
    database.store().await.migrate().await.expect("nobody holds its lock");
}

/// The statements that the refusal gives to paste, pasted.
#[tokio::test]
async fn f30_what_the_refusal_says_makes_a_session_pooler_fit() {
    let database = PostgresDatabase::create().await;
    let settings = ["pool_mode = session", "ignore_startup_parameters = options"];
    let pooler = PgBouncer::start(&database.url, &settings).await;
    let text = refused(&pooler.url).await;
    let (_, statements) = text.split_once("connect anew: ").expect("says what to do");
    let (statements, _) = statements.rsplit_once(" See ").expect("ends with the page");
    let mut shell = database.shell().await;
    shell.execute(sqlx::raw_sql(AssertSqlSafe(statements.to_owned()))).await.expect("can be pasted");
    // Server connections from before have the old ones.
    drop(pooler);
    let pooler = PgBouncer::start(&database.url, &settings).await;
    let store = Arc::new(PostgresStore::connect(&pooler.url, 3).await.expect("fits"));
    for (name, value) in [("lock_timeout", "1s"), ("statement_timeout", "10s")] {
        assert_eq!(store.session_setting(name).await.expect("answers"), [value, value], "{name}");
    }
    store.migrate().await.expect("has nothing to do");
    store.try_write().await.expect("an order can be saved");
    let shop = Shop::new(store.clone());
    shop.stock("cd-1", 10).await;
    let order = shop.order(&[("cd-1", 1)], Some("tok_ok")).await;
    let (_, outside) = outside();
    let shared: Arc<dyn holdfast_saga::ports::Store> = store.clone();
    let engine = engine(&shared, "w1");
    let begun = batch(&engine, hinted([order.saga(0)])).await;
    let outcome = answer(&begun.calls[0], &outside).await;
    batch(&engine, sweep(vec![outcome])).await;
    assert_eq!(shop.view(order).await.order.status, OrderStatus::Confirmed);
    // The guard is no setting of the role: what is sent behind a refused `begin` waits for its answer instead.
    assert_eq!(
        store.session_setting("default_transaction_read_only").await.expect("answers"),
        ["off", "off"]
    );
    let mut world = World::default();
    store.begin().await.expect("begins").load(&Footprint::default(), &mut world).await.expect("loads");
}

/// One server connection for all clients, as in a small pool: the statements of one are not the other's.
#[tokio::test]
async fn f36_a_pooler_that_mixes_up_statements_is_named() {
    let database = PostgresDatabase::create().await;
    let text = refused(
        &PgBouncer::start(&database.url, &["pool_mode = session", "ignore_startup_parameters = options"])
            .await
            .url,
    )
    .await;
    let (_, statements) = text.split_once("connect anew: ").expect("says what to do");
    let (statements, _) = statements.rsplit_once(" See ").expect("ends with the page");
    let mut shell = database.shell().await;
    shell.execute(sqlx::raw_sql(AssertSqlSafe(statements.to_owned()))).await.expect("can be pasted");
    let settings = [
        "pool_mode = transaction",
        "ignore_startup_parameters = options",
        "server_lifetime = 1",
        "max_prepared_statements = 0",
    ];
    let known = PgBouncer::knows_prepared_statements();
    let settings = if known { &settings[..] } else { &settings[..3] };
    let pooler = PgBouncer::start(&database.url, settings).await;
    let store = PostgresStore::connect(&pooler.url, 2).await.expect("nobody else is there yet");
    // Soon the server connection is another one, in which its statement is unknown.
    let since = Instant::now();
    let text = loop {
        match store.now().await {
            Err(error) => break error.to_string(),
            Ok(_) => assert!(since.elapsed() < PATIENCE, "the server connection never changed"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert!(text.contains("(26000)") || text.contains("(42P05)"), "{text}");
    assert!(text.contains("connection pooler") && text.contains("session pooling"), "{text}");
}
