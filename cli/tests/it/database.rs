//! Migrations, and databases that cannot be used.

use std::fs::{self, OpenOptions};

use crate::binary::{READS, run_on, sqlite_url};
use crate::fixture::{ServerDatabase, sql_on};
use crate::on_both;

fn migrates(url: &str) {
    for command in [&["order", "list"][..], &["saga", "list"], &["stock", "show"], &["audit"]] {
        run_on(url, command).ends(1, "run `holdfast migrate`");
    }
    let first = run_on(url, &["migrate", "--output", "json"]);
    first.ends(0, "applied");
    assert_eq!(first.json()["applied"][0]["version"], 1);
    let second = run_on(url, &["migrate", "--output", "json"]);
    second.ends(0, "nothing to do");
    assert_eq!(second.json(), serde_json::json!({"applied": []}));
    assert!(run_on(url, &["migrate"]).stdout.is_empty());
    run_on(url, &["order", "list"]).ends(0, "no orders");
}

#[test]
fn a_file_is_migrated_once() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("my shop.db");
    fs::write(&path, "").expect("an empty file");
    migrates(&sqlite_url(&path));
}

#[test]
fn a_server_is_migrated_once() {
    migrates(&ServerDatabase::create().url);
}

on_both! {
    fn a_newer_schema_is_refused_only_when_it_says_that_it_breaks(shop) {
        let newer = |version: i64, message: &str| {
            let (now, checksum) = if shop.url.starts_with("sqlite") {
                ("datetime('now')", "x'00'")
            } else {
                ("now()", "'\\x00'")
            };
            shop.sql(&format!(
                "insert into _sqlx_migrations (version, description, installed_on, success, checksum, execution_time)
                 values ({version}, '{message}', {now}, true, {checksum}, 0)"
            ));
        };
        newer(9_000, "new index");
        shop.run(&["order", "list"]).ends(0, "");
        shop.run(&["migrate"]).ends(0, "nothing to do");
        newer(9_001, "breaking split orders");
        for command in [&["order", "list"][..], &["audit"], &["migrate"]] {
            shop.run(command).ends(1, "9001");
        }
    }
}

#[test]
fn f31_a_read_only_file_is_read_and_refused_to_those_who_write() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("shop.db");
    let url = sqlite_url(&path);
    run_on(&url, &["migrate"]).ends(0, "applied");
    sql_on(&url, "insert into stock (sku, on_hand, reserved) values ('cd-1', 5, 0)");
    let adjust = ["stock", "adjust", "cd-1", "--delta", "1", "--reason", "found"];
    let read_only = format!("{url}?mode=ro");
    run_on(&read_only, &adjust).ends(1, "read-only");
    for command in READS {
        run_on(&read_only, command).ends(0, "");
    }
    for command in [
        &["queue", "pause", "checkout", "--reason", "counting"][..],
        &["worker", "--worker-addr", "127.0.0.1:0"],
    ] {
        run_on(&read_only, command).ends(1, "the database file is read-only");
    }

    let mut rights = fs::metadata(&path).expect("it is there").permissions();
    rights.set_readonly(true);
    fs::set_permissions(&path, rights).expect("it can be made read-only");
    // Root may write whatever the rights say.
    if OpenOptions::new().write(true).open(&path).is_err() {
        run_on(&url, &adjust).ends(1, "read-only");
    }
    let level = run_on(&url, &["stock", "show", "cd-1", "--output", "json"]);
    assert!(level.code == Some(1) || level.json()["on_hand"] == 5, "{level:#?}");
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("shop.db");
    fs::write(
        &path,
        "this is a letter, not a database, and it is long enough to have a header of its own".repeat(20),
    )
    .expect("a file");
    for command in [&["order", "list"][..], &["migrate"]] {
        run_on(&sqlite_url(&path), command).ends(1, "no SQLite database");
    }
}

#[test]
fn a_server_that_refuses_us_is_reported_with_what_to_do() {
    let server = ServerDatabase::create();
    let url = &server.url;
    let missing = format!("{url}_missing");
    run_on(&missing, &["order", "list"]).ends(1, "check DATABASE_URL");
    run_on(&missing, &["migrate"]).ends(1, "check DATABASE_URL");
    sql_on(
        url,
        &format!(
            "alter database {} set default_transaction_read_only = on",
            url.rsplit('/').next().unwrap_or("")
        ),
    );
    run_on(url, &["migrate"]).ends(1, "read-only");
}
