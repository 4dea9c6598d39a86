//! Rows that this binary cannot read: columns of `SQLite` hold more than their fields.

use holdfast_saga::ports::Store as _;
use holdfast_saga::records::batch_rows::Writes;
use holdfast_saga::records::signal::{NewSignal, SignalBody};
use holdfast_shared::Actor;

use crate::shop::{Shop, order_id, saga, saga_id, with_sagas};

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
        .map(|(id, reason)| (*id, reason.split([':', ' ']).next().expect("a first part")))
        .collect();
    unreadable.sort();
    let expected = [(2, "progress"), (3, "context"), (4, "version"), (5, "signal")]
        .map(|(number, why)| (saga_id(number), why));
    assert_eq!(unreadable, expected);

    // Lists go on without them; a read by id says why.
    assert_eq!(shop.store.sagas_of(order_id(2)).await.expect("reads"), []);
    let error = shop.store.saga(saga_id(2)).await.expect_err("cannot be read");
    assert!(error.to_string().contains("saga 2.0: progress"), "{error}");
}
