//! The shop's own row: where its database is, and which orders are its own.

use holdfast_saga::records::Shop;
use holdfast_saga::records::batch_rows::Writes;
use holdfast_shared::{OrderId, SagaState, ShopId};

use super::{Subject, mismatched};
use crate::rows::saga;

async fn put(subject: &Subject, epoch: i64, shop: Shop) -> Result<(), holdfast_saga::ports::StoreError> {
    subject.try_save(Writes { shop: Some((epoch, shop)), ..Writes::default() }).await
}

/// O9: it knows where it is, and nothing is held.
pub async fn a_new_database_is_at_home(subject: &Subject) {
    let shop = subject.store().shop().await.expect("reads");
    assert_eq!(shop.id, subject.store().keys().await.expect("reads").shop());
    assert_eq!((shop.epoch, shop.forked_from, shop.missing_order), (1, None, None));
    assert_eq!((shop.home.as_ref(), shop.first_order), (Some(&shop.here), OrderId::new(1)));
    assert!(!shop.here.is_empty() && shop.doubt().is_none(), "{shop:?}");
}

/// F32: what readiness tries leaves nothing.
pub async fn f32_trying_whether_an_order_can_be_saved_changes_nothing(subject: &Subject) {
    let before = subject.store().shop().await.expect("reads");
    for _ in 0..3 {
        subject.store().try_write().await.expect("an order can be saved");
    }
    assert_eq!(subject.store().shop().await.expect("reads"), before);
    assert!(subject.store().saga_counts().await.expect("reads").is_empty());
    subject.try_save(Writes::default()).await.expect("nothing is held");
}

/// Two operators who answer at once do not both.
pub async fn a_shop_is_written_only_from_its_epoch(subject: &Subject) {
    let before = subject.store().shop().await.expect("reads");
    let other: ShopId = "0123456789".parse().expect("a shop id");
    let after = Shop {
        id: other,
        epoch: 2,
        home: Some("elsewhere".to_owned()),
        forked_from: Some(before.id),
        first_order: OrderId::new(41),
        missing_order: Some(OrderId::new(40)),
        ..before.clone()
    };
    put(subject, 1, after.clone()).await.expect("saves");
    let found = subject.store().shop().await.expect("reads");
    assert_eq!(found, Shop { last_number: found.last_number, ..after });
    assert!(found.doubt().is_some(), "{found:?}");
    assert_eq!(mismatched(put(subject, 1, before.clone()).await), "shop");
    // As it was, for whoever uses this database next.
    put(subject, 2, before).await.expect("saves");
}

/// O9: the orders that were lost keep their numbers.
pub async fn a_used_number_is_not_given_again(subject: &Subject) {
    let number = async || {
        let mut tx = subject.store().begin().await.expect("begins");
        let drawn = tx.draw_order_numbers(1).await.expect("draws");
        tx.save(&Writes::default()).await.expect("saves");
        drawn[0].number()
    };
    let first = number().await;
    let shop = subject.store().shop().await.expect("reads");
    assert_eq!(shop.last_number, first);
    put(subject, 1, Shop { last_number: first + 100, ..shop.clone() }).await.expect("saves");
    assert_eq!(number().await, first + 101);
    // What is behind already stays.
    put(subject, 1, Shop { last_number: first, ..shop }).await.expect("saves");
    assert_eq!(number().await, first + 102);
}

/// Those that are settled or dead wait for nothing.
pub async fn calls_that_wait_for_settings_are_listed(subject: &Subject) {
    let mut writes = Writes::default();
    for (number, parked, state, is_due) in [
        (1, true, SagaState::Running, true),
        (2, false, SagaState::Running, true),
        (3, true, SagaState::Compensating, true),
        (4, true, SagaState::Dead, false),
        (5, true, SagaState::Running, true),
    ] {
        let mut saga = saga(OrderId::new(number).saga(0));
        saga.state = state;
        saga.progress.parked = parked;
        saga.wake_at = saga.wake_at.filter(|_| is_due);
        writes.new_sagas.insert(saga.id, Box::new(saga));
    }
    subject.save(writes).await;
    let parked = async |after: Option<i64>, limit| {
        let after = after.map(|order| OrderId::new(order).saga(0));
        let found = subject.store().parked(after, limit).await.expect("reads");
        found.iter().filter_map(|id| id.order()).map(OrderId::number).collect::<Vec<_>>()
    };
    assert_eq!(parked(None, 10).await, [1, 3, 5]);
    assert_eq!(parked(None, 2).await, [1, 3]);
    assert_eq!(parked(Some(3), 10).await, [5]);
}
