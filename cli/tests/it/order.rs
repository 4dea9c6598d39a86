//! Orders: shown, explained, decided about.

use std::time::Duration;

use holdfast_saga::shop::order::Verb;

use crate::on_both;

const SECOND: Duration = Duration::from_secs(1);

on_both! {
    fn an_order_is_shown_by_number_and_by_public_id(shop) {
        shop.stock("cd-1", 10);
        let number = shop.order("cd-1", 2, Some("tok_ok"));
        shop.work(2 * SECOND);
        let order = shop.run(&["order", "show", &number.to_string(), "--output", "json"]).json();
        assert_eq!(order["number"], number.number());
        assert_eq!(order["status"], "CONFIRMED");
        assert_eq!(order["payment_method"], "card");
        let money = |minor: i64| serde_json::json!({"amount_minor": minor, "currency": "EUR"});
        assert_eq!(order["lines"][0], serde_json::json!({
            "sku": "cd-1", "quantity": 2, "unit_price": money(1_999), "total": money(3_998)
        }));
        assert_eq!(order["totals"]["total"], money(3_998));
        assert_eq!(order["payment"]["status"], "CAPTURED");
        assert_eq!(order["payment"]["captured"], money(3_998));
        assert_eq!(order["reservation"], "CONFIRMED");
        assert!(order.get("cancel_reason").is_none() && order.get("needs_attention").is_none());

        let id = order["id"].as_str().expect("a public id");
        let by_id = shop.run(&["order", "show", id]);
        by_id.ends(0, "");
        assert!(by_id.stdout.contains(id) && by_id.stdout.contains("39.98 EUR"), "{by_id:#?}");
        assert!(!by_id.stdout.contains('\u{1b}'), "what a customer typed in steers no terminal: {by_id:#?}");
    }

    fn an_unknown_order_is_not_found(shop) {
        shop.stock("cd-1", 10);
        let number = shop.order("cd-1", 1, None);
        let shown = shop.run(&["order", "show", &number.to_string(), "--output", "json"]).json();
        let id = shown["id"].as_str().expect("a public id");
        // The same number, accepted at another instant: made up.
        let forged = format!("00000000{}", &id[8..]);
        for order in ["999999", forged.as_str(), "00000000-0000-7000-8000-000000000000"] {
            let message = format!("order {order} does not exist; `holdfast order list` shows those that do");
            shop.run(&["order", "show", order]).ends(3, &message);
            shop.run(&["order", "explain", order]).ends(3, &message);
            for verb in ["confirm", "reject", "cancel"] {
                shop.run(&["order", verb, order, "--actor", "maria"]).ends(3, &message);
            }
        }
    }

    fn a_confirmation_counts_once_and_is_repeated_without_harm(shop) {
        shop.stock("cd-1", 10);
        let number = shop.order("cd-1", 1, None);
        shop.work(SECOND);
        let order = number.to_string();
        let explained = shop.run(&["order", "explain", &order]);
        explained.ends(0, "");
        assert!(explained.stdout.contains("accepted: 1 line, 19.99 EUR, cash on delivery"), "{explained:#?}");
        assert!(explained.stdout.contains(&format!("`holdfast order confirm {order}`")), "{explained:#?}");

        let confirm = ["order", "confirm", order.as_str(), "--actor", "maria", "--output", "json"];
        assert_eq!(shop.run(&confirm).ends(0, "accepted").json()["answer"], "accepted");
        assert_eq!(shop.run(&confirm).ends(0, "was confirmed a moment ago").json()["answer"], "already");
        shop.run(&["order", "reject", &order, "--actor", "max"]).ends(4, "was confirmed a moment ago");
        shop.catch_up();
        shop.work(SECOND);
        assert_eq!(shop.run(&confirm).ends(0, "is CONFIRMED").json()["answer"], "already");
        let explained = shop.run(&["order", "explain", &order, "--output", "json"]).json();
        let shown: Vec<_> = explained["happened"].as_array().expect("lines").iter().map(|line| &line["text"]).collect();
        assert_eq!(shown.iter().filter(|message| **message == "confirmed by admin maria").count(), 1, "{shown:#?}");
        assert_eq!(explained["next"], "the shop prepares it");
        shop.run(&["audit"]).ends(0, "");
    }

    fn a_cancelled_order_says_what_happened_instead(shop) {
        shop.stock("cd-1", 10);
        let number = shop.order("cd-1", 1, None);
        let order = number.to_string();
        shop.run(&["order", "cancel", &order, "--actor", "maria"]).ends(0, "accepted");
        shop.run(&["order", "cancel", &order, "--actor", "maria"]).ends(0, "is being cancelled");
        shop.run(&["order", "confirm", &order, "--actor", "maria"])
            .ends(4, &format!("admin maria cancelled order {order} a moment ago"));
        shop.work(SECOND);
        shop.run(&["order", "confirm", &order, "--actor", "maria"]).ends(4, "(admin_request)");
        shop.run(&["order", "reject", &order, "--actor", "maria"]).ends(4, "was cancelled at");
        shop.run(&["order", "cancel", &order, "--actor", "maria"]).ends(0, "nothing was changed");
        let list = shop.run(&["order", "list", "--cancel-reason", "admin_request", "--output", "json"]).json();
        assert_eq!(list["items"][0]["cancel_reason"], "admin_request");
    }

    fn a_rejected_order_is_undone(shop) {
        shop.stock("cd-1", 10);
        let order = shop.order("cd-1", 1, None).to_string();
        shop.work(SECOND);
        shop.run(&["order", "reject", &order, "--actor", "maria"]).ends(0, "accepted");
        shop.catch_up();
        shop.work(SECOND);
        shop.run(&["order", "reject", &order, "--actor", "maria"]).ends(0, "(rejected_by_admin)");
        let shown = shop.run(&["order", "show", &order, "--output", "json"]).json();
        assert_eq!(shown["cancel_reason"], "rejected_by_admin");
        assert_eq!(shown["reservation"], "RELEASED");
    }

    fn an_order_paid_online_confirms_itself(shop) {
        shop.stock("cd-1", 10);
        let order = shop.order("cd-1", 1, Some("tok_ok"));
        shop.run(&["order", "confirm", &order.to_string(), "--actor", "maria"]).ends(4, "it confirms itself");
        shop.work(SECOND);
        shop.ask(order, Verb::Cancel);
        shop.run(&["order", "cancel", &order.to_string(), "--actor", "maria"]).ends(0, "is being cancelled");
    }

    fn an_order_that_nobody_takes_says_so(shop) {
        shop.stock("cd-1", 10);
        let order = shop.order("cd-1", 1, Some("tok_ok")).to_string();
        let explained = shop.run(&["order", "explain", &order, "--output", "json"]).json();
        let now = explained["now"].as_str().expect("text");
        // It is due a little after it was accepted, six hours ago.
        let nobody = |hours| format!("and nobody took it for {hours} h; no live worker serves its queue checkout");
        assert!([5, 6].iter().any(|hours| now.ends_with(&nobody(hours))), "{now}");
        assert!(explained["unblocks"].as_str().expect("text").starts_with("start a worker"), "{explained:#}");
    }

    fn e8_an_order_of_a_newer_release_says_so(shop) {
        shop.stock("cd-1", 10);
        let order = shop.order("cd-1", 1, Some("tok_ok"));
        shop.sql("update sagas set version = 3");
        let explained = shop.run(&["order", "explain", &order.to_string(), "--output", "json"]).json();
        let now = explained["now"].as_str().expect("text");
        assert!(now.contains("runs checkout_online version 3, which this binary does not know; it is due since"), "{now}");
        let saga = shop.run(&["saga", "show", &order.saga(0).to_string(), "--output", "json"]).json();
        assert!(saga["step"].is_null() && saga["version"] == 3, "{saga:#}");
    }

    fn an_order_that_needs_attention_is_listed_with_its_next_move(shop) {
        shop.stock("cd-1", 10);
        let (order, saga) = shop.dead_order();
        shop.order("cd-1", 1, Some("tok_ok"));
        let list = shop.run(&["order", "list", "--needs-attention", "--output", "json"]).json();
        assert_eq!(list["items"].as_array().map(Vec::len), Some(1));
        assert_eq!(list["items"][0]["number"], order.number());
        assert_eq!(list["items"][0]["needs_attention"], true);
        let shown = shop.run(&["order", "show", &order.to_string()]);
        assert!(shown.stdout.contains(&format!("holdfast saga retry {saga}")), "{shown:#?}");
        let explained = shop.run(&["order", "explain", &order.to_string()]);
        assert!(explained.stdout.contains("needs attention"), "{explained:#?}");
        assert!(explained.stdout.contains(&format!("holdfast saga retry {saga}")), "{explained:#?}");
    }

    // One verb for many, each with its own answer; whoever acts need not say who they are.
    fn f12_orders_are_carried_on_from_the_command_line(shop) {
        shop.stock("cd-1", 100);
        let orders: Vec<_> = (0..3).map(|_| shop.order("cd-1", 2, None).to_string()).collect();
        let [one, two, three] = [&orders[0], &orders[1], &orders[2]].map(String::as_str);
        shop.work(SECOND);
        shop.run(&["order", "confirm", one, two]).ends(0, "2 of 2 orders: done or accepted");
        shop.catch_up();
        shop.work(SECOND);
        shop.run(&["order", "process", three, "999"]).ends(3, "0 of 2 orders");
        shop.run(&["order", "process", one, "999"]).ends(5, "order 999 does not exist");
        for (verb, status) in [("process", "PROCESSING"), ("ship", "SHIPPED"), ("deliver", "DELIVERED")] {
            let done = shop.run(&["order", verb, one, two, "--output", "json"]).ends(0, "").json();
            assert_eq!(done["items"].as_array().map(Vec::len), Some(2), "{done}");
            let shown = shop.run(&["order", "show", one, "--output", "json"]).json();
            assert_eq!(shown["status"], status);
        }
        shop.run(&["order", "cancel", three, "--reason", "nobody answers the phone", "--actor", "maria"]).ends(0, "accepted");
        let acts = shop.run(&["log", "--order", three]).stdout;
        assert!(acts.contains("maria") && acts.contains("nobody answers the phone"), "{acts}");
        shop.run(&["order", "ship", three]).ends(4, "");
        let acts = shop.run(&["log", "--order", one, "--output", "json"]).json();
        let acts: Vec<_> = acts["items"].as_array().expect("a list").iter().map(|act| act["action"].clone()).collect();
        assert_eq!(acts, ["order.deliver", "order.ship", "order.process", "order.confirm"]);

        let listed = |filters: &[&str]| {
            let list = shop.run(&[&["order", "list", "--output", "json"], filters].concat()).json();
            list["items"].as_array().expect("a list").iter().map(|order| order["number"].to_string()).collect::<Vec<_>>()
        };
        assert_eq!(listed(&["--status", "delivered", "--status", "pending_confirmation"]), [three, two, one]);
        assert_eq!(listed(&["--email", "ANN@example.com", "--status", "delivered"]), [two, one]);
        assert_eq!(listed(&["--email", "an@example.com"]), [""; 0]);
        assert_eq!(listed(&["--since", "1h"]), [""; 0]);
        assert_eq!(listed(&["--since", "2026-01-01T00:00:00Z"]).len(), 3);
        shop.run(&["order", "list", "--since", "yesterday"]).ends(2, "expected a time such as");
    }

    fn f12_money_goes_back_from_the_command_line(shop) {
        shop.stock("cd-1", 100);
        let order = shop.order("cd-1", 2, Some("tok_ok")).to_string();
        shop.work(SECOND);
        let refund = |rest: &[&str]| shop.run(&[&["order", "refund", &order, "--reason", "a dent"], rest].concat());
        for amount in ["0", "0.00", "-1", "1.5", "1.005", "5 USD", "many"] {
            refund(&[&format!("--amount={amount}")]).ends(2, "expected an amount above zero");
        }
        shop.run(&["order", "refund", &order, "--amount", "5.00"]).ends(2, "--reason");
        refund(&["--amount", "1000.00"]).ends(4, "");
        refund(&["--amount", "5.00", "--key", "k1"]).ends(0, "accepted");
        refund(&["--amount", "5.00", "--key", "k1"]).ends(0, "nothing was changed");
        shop.catch_up();
        shop.work(SECOND);
        refund(&[]).ends(0, "accepted");
        shop.catch_up();
        shop.work(SECOND);
        let shown = shop.run(&["order", "show", &order, "--output", "json"]).json();
        assert_eq!((&shown["payment"]["status"], &shown["status"]), (&"REFUNDED".into(), &"CONFIRMED".into()));
        shop.run(&["audit"]).ends(0, "");
    }

    fn f12_an_order_is_watched_until_nothing_moves(shop) {
        shop.stock("cd-1", 100);
        let order = shop.order("cd-1", 2, Some("tok_ok")).to_string();
        shop.work(SECOND);
        let watched = shop.run(&["order", "watch", &order]);
        watched.ends(0, "");
        assert!(watched.stdout.contains("order confirmed") && watched.stdout.contains("everything is done"), "{watched:#?}");
        let lines = shop.run(&["order", "watch", &order, "--output", "jsonl"]).stdout;
        assert!(lines.lines().count() > 5 && lines.lines().all(|line| line.starts_with("{\"at\":")), "{lines}");
        let (stuck, _) = shop.dead_order();
        let watched = shop.run(&["order", "watch", &stuck.to_string()]);
        assert!(watched.code == Some(5) && watched.stdout.contains("holdfast saga retry"), "{watched:#?}");
    }

    // F13: people read tables in a window, and think in ages.
    fn f13_tables_fit_a_window_and_times_have_an_age(shop) {
        shop.stock("cd-1", 100);
        let (order, saga) = shop.dead_order();
        shop.heartbeat("worker-7c9f6d5b4-4711");
        let (order, saga) = (order.to_string(), saga.to_string());
        for command in [
            &["order", "list"][..],
            &["saga", "list"],
            &["dead", "list"],
            &["dead", "list", "--group"],
            &["queue", "list"],
            &["worker", "list"],
            &["log"],
        ] {
            let listed = shop.run(command);
            listed.ends(0, "");
            let header = listed.stdout.lines().next().expect("a header");
            assert!(header.chars().count() <= 80, "{command:?}: {header}");
            let has_fraction = listed.stdout.contains(".000000Z") || listed.stdout.contains("T1");
            assert!(!has_fraction, "{command:?}: {}", listed.stdout);
            assert!(!listed.stdout.contains('\u{1b}'), "no colour in a pipe: {listed:#?}");
        }
        for command in [["order", "show", &order], ["saga", "show", &saga], ["dead", "show", &saga]] {
            let shown = shop.run(&command);
            assert!(shown.stdout.contains(" UTC ("), "{command:?}: {}", shown.stdout);
        }
    }
}
