//! Every statement of `queries/` and of `store/queries/`, held against the migrated schema.

use std::fs;
use std::path::Path;

use sqlx::{AssertSqlSafe, Executor as _, Row as _, SqlSafeStr as _, Statement as _};

use crate::shop::Shop;

/// Statements that read a whole table because that is what they are for.
const WHOLE: [&str; 8] = [
    "loose_rows",
    "sagas_count",
    "stock_audit",
    "stock_page",
    "migrations_create",
    "migrations_read",
    "migrations_table",
    "shop_table",
];

/// The text of all sources.
fn sources() -> String {
    let sources = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).expect("lists the folder");
    sources.map(|entry| fs::read_to_string(entry.expect("lists the folder").path()).expect("reads")).collect()
}

/// What the sources add to the file `name`: nothing, or the rest of each statement that begins with it.
fn rests(sources: &str, name: &str) -> Vec<String> {
    let name = format!("\"{name}\"");
    let uses = sources.split("sql!(").filter_map(|used| used.trim_start().strip_prefix(&name));
    let quoted = |rest: &str| rest.split('"').next().expect("ends").to_owned();
    uses.map(|after| {
        let after = after.trim_start();
        let file = |next: &str| {
            let path = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../queries")
                .join(format!("{}.sql", quoted(next)));
            fs::read_to_string(path).expect("reads")
        };
        after
            .strip_prefix("+ \"")
            .map(quoted)
            .or_else(|| after.strip_prefix("then \"").map(file))
            .unwrap_or_default()
    })
    .collect()
}

/// Name and text of every statement.
fn statements() -> Vec<(String, String)> {
    let sources = sources();
    let files = ["queries", "../queries"].into_iter().flat_map(|folder| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        fs::read_dir(folder).expect("lists the folder").map(|entry| entry.expect("lists the folder").path())
    });
    let mut statements: Vec<_> = files
        .flat_map(|path| {
            let name = path.file_stem().expect("has a name").to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).expect("reads");
            let rests = rests(&sources, &name);
            let is_next = sources.contains(&format!("then \"{name}\""));
            assert!(is_next || !rests.is_empty(), "{name} is used nowhere");
            rests.into_iter().map(move |rest| (name.clone(), format!("{text}{rest}")))
        })
        .collect();
    statements.sort();
    statements
}

#[tokio::test]
async fn every_statement_fits_the_schema() {
    let shop = Shop::open().await;
    let mut shell = shop.shell().await;
    for (name, text) in statements() {
        let statement = shell.prepare(AssertSqlSafe(text.clone()).into_sql_str()).await;
        let statement = statement.unwrap_or_else(|error| panic!("{name}: {error}"));
        let parameters = statement.parameters().map_or(0, |parameters| parameters.either(<[_]>::len, |n| n));
        let highest = (1..20).rev().find(|n| text.contains(&format!("${n}"))).unwrap_or(0);
        assert_eq!(parameters, highest, "{name} leaves out a parameter");
    }
}

#[test]
fn every_statement_is_used_and_lower_case() {
    for (name, text) in statements() {
        for keyword in ["SELECT ", "FROM ", "INSERT ", "UPDATE ", "DELETE ", "WHERE "] {
            assert!(!text.contains(keyword), "{name} shouts {keyword}");
        }
    }
}

#[tokio::test]
async fn no_statement_reads_a_whole_table_that_grows() {
    let shop = Shop::open().await;
    let mut shell = shop.shell().await;
    for (name, text) in statements().into_iter().filter(|(name, _)| !WHOLE.contains(&name.as_str())) {
        let plan =
            sqlx::query(AssertSqlSafe(format!("explain query plan {text}"))).fetch_all(&mut shell).await;
        let steps: Vec<String> = plan
            .unwrap_or_else(|error| panic!("{name}: {error}"))
            .iter()
            .map(|step| step.get::<String, _>("detail"))
            .collect();
        let scans = steps.iter().filter(|step| step.starts_with("SCAN ") && !step.contains("VIRTUAL TABLE"));
        // One row a paused queue; one row a worker; one row; the few that are dead; the few that are not settled, counted to a bound.
        let small = [
            "SCAN queues",
            "SCAN workers",
            "SCAN order_numbers",
            "SCAN shop",
            "SCAN shop USING COVERING INDEX sqlite_autoindex_shop_1",
            "SCAN sagas USING COVERING INDEX sagas_dead",
            "SCAN sagas USING INDEX sagas_dead",
            "SCAN unsettled",
            "SCAN orders USING INDEX one_unsettled_order_per_cart",
            "SCAN (subquery-1)",
            // Those that are retrying, found by the index of what is due.
            "SCAN (subquery-4)",
            "SCAN placed",
        ];
        let scans: Vec<_> = scans.filter(|step| !small.contains(&step.as_str())).collect();
        assert!(scans.is_empty(), "{name}: {steps:#?}");
    }
}
