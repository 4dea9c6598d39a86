//! What operators meet when somebody went past the store.

use holdfast_saga::flows::REGISTRY;
use holdfast_saga::operations::dead_letter::DeadLetterAction;
use holdfast_saga::operations::dead_letter::resolve::act;
use holdfast_saga::operations::dead_letter::{DeadFilter, list};
use holdfast_saga::records::batch_rows::Writes;
use holdfast_saga::shop::answer::Conflict;

use super::Subject;
use super::operations::{dead, operator};
use crate::rows::{saga_id, with_orders, with_sagas};

/// Pitfall 28, for operators: a row that cannot be read is named, refused, and hides no other.
pub async fn an_unreadable_row_is_listed_and_refused_alone(subject: &Subject) {
    let rows = [1, 2, 3].map(|number| dead(saga_id(number), "no"));
    subject
        .save(Writes { new_sagas: with_sagas(rows).new_sagas, ..with_orders([crate::rows::order(1)]) })
        .await;
    subject.database.execute("update sagas set progress = '{\"s\":\"three\"}' where id = 2097152").await;
    subject.database.execute("update sagas set context = '{\"kind\":\"rumour\"}' where id = 1048576").await;
    let dead_letters =
        list(subject.store(), &REGISTRY, &DeadFilter::default(), None, 9).await.expect("reads");
    let ids: Vec<_> = dead_letters.iter().map(|letter| letter.id).collect();
    assert_eq!(ids, [saga_id(3), saga_id(2), saga_id(1)]);
    assert!(dead_letters[1].reason.contains("progress"), "{dead_letters:?}");
    for action in
        [DeadLetterAction::Retry { reason: None }, DeadLetterAction::Discard { reason: "why not".to_owned() }]
    {
        let answers = act(subject.store(), &REGISTRY, &ids, &action, &operator()).await.expect("answers");
        let refused: Vec<_> = answers
            .iter()
            .filter(|(_, answer)| matches!(answer, Err(Conflict::Instead(text)) if text.contains("cannot be read")))
            .map(|(id, _)| *id)
            .collect();
        assert_eq!(refused, [saga_id(1), saga_id(2)], "{answers:?}");
    }
    assert_eq!(subject.database.number("select count(*) from signals").await, 1, "the third is retried");
}

/// The database says no even to those who go past the store.
pub async fn no_more_is_settled_by_hand_than_was_taken(subject: &Subject) {
    let now = if subject.is_on_postgres() { "now()" } else { "0" };
    for (number, captured, refunded, settled, fits) in
        [(1, 5, 2, 3, true), (2, 5, 2, 4, false), (3, 5, 0, -1, false), (4, 0, 0, 1, false)]
    {
        let insert = format!(
            "insert into payments (order_id, provider, status, amount_minor, currency, captured_minor, \
             refunded_minor, settled_manually_minor, updated_at) \
             values ({number}, 'sandbox', 'CAPTURED', 5, 'EUR', {captured}, {refunded}, {settled}, {now})"
        );
        assert_eq!(subject.database.try_execute(&insert).await.is_ok(), fits, "{insert}");
    }
}
