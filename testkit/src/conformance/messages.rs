//! Messages to customers, whether they were read, and what was done to an order by hand.

use std::time::Duration;

use holdfast_saga::records::batch_rows::Writes;
use holdfast_saga::records::view::{ActionFilter, NotificationFilter, NotificationView};
use holdfast_saga::records::{AdminAction, Notification, NotificationStatus, Order};
use holdfast_shared::{Clock as _, CustomerId, SagaId};

use super::Subject;
use crate::database::NOON;
use crate::rows::{ADA, BOB, EVE, notification, order, order_id, with_orders};

const MINUTE: Duration = Duration::from_mins(1);

fn all() -> NotificationFilter {
    NotificationFilter { limit: 100, ..NotificationFilter::default() }
}

fn of(customer: CustomerId) -> NotificationFilter {
    NotificationFilter { customer: Some(customer), ..all() }
}

async fn list(subject: &Subject, filter: NotificationFilter) -> Vec<String> {
    let found = subject.store().notifications(&filter).await.expect("reads");
    found.iter().map(|view| view.notification.saga.to_string()).collect()
}

async fn read(subject: &Subject, id: SagaId, customer: Option<CustomerId>) -> Option<NotificationView> {
    subject.store().mark_read(id, customer).await.expect("the store answers")
}

fn saved(notifications: impl IntoIterator<Item = Notification>) -> Writes {
    let rows = notifications.into_iter().map(|row| (row.saga, (None, row)));
    Writes { notifications: rows.collect(), ..Writes::default() }
}

/// Ada ordered 1 and 3, Bob 2, a guest 4.
async fn four_orders(subject: &Subject) {
    let of = |customer: Option<CustomerId>, number| Order { customer, ..order(number) };
    subject.save(with_orders([of(Some(ADA), 1), of(Some(BOB), 2), of(Some(ADA), 3), of(None, 4)])).await;
    let messages = [(1, 1), (1, 2), (2, 1), (3, 1), (4, 1)];
    let message = |(number, slot)| notification(number, slot, NotificationStatus::Pending);
    subject.save(saved(messages.map(message))).await;
}

/// In pages; a customer's are theirs alone.
pub async fn messages_are_listed_newest_first(subject: &Subject) {
    assert_eq!(list(subject, all()).await, [""; 0]);
    four_orders(subject).await;
    let before = |filter, id| NotificationFilter { before: Some(id), ..filter };
    let (ones_second, threes) = (order_id(1).saga(2), order_id(3).saga(1));
    for (filter, expected) in [
        (all(), vec!["4.1", "3.1", "2.1", "1.2", "1.1"]),
        (NotificationFilter { limit: 2, ..all() }, vec!["4.1", "3.1"]),
        (before(all(), threes), vec!["2.1", "1.2", "1.1"]),
        (of(ADA), vec!["3.1", "1.2", "1.1"]),
        (NotificationFilter { limit: 2, ..of(ADA) }, vec!["3.1", "1.2"]),
        (before(of(ADA), ones_second), vec!["1.1"]),
        (before(of(ADA), order_id(2).saga(1)), vec!["1.2", "1.1"]),
        (of(BOB), vec!["2.1"]),
        (of(EVE), vec![]),
    ] {
        assert_eq!(list(subject, filter.clone()).await, expected, "{filter:?}");
    }
}

/// Read again, it stays read since then; sent later, it stays read.
pub async fn a_message_is_read_once_by_whom_it_is_for(subject: &Subject) {
    four_orders(subject).await;
    let id = order_id(1).saga(1);
    subject.clock.advance(MINUTE);
    assert_eq!(read(subject, id, Some(BOB)).await, None);
    assert_eq!(read(subject, order_id(4).saga(1), Some(BOB)).await, None, "a guest's is no customer's");
    assert_eq!(read(subject, order_id(9).saga(1), None).await, None);
    let expected = NotificationView {
        notification: notification(1, 1, NotificationStatus::Pending),
        order_public: order_id(1).public(NOON),
        customer: Some(ADA),
        created_at: NOON,
        read_at: Some(NOON + MINUTE),
    };
    assert_eq!(read(subject, id, Some(ADA)).await.as_ref(), Some(&expected));
    subject.clock.advance(MINUTE);
    assert_eq!(read(subject, id, Some(ADA)).await.as_ref(), Some(&expected));
    assert_eq!(read(subject, id, None).await.as_ref(), Some(&expected));
    let unread = |unread| NotificationFilter { unread: Some(unread), ..of(ADA) };
    assert_eq!(list(subject, unread(true)).await, ["3.1", "1.2"]);
    assert_eq!(list(subject, unread(false)).await, ["1.1"]);
    assert_eq!(list(subject, NotificationFilter { unread: Some(false), ..all() }).await, ["1.1"]);

    let sent = notification(1, 1, NotificationStatus::Sent);
    let moves = [(id, (Some(NotificationStatus::Pending), sent.clone()))].into();
    subject.save(Writes { notifications: moves, ..Writes::default() }).await;
    let found = subject.store().notifications(&unread(false)).await.expect("reads");
    assert_eq!(found, [NotificationView { notification: sent, ..expected }]);
    let guests = read(subject, order_id(4).saga(1), None).await.expect("is there for the shop");
    assert_eq!((guests.customer, guests.read_at), (None, Some(subject.clock.now())));
}

/// Of one order; what is about none is nobody's.
pub async fn an_orders_trail_is_read_oldest_first(subject: &Subject) {
    let action = |name: &str, number: Option<i64>| AdminAction {
        at: NOON,
        actor: "otto".to_owned(),
        action: name.to_owned(),
        subject: "it".to_owned(),
        detail: "with \"care\"".to_owned(),
        order: number.map(order_id),
    };
    let (ship, deliver) = (action("order.ship", Some(1)), action("order.deliver", Some(1)));
    let others = [action("order.ship", Some(2)), action("product.put", None)];
    let first = others.into_iter().chain([ship.clone()]).collect();
    subject.save(Writes { admin_actions: first, ..Writes::default() }).await;
    subject.save(Writes { admin_actions: vec![deliver.clone()], ..Writes::default() }).await;
    let read = async |number| subject.store().admin_actions(order_id(number)).await.expect("reads");
    assert_eq!(read(1).await, [ship, deliver]);
    assert_eq!(read(3).await, []);
}

/// F11. All acts, those about queues and stock among them, by every filter and in pages.
pub async fn f11_every_act_can_be_read(subject: &Subject) {
    let act = |minute: u32, actor: &str, action: &str, number: Option<i64>| AdminAction {
        at: NOON + minute * Duration::from_mins(1),
        actor: actor.to_owned(),
        action: action.to_owned(),
        subject: "it".to_owned(),
        detail: "with \"care\"".to_owned(),
        order: number.map(order_id),
    };
    let acts = [
        act(0, "otto", "queue.pause", None),
        act(1, "ada", "order.ship", Some(1)),
        act(2, "ada", "stock.adjust", None),
        act(3, "otto", "order.ship", Some(2)),
        act(4, "otto", "queue.resume", None),
    ];
    subject.save(Writes { admin_actions: acts[..2].to_vec(), ..Writes::default() }).await;
    subject.save(Writes { admin_actions: acts[2..].to_vec(), ..Writes::default() }).await;
    let found = async |filter: ActionFilter| subject.store().actions(&filter).await.expect("reads");
    let all = || ActionFilter { limit: 100, ..ActionFilter::default() };
    let views = found(all()).await;
    let newest_first: Vec<_> = acts.iter().rev().cloned().collect();
    assert_eq!(views.iter().map(|view| view.action.clone()).collect::<Vec<_>>(), newest_first);
    assert!(views.is_sorted_by(|one, next| one.id > next.id), "{views:?}");
    let text = |text: &str| Some(text.to_owned());
    for (filter, expected) in [
        (ActionFilter { order: Some(order_id(2)), ..all() }, &[1][..]),
        (ActionFilter { order: Some(order_id(9)), ..all() }, &[]),
        (ActionFilter { actor: text("ada"), ..all() }, &[2, 3]),
        (ActionFilter { actor: text("ad"), ..all() }, &[]),
        (ActionFilter { action: text("order.ship"), ..all() }, &[1, 3]),
        (ActionFilter { since: Some(acts[3].at), ..all() }, &[0, 1]),
        (ActionFilter { before: Some(views[1].id), ..all() }, &[2, 3, 4]),
        (ActionFilter { limit: 2, ..all() }, &[0, 1]),
        (ActionFilter { action: text("order.ship"), actor: text("otto"), limit: 0, ..all() }, &[]),
    ] {
        let expected: Vec<_> = expected.iter().map(|at| views[*at].clone()).collect();
        assert_eq!(found(filter.clone()).await, expected, "{filter:?}");
    }
}
