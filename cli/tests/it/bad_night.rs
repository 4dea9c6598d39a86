//! What an operator sees at night: what fails, what tries again, and by which names it is called.

use std::time::Duration;

use holdfast_saga::shop::order::Verb;

use crate::on_both;

const SECOND: Duration = Duration::from_secs(1);

on_both! {
    // Ways to fail that are not over, ways that are, a brake and nobody there: one page shows all of it.
    fn f9_a_bad_night_is_on_one_page(shop) {
        shop.stock("cd-1", 100);
        let dead = [shop.dead_order(), shop.dead_order()];
        let trying: Vec<_> = (0..3).map(|_| shop.order("cd-1", 1, Some("tok_refund_fails"))).collect();
        shop.work(SECOND);
        for order in &trying {
            shop.ask(*order, Verb::Cancel);
        }
        shop.work(3 * SECOND);
        shop.run(&["queue", "pause", "compensation", "--reason", "the bank is down", "--actor", "otto"]).ends(0, "paused");

        let page = shop.run(&["queue", "list"]);
        page.ends(0, "");
        let row = page.stdout.lines().find(|line| line.starts_with("compensation")).expect("a row");
        let cells: Vec<_> = row.split_whitespace().rev().take(3).collect();
        assert_eq!(cells, ["0", "2", "3"], "workers, dead, retrying: {page:#?}");
        for line in [
            "compensation: paused by otto since",
            "compensation: no live worker serves it",
            "compensation: 3 RETRYING, the next ",
            " tries in vain: the sandbox refuses refunds",
            "compensation: 2 DEAD; `holdfast dead list --group` says why",
        ] {
            assert!(page.stdout.contains(line), "{line}: {page:#?}");
        }
        let compensation = shop.run(&["queue", "list", "--output", "json"]).json()["items"][1].clone();
        let retrying = &compensation["retrying"];
        assert_eq!((&compensation["dead"], &compensation["workers"]), (&2.into(), &0.into()));
        assert!(retrying["sagas"] == 3 && retrying["tries_max"].as_u64().is_some_and(|tries| tries >= 1), "{retrying}");
        assert!(!retrying["error"].as_str().expect("text").contains("tok_refund_fails"), "{retrying}");

        let listed = shop.run(&["saga", "list", "--state", "retrying", "--output", "json"]).json();
        let ids: Vec<_> = listed["items"].as_array().expect("a list").iter().map(|saga| saga["id"].clone()).collect();
        let expected: Vec<_> = trying.iter().rev().map(|order| format!("{order}.3")).collect();
        assert_eq!(ids, expected);
        let shown = shop.run(&["saga", "show", &expected[0]]);
        assert!(shown.stdout.contains("RETRYING") && !shown.stdout.contains("COMPENSATING"), "{shown:#?}");
        let order = shop.run(&["order", "show", &trying[0].to_string()]);
        assert!(order.stdout.contains("RETRYING"), "{order:#?}");
        let groups = shop.run(&["dead", "list", "--group", "--output", "json"]).json();
        assert_eq!(groups["items"][0]["count"], dead.len());

        // How it stands comes first, and what repeats is one line.
        let explained = shop.run(&["order", "explain", &trying[0].to_string()]).stdout;
        assert!(explained.starts_with("now "), "{explained}");
        shop.run(&["queue", "resume", "compensation"]).ends(0, "running again");
        shop.work(Duration::from_mins(10));
        let explained = shop.run(&["order", "explain", &trying[0].to_string()]).stdout;
        assert!(explained.lines().count() < 30 && explained.contains("more times, the last at"), "{explained}");
        let acts = shop.run(&["log"]).stdout;
        assert!(acts.contains("queue.resume") && acts.contains("the bank is down"), "{acts}");
    }

    // An order stands for its dead sagas.
    fn f12_the_dead_are_named_by_their_orders(shop) {
        shop.stock("cd-1", 100);
        let (order, saga) = shop.dead_order();
        let well = shop.order("cd-1", 1, Some("tok_ok"));
        shop.work(SECOND);
        let number = order.to_string();
        let shown = shop.run(&["dead", "show", &number]);
        shown.ends(0, "");
        assert!(shown.stdout.contains(&saga.to_string()), "{shown:#?}");
        shop.run(&["dead", "show", &well.to_string()]).ends(4, &format!("no saga of order {well} is dead or parked"));
        shop.run(&["dead", "retry", "999"]).ends(3, "order 999 does not exist");
        shop.run(&["dead", "retry", "x"]).ends(2, "expected the id of a saga such as 1042.3, an order number such as 1042");
        shop.run(&["saga", "show", &number]).ends(0, "");
        let id = shop.run(&["order", "show", &number, "--output", "json"]).json()["id"].as_str().expect("an id").to_owned();
        shop.run(&["dead", "retry", &id, "--dry-run"]).ends(0, "1 would be done");
        shop.run(&["saga", "retry", &number]).ends(0, &format!("saga {saga} will be resumed"));
    }
}
