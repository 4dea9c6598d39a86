//! Queues and workers: how they stand, and pausing them.

use std::time::Duration;

use crate::on_both;

const SECOND: Duration = Duration::from_secs(1);

on_both! {
    fn a_queue_is_paused_with_a_reason_and_resumed(shop) {
        shop.stock("cd-1", 10);
        let pause = ["queue", "pause", "checkout", "--reason", "the bank is down", "--actor", "otto"];
        shop.run(&pause).ends(0, "queue checkout is paused; calls under way may end");
        let again = shop.run(&["queue", "pause", "checkout", "--output", "json"]).ends(0, "is paused by otto since").json();
        assert_eq!(again["answer"], "already");
        let order = shop.order("cd-1", 1, Some("tok_ok"));
        shop.work(2 * SECOND);
        let listed = shop.run(&["queue", "list", "--output", "json"]).json();
        let checkout = &listed["items"][0];
        assert_eq!((&checkout["queue"], &checkout["depth"], &checkout["dead"]), (&"checkout".into(), &1.into(), &0.into()));
        // By the clock of whoever asks, the shop's past is long ago.
        assert!(checkout["oldest_seconds"].as_f64().is_some_and(|age| age > 0.0), "{checkout}");
        assert_eq!((&checkout["paused"]["by"], &checkout["paused"]["reason"]), (&"otto".into(), &"the bank is down".into()));
        assert_eq!(listed["items"].as_array().map(Vec::len), Some(4));
        let table = shop.run(&["queue", "list"]);
        assert!(table.stdout.contains("checkout: paused by otto since"), "{table:#?}");
        assert!(table.stdout.contains(": the bank is down; `holdfast queue resume checkout` lets it go on"), "{table:#?}");
        let explained = shop.run(&["order", "explain", &order.to_string()]);
        assert!(explained.stdout.contains("its queue checkout is paused by otto since"), "{explained:#?}");
        assert!(explained.stdout.contains("`holdfast queue resume checkout`"), "{explained:#?}");
        let explained = shop.run(&["order", "explain", &order.to_string(), "--output", "json"]).json();
        assert_eq!(explained["blockers"][0]["kind"], "queue_paused");

        shop.run(&["queue", "resume", "checkout"]).ends(0, "queue checkout is running again");
        shop.run(&["queue", "resume", "checkout"]).ends(0, "queue checkout is running; nothing was changed");
        shop.catch_up();
        shop.work(2 * SECOND);
        let shown = shop.run(&["order", "show", &order.to_string(), "--output", "json"]).json();
        assert_eq!(shown["status"], "CONFIRMED");
        assert_eq!(shop.count("select count(*) from admin_actions where action = 'queue.pause' and actor = 'otto'"), 1);
        assert_eq!(shop.count("select count(*) from admin_actions where action = 'queue.resume'"), 1);
    }

    fn workers_are_listed_and_none_is_missed_silently(shop) {
        shop.stock("cd-1", 10);
        shop.run(&["worker", "list"]).ends(0, "no workers");
        let order = shop.order("cd-1", 1, Some("tok_ok")).to_string();
        let explained = shop.run(&["order", "explain", &order]);
        assert!(explained.stdout.contains("no live worker serves its queue checkout"), "{explained:#?}");
        shop.heartbeat("w1");
        let listed = shop.run(&["worker", "list", "--output", "json"]).json();
        let worker = &listed["items"][0];
        assert_eq!((&worker["name"], &worker["state"], &worker["pools"]["checkout"]), (&"w1".into(), &"silent".into(), &4.into()));
        shop.catch_up();
        shop.heartbeat("w1");
        let table = shop.run(&["worker", "list"]);
        assert!(table.stdout.contains("w1") && table.stdout.contains("alive"), "{table:#?}");
        let explained = shop.run(&["order", "explain", &order, "--output", "json"]).json();
        assert_eq!(explained["blockers"], serde_json::json!([]), "{explained:#}");
    }

    fn a_waiting_saga_accepts_the_signal_it_waits_for_and_no_other(shop) {
        shop.stock("cd-1", 10);
        let (cod, action) = (shop.order("cd-1", 1, None), shop.order("cd-1", 1, Some("tok_requires_action")));
        shop.work(SECOND);
        let third = shop.order("cd-1", 1, None).saga(0).to_string();
        let (cod, action) = (cod.saga(0).to_string(), action.saga(0).to_string());
        let signal = |saga: &str, what: &str| shop.run(&["saga", "signal", saga, what, "--actor", "otto"]);
        signal(&action, "confirmation").ends(4, "is paid by card; it confirms itself");
        signal(&cod, "payment_event").ends(4, "is WAITING and waits for no news of a charge");
        signal(&action, "payment_event").ends(0, "will read the signal with the next free worker");
        signal(&action, "payment_event").ends(0, "is about to ask the provider");
        signal(&cod, "confirmation").ends(0, "will read the signal");
        signal(&cod, "confirmation").ends(0, "was confirmed a moment ago");
        signal(&cod, "rejection").ends(4, "was confirmed a moment ago");
        signal("77.0", "payment_event").ends(3, "saga 77.0 does not exist");
        signal("77.0", "rejection").ends(3, "saga 77.0 does not exist");
        shop.run(&["saga", "signal", &cod, "smoke"]).ends(2, "possible values: confirmation, rejection, payment_event");
        shop.catch_up();
        shop.work(2 * SECOND);
        let history = shop.run(&["saga", "show", &action]);
        assert!(history.stdout.contains("the provider reported on the payment; it is being asked"), "{history:#?}");
        let history = shop.run(&["saga", "show", &cod]);
        assert!(history.stdout.contains("confirmed by operator otto"), "{history:#?}");
        let cancel = |saga: &str| shop.run(&["saga", "cancel", saga, "--actor", "otto"]);
        cancel("77.3").ends(3, "saga 77.3 does not exist");
        cancel("77.0").ends(3, "saga 77.0 does not exist");
        cancel(&third).ends(0, "accepted; the next free worker carries it out");
        cancel(&third).ends(0, "is being cancelled");
        cancel(&action).ends(0, "was cancelled at");
    }
}
