//! Claiming: which sagas a batch gets, and what their signals do to them.

use std::time::Duration;

use holdfast_saga::ports::Store;
use holdfast_saga::records::batch_rows::Writes;
use holdfast_saga::records::saga::{DefinitionId, Saga};
use holdfast_saga::records::signal::{NewSignal, SignalBody};
use holdfast_shared::{Actor, Queue, SagaState, Time};

use crate::shop::{NOW, Shop, moved, order_id, saga, saga_id, with_sagas};

const LATER: Duration = Duration::from_mins(1);

fn signal(number: i64, dedupe: &str) -> NewSignal {
    NewSignal {
        saga: saga_id(number),
        dedupe: dedupe.to_owned(),
        body: SignalBody::Cancel { by: Actor::Customer },
    }
}

#[tokio::test]
async fn a_row_that_cannot_be_read_harms_no_other_row() {
    let shop = Shop::open().await;
    shop.save(Writes {
        signals: vec![signal(5, "one"), signal(1, "one")],
        ..with_sagas((1..=6).map(|number| saga(saga_id(number))))
    })
    .await;
    let broken = [
        (2, "progress = '{\"s\": \"somewhere\"}'"),
        (3, "context = '{\"kind\": \"unheard_of\"}'"),
        (4, "version = 99999999999"),
    ];
    for (number, set) in broken {
        shop.execute(&format!("update sagas set {set} where id = {}", saga_id(number).key())).await;
    }
    shop.execute(&format!("update signals set body = '[]' where saga_id = {}", saga_id(5).key())).await;
    let all: Vec<_> = (1..=6).map(saga_id).collect();
    let claimed = shop.claim(&all, &[], 0).await;
    let mut readable: Vec<_> = claimed.sagas.iter().map(|(saga, _)| saga.id).collect();
    readable.sort();
    assert_eq!(readable, [saga_id(1), saga_id(6)]);
    let mut unreadable: Vec<_> = claimed
        .unreadable
        .iter()
        .map(|(id, reason)| (*id, reason.split([':', ' ']).next().expect("words")))
        .collect();
    unreadable.sort();
    let expected = [(2, "progress"), (3, "context"), (4, "version"), (5, "signal")]
        .map(|(number, why)| (saga_id(number), why));
    assert_eq!(unreadable, expected);

    // Lists go on without them; who asks for one is told why.
    assert_eq!(shop.store.sagas_of(order_id(2)).await.expect("reads"), []);
    let error = shop.store.saga(saga_id(2)).await.expect_err("cannot be read");
    assert!(error.to_string().contains("saga 2.0: progress"), "{error}");
}

#[tokio::test]
async fn a_poisoned_saga_dies_alone_and_revives_whole() {
    let shop = Shop::open().await;
    let mut leased = saga(saga_id(1));
    leased.leased_until = Some(NOW + LATER);
    shop.save(with_sagas([leased.clone()])).await;
    let poisoned = [(saga_id(1), "its plan panicked".to_owned())].into();
    shop.save(Writes { poisoned, ..Writes::default() }).await;
    let dead = shop.store.saga(saga_id(1)).await.expect("reads").expect("exists");
    let mut expected =
        Saga { state: SagaState::Dead, fence: 2, leased_until: None, wake_at: None, ..leased.clone() };
    expected.progress.error = Some("its plan panicked".to_owned());
    assert_eq!(dead, expected);

    expected.progress.error = None;
    shop.save(moved(&expected, |saga| saga.state = SagaState::Running)).await;
    let alive = shop.store.saga(saga_id(1)).await.expect("reads").expect("exists");
    assert_eq!((alive.state, alive.progress.error), (SagaState::Running, None));
}

#[tokio::test]
async fn a_batch_gets_what_is_due_hinted_or_answered() {
    let shop = Shop::open().await;
    let with = |number: i64, change: fn(&mut Saga)| {
        let mut saga = saga(saga_id(number));
        saga.wake_at = Some(NOW - Duration::from_secs(number.unsigned_abs()));
        change(&mut saga);
        saga
    };
    let other = |name: &str, version| DefinitionId { name: name.to_owned(), version };
    let mut newer = with(6, |_| {});
    newer.definition = other("flow", 2);
    let mut unknown = with(7, |_| {});
    unknown.definition = other("other", 1);
    shop.save(with_sagas([
        with(1, |_| {}),
        with(2, |saga| saga.leased_until = Some(NOW + LATER)),
        with(3, |saga| saga.leased_until = Some(NOW)),
        with(4, |saga| saga.queue = Queue::Notifications),
        with(5, |saga| saga.queue = Queue::Compensation),
        newer,
        unknown,
        with(8, |saga| saga.wake_at = Some(NOW + LATER)),
        with(9, |saga| saga.wake_at = None),
        with(10, |saga| saga.state = SagaState::Completed),
    ]))
    .await;
    shop.execute("insert into queues (queue, paused_at, paused_by) values ('compensation', 0, 'grace')")
        .await;

    let all: Vec<_> = (1..=11).map(saga_id).collect();
    let cases = [
        ("due, the longest first", vec![], vec![], 9, vec![10, 3, 1]),
        ("as many as fit", vec![], vec![], 2, vec![10, 3]),
        ("hinted", vec![], all.clone(), 0, vec![1, 3, 8, 9, 10]),
        ("hinted and due, but once", vec![], vec![saga_id(1), saga_id(9)], 9, vec![1, 9, 10, 3]),
        ("answered, whoever has them", all.clone(), vec![], 0, vec![1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
        ("answered, hinted and due, but once", vec![saga_id(2), saga_id(3)], all, 9, vec![2, 3, 1, 8, 9, 10]),
    ];
    for (what, outcomes, hints, due_max, expected) in cases {
        let claimed = shop.claim(&outcomes, &hints, due_max).await;
        let ids: Vec<_> = claimed.sagas.iter().map(|(saga, _)| saga.id).collect();
        let expected: Vec<_> = expected.into_iter().map(saga_id).collect();
        assert_eq!(ids, expected, "{what}");
        assert!(claimed.locked.is_empty() && claimed.unreadable.is_empty(), "{what}");
        assert_eq!(claimed.now, NOW, "{what}");
    }
}

#[tokio::test]
async fn a_signal_is_kept_once_and_wakes_its_saga() {
    let shop = Shop::open().await;
    let asleep = |number: i64, wake_at: Option<Time>| Saga { wake_at, ..saga(saga_id(number)) };
    let early = NOW - LATER;
    shop.save(with_sagas([asleep(1, None), asleep(2, Some(NOW + LATER)), asleep(3, Some(early))])).await;
    let signals = vec![signal(3, "b"), signal(1, "a"), signal(1, "b"), signal(2, "a"), signal(1, "a")];
    shop.save(Writes { signals, ..Writes::default() }).await;
    let claimed = shop.claim(&[saga_id(1), saga_id(2), saga_id(3)], &[], 0).await;
    let seen: Vec<_> = claimed
        .sagas
        .iter()
        .map(|(saga, signals)| {
            (
                saga.wake_at,
                saga.fence,
                signals.iter().map(|signal| signal.dedupe.as_str()).collect::<Vec<_>>(),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [(Some(NOW), 1, vec!["a", "b"]), (Some(NOW), 1, vec!["a"]), (Some(early), 1, vec!["b"])]
    );

    // Folded, and put to sleep again: the same signal a second time is no news.
    let (first, signals) = &claimed.sagas[0];
    let consumed = signals.iter().map(|signal| signal.seq).collect();
    shop.save(Writes { consumed, ..moved(first, |saga| saga.wake_at = None) }).await;
    shop.save(Writes { signals: vec![signal(1, "a")], ..Writes::default() }).await;
    let after = shop.store.saga(saga_id(1)).await.expect("reads").expect("exists");
    assert_eq!(after.wake_at, None);
    assert_eq!(shop.store.inbox(saga_id(1)).await.expect("reads"), []);
    let unread = shop.store.inbox(saga_id(2)).await.expect("reads");
    assert_eq!(unread.len(), 1);
    assert_eq!((unread[0].created_at, &unread[0].body), (NOW, &SignalBody::Cancel { by: Actor::Customer }));
}

#[tokio::test]
async fn a_signal_in_the_commit_that_puts_its_saga_to_sleep_wakes_it() {
    let shop = Shop::open().await;
    let before = saga(saga_id(1));
    shop.save(with_sagas([before.clone()])).await;
    let signals = vec![signal(1, "late")];
    shop.save(Writes { signals, ..moved(&before, |saga| saga.wake_at = None) }).await;
    let after = shop.store.saga(saga_id(1)).await.expect("reads").expect("exists");
    assert_eq!((after.wake_at, after.fence), (Some(NOW), 2));
}
