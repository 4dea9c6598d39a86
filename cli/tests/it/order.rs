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
        assert!(explained.stdout.contains(&format!("`holdfast order confirm {order} --actor NAME`")), "{explained:#?}");

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
}
