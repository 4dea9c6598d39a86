//! Personal data stands where it is declared, and nowhere else.

use std::collections::BTreeSet;

use holdfast_store_rows::personal_data::{COLUMNS, Holds};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _, SqliteConnection};

use crate::binary::run_on;
use crate::fixture::Shop;
use crate::on_both;

/// What each buyer of a demo can be recognised by: e-mail, name, street, account, city.
pub(crate) const PARTS_OF_BUYERS: [&str; 5] =
    ["@example.com", "A. Buyer", "1 High Street", "customer-", "Springfield"];

/// Columns that can hold text or a document, of all tables but that of the migrations.
const TEXTS_ON_POSTGRES: &str = "\
    select table_name || '.' || column_name from information_schema.columns \
    where table_schema = 'public' and table_name not like '\\_sqlx%' \
      and data_type in ('text', 'json', 'jsonb', 'uuid', 'character varying')";
const TEXTS_ON_SQLITE: &str = "\
    select tables.name || '.' || columns.name from sqlite_schema as tables \
    join pragma_table_info(tables.name) as columns \
    where tables.type = 'table' and tables.name not like '\\_sqlx%' escape '\\' \
      and tables.name not like 'sqlite%' and columns.type = 'TEXT'";

/// The first column of all rows of a statement.
fn texts(shop: &Shop, statement: &str) -> Vec<String> {
    let statement = AssertSqlSafe(statement.to_owned());
    shop.runtime.block_on(async {
        if shop.url.starts_with("sqlite") {
            let mut connection = SqliteConnection::connect(&shop.url).await.expect("the file opens");
            let rows = sqlx::query(statement).fetch_all(&mut connection).await.expect("reads");
            rows.iter().map(|row| row.get(0)).collect()
        } else {
            let mut connection = PgConnection::connect(&shop.url).await.expect("Postgres answers");
            let rows = sqlx::query(statement).fetch_all(&mut connection).await.expect("reads");
            rows.iter().map(|row| row.get(0)).collect()
        }
    })
}

fn columns(shop: &Shop) -> BTreeSet<String> {
    let on_sqlite = shop.url.starts_with("sqlite");
    texts(shop, if on_sqlite { TEXTS_ON_SQLITE } else { TEXTS_ON_POSTGRES }).into_iter().collect()
}

on_both! {
    fn s9_every_column_of_the_schema_is_declared(shop) {
        let declared: BTreeSet<_> = COLUMNS.iter().map(|(column, _)| (*column).to_owned()).collect();
        assert_eq!(columns(shop), declared);
    }

    fn s9_a_demo_leaves_its_buyers_where_it_is_declared_and_nowhere_else(shop) {
        run_on(&shop.url, &["demo", "--orders", "150"]).ends(0, "settling 150 orders");
        let mut found = BTreeSet::new();
        for column in columns(shop) {
            let (table, name) = column.split_once('.').expect("table and column");
            let values = texts(shop, &format!("select coalesce(cast({name} as text), '') from {table}"));
            if values.iter().any(|value| PARTS_OF_BUYERS.iter().any(|part| value.contains(part))) {
                found.insert(column);
            }
        }
        let of_buyers = COLUMNS.iter().filter(|(_, holds)| *holds == Holds::Buyer).map(|(column, _)| *column);
        // The buyers of a demo write nothing to the shop, and give no reasons.
        let is_written = |column: &&str| ["orders.notes", "admin_actions.detail"].contains(column);
        let of_buyers: BTreeSet<_> = of_buyers.filter(|column| !is_written(column)).map(str::to_owned).collect();
        assert_eq!(found, of_buyers);
    }
}

#[test]
fn s9_the_document_names_the_same_columns() {
    let document = include_str!("../../../docs/personal-data.md");
    let listed = |title: &str| -> BTreeSet<&str> {
        let part =
            document.split("\n## ").find(|part| part.starts_with(title)).expect("there is such a part");
        let cells = part.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
        cells.map(|(column, _)| column).collect()
    };
    let declared = |holds: Holds| -> BTreeSet<&str> {
        COLUMNS.iter().filter(|(_, held)| *held == holds).map(|(column, _)| *column).collect()
    };
    assert_eq!(listed("The buyer"), declared(Holds::Buyer));
    assert_eq!(listed("Those who run the shop"), declared(Holds::Staff));
}
