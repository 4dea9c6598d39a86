//! Forgetting: only what is settled and old, and never more than was allowed.

use std::time::Duration;

use holdfast_saga::ports::Store;
use holdfast_saga::records::batch_rows::{Footprint, Writes};
use holdfast_saga::records::history::{Entry, LogRow};
use holdfast_saga::records::saga::Saga;
use holdfast_saga::records::signal::{NewSignal, SignalBody};
use holdfast_shared::{Actor, SagaId, SagaState, Time};
use uuid::Uuid;

use crate::shop::{NOW, Shop, order, order_id, saga, saga_id, with_orders, with_sagas};

const DAY: Duration = Duration::from_hours(24);
const OLD: Time = Time::from_micros(NOW.as_micros() - 40 * 24 * 60 * 60 * 1_000_000);
const BEFORE: Time = Time::from_micros(NOW.as_micros() - 35 * 24 * 60 * 60 * 1_000_000);

fn ended(id: SagaId, state: SagaState, updated_at: Time) -> Saga {
    Saga { state, wake_at: None, updated_at, ..saga(id) }
}

async fn left(shop: &Shop) -> Vec<String> {
    let filter = holdfast_saga::records::view::SagaFilter { limit: 100, ..Default::default() };
    let mut left: Vec<_> =
        shop.store.sagas(&filter).await.expect("reads").iter().map(|saga| saga.id.to_string()).collect();
    left.reverse();
    left
}

#[tokio::test]
async fn only_settled_old_sagas_go_with_their_history() {
    use SagaState::{Compensated, Completed, Dead, Running, Waiting};
    let shop = Shop::open().await;
    let sagas = [
        ended(saga_id(1), Completed, OLD),
        ended(order_id(1).saga(1), Completed, OLD),
        ended(saga_id(2), Compensated, OLD),
        ended(saga_id(3), Completed, BEFORE),
        ended(saga_id(4), Dead, OLD),
        ended(order_id(4).saga(1), Completed, OLD),
        ended(saga_id(5), Running, OLD),
        ended(saga_id(6), Waiting, OLD),
        // A late event touched this checkout after its order had been cancelled: both stay.
        ended(saga_id(7), Completed, NOW),
        ended(order_id(7).saga(3), Completed, OLD),
        // It has not heard everything yet.
        ended(saga_id(8), Completed, OLD),
    ];
    let history = |id: SagaId| LogRow { saga: id, fence: 1, at: OLD, entries: vec![Entry::Completed] };
    let unread = NewSignal {
        saga: saga_id(8),
        dedupe: "late".to_owned(),
        body: SignalBody::Cancel { by: Actor::Customer },
    };
    shop.save(Writes {
        log: sagas.iter().map(|saga| history(saga.id)).collect(),
        signals: vec![unread],
        new_sagas: with_sagas(sagas).new_sagas,
        ..with_orders((1..=8).map(order))
    })
    .await;
    assert_eq!(shop.store.prune(BEFORE, 2).await.expect("prunes"), 2, "no more than allowed");
    assert_eq!(shop.store.prune(BEFORE, 2).await.expect("prunes"), 1);
    assert_eq!(shop.store.prune(BEFORE, 2).await.expect("prunes"), 0);
    assert_eq!(left(&shop).await, ["3.0", "4.0", "4.1", "5.0", "6.0", "7.0", "7.3", "8.0"]);
    assert_eq!(shop.number("select count(*) from saga_log").await, 8);
    assert_eq!(shop.number("select count(*) from orders").await, 8);
}

#[tokio::test]
async fn read_signals_go_after_their_saga_but_not_before_thirty_days() {
    let shop = Shop::open().await;
    let signal = |number, dedupe: &str| NewSignal {
        saga: saga_id(number),
        dedupe: dedupe.to_owned(),
        body: SignalBody::Cancel { by: Actor::Customer },
    };
    shop.save(Writes {
        signals: vec![signal(1, "old"), signal(1, "young"), signal(2, "old")],
        ..with_sagas([ended(saga_id(1), SagaState::Completed, OLD), ended(saga_id(2), SagaState::Dead, OLD)])
    })
    .await;
    let (old, young) = (OLD.as_micros(), (NOW - 29 * DAY).as_micros());
    shop.execute(&format!("update signals set consumed_at = iif(dedupe = 'old', {old}, {young})")).await;
    shop.execute("update sagas set wake_at = null").await;
    // Even when everything up to now may go.
    assert_eq!(shop.store.prune(NOW, 10).await.expect("prunes"), 2, "the saga and its old signal");
    assert_eq!(shop.number("select count(*) from signals where dedupe = 'young'").await, 1);
    assert_eq!(shop.number("select count(*) from signals").await, 2, "a dead saga keeps its signals");
    shop.clock.advance(2 * DAY);
    assert_eq!(shop.store.prune(NOW, 10).await.expect("prunes"), 1, "by now the other one is old, too");
    assert_eq!(left(&shop).await, ["2.0"]);
}

#[tokio::test]
async fn idempotency_keys_go_by_age_a_few_at_a_time() {
    let shop = Shop::open().await;
    for age in [40, 39, 38, 1] {
        shop.clock.set(NOW - age * DAY);
        let key = Uuid::from_u128(u128::from(age));
        let mut world = holdfast_saga::records::batch_rows::World::default();
        let mut tx = shop.store.begin().await.expect("begins");
        tx.load(&Footprint { keys: vec![(key, key)], ..Footprint::default() }, &mut world)
            .await
            .expect("loads");
        tx.save(&Writes::default()).await.expect("saves");
    }
    shop.clock.set(NOW);
    let mut gone = Vec::new();
    for _ in 0..3 {
        gone.push(shop.store.prune(BEFORE, 2).await.expect("prunes"));
    }
    assert_eq!(gone, [2, 1, 0]);
    assert_eq!(shop.number("select count(*) from idempotency_keys").await, 1);
}
