//! Claiming: which sagas a batch gets.

use std::time::Duration;

use holdfast_saga::records::batch_rows::Writes;
use holdfast_saga::records::saga::{DefinitionId, Saga};
use holdfast_shared::{Queue, SagaState};

use super::{Subject, ids};
use crate::database::NOON;
use crate::rows::{flow, order_id, saga, saga_id, signal, with_sagas};

const MINUTE: Duration = Duration::from_mins(1);

/// The sweep.
pub async fn due_sagas_are_claimed_the_longest_due_first(subject: &Subject) {
    let due_at = |number, at| Saga { wake_at: at, ..saga(saga_id(number)) };
    subject
        .save(with_sagas([
            due_at(1, Some(NOON)),
            due_at(2, Some(NOON - 2 * MINUTE)),
            due_at(3, Some(NOON - MINUTE)),
            due_at(4, Some(NOON + MINUTE)),
            due_at(5, None),
        ]))
        .await;
    assert_eq!(ids(&subject.claim(&[], &[], 2).await), [saga_id(2), saga_id(3)]);
    assert_eq!(ids(&subject.claim(&[], &[], 10).await), [saga_id(1), saga_id(2), saga_id(3)]);
    subject.clock.advance(MINUTE);
    let claimed = subject.claim(&[], &[], 10).await;
    assert_eq!((ids(&claimed).len(), claimed.now), (4, NOON + MINUTE));
    assert_eq!(ids(&subject.claim(&[], &[], 0).await), []);
}

/// Claiming is reading.
pub async fn a_claim_writes_nothing(subject: &Subject) {
    let before = saga(saga_id(1));
    subject.save(with_sagas([before.clone()])).await;
    let claimed = subject.claim(&[], &[], 10).await;
    assert_eq!(claimed.sagas, [(Box::new(before.clone()), vec![])]);
    assert_eq!(subject.saga(saga_id(1)).await, before);
    assert!(subject.store().log(saga_id(1)).await.expect("reads").is_empty());
}

/// A hint is believed only as far as the row is worth a look.
pub async fn a_hint_claims_a_saga_that_is_not_due(subject: &Subject) {
    subject.save(with_sagas([Saga { wake_at: None, ..saga(saga_id(1)) }])).await;
    assert_eq!(ids(&subject.claim(&[], &[], 10).await), []);
    let claimed = subject.claim(&[], &[saga_id(1)], 0).await;
    assert_eq!((ids(&claimed), claimed.locked), (vec![saga_id(1)], vec![]));
}

/// Doubled hints, and a hint beside the sweep.
pub async fn a_saga_hinted_and_due_is_claimed_once(subject: &Subject) {
    subject.save(with_sagas([saga(saga_id(1)), saga(saga_id(2))])).await;
    let claimed = subject.claim(&[], &[saga_id(1), saga_id(1)], 10).await;
    assert_eq!((ids(&claimed), claimed.locked), (vec![saga_id(1), saga_id(2)], vec![]));
}

/// An outcome beside a hint and the sweep.
pub async fn a_saga_with_an_outcome_is_claimed_once(subject: &Subject) {
    subject.save(with_sagas([saga(saga_id(1))])).await;
    let claimed = subject.claim(&[saga_id(1)], &[saga_id(1)], 10).await;
    assert_eq!((ids(&claimed), claimed.locked), (vec![saga_id(1)], vec![]));
}

/// Whoever holds it, an outcome is stored.
pub async fn a_leased_saga_is_claimed_by_its_outcome_alone(subject: &Subject) {
    let leased = Saga { leased_until: Some(NOON + MINUTE), ..saga(saga_id(1)) };
    subject.save(with_sagas([leased])).await;
    let skipped = subject.claim(&[], &[saga_id(1)], 10).await;
    assert_eq!((ids(&skipped), skipped.locked), (vec![], vec![]));
    let claimed = subject.claim_as(&[], &[], &[saga_id(1)], &[], 0).await;
    assert_eq!(ids(&claimed), [saga_id(1)]);
}

/// The last instant of a lease belongs to nobody.
pub async fn a_lease_that_is_over_holds_nobody_back(subject: &Subject) {
    let leased = |number| Saga { leased_until: Some(NOON + MINUTE), ..saga(saga_id(number)) };
    subject.save(with_sagas([leased(1), leased(2)])).await;
    subject.clock.advance(MINUTE);
    assert_eq!(ids(&subject.claim(&[], &[saga_id(1)], 10).await), [saga_id(1), saga_id(2)]);
}

/// Pools.
pub async fn only_the_queues_asked_for_are_claimed(subject: &Subject) {
    let in_queue = |number, queue| Saga { queue, ..saga(saga_id(number)) };
    subject
        .save(with_sagas([
            in_queue(1, Queue::Checkout),
            in_queue(2, Queue::Compensation),
            in_queue(3, Queue::PaymentEvents),
            in_queue(4, Queue::Notifications),
        ]))
        .await;
    let hints = [1, 2, 3, 4].map(saga_id);
    let claimed = subject.claim_as(&[Queue::Compensation], &[flow()], &[], &hints, 10).await;
    assert_eq!((ids(&claimed), claimed.locked), (vec![saga_id(2)], vec![]));
    let two = [Queue::PaymentEvents, Queue::Notifications];
    assert_eq!(ids(&subject.claim_as(&two, &[flow()], &[], &[], 10).await), [saga_id(3), saga_id(4)]);
    assert_eq!(ids(&subject.claim_as(&[], &[flow()], &[], &hints, 10).await), []);
}

/// Others stay due for a newer binary.
pub async fn only_known_definitions_are_claimed(subject: &Subject) {
    let of = |number, name: &str, version| {
        let definition = DefinitionId { name: name.to_owned(), version };
        Saga { definition, ..saga(saga_id(number)) }
    };
    subject.save(with_sagas([of(1, "flow", 1), of(2, "flow", 2), of(3, "other", 1)])).await;
    let hints = [1, 2, 3].map(saga_id);
    let claimed = subject.claim(&[], &hints, 10).await;
    assert_eq!((ids(&claimed), claimed.locked), (vec![saga_id(1)], vec![]));
    let newer = [flow(), DefinitionId { name: "flow".to_owned(), version: 2 }];
    let claimed = subject.claim_as(&[Queue::Checkout], &newer, &[], &[], 10).await;
    assert_eq!(ids(&claimed), [saga_id(1), saga_id(2)]);
    // An outcome is stored whatever it belongs to.
    assert_eq!(ids(&subject.claim(&[saga_id(3)], &[], 0).await), [saga_id(3)]);
}

/// Each saga gets its own inbox.
pub async fn unread_signals_come_with_their_saga_in_order(subject: &Subject) {
    let sagas = with_sagas([saga(saga_id(1)), saga(saga_id(2)), saga(order_id(1).saga(1))]);
    subject.save(sagas).await;
    for (to, dedupe) in [(saga_id(1), "b"), (saga_id(2), "x"), (saga_id(1), "a")] {
        let signals = vec![signal(to, dedupe)];
        subject.save(Writes { signals, ..Writes::default() }).await;
    }
    let claimed = subject.claim(&[saga_id(1)], &[saga_id(2)], 10).await;
    for (saga, inbox) in &claimed.sagas {
        let heard: Vec<_> = inbox.iter().map(|signal| signal.dedupe.as_str()).collect();
        let expected: &[&str] = match saga.id {
            id if id == saga_id(1) => &["b", "a"],
            id if id == saga_id(2) => &["x"],
            _ => &[],
        };
        assert_eq!(heard, expected, "{}", saga.id);
        assert!(inbox.iter().all(|signal| signal.saga == saga.id && signal.created_at == NOON));
        assert!(inbox.windows(2).all(|pair| pair[0].seq < pair[1].seq));
    }
    assert_eq!(claimed.sagas.len(), 3);
}

/// Late news about what was pruned.
pub async fn ids_that_do_not_exist_are_skipped(subject: &Subject) {
    let claimed = subject.claim(&[saga_id(1)], &[saga_id(2)], 10).await;
    assert_eq!((ids(&claimed), claimed.locked, claimed.unreadable), (vec![], vec![], vec![]));
}

/// A late signal wakes a saga that has ended.
pub async fn a_settled_saga_that_is_due_is_claimed(subject: &Subject) {
    let ended = Saga { state: SagaState::Completed, ..saga(saga_id(1)) };
    subject.save(with_sagas([ended])).await;
    assert_eq!(ids(&subject.claim(&[], &[], 10).await), [saga_id(1)]);
}
