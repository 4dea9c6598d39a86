//! What cannot be done through the port: pausing a queue, and rows that somebody damaged.

use std::time::Duration;

use holdfast_saga::records::batch_rows::Writes;
use holdfast_saga::records::history::{Entry, LogRow};
use holdfast_saga::records::saga::Saga;
use holdfast_saga::records::view::SagaFilter;
use holdfast_saga::records::{AdminAction, NotificationStatus, StockAdjustment};
use holdfast_shared::{Clock as _, RefundStatus, SagaState};

use super::{Subject, ids};
use crate::database::NOON;
use crate::rows::{
    charge, moved, notification, order_id, refund, saga, saga_id, signal, sku, with_orders, with_sagas,
};

const DAY: Duration = Duration::from_hours(24);

/// A paused queue; what is answered is committed all the same.
pub async fn a_paused_queue_is_claimed_from_by_outcomes_alone(subject: &Subject) {
    subject.save(with_sagas([saga(saga_id(1))])).await;
    let now = if subject.is_on_postgres() { "now()" } else { "0" };
    let pause =
        format!("insert into queues (queue, paused_at, paused_by) values ('checkout', {now}, 'otto')");
    subject.database.execute(&pause).await;
    let claimed = subject.claim(&[], &[saga_id(1)], 10).await;
    assert_eq!((ids(&claimed), claimed.locked), (vec![], vec![]));
    assert_eq!(ids(&subject.claim(&[saga_id(1)], &[], 0).await), [saga_id(1)]);
    subject.database.execute("delete from queues").await;
    assert_eq!(ids(&subject.claim(&[], &[], 10).await), [saga_id(1)]);
}

/// E6: rows decode one by one.
pub async fn a_row_that_cannot_be_read_is_named_and_hides_no_other(subject: &Subject) {
    subject.save(with_sagas([saga(saga_id(1)), saga(saga_id(2)), saga(saga_id(3))])).await;
    subject.database.execute("update sagas set context = '{\"kind\":\"rumour\"}' where id = 2097152").await;
    let claimed = subject.claim(&[], &[], 10).await;
    assert_eq!(ids(&claimed), [saga_id(1), saga_id(3)]);
    assert_eq!(claimed.unreadable.len(), 1);
    assert_eq!(claimed.unreadable[0].0, saga_id(2));
    assert!(claimed.unreadable[0].1.contains("rumour"), "{:?}", claimed.unreadable);
    let all = SagaFilter { limit: 10, ..SagaFilter::default() };
    let listed = subject.store().sagas(&all).await.expect("reads");
    assert_eq!(listed.iter().map(|saga| saga.id).collect::<Vec<_>>(), [saga_id(3), saga_id(1)]);
    assert!(subject.store().sagas_of(order_id(2)).await.expect("reads").is_empty());
    let error = subject.store().saga(saga_id(2)).await.expect_err("asked for by its id");
    assert!(error.to_string().contains("2.0"), "{error}");
}

/// Its saga cannot be planned without it; others can.
pub async fn a_signal_that_cannot_be_read_blames_its_saga_alone(subject: &Subject) {
    subject.save(with_sagas([saga(saga_id(1)), saga(saga_id(2))])).await;
    let signals = vec![signal(saga_id(1), "one"), signal(saga_id(2), "one")];
    subject.save(Writes { signals, ..Writes::default() }).await;
    subject
        .database
        .execute("update signals set body = '{\"signal\":\"smoke\"}' where saga_id = 1048576")
        .await;
    let claimed = subject.claim(&[], &[], 10).await;
    assert_eq!(ids(&claimed), [saga_id(2)]);
    assert_eq!(claimed.unreadable.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [saga_id(1)]);
}

/// Visible at least as far as it can be read.
pub async fn a_poisoned_row_can_be_listed_although_it_cannot_be_read(subject: &Subject) {
    subject.save(Writes { ..with_orders([crate::rows::order(1)]) }).await;
    subject.save(with_sagas([saga(saga_id(1))])).await;
    subject.database.execute("update sagas set progress = '{\"s\":\"three\"}'").await;
    let claimed = subject.claim(&[], &[], 10).await;
    let poisoned = claimed.unreadable.into_iter().collect();
    subject.save(Writes { poisoned, ..Writes::default() }).await;
    assert!(subject.claim(&[], &[saga_id(1)], 10).await.sagas.is_empty());
    let view = subject.store().order(order_id(1)).await.expect("reads").expect("exists");
    assert!(view.needs_attention);
    assert_eq!(subject.store().saga_counts().await.expect("reads")[0].state, SagaState::Dead);
    // Somebody repairs the row: it is a dead saga like any other, and says why.
    subject.database.execute("update sagas set progress = '{\"s\":3}'").await;
    let dead = subject.saga(saga_id(1)).await;
    assert_eq!((dead.state, dead.progress.stage), (SagaState::Dead, 3));
    assert!(dead.progress.error.is_some_and(|error| error.contains("progress")));
}

/// Also of the tables that the port never reads back.
pub async fn every_field_of_every_row_is_kept(subject: &Subject) {
    subject.clock.advance(DAY);
    let at = subject.clock.now();
    let message = notification(1, 2, NotificationStatus::Pending);
    let adjustment = StockAdjustment {
        sku: sku("cd-1"),
        delta: -3,
        reason: "dropped \"one\"".to_owned(),
        actor: "otto".to_owned(),
        at: NOON,
    };
    let action = AdminAction {
        at: NOON,
        actor: "otto".to_owned(),
        action: "stock.adjust".to_owned(),
        subject: "sku cd-1".to_owned(),
        detail: "-3: dropped".to_owned(),
        order: Some(crate::rows::order_id(7)),
    };
    subject
        .save(Writes {
            refunds: [(saga_id(1), (None, refund(1, RefundStatus::Pending)))].into(),
            notifications: [(message.saga, (None, message))].into(),
            adjustments: vec![adjustment],
            admin_actions: vec![action],
            log: vec![LogRow { saga: saga_id(1), fence: 1, at, entries: vec![Entry::Completed] }],
            ..with_sagas([saga(saga_id(1))])
        })
        .await;
    let (noon, day) = (subject.instant(NOON), subject.instant(at));
    for fact in [
        format!(
            "refunds where saga_id = 1048576 and status = 'PENDING' and amount_minor = 2000 and currency = 'EUR' \
             and charge_key = '{}' and late = true and updated_at = {day}",
            charge(1)
        ),
        format!(
            "notifications where saga_id = 1048578 and notice = 'order_cancelled' and channel = 'log' \
             and status = 'PENDING' and created_at = {day} \
             and updated_at = {day}"
        ),
        format!(
            "stock_adjustments where sku = 'cd-1' and delta = -3 and reason = 'dropped \"one\"' \
             and actor = 'otto' and at = {noon}"
        ),
        format!(
            "admin_actions where at = {noon} and actor = 'otto' and action = 'stock.adjust' \
             and subject = 'sku cd-1' and detail = '-3: dropped' and order_id = 7"
        ),
        format!("saga_log where saga_id = 1048576 and fence = 1 and at = {day}"),
    ] {
        assert_eq!(subject.database.number(&format!("select count(*) from {fact}")).await, 1, "{fact}");
    }
}

/// The database says no even to those who go past the store.
pub async fn checks_hold_whoever_writes(subject: &Subject) {
    let (now, short) = if subject.is_on_postgres() { ("now()", r"'\x07'") } else { ("0", "x'07'") };
    for row in [
        "stock (sku, on_hand, reserved) values ('cd-1', 1, 2)".to_owned(),
        "stock (sku, on_hand, reserved) values ('cd-1', 1, -1)".to_owned(),
        "order_lines (order_id, sku, quantity, unit_price_minor) values (1, 'cd-1', 0, 500)".to_owned(),
        "order_lines (order_id, sku, quantity, unit_price_minor) values (1, 'cd-1', 1, -1)".to_owned(),
        "reservations (order_id, status) values (1, 'LOST')".to_owned(),
        format!(
            "payments (order_id, provider, status, amount_minor, currency, captured_minor, refunded_minor, \
             updated_at) values (1, 'sandbox', 'REFUNDED', 5, 'EUR', 5, 6, {now})"
        ),
        format!("secrets (name, value, created_at) values ('short', {short}, {now})"),
        format!(
            "carts (id, status, order_id, items, updated_at) \
             values ('00000000-0000-0000-0000-000000000001', 'OPEN', 1, '[]', {now})"
        ),
        format!(
            "products (sku, name, price_minor, currency, active, updated_at) \
             values ('cd-1', 'x', 1, 'eur', true, {now})"
        ),
    ] {
        let insert = format!("insert into {row}");
        assert!(subject.database.try_execute(&insert).await.is_err(), "{row}");
    }
}

/// E16: a provider repeats its events for days.
pub async fn read_signals_are_kept_thirty_days_after_which_they_go_with_their_saga(subject: &Subject) {
    for (number, state) in [(1, SagaState::Completed), (2, SagaState::Dead), (3, SagaState::Waiting)] {
        let before = Saga { wake_at: None, ..saga(saga_id(number)) };
        subject.save(with_sagas([before.clone()])).await;
        let signals = vec![signal(before.id, "one")];
        subject.save(Writes { signals, ..Writes::default() }).await;
        let heard = subject.store().inbox(before.id).await.expect("reads");
        let mut folded = moved(&before, |saga| saga.state = state);
        folded.consumed.push(heard[0].seq);
        subject.save(folded).await;
    }
    subject.clock.advance(29 * DAY);
    let now = subject.clock.now();
    assert_eq!(subject.store().prune(now, 10).await.expect("prunes"), 1, "the settled saga alone");
    assert_eq!(subject.database.number("select count(*) from signals").await, 3);
    subject.clock.advance(2 * DAY);
    assert_eq!(subject.store().prune(now, 10).await.expect("prunes"), 1, "and now its signal");
    assert_eq!(subject.database.number("select count(*) from signals where saga_id > 1048576").await, 2);
    assert_eq!(subject.database.number("select count(*) from signals").await, 2);
}
