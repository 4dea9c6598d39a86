//! What a migration makes of the rows of the release before.

use std::fmt::Write as _;
use std::sync::Arc;

use holdfast_saga::ports::Store;
use holdfast_saga::records::Identity;
use holdfast_saga::records::view::OrderFilter;
use holdfast_shared::{CustomerId, OrderId, SystemClock};
use holdfast_store_postgres::PostgresStore;
use holdfast_store_rows::migration::{self, Migration};
use holdfast_store_sqlite::SqliteStore;

use crate::binary::{run_on, sqlite_url};
use crate::fixture::{ServerDatabase, runtime, sql_on};

/// An empty database becomes one that was migrated up to `version`, with these rows in it.
fn as_of(url: &str, version: i64, rows: &str) {
    let (files, bytes) =
        if url.starts_with("sqlite") { (migration::SQLITE, "blob") } else { (migration::POSTGRES, "bytea") };
    let mut statements = format!(
        "create table _sqlx_migrations (version bigint primary key, description text not null,
             installed_on timestamp not null default current_timestamp, success boolean not null,
             checksum {bytes} not null, execution_time bigint not null);"
    );
    for Migration { version, description, sql } in
        files.iter().map(|file| Migration::of_file(*file)).filter(|migration| migration.version <= version)
    {
        let checksum = Migration { version, description: description.clone(), sql }.checksum();
        let hex = checksum.iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        let hex = if bytes == "blob" { format!("x'{hex}'") } else { format!("'\\x{hex}'") };
        let _ = write!(
            statements,
            "{sql};
             insert into _sqlx_migrations (version, description, success, checksum, execution_time)
             values ({version}, '{description}', true, {hex}, 0);"
        );
    }
    sql_on(url, &statements);
    sql_on(url, rows);
}

async fn open(url: &str) -> Arc<dyn Store> {
    if url.starts_with("sqlite") {
        Arc::new(SqliteStore::open(url, Arc::new(SystemClock)).await.expect("opens"))
    } else {
        Arc::new(PostgresStore::connect(url, 2).await.expect("connects"))
    }
}

const CUSTOMERS: [&str; 3] = ["carla", "auth0|dora", "o'hara@example.com"];

/// Two orders and an open cart of each customer, and as many of guests.
fn orders_and_carts(url: &str) -> String {
    let now = if url.starts_with("sqlite") { "1700000000000000" } else { "now()" };
    let names = CUSTOMERS.iter().map(|name| format!("'{}'", name.replace('\'', "''")));
    let owners = names.chain(["null".to_owned()]);
    let mut rows = String::new();
    for (at, owner) in owners.enumerate() {
        for twice in 0..2 {
            let (order, cart) = (1 + 2 * at + twice, 100 + 2 * at + twice);
            let _ = write!(
                rows,
                "insert into orders (id, status, method, cart_id, customer, contact, shipping_address, total_minor,
                                     currency, accepted_at, updated_at)
                 values ({order}, 'CONFIRMED', 'card', '00000000-0000-4000-8000-000000000{cart}', {owner},
                         '{{\"email\": \"a@example.com\"}}',
                         '{{\"name\": \"A\", \"line1\": \"1 St\", \"city\": \"B\", \"postal_code\": \"1\", \"country\": \"DE\"}}',
                         100, 'EUR', {now}, {now});"
            );
        }
        let _ = write!(
            rows,
            "insert into carts (id, owner, status, items, updated_at)
             values ('00000000-0000-4000-8000-000000000{}', {owner}, 'OPEN', '[]', {now});",
            200 + at
        );
    }
    rows
}

fn customers_keep_what_is_theirs(url: &str) {
    as_of(url, 13, &orders_and_carts(url));
    let migrated = run_on(url, &["migrate", "--output", "json"]);
    migrated.ends(0, "applied");
    assert_eq!(migrated.json()["applied"][0]["version"], 14);
    runtime().block_on(async {
        let store = open(url).await;
        let identity = |sub: &str| Identity { issuer: "https://id.example".to_owned(), sub: sub.to_owned() };
        for (at, name) in CUSTOMERS.into_iter().enumerate() {
            let known = store.known_customer(&identity(name)).await.expect("answers");
            let filter = OrderFilter { customer: known, limit: 10, ..OrderFilter::default() };
            let orders = store.orders(&filter).await.expect("answers");
            let numbers: Vec<i64> = orders.iter().map(|view| view.order.id.number()).collect();
            let first = 1 + 2 * i64::try_from(at).expect("few");
            assert_eq!(numbers, [first + 1, first], "{name}");
            let cart = store.open_cart_of(known.expect("is known")).await.expect("answers");
            let cart = cart.map(|cart| cart.to_string());
            assert_eq!(cart, Some(format!("00000000-0000-4000-8000-000000000{}", 200 + at)), "{name}");
        }
        let all = store.orders(&OrderFilter { limit: 10, ..OrderFilter::default() }).await.expect("answers");
        let of_guests = all.iter().filter(|view| view.order.customer.is_none());
        let numbers: Vec<OrderId> = of_guests.map(|view| view.order.id).collect();
        assert_eq!(numbers, [OrderId::new(8), OrderId::new(7)]);
        // Another issuer's carla is somebody else, and nobody is known twice.
        let other = Identity { issuer: "https://other.example".to_owned(), sub: "carla".to_owned() };
        assert_eq!(store.known_customer(&other).await.expect("answers"), None);
        let known = store.known_customer(&identity("carla")).await.expect("answers");
        let again = store.customer(&identity("carla"), CustomerId::random()).await.expect("answers");
        assert_eq!(known, Some(again));
    });
}

#[test]
fn s10_customers_keep_what_is_theirs_in_a_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("shop.db");
    std::fs::write(&path, "").expect("an empty file");
    customers_keep_what_is_theirs(&sqlite_url(&path));
}

#[test]
fn s10_customers_keep_what_is_theirs_on_a_server() {
    customers_keep_what_is_theirs(&ServerDatabase::create().url);
}
