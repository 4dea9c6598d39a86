//! Dead letters: listed, filtered, retried, or discarded.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::binary::{Ran, holdfast};
use crate::fixture::{MAX_WAIT, Shop};
use crate::on_both;

const SECOND: Duration = Duration::from_secs(1);

/// The ids in a list.
fn ids(list: &Value) -> Vec<String> {
    let items = list["items"].as_array().expect("items");
    items.iter().map(|item| item["id"].as_str().expect("an id").to_owned()).collect()
}

/// The answers of a batch, by id.
fn answers(summary: &Value) -> Vec<(String, String)> {
    let items = summary["items"].as_array().expect("items");
    let text = |item: &Value, name: &str| item[name].as_str().expect("text").to_owned();
    items.iter().map(|item| (text(item, "id"), text(item, "answer"))).collect()
}

/// So many dead cancellations: copies of one that died by itself, row by row.
fn many_dead(shop: &Shop, count: usize) {
    shop.stock("cd-1", 10);
    let (order, _) = shop.dead_order();
    let number = order.number();
    let copies = count - 1;
    let numbers = if shop.url.starts_with("sqlite") {
        format!(
            "(with recursive n(n) as (select 1 union all select n + 1 from n where n < {copies}) select n from n)"
        )
    } else {
        format!("(select n from generate_series(1, {copies}::bigint) as n)")
    };
    for (table, key, columns) in [
        (
            "orders",
            "id",
            "status, cancel_reason, method, cart_id, customer, contact, shipping_address, notes, total_minor, currency, \
             accepted_at, updated_at",
        ),
        ("order_lines", "order_id", "sku, quantity, unit_price_minor"),
        ("reservations", "order_id", "status"),
        (
            "payments",
            "order_id",
            "provider, status, amount_minor, currency, captured_minor, refunded_minor, charge_key, details, \
             updated_at",
        ),
    ] {
        shop.sql(&format!(
            "insert into {table} ({key}, {columns}) select {key} + n, {columns} from {table}, {numbers} as n \
             where {key} = {number}"
        ));
    }
    for (table, key, columns) in [
        ("refunds", "saga_id", "status, amount_minor, currency, charge_key, late, updated_at"),
        ("saga_log", "saga_id", "fence, at, entries"),
        ("notifications", "saga_id", "notice, channel, status, created_at, updated_at"),
        (
            "sagas",
            "id",
            "definition, version, queue, state, fence, leased_until, wake_at, progress, context, poison, key_prefix, \
             created_at, updated_at",
        ),
    ] {
        shop.sql(&format!(
            "insert into {table} ({key}, {columns}) select {key} + n * 1048576, {columns} from {table}, {numbers} as n \
             where {key} / 1048576 = {number}"
        ));
    }
}

on_both! {
    fn the_dead_are_listed_filtered_and_grouped(shop) {
        shop.stock("cd-1", 10);
        shop.run(&["dead", "list"]).ends(0, "no dead letters");
        shop.run(&["dead", "retry", "--all"]).ends(0, "no dead letters");
        let first = shop.dead_order().1.to_string();
        let second = shop.dead_order().1.to_string();
        let list = |more: &[&str]| {
            let arguments = [&["dead", "list", "--output", "json"], more].concat();
            ids(&shop.run(&arguments).ends(0, "").json())
        };
        assert_eq!(list(&[]), [second.as_str(), &first]);
        assert_eq!(list(&["--limit", "1"]), [second.as_str()]);
        assert_eq!(list(&["--cursor", &second]), [first.as_str()]);
        assert_eq!(list(&["--all", "--saga", "cancellation", "--step", "refund_payment"]).len(), 2);
        assert_eq!(list(&["--saga", "notification"]).len(), 0);
        assert_eq!(list(&["--error-contains", "REFUSES refunds"]).len(), 2);
        assert_eq!(list(&["--error-contains", "no such text"]).len(), 0);
        assert_eq!(list(&["--older-than", "1m"]).len(), 2);
        assert_eq!(list(&["--younger-than", "1m"]).len(), 0);

        // What is filtered by is one flag everywhere; why somebody acts is another one.
        let why = "the bank is back";
        for action in [&["retry"][..], &["discard", "--reason", why]] {
            let nothing = [&["dead"], action, &["--all", "--error-contains", "flood", "--older-than", "1m"]].concat();
            shop.run(&nothing).ends(0, "0 of 2 dead letters match --error-contains \"flood\" --older-than 1m");
        }
        shop.run(&["dead", "list", "--saga", "notification"])
            .ends(0, "0 of 2 dead letters match --saga \"notification\"");
        shop.run(&["dead", "list", "--reason", "refuses"]).ends(2, "--reason");
        shop.run(&["dead", "retry", "--all", "--reason", why, "--dry-run"]).ends(0, "2 would be done");

        let page = shop.run(&["dead", "list", "--limit", "1", "--output", "json"]).json();
        assert_eq!(page["next_cursor"], second);
        let letter = &page["items"][0];
        assert_eq!((&letter["saga"], &letter["step"]), (&"cancellation".into(), &"refund_payment".into()));
        assert!(!letter["reason"].as_str().expect("a reason").contains("tok_refund"), "{letter}");
        let table = shop.run(&["dead", "list"]);
        assert!(table.stdout.starts_with("SAGA"), "{table:#?}");

        let groups = shop.run(&["dead", "list", "--group", "--output", "json"]).json();
        let groups = groups["items"].as_array().expect("groups").clone();
        assert_eq!(groups.len(), 1, "{groups:#?}");
        assert_eq!((&groups[0]["count"], &groups[0]["example"]), (&2.into(), &second.as_str().into()));
        let lines = shop.run(&["dead", "list", "--output", "jsonl"]);
        assert_eq!(lines.stdout.lines().count(), 2);
    }

    fn a_dry_run_shows_what_would_happen_and_changes_nothing(shop) {
        shop.stock("cd-1", 10);
        let (order, saga) = shop.dead_order();
        let id = saga.to_string();
        let shown = shop.run(&["dead", "show", &id]);
        shown.ends(0, "");
        for message in [
            "a retry    would: refund_payment, restock, cancel_order, notify; gives back 19.99 EUR; puts 1 of cd-1 back on the shelf",
            "a discard  would: restock, cancel_order, notify; leaves to you 19.99 EUR; puts 1 of cd-1 back on the shelf",
            "stopped at the refund, an operator must act",
        ] {
            assert!(shown.stdout.contains(message), "{message}: {}", shown.stdout);
        }
        let dry = shop.run(&["dead", "retry", &id, "--dry-run", "--output", "json"]).ends(0, "1 would be done").json();
        assert_eq!(dry["items"][0]["answer"], "would");
        assert_eq!(dry["items"][0]["preview"]["money"][0]["way"], "given_back");
        assert_eq!(dry["items"][0]["preview"]["stock"][0]["on_hand"], 1);
        let dry = ["dead", "discard", "--all", "--reason", "cash", "--dry-run", "--output", "jsonl"];
        let line = shop.run(&dry);
        line.ends(0, "1 would be done");
        let item: Value = serde_json::from_str(&line.stdout).expect("one object a line");
        assert_eq!(item["preview"]["money"][0]["way"], "settled_manually");
        assert_eq!(shop.count("select count(*) from signals where consumed_at is null"), 0);
        assert_eq!(shop.count("select count(*) from admin_actions where action like 'saga.%'"), 0);
        shop.run(&["dead", "show", &order.saga(0).to_string()]).ends(4, "is COMPLETED, not dead");
        shop.run(&["dead", "show", "77.0"]).ends(3, "saga 77.0 does not exist");
    }

    fn each_of_many_is_answered_and_the_exit_code_says_how_it_ended(shop) {
        shop.stock("cd-1", 10);
        let (_, first) = shop.dead_order();
        let (_, second) = shop.dead_order();
        let (first, second) = (first.to_string(), second.to_string());
        // One alone: what stands against it is the error.
        shop.run(&["dead", "retry", "77.0"]).ends(3, "saga 77.0 does not exist");
        shop.run(&["dead", "retry", "1.0"]).ends(4, "saga 1.0 is COMPLETED, only a dead or parked one is retried");
        shop.run(&["dead", "discard", "1.0", "--reason", "x"]).ends(4, "only a dead or parked one is discarded");
        let none = shop.run(&["dead", "retry", "77.0", "78.0"]);
        assert_eq!(none.code, Some(3), "{none:#?}");
        let refused = shop.run(&["dead", "retry", "1.0", "2.0"]);
        assert_eq!(refused.code, Some(4), "{refused:#?}");
        // Of several, some.
        let partly = shop.run(&[
            "dead", "retry", &second, "77.0", "1.0", &first, "--reason", "the bank is back", "--actor", "otto",
            "--output", "json",
        ]);
        assert_eq!(partly.code, Some(5), "{partly:#?}");
        let summary = partly.json();
        let mut found = answers(&summary);
        found.sort();
        let of = |id: &str, answer: &str| (id.to_owned(), answer.to_owned());
        let mut expected = vec![of(&second, "done"), of("77.0", "not_found"), of("1.0", "refused"), of(&first, "done")];
        expected.sort();
        assert_eq!(found, expected);
        assert_eq!((&summary["done"], &summary["refused"], &summary["not_found"]), (&2.into(), &1.into(), &1.into()));
        // Again: nothing twice.
        let again = shop.run(&["dead", "retry", "--all", "--yes", "--output", "json"]);
        assert_eq!(again.ends(0, "0 done, 2 unchanged, 0 refused").json()["already"], 2);
        shop.run(&["dead", "discard", &first, "--reason", "x"]).ends(4, "operator otto retried saga");
        let table = shop.run(&["dead", "retry", "--all", "--yes"]);
        assert_eq!(table.stdout.lines().filter(|line| line.contains("  already    saga ")).count(), 2, "{table:#?}");
        let acts = "from admin_actions where action = 'saga.retry' and actor = 'otto'";
        assert_eq!(shop.count(&format!("select count(*) {acts}")), 2);
        let justified = "detail like 'the bank is back (it had stopped: %'";
        assert_eq!(shop.count(&format!("select count(*) {acts} and {justified}")), 2);
    }

    fn f10_many_are_only_touched_by_somebody_who_saw_what_would_happen(shop) {
        shop.stock("cd-1", 10);
        shop.dead_order();
        shop.dead_order();
        shop.run(&["queue", "pause", "compensation", "--actor", "ada"]).ends(0, "");
        let plan = "2 sagas of 2 orders; {} 39.98 EUR; 2 pieces put back on the shelf; 2 messages sent";
        for (action, way) in [(&["retry"][..], "gives back"), (&["discard", "--reason", "x"], "leaves to you")] {
            let all = [&["dead"], action, &["--all"]].concat();
            let asked = shop.run(&all);
            asked.ends(2, "nobody is there to be asked");
            for message in [
                plan.replace("{}", way).as_str(),
                "warning: queue compensation is paused by ada: nothing moves before `holdfast queue resume compensation`",
                "warning: no worker that is alive serves queue compensation",
            ] {
                asked.ends(2, message);
            }
            let dry = [&all[..], &["--dry-run"]].concat();
            shop.run(&dry).ends(0, &plan.replace("{}", way));
        }
        assert_eq!(shop.count("select count(*) from signals where consumed_at is null"), 0);
        shop.run(&["queue", "resume", "compensation"]).ends(0, "");
        shop.run(&["dead", "retry", "--all", "--yes"]).ends(0, "2 done");
    }

    fn f9_what_became_of_each_is_shown_to_who_waits_for_it(shop) {
        shop.stock("cd-1", 10);
        let (_, first) = shop.dead_order();
        let (_, second) = shop.dead_order();
        let waiting = |arguments: &[&str]| {
            let mut command = holdfast();
            command.env("DATABASE_URL", &shop.url).args(arguments).args(["--wait", "--wait-at-most", "20s"]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")
        };
        let child = waiting(&["dead", "discard", "--all", "--yes", "--reason", "paid in cash"]);
        let since = Instant::now();
        while shop.count("select count(*) from signals where dedupe like 'discard:%'") < 2 {
            assert!(since.elapsed() < MAX_WAIT, "nothing is discarded");
            std::thread::sleep(Duration::from_millis(20));
        }
        shop.catch_up();
        shop.work(3 * SECOND);
        let ran = Ran::of(child.wait_with_output().expect("it ends"));
        ran.ends(0, "2 ended well, 0 dead again, 0 not over");
        for saga in [first, second] {
            let line = format!("{:<12}  COMPLETED", saga.to_string());
            assert!(ran.stdout.contains(&line), "{ran:#?}");
        }
        // Nobody takes it up: that is said, too.
        let third = shop.dead_order().1.to_string();
        let alone = ["dead", "retry", &third, "--wait", "--wait-at-most", "300ms", "--output", "json"];
        let ran = shop.run(&alone);
        assert_eq!(ran.code, Some(5), "{ran:#?}");
        assert!(ran.stderr.contains("0 ended well, 0 dead again, 1 not over"), "{ran:#?}");
        assert_eq!(ran.json()["became"][&third], "nobody has taken it up yet");
    }

    fn a_discarded_refund_lets_the_order_end_and_the_audit_lists_it(shop) {
        shop.stock("cd-1", 10);
        let (order, saga) = shop.dead_order();
        let id = saga.to_string();
        let discard = ["dead", "discard", &id, "--reason", "paid back in cash", "--actor", "otto"];
        shop.run(&discard).ends(0, "1 done, 0 unchanged, 0 refused");
        shop.run(&discard).ends(0, "0 done, 1 unchanged");
        shop.run(&["dead", "retry", &id]).ends(4, "operator otto discarded saga");
        let due = shop.run(&["dead", "list", "--output", "json"]).json();
        assert_eq!(due["items"][0]["retry_pending"], true);
        shop.catch_up();
        shop.work(SECOND);
        shop.run(&["dead", "list"]).ends(0, "no dead letters");
        let shown = shop.run(&["order", "show", &order.to_string(), "--output", "json"]).json();
        assert_eq!(shown["status"], "CANCELLED");
        assert_eq!(shown["payment"]["settled_manually"]["amount_minor"], 1_999);
        assert_eq!(shop.run(&["stock", "show", "cd-1", "--output", "json"]).json()["on_hand"], 10);
        let shown = shop.run(&["order", "explain", &order.to_string()]);
        let message = "operator otto says that the refund was settled by hand: paid in cash; nothing more is sent for it";
        assert!(shown.stdout.contains(&message.replace("paid in cash", "paid back in cash")), "{shown:#?}");
        let ledger = shop.ledger().display().to_string();
        let audit = shop.run(&["audit", "--sandbox-ledger", &ledger]);
        audit.ends(0, "");
        assert!(audit.stdout.contains("settled manually  19.99 EUR of 1 order"), "{audit:#?}");
        let audit = shop.run(&["audit", "--output", "json", "--sandbox-ledger", &ledger]).json();
        assert_eq!(audit["settled_manually"][0]["order"], order.number());
    }

    fn twenty_thousand_dead_are_listed_at_once_and_retried_once_each(shop) {
        const MANY: usize = 20_000;
        many_dead(shop, MANY);
        // The best of three: other tests want the machine as well.
        let mut fastest = MAX_WAIT;
        for _ in 0..3 {
            let since = Instant::now();
            let listed = shop.run(&["dead", "list", "--all", "--output", "json"]);
            fastest = fastest.min(since.elapsed());
            assert_eq!(listed.json()["items"].as_array().map(Vec::len), Some(MANY));
        }
        println!("{MANY} dead listed in {fastest:?}");
        assert!(fastest < 2 * SECOND, "{fastest:?}");

        let mut child = holdfast()
            .env("DATABASE_URL", &shop.url)
            .args(["dead", "retry", "--all", "--yes", "--rate", "2000", "--output", "jsonl"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        // Some are done: the first of them says so.
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut done: Vec<String> = lines.by_ref().take(1_000).map(|line| line.expect("a line")).collect();
        let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid")).expect("a pid");
        kill_process(pid, Signal::INT).expect("is ours");
        done.extend(lines.map(|line| line.expect("a line")));
        let ran = Ran::of(child.wait_with_output().expect("it ends"));
        assert_eq!(ran.code, Some(5), "{ran:#?}");
        assert!(ran.stderr.contains("interrupted: run it again for the rest"), "{ran:#?}");
        assert!(done.iter().all(|line| line.contains("\"answer\":\"done\"")) && done.len() < MANY, "{}", done.len());
        let retried = "select count(*) from signals where dedupe like 'retry:%'";
        assert_eq!(shop.count(retried), i64::try_from(done.len()).expect("a number"));

        let since = Instant::now();
        let again = shop.run(&["dead", "retry", "--all", "--yes", "--output", "json"]);
        println!("the rest retried in {:?}", since.elapsed());
        let summary = again.ends(0, "").json();
        assert_eq!((&summary["done"], &summary["already"]), (&(MANY - done.len()).into(), &done.len().into()));
        let each = i64::try_from(MANY).expect("a number");
        assert_eq!(shop.count(retried), each);
        assert_eq!(shop.count("select count(distinct saga_id) from signals where dedupe like 'retry:%'"), each);
        assert_eq!(shop.count("select count(*) from admin_actions where action = 'saga.retry'"), each);
        assert_eq!(shop.count("select count(*) from sagas where state = 'DEAD' and wake_at is not null"), each);
    }
}

#[test]
fn a_rate_is_kept_to() {
    let shop = Shop::sqlite();
    many_dead(&shop, 60);
    let since = Instant::now();
    shop.run(&["dead", "retry", "--all", "--yes", "--rate", "40"]).ends(0, "60 done");
    let took = since.elapsed();
    assert!((SECOND..10 * SECOND).contains(&took), "{took:?}");
}
