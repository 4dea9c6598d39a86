//! Stock: shown, and moved by hand.

use std::time::Duration;

use crate::on_both;

on_both! {
    fn a_level_is_shown(shop) {
        shop.stock("cd-1", 5);
        shop.stock("cd-2", 7);
        shop.order("cd-1", 3, None);
        shop.work(Duration::from_secs(1));
        let level = shop.run(&["stock", "show", "cd-1", "--output", "json"]).json();
        assert_eq!(level, serde_json::json!({"sku": "cd-1", "on_hand": 5, "reserved": 3, "available": 2}));
        let all = shop.run(&["stock", "show", "--output", "json"]).json();
        assert_eq!(all["items"].as_array().map(Vec::len), Some(2));
        shop.run(&["stock", "show", "--limit", "1"]).ends(0, "there are more than 1: name a SKU, or raise --limit");
        let message = "cd-9 has no stock level; `holdfast stock show` lists those that do";
        shop.run(&["stock", "show", "cd-9"]).ends(3, message);
        shop.run(&["stock", "adjust", "cd-9", "--delta", "1", "--reason", "found"]).ends(3, message);
    }

    fn a_level_moves_with_its_reason_but_never_below_what_is_promised(shop) {
        shop.stock("cd-1", 5);
        shop.order("cd-1", 3, None);
        shop.work(Duration::from_secs(1));
        let adjust = |delta: &str| {
            shop.run(&["stock", "adjust", "cd-1", "--delta", delta, "--reason", "counted", "--actor", "otto", "--output", "json"])
        };
        assert_eq!(adjust("7").ends(0, "cd-1: +7, now 12 on hand").json()["on_hand"], 12);
        assert_eq!(adjust("-2").ends(0, "cd-1: -2, now 10 on hand").json()["available"], 7);
        adjust("-8").ends(4, "cd-1 has 10 on hand, 3 of them reserved for orders");
        adjust("9223372036854775807").ends(4, "check the number");
        adjust("9223372036854775808").ends(2, "a whole number");
        let level = shop.run(&["stock", "show", "cd-1", "--output", "json"]).json();
        assert_eq!((&level["on_hand"], &level["reserved"]), (&10.into(), &3.into()));
        assert_eq!(shop.count("select count(*) from stock_adjustments where reason = 'counted' and actor = 'otto'"), 2);
        assert_eq!(shop.count("select count(*) from admin_actions where action = 'stock.adjust' and actor = 'otto'"), 2);
        shop.run(&["audit"]).ends(0, "");
    }
}
