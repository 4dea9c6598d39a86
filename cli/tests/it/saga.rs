//! Sagas: shown, and set going again.

use std::time::Duration;

use crate::on_both;

on_both! {
    fn an_unknown_saga_is_not_found(shop) {
        shop.run(&["saga", "show", "7.0"]).ends(3, "saga 7.0 does not exist; `holdfast saga list` shows those that do");
        shop.run(&["saga", "retry", "7.0"]).ends(3, "saga 7.0 does not exist");
    }

    fn a_saga_is_shown_with_its_history(shop) {
        shop.stock("cd-1", 10);
        let order = shop.order("cd-1", 1, Some("tok_ok"));
        shop.work(Duration::from_secs(2));
        let id = order.saga(0).to_string();
        let saga = shop.run(&["saga", "show", &id, "--output", "json"]).json();
        assert_eq!(saga["id"], id);
        assert_eq!(saga["definition"], "checkout_online");
        assert_eq!(saga["state"], "COMPLETED");
        let last = saga["history"].as_array().and_then(|lines| lines.last()).expect("a history");
        assert_eq!(last["text"], "the checkout is done");
        let table = shop.run(&["saga", "show", &id]);
        assert!(table.stdout.contains("payment taken: 19.99 EUR"), "{table:#?}");
        shop.run(&["saga", "retry", &id]).ends(4, &format!("saga {id} is COMPLETED, only a dead or parked one is retried"));
        let notices = shop.run(&["saga", "list", "--state", "completed", "--definition", "notification", "--output", "json"]);
        assert_eq!(notices.json()["items"][0]["id"], order.saga(1).to_string());
    }

    fn a_dead_saga_is_retried_once_and_works_again(shop) {
        shop.stock("cd-1", 10);
        let (order, saga) = shop.dead_order();
        let id = saga.to_string();
        let listed = shop.run(&["saga", "list", "--state", "DEAD", "--output", "json"]).json();
        assert_eq!(listed["items"][0]["id"], id);
        assert!(listed["items"][0]["next_move"].as_str().is_some_and(|message| message.contains(&id)), "{listed:#}");
        let retry = ["saga", "retry", id.as_str(), "--actor", "otto", "--output", "json"];
        assert_eq!(shop.run(&retry).ends(0, "will be resumed by the next free worker").json()["answer"], "accepted");
        assert_eq!(shop.run(&retry).ends(0, "is about to go on").json()["answer"], "already");
        shop.allow_refunds(order);
        shop.catch_up();
        shop.work(Duration::from_secs(5));
        shop.run(&retry).ends(4, "is COMPLETED");
        let history = shop.run(&["saga", "show", &id]);
        assert!(history.stdout.contains("set going again by operator otto"), "{history:#?}");
        let shown = shop.run(&["order", "show", &order.to_string(), "--output", "json"]).json();
        assert_eq!((&shown["status"], &shown["payment"]["status"]), (&"CANCELLED".into(), &"REFUNDED".into()));
        shop.run(&["audit", "--sandbox-ledger", &shop.ledger().display().to_string()]).ends(0, "");
    }
}
