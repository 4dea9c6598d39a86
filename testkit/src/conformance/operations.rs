//! What operators see and do: the dead, the queues, the workers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use holdfast_saga::flows::{REGISTRY, checkout_online};
use holdfast_saga::operations::audit::SettledManually;
use holdfast_saga::operations::dead_letter::DeadLetterAction;
use holdfast_saga::operations::dead_letter::resolve::act;
use holdfast_saga::operations::dead_letter::{DeadFilter, list};
use holdfast_saga::operations::queue;
use holdfast_saga::records::batch_rows::Footprint;
use holdfast_saga::records::context::{Checkout, Context, Origin};
use holdfast_saga::records::request::Operation;
use holdfast_saga::records::saga::{DefinitionId, Progress, Saga};
use holdfast_saga::records::slot;
use holdfast_saga::records::view::{DeadRow, Heartbeat, Paused, QueueView, WorkerView};
use holdfast_saga::shop::answer::{Answered, Conflict};
use holdfast_saga::shop::order::Verb;
use holdfast_saga::timeline::Conditions;
use holdfast_shared::{
    Actor, Clock as _, Currency, Money, OrderStatus, PaymentMethod, PaymentStatus, Queue, RefundStatus,
    SagaId, SagaState,
};

use super::{Subject, ids};
use crate::database::NOON;
use crate::driver::{engine, outside, rest};
use crate::rows::{cart_id, flow, order_id, saga, saga_id, with_sagas};
use crate::shop::{Shop, admin};

const MINUTE: Duration = Duration::from_mins(1);

pub(super) fn dead(id: SagaId, why: &str) -> Saga {
    let progress = Progress { stage: 2, error: Some(why.to_owned()), ..Progress::default() };
    Saga { state: SagaState::Dead, wake_at: None, progress, ..saga(id) }
}

pub(super) fn operator() -> Actor {
    Actor::Operator("otto".to_owned())
}

/// As a list shows it.
fn row(saga: &Saga, token: Option<&str>) -> DeadRow {
    DeadRow {
        id: saga.id,
        definition: saga.definition.clone(),
        progress: Ok(saga.progress.clone()),
        since: saga.updated_at,
        wake_at: saga.wake_at,
        token: token.map(str::to_owned),
    }
}

/// In pages; the living and the settled are not among them.
pub async fn the_dead_are_listed_newest_first_in_pages(subject: &Subject) {
    let found = async |before, limit| {
        let rows = subject.store().dead(before, limit).await.expect("reads");
        rows.into_iter().map(|row| row.id).collect::<Vec<_>>()
    };
    assert_eq!(found(None, 10).await, []);
    let settled = Saga { state: SagaState::Completed, wake_at: None, ..saga(saga_id(9)) };
    let gone = [1, 2, 3].map(|number| dead(saga_id(number), "no"));
    subject.save(with_sagas(gone.into_iter().chain([saga(saga_id(8)), settled]))).await;
    assert_eq!(found(None, 10).await, [saga_id(3), saga_id(2), saga_id(1)]);
    assert_eq!(found(None, 2).await, [saga_id(3), saga_id(2)]);
    assert_eq!(found(Some(saga_id(2)), 2).await, [saga_id(1)]);
    assert_eq!(found(Some(saga_id(1)), 2).await, []);
    assert_eq!(found(None, 0).await, []);
}

/// So that it can be kept out of texts; the token is the checkout's, whichever saga of the order died.
pub async fn the_dead_come_with_the_token_of_their_order(subject: &Subject) {
    let checkout = Checkout {
        cart: cart_id(1),
        method: PaymentMethod::Card,
        provider: "sandbox".to_owned(),
        opens: false,
        token: Some("tok_ok".to_owned()),
        lines: vec![],
        total_minor: 5,
        currency: Currency::EUR,
        decide_by: NOON,
        origin: Origin::default(),
    };
    let checkout = Saga {
        definition: checkout_online::V2.id(),
        context: Arc::new(Context::Checkout(checkout)),
        ..dead(saga_id(1), "a")
    };
    let message = dead(order_id(1).saga(2), "b");
    let orphan = Saga { wake_at: Some(NOON), ..dead(order_id(2).saga(2), "c") };
    subject.save(with_sagas([checkout.clone(), message.clone(), orphan.clone()])).await;
    let rows = subject.store().dead(None, 10).await.expect("reads");
    assert_eq!(rows, [row(&orphan, None), row(&message, Some("tok_ok")), row(&checkout, Some("tok_ok"))]);
}

/// Due, under way, dead; and since when the longest due one could have been taken.
pub async fn queues_are_counted_by_how_their_sagas_stand(subject: &Subject) {
    let empty = QueueView::all_empty();
    let found = async || {
        let views = subject.store().queues().await.expect("reads").into_iter();
        views.map(|view| (view.queue, view)).collect::<BTreeMap<_, _>>()
    };
    assert_eq!(found().await, empty);
    let at = |number, wake_at, leased_until| Saga { wake_at, leased_until, ..saga(saga_id(number)) };
    let retried = Saga { wake_at: Some(NOON + 3 * MINUTE), ..dead(saga_id(8), "retry pending") };
    subject
        .save(with_sagas([
            at(1, Some(NOON), None),
            at(2, Some(NOON + 9 * MINUTE), None),
            // Leased since long, and that long over: it was nobody else's before.
            at(3, Some(NOON - 9 * MINUTE), Some(NOON + MINUTE)),
            at(4, Some(NOON), Some(NOON + 9 * MINUTE)),
            at(5, None, None),
            Saga { state: SagaState::Completed, ..at(6, None, None) },
            dead(saga_id(7), "no"),
            retried,
            Saga { queue: Queue::Notifications, ..dead(order_id(7).saga(1), "no") },
        ]))
        .await;
    subject.clock.advance(5 * MINUTE);
    let checkout = QueueView {
        due: 3,
        oldest_due: Some(NOON),
        in_flight: 1,
        dead: 2,
        ..QueueView::empty(Queue::Checkout)
    };
    let notifications = QueueView { dead: 1, ..QueueView::empty(Queue::Notifications) };
    let expected = [(Queue::Checkout, checkout), (Queue::Notifications, notifications)];
    assert_eq!(found().await, empty.into_iter().chain(expected).collect());
}

/// A paused queue: pausing twice is pausing once, and only outcomes pass.
pub async fn a_queue_is_paused_once_and_resumed_once(subject: &Subject) {
    let store = subject.store();
    subject.save(with_sagas([saga(saga_id(1))])).await;
    let reason = || Some("the bank is \"down\"".to_owned());
    let paused = queue::pause(store, Queue::Checkout, reason(), &operator()).await.expect("answers");
    assert!(matches!(paused, Answered::Done(_)), "{paused:?}");
    subject.clock.advance(MINUTE);
    let admin = Actor::Operator("ada".to_owned());
    let again = queue::pause(store, Queue::Checkout, None, &admin).await.expect("answers");
    let text = match again {
        Answered::Already(text) => text,
        other => panic!("{other:?}"),
    };
    assert!(text.contains("paused by otto") && text.contains("the bank is \"down\""), "{text}");
    let expected = Paused { at: NOON, by: "otto".to_owned(), reason: reason() };
    let conditions = Conditions::read(store).await.expect("reads");
    assert_eq!(conditions.paused, [(Queue::Checkout, expected.clone())].into());
    assert_eq!(conditions.now, NOON + MINUTE);
    let world = subject.load(Footprint { pauses: true, ..Footprint::default() }).await;
    assert_eq!(world.paused, [(Queue::Checkout, expected)].into());
    assert_eq!(ids(&subject.claim(&[], &[saga_id(1)], 10).await), []);
    assert_eq!(ids(&subject.claim(&[saga_id(1)], &[], 0).await), [saga_id(1)]);

    let resumed = queue::resume(store, Queue::Checkout, &operator()).await.expect("answers");
    assert!(matches!(resumed, Answered::Done(_)), "{resumed:?}");
    let again = queue::resume(store, Queue::Checkout, &operator()).await.expect("answers");
    assert!(matches!(again, Answered::Already(_)), "{again:?}");
    assert_eq!(ids(&subject.claim(&[], &[], 10).await), [saga_id(1)]);
    assert!(subject.load(Footprint { pauses: true, ..Footprint::default() }).await.paused.is_empty());
    // Another one, without a reason, does not touch the first.
    queue::pause(store, Queue::Notifications, None, &operator()).await.expect("answers");
    let expected = Paused { at: NOON + MINUTE, by: "otto".to_owned(), reason: None };
    let world = subject.load(Footprint { pauses: true, ..Footprint::default() }).await;
    assert_eq!(world.paused, [(Queue::Notifications, expected)].into());
}

fn heartbeat(name: &str, in_flight: u64) -> Heartbeat {
    Heartbeat {
        name: name.to_owned(),
        host: "shop-1".to_owned(),
        pid: 4_000_000_000,
        version: "0.1.0".to_owned(),
        pools: [(Queue::Checkout, 256), (Queue::PaymentEvents, 0)].into(),
        definitions: vec![flow(), DefinitionId { name: "other \"one\"".to_owned(), version: 2 }],
        providers: (in_flight > 1).then(|| [("bank".to_owned(), [Operation::Take].into())].into()),
        in_flight,
        started_at: NOON - MINUTE,
    }
}

/// The last word counts; a deregister stands until it comes back.
pub async fn a_worker_is_known_by_what_it_said_last(subject: &Subject) {
    let store = subject.store();
    assert_eq!(store.workers().await.expect("reads"), []);
    store.deregister("nobody").await.expect("is no error");
    for name in ["w-b", "W-c", "w-a"] {
        store.heartbeat(&heartbeat(name, 1)).await.expect("heartbeats");
    }
    subject.clock.advance(MINUTE);
    store.heartbeat(&heartbeat("w-a", 7)).await.expect("heartbeats");
    store.deregister("w-b").await.expect("is heard");
    let view = |name, in_flight, heartbeat_at, left_at| WorkerView {
        heartbeat: heartbeat(name, in_flight),
        heartbeat_at,
        left_at,
    };
    let left = Some(NOON + MINUTE);
    let expected =
        [view("W-c", 1, NOON, None), view("w-a", 7, NOON + MINUTE, None), view("w-b", 1, NOON, left)];
    let found = store.workers().await.expect("reads");
    assert_eq!(found, expected);
    let alive: Vec<_> = found.iter().map(|worker| worker.is_alive(subject.clock.now())).collect();
    assert_eq!(alive, [false, true, false]);
    store.heartbeat(&heartbeat("w-b", 2)).await.expect("heartbeats");
    assert_eq!(store.workers().await.expect("reads")[2], view("w-b", 2, NOON + MINUTE, None));
}

/// Whoever heartbeats sweeps, and sweeps nobody who was heard of.
pub async fn workers_silent_for_a_day_are_forgotten(subject: &Subject) {
    let store = subject.store();
    store.heartbeat(&heartbeat("old", 1)).await.expect("heartbeats");
    store.heartbeat(&heartbeat("again", 1)).await.expect("heartbeats");
    subject.clock.advance(23 * 60 * MINUTE);
    store.heartbeat(&heartbeat("new", 1)).await.expect("heartbeats");
    let names = async || {
        let workers = store.workers().await.expect("reads");
        workers.into_iter().map(|worker| worker.heartbeat.name).collect::<Vec<_>>()
    };
    assert_eq!(names().await, ["again", "new", "old"]);
    subject.clock.advance(2 * 60 * MINUTE);
    store.heartbeat(&heartbeat("again", 1)).await.expect("heartbeats");
    assert_eq!(names().await, ["again", "new"]);
}

/// A cancellation that cannot give the money back: retried in vain, then settled by hand. The whole way, on a
/// store that writes it down.
pub async fn a_dead_cancellation_is_retried_and_then_settled_by_hand(subject: &Subject) {
    let shop = Shop::new(Arc::clone(&subject.database.store));
    let (_, outside) = outside();
    let engine = engine(&shop.store, "w1");
    shop.stock("cd-1", 10).await;
    let mut orders = shop.orders(3, &[("cd-1", 1)], Some("tok_refund_fails")).await;
    orders.sort_unstable();
    rest(&engine, &shop, &subject.clock, &outside).await;
    for order in &orders {
        assert!(shop.ask(*order, Verb::Cancel, &admin()).await.is_ok());
    }
    rest(&engine, &shop, &subject.clock, &outside).await;
    let all = DeadFilter::default();
    let dead_letters = list(subject.store(), &REGISTRY, &all, None, usize::MAX).await.expect("reads");
    let dead: Vec<SagaId> = dead_letters.iter().map(|letter| letter.id).collect();
    assert_eq!(dead.len(), 3);
    assert!(dead_letters.iter().all(|letter| letter.step == Some("refund_payment")), "{dead_letters:?}");
    assert!(!dead_letters[0].reason.contains("tok_"), "{dead_letters:?}");

    let act = async |action: &DeadLetterAction, asked: &[SagaId]| {
        act(subject.store(), &REGISTRY, asked, action, &operator()).await.expect("answers")
    };
    let unknown = saga_id(99);
    let asked: Vec<SagaId> = dead.iter().copied().chain([unknown]).collect();
    for expected in [true, false] {
        for (id, answer) in act(&DeadLetterAction::Retry { reason: None }, &asked).await {
            match answer {
                Ok(Answered::Accepted(_)) => assert!(expected && id != unknown, "{id}"),
                Ok(Answered::Already(_)) => assert!(!expected && id != unknown, "{id}"),
                Err(Conflict::UnknownSaga(_)) => assert_eq!(id, unknown),
                other => panic!("{id}: {other:?}"),
            }
        }
    }
    rest(&engine, &shop, &subject.clock, &outside).await;
    let discard = DeadLetterAction::Discard { reason: "paid back in cash".to_owned() };
    for (id, answer) in act(&discard, &dead).await {
        assert!(matches!(answer, Ok(Answered::Accepted(_))), "{id}: {answer:?}");
    }
    rest(&engine, &shop, &subject.clock, &outside).await;

    let report = shop.audit(&outside).await;
    assert!(report.is_clean() && report.in_flight.is_empty(), "{report:#?}");
    let settled: Vec<_> = orders
        .iter()
        .map(|order| SettledManually {
            order: *order,
            status: OrderStatus::Cancelled,
            amount: Money::new(1_000, Currency::EUR),
        })
        .collect();
    assert_eq!(report.settled_manually, settled);
    assert_eq!(shop.level("cd-1").await, (10, 0));
    let payment = shop.view(orders[0]).await.payment.expect("was taken");
    assert_eq!((payment.status, payment.settled_manually_minor), (PaymentStatus::Captured, 1_000));
    let refunds = Footprint { refunds: vec![orders[0]], payments: vec![orders[0]], ..Footprint::default() };
    let refund = subject.load(refunds).await.refunds.remove(&orders[0].saga(slot::CANCELLATION));
    let refund = refund.expect("has a book");
    assert!(refund.settled_manually && refund.status == RefundStatus::Failed, "{refund:?}");
    let trail = subject.store().admin_actions(orders[0]).await.expect("reads");
    let actions: Vec<_> = trail.iter().map(|action| action.action.as_str()).collect();
    assert_eq!(actions, ["order.cancel", "saga.retry", "saga.discard"]);
    assert_eq!(trail[2].detail, "paid back in cash");
}
