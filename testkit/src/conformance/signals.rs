//! Signals: the inbox of a saga, deduplicated, and what wakes it (E3).

use std::time::Duration;

use holdfast_saga::records::batch_rows::Writes;
use holdfast_saga::records::saga::Saga;
use holdfast_shared::SagaId;

use super::Subject;
use crate::database::NOON;
use crate::rows::{moved, saga, saga_id, signal, with_sagas};

const MINUTE: Duration = Duration::from_mins(1);

fn sent(dedupe: &str) -> Writes {
    Writes { signals: vec![signal(saga_id(1), dedupe)], ..Writes::default() }
}

async fn heard(subject: &Subject, saga: SagaId) -> Vec<String> {
    let inbox = subject.store().inbox(saga).await.expect("reads");
    inbox.into_iter().map(|signal| signal.dedupe).collect()
}

/// Asleep, waiting or leased: a signal is heard, and whoever holds the saga keeps it.
pub async fn a_signal_makes_its_saga_due_and_never_touches_its_fence(subject: &Subject) {
    for (number, wake_at, leased_until) in
        [(1, None, None), (2, Some(NOON + 9 * MINUTE), None), (3, Some(NOON + MINUTE), Some(NOON + MINUTE))]
    {
        let before = Saga { wake_at, leased_until, ..saga(saga_id(number)) };
        subject.save(with_sagas([before.clone()])).await;
        let signals = vec![signal(before.id, "one")];
        subject.save(Writes { signals, ..Writes::default() }).await;
        assert_eq!(subject.saga(before.id).await, Saga { wake_at: Some(NOON), ..before });
    }
}

/// The longest due goes first, signal or not.
pub async fn a_signal_never_delays_what_is_due_already(subject: &Subject) {
    let due = Saga { wake_at: Some(NOON - MINUTE), ..saga(saga_id(1)) };
    subject.save(with_sagas([due.clone()])).await;
    subject.save(sent("one")).await;
    assert_eq!(subject.saga(saga_id(1)).await, due);
}

/// Pitfall 10: duplicates change nothing, not even the alarm clock.
pub async fn a_repeated_signal_is_the_same_signal(subject: &Subject) {
    subject.save(with_sagas([saga(saga_id(1)), saga(saga_id(2))])).await;
    let mut twice = sent("one");
    twice.signals.push(signal(saga_id(1), "one"));
    subject.save(twice).await;
    assert_eq!(heard(subject, saga_id(1)).await, ["one"]);
    let seq = subject.store().inbox(saga_id(1)).await.expect("reads")[0].seq;
    let mut folded = moved(&subject.saga(saga_id(1)).await, |saga| saga.wake_at = None);
    folded.consumed.push(seq);
    subject.save(folded).await;
    // Also after it was folded.
    subject.save(sent("one")).await;
    assert_eq!(heard(subject, saga_id(1)).await, [""; 0]);
    assert_eq!(subject.saga(saga_id(1)).await.wake_at, None);
    // The same id for another saga is another signal.
    let signals = vec![signal(saga_id(2), "one")];
    subject.save(Writes { signals, ..Writes::default() }).await;
    assert_eq!(heard(subject, saga_id(2)).await, ["one"]);
}

/// A late outcome beside the saga's own move.
pub async fn a_signal_wakes_a_saga_that_moves_in_the_same_commit(subject: &Subject) {
    let before = saga(saga_id(1));
    subject.save(with_sagas([before.clone()])).await;
    let mut writes = moved(&before, |saga| saga.wake_at = None);
    writes.signals.push(signal(saga_id(1), "late"));
    let mut born = saga(saga_id(2));
    born.wake_at = Some(NOON + MINUTE);
    writes.new_sagas.insert(born.id, Box::new(born));
    writes.signals.push(signal(saga_id(2), "early"));
    subject.save(writes).await;
    for id in [saga_id(1), saga_id(2)] {
        assert_eq!(subject.saga(id).await.wake_at, Some(NOON), "{id}");
    }
}

/// Once.
pub async fn a_signal_that_was_folded_is_not_read_again(subject: &Subject) {
    subject.save(with_sagas([saga(saga_id(1))])).await;
    subject.save(sent("one")).await;
    subject.save(sent("two")).await;
    let inbox = subject.store().inbox(saga_id(1)).await.expect("reads");
    let mut folded = moved(&saga(saga_id(1)), |_| {});
    folded.consumed.push(inbox[0].seq);
    subject.save(folded).await;
    assert_eq!(heard(subject, saga_id(1)).await, ["two"]);
    assert_eq!(subject.claim(&[], &[saga_id(1)], 0).await.sagas[0].1.len(), 1);
}

/// E1: news of money is kept even if the saga is gone.
pub async fn a_signal_for_nobody_is_kept(subject: &Subject) {
    subject.save(sent("late")).await;
    assert_eq!(heard(subject, saga_id(1)).await, ["late"]);
}

/// Folding in order is a promise.
pub async fn signals_keep_the_order_they_were_given_in(subject: &Subject) {
    subject.save(with_sagas([saga(saga_id(1))])).await;
    let names: Vec<String> = (0..40).map(|number| format!("s{}", (number * 17) % 40)).collect();
    for half in names.chunks(20) {
        let signals = half.iter().map(|name| signal(saga_id(1), name)).collect();
        subject.save(Writes { signals, ..Writes::default() }).await;
    }
    assert_eq!(heard(subject, saga_id(1)).await, names);
}
