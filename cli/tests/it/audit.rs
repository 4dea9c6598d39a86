//! The audit: clean, in flight, and broken.

use std::time::Duration;

use crate::on_both;

on_both! {
    fn a_provider_whose_ledger_cannot_be_read_is_named(shop) {
        let ran = shop.run(&["audit", "--sandbox-url", "http://127.0.0.1:9"]);
        ran.ends(1, "the ledger of provider sandbox cannot be read; run the audit again once it answers");
        assert!(ran.stderr.contains("127.0.0.1:9"), "the cause is kept: {}", ran.stderr);
    }

    fn a_clean_shop_ends_with_zero(shop) {
        shop.stock("cd-1", 10);
        shop.order("cd-1", 1, Some("tok_ok"));
        shop.order("cd-1", 1, Some("tok_declined"));
        shop.work(Duration::from_secs(5));
        let ledger = shop.ledger().display().to_string();
        let report = shop.run(&["audit", "--sandbox-ledger", &ledger, "--output", "json"]);
        let report = report.ends(0, "").json();
        assert_eq!(report, serde_json::json!({
            "shop": report["shop"], "clean": true, "orders": 2, "skus": 1, "charges": 2, "unverifiable": 0, "in_flight": [],
            "settled_manually": [], "violations": []
        }));
        // Beside a file the ledger are found; for a server they must be named.
        let default = shop.run(&["audit", "--output", "json"]).json();
        let found = shop.url.starts_with("sqlite");
        assert_eq!(default["charges"].is_null(), !found);
        let table = shop.run(&["audit"]);
        assert!(table.stdout.contains("nothing"), "{table:#?}");
    }

    fn what_is_in_flight_is_listed_with_its_money(shop) {
        shop.stock("cd-1", 10);
        let (dead, _) = shop.dead_order();
        let waiting = shop.order("cd-1", 1, None);
        shop.work(Duration::from_secs(1));
        let ledger = shop.ledger().display().to_string();
        let report = shop.run(&["audit", "--sandbox-ledger", &ledger, "--output", "json"]).json();
        let held = |minor: i64| serde_json::json!({"amount_minor": minor, "currency": "EUR"});
        let flying = |order: &serde_json::Value| (order["order"].as_i64(), order["dead"].as_bool(), order["held"].clone());
        let mut found: Vec<_> = report["in_flight"].as_array().expect("orders").iter().map(flying).collect();
        found.sort_by_key(|(order, ..)| *order);
        assert_eq!(found, [
            (Some(dead.number()), Some(true), held(1_999)),
            (Some(waiting.number()), Some(false), held(0)),
        ]);
        let table = shop.run(&["audit"]);
        assert!(table.stdout.contains("2 orders, holding 19.99 EUR; 1 dead"), "{table:#?}");
    }

    fn a_broken_promise_is_named_and_exits_with_six(shop) {
        shop.stock("cd-1", 10);
        let order = shop.order("cd-1", 1, Some("tok_ok"));
        shop.work(Duration::from_secs(5));
        shop.sql("update stock set on_hand = on_hand + 1");
        shop.sql("update payments set captured_minor = captured_minor - 1");
        let ledger = shop.ledger().display().to_string();
        let report = shop.run(&["audit", "--sandbox-ledger", &ledger, "--output", "json"]);
        let report = report.ends(6, "3 promises broken").json();
        let broken = |found: &serde_json::Value| format!("{} {}", found["invariant"], found["subject"]).replace('"', "");
        let mut found: Vec<_> = report["violations"].as_array().expect("violations").iter().map(broken).collect();
        found.sort();
        let order = format!("order {order}");
        assert_eq!(found, [format!("money {order}"), format!("provider {order}"), "stock_on_hand sku cd-1".to_owned()]);
        let table = shop.run(&["audit", "--sandbox-ledger", &ledger]);
        assert!(table.stdout.contains(&order) && table.stdout.contains("sku cd-1"), "{table:#?}");
    }

    fn a_missing_ledger_is_not_created(shop) {
        let missing = shop.ledger().with_file_name("missing.db");
        shop.run(&["audit", "--sandbox-ledger", &missing.display().to_string()]).ends(2, "missing.db is not a file");
        assert!(!missing.exists());
    }
}
