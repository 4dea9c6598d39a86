//! The file and its schema: what is opened, what is migrated, what is refused and with which message.

use std::fs;
use std::sync::Arc;

use holdfast_saga::ports::{Store, StoreError};
use holdfast_saga::records::batch_rows::Writes;
use holdfast_shared::SystemClock;
use holdfast_store_sqlite::SqliteStore;

use crate::shop::{Shop, cart, cart_id};

/// The message of a refusal.
fn refusal<T>(result: Result<T, StoreError>) -> String {
    match result.map(|_| ()) {
        Err(StoreError::Refused(text)) => text,
        other => panic!("a refusal was expected, not {other:?}"),
    }
}

async fn open(url: &str) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(url, Arc::new(SystemClock)).await
}

#[tokio::test]
async fn a_new_file_is_migrated_once() {
    let shop = Shop::open_unmigrated().await;
    let text = refusal(shop.store.check_schema().await);
    assert!(text.ends_with("run `holdfast migrate`"), "{text}");
    let applied = shop.store.migrate().await.expect("migrates");
    assert_eq!(
        applied.iter().map(|(version, _)| *version).collect::<Vec<_>>(),
        [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]
    );
    assert_eq!(applied[0].1, "foundation");
    assert_eq!(shop.store.migrate().await.expect("migrates"), []);
    shop.store.check_schema().await.expect("fits");
}

#[tokio::test]
async fn a_shop_without_a_schema_says_how_to_get_one() {
    let shop = Shop::open_unmigrated().await;
    let text = refusal(shop.store.saga_counts().await);
    assert!(text.contains("run `holdfast migrate`"), "{text}");
}

#[tokio::test]
async fn two_programs_that_migrate_at_once_take_turns() {
    let shop = Shop::open_unmigrated().await;
    let other = shop.open_again("").await.expect("opens");
    let (here, there) = tokio::join!(shop.store.migrate(), other.migrate());
    let mut applied = [here.expect("migrates").len(), there.expect("migrates").len()];
    applied.sort_unstable();
    assert_eq!(applied, [0, 15], "one of them did all of it");
}

#[tokio::test]
async fn what_was_saved_is_there_after_reopening() {
    let shop = Shop::open().await;
    shop.save(Writes { put_carts: [(cart_id(1), cart(1))].into(), ..Writes::default() }).await;
    shop.store.close().await;
    let other = shop.open_again("").await.expect("opens");
    assert_eq!(shop.number("select count(*) from carts").await, 1);
    other.check_schema().await.expect("fits");
}

#[tokio::test]
async fn a_newer_schema_is_refused_only_when_it_says_it_is_breaking() {
    let shop = Shop::open().await;
    let applied = |version: i64, description: &str| {
        format!(
            "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
             values ({version}, '{description}', true, x'00', 0)"
        )
    };
    shop.execute(&applied(9_001, "add a column")).await;
    shop.store.check_schema().await.expect("a harmless one is accepted");
    shop.store.migrate().await.expect("a harmless one is accepted");
    shop.open_again("").await.expect("a harmless one is accepted");

    shop.execute(&applied(9_002, "breaking split orders")).await;
    let refusals = [
        refusal(shop.store.check_schema().await),
        refusal(shop.store.migrate().await),
        refusal(shop.open_again("").await),
    ];
    for text in refusals {
        assert!(text.contains("a newer holdfast (9002, \"breaking split orders\")"), "{text}");
        assert!(text.contains("upgrade holdfast"), "{text}");
    }
}

#[tokio::test]
async fn a_migration_changed_after_the_fact_is_refused() {
    let shop = Shop::open().await;
    shop.execute("update _sqlx_migrations set checksum = x'00'").await;
    let text = refusal(shop.store.migrate().await);
    assert!(text.contains("migration 1 was changed after it had been applied"), "{text}");
}

#[tokio::test]
async fn a_read_only_file_can_be_read_and_says_why_it_cannot_be_written() {
    let shop = Shop::open().await;
    let store = shop.open_again("?mode=ro").await.expect("opens");
    assert_eq!(store.saga_counts().await.expect("reads"), []);
    let tx = store.begin().await.expect("begins, because nothing is written yet");
    let writes = Writes { put_carts: [(cart_id(1), cart(1))].into(), ..Writes::default() };
    let text = refusal(tx.save(&writes).await);
    assert!(text.starts_with("the database file is read-only: let this user write"), "{text}");
}

#[tokio::test]
async fn what_cannot_be_a_shop_is_refused_with_what_to_do() {
    let shop = Shop::open().await;
    let folder = shop.folder.path().display();
    fs::write(shop.folder.path().join("letter.txt"), "Dear Ada, ".repeat(1_000)).expect("writes");
    let cases = [
        (format!("sqlite://{folder}/letter.txt"), "the file is no SQLite database: check the path"),
        (format!("sqlite://{folder}/no/such/folder/shop.db"), "its folder must exist"),
        ("sqlite::memory:".to_owned(), "a database in memory would forget its orders"),
        ("postgres://localhost/shop".to_owned(), "sqlite://<path> is expected"),
        (format!("sqlite://{folder}/shop.db?colour=red"), "colour"),
    ];
    for (url, expected) in cases {
        let text = refusal(open(&url).await);
        assert!(text.contains(expected), "{url}: {text}");
    }
}

#[tokio::test]
async fn readers_do_not_wait_for_the_writer() {
    let shop = Shop::open().await;
    let _writing = shop.store.begin().await.expect("begins");
    assert_eq!(shop.store.saga_counts().await.expect("reads meanwhile"), []);
    assert!(shop.folder.path().join("shop.db-wal").exists());
}
