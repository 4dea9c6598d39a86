//! Data goes to stdout, messages to stderr; a reader that closes the pipe is not an error.

use std::fs::File;
use std::process::Stdio;
use std::time::Duration;

use crate::binary::{Ran, holdfast, run};
use crate::on_both;

on_both! {
    fn lists_come_in_pages_and_in_three_formats(shop) {
        shop.stock("cd-1", 10);
        let orders: Vec<_> = (0..3).map(|_| shop.order("cd-1", 1, Some("tok_ok"))).collect();
        shop.work(Duration::from_secs(2));

        let first = shop.run(&["order", "list", "--limit", "2", "--output", "json"]);
        let page = first.ends(0, "").json();
        let numbers: Vec<_> = page["items"].as_array().expect("items").iter().map(|item| &item["number"]).collect();
        assert_eq!(numbers, [orders[2].number(), orders[1].number()]);
        let cursor = page["next_cursor"].as_str().expect("a cursor");

        let last = shop.run(&["order", "list", "--limit", "2", "--output", "json", "--cursor", cursor]).json();
        assert_eq!(last["items"].as_array().map(Vec::len), Some(1));
        assert!(last["next_cursor"].is_null());

        shop.run(&["order", "list", "--limit", "2", "--output", "jsonl"]).ends(0, "`--cursor 2` lists the next ones");
        let lines = shop.run(&["order", "list", "--output", "jsonl"]);
        assert_eq!(lines.stdout.lines().count(), 3);
        for line in lines.stdout.lines() {
            let order: serde_json::Value = serde_json::from_str(line).expect("one object a line");
            assert_eq!(order["status"], "CONFIRMED");
        }

        let table = shop.run(&["order", "list"]);
        assert!(table.stdout.starts_with("ORDER  STATUS     PAYMENT  TOTAL      LINES  ACCEPTED"), "{table:#?}");
        // Which shop it is about, unless it is the one in this folder.
        assert!(table.stderr.starts_with("shop at ") && table.stderr.lines().count() == 1, "{table:#?}");
        assert!(lines.stderr.is_empty(), "{lines:#?}");

        let none = shop.run(&["order", "list", "--status", "cancelled", "--output", "json"]);
        assert_eq!(none.json(), serde_json::json!({"items": [], "next_cursor": null}));
        shop.run(&["order", "list", "--status", "cancelled"]).ends(0, "no orders");

        let sagas = shop.run(&["saga", "list", "--limit", "4", "--output", "json"]).json();
        let cursor = sagas["next_cursor"].as_str().expect("a cursor").to_owned();
        let rest = shop.run(&["saga", "list", "--cursor", &cursor, "--output", "json"]).json();
        assert_eq!(rest["items"].as_array().map(Vec::len), Some(2));
        assert_eq!(rest["items"][1]["id"], format!("{}.0", orders[0]));
    }
}

#[test]
fn a_closed_pipe_ends_quietly() {
    for arguments in [&["--help"][..], &["completions", "bash"][..]] {
        let mut child = holdfast()
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        drop(child.stdout.take());
        let ran = Ran::of(child.wait_with_output().expect("it ends"));
        ran.ends(0, "");
        assert!(ran.stderr.is_empty(), "{ran:#?}");
    }
}

#[test]
fn a_stdout_that_cannot_be_written_is_an_error() {
    let Ok(full) = File::options().write(true).open("/dev/full") else { return };
    let output = holdfast().args(["completions", "bash"]).stdout(full).stderr(Stdio::piped()).output();
    Ran::of(output.expect("it runs")).ends(1, "stdout cannot be written");
}

#[test]
fn the_version_is_printed() {
    assert_eq!(run(&["--version"]).stdout, concat!("holdfast ", env!("CARGO_PKG_VERSION"), "\n"));
}
