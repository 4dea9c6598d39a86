//! Forgetting (E16): only what is settled and old, a little at a time.

use std::time::Duration;

use holdfast_saga::records::StockMove;
use holdfast_saga::records::batch_rows::Writes;
use holdfast_saga::records::history::{Entry, LogRow};
use holdfast_saga::records::saga::Saga;
use holdfast_saga::records::view::{OrderFilter, SagaFilter};
use holdfast_shared::{Clock as _, PaymentStatus, ReservationStatus, SagaId, SagaState, Time};

use super::Subject;
use super::keys::{claim, looked_up};
use crate::database::NOON;
use crate::rows::{moved, order, order_id, payment, saga, saga_id, signal, sku, with_orders, with_sagas};

const DAY: Duration = Duration::from_hours(24);

/// Saves sagas that ended at the present instant, each with a row of history.
async fn end(subject: &Subject, sagas: impl IntoIterator<Item = (SagaId, SagaState)>) {
    let now = subject.clock.now();
    let ended = sagas.into_iter().map(|(id, state)| Saga {
        state,
        wake_at: None,
        created_at: now,
        updated_at: now,
        ..saga(id)
    });
    let writes = with_sagas(ended);
    let log = writes.new_sagas.keys().map(|id| LogRow {
        saga: *id,
        fence: 1,
        at: now,
        entries: vec![Entry::Completed],
    });
    subject.save(Writes { log: log.collect(), ..writes }).await;
}

/// Prunes until nothing is left to prune; returns how many rows went.
async fn prune_all(subject: &Subject, before: Time, limit: u32) -> u64 {
    let mut gone = 0;
    for _ in 0..100 {
        match subject.store().prune(before, limit).await.expect("prunes") {
            0 => return gone,
            rows => gone += rows,
        }
    }
    panic!("pruning never ends");
}

async fn left(subject: &Subject) -> Vec<String> {
    let filter = SagaFilter { limit: 100, ..SagaFilter::default() };
    let sagas = subject.store().sagas(&filter).await.expect("reads");
    sagas.iter().rev().map(|saga| saga.id.to_string()).collect()
}

async fn save_key(subject: &Subject, key: u128) {
    let keys = vec![claim(key, key, 1)];
    subject.save(Writes { at: subject.clock.now(), keys, ..Writes::default() }).await;
}

/// And no earlier.
pub async fn settled_sagas_go_when_they_are_old_with_their_history(subject: &Subject) {
    end(subject, [(saga_id(1), SagaState::Completed), (saga_id(2), SagaState::Compensated)]).await;
    subject.clock.advance(DAY);
    end(subject, [(saga_id(3), SagaState::Completed)]).await;
    assert_eq!(prune_all(subject, NOON, 10).await, 0, "not before they are older");
    assert_eq!(prune_all(subject, NOON + DAY, 10).await, 2);
    assert_eq!(left(subject).await, ["3.0"]);
    assert!(subject.store().log(saga_id(1)).await.expect("reads").is_empty());
    assert_eq!(subject.store().log(saga_id(3)).await.expect("reads").len(), 1);
}

/// However old.
pub async fn what_lives_or_is_dead_stays(subject: &Subject) {
    use SagaState::{Compensating, Dead, Running, Waiting};
    end(
        subject,
        [(saga_id(1), Running), (saga_id(2), Waiting), (saga_id(3), Compensating), (saga_id(4), Dead)],
    )
    .await;
    subject.clock.advance(400 * DAY);
    assert_eq!(prune_all(subject, subject.clock.now(), 10).await, 0);
    assert_eq!(left(subject).await, ["1.0", "2.0", "3.0", "4.0"]);
}

/// More of it than one look takes in.
pub async fn what_has_to_stay_hides_nothing(subject: &Subject) {
    end(subject, (1..=2_100).map(|number| (saga_id(number), SagaState::Dead))).await;
    end(subject, [(saga_id(2_101), SagaState::Completed)]).await;
    subject.clock.advance(DAY);
    assert_eq!(prune_all(subject, NOON + DAY, 10).await, 1);
}

/// What came after a checkout explains why its order no longer stands where the checkout left it.
pub async fn an_orders_other_sagas_go_after_its_checkout(subject: &Subject) {
    use SagaState::{Completed, Dead};
    let of = |order: i64, slot, state| (order_id(order).saga(slot), state);
    end(subject, [of(1, 3, Completed), of(2, 0, Completed), of(2, 3, Completed), of(3, 3, Completed)]).await;
    end(subject, [of(3, 0, Dead), of(4, 1, Completed)]).await;
    subject.clock.advance(DAY);
    end(subject, [of(4, 0, Completed)]).await;
    // 1's checkout is gone already, 2's goes first, 3's is dead, 4's is young.
    assert_eq!(prune_all(subject, NOON + DAY, 1).await, 3);
    assert_eq!(left(subject).await, ["3.0", "3.3", "4.0", "4.1"]);
}

/// They come after all that serve orders, and the walk ends at what is young.
pub async fn a_saga_without_an_order_goes_when_it_is_old(subject: &Subject) {
    use SagaState::{Completed, Dead};
    // Ids that would be those of an order's checkout, had they an order.
    let (first, shifted) = (SagaId::standalone(1), SagaId::standalone(1 << 20));
    end(subject, [(first, Completed), (shifted, Dead), (SagaId::standalone((1 << 20) + 7), Completed)]).await;
    subject.clock.advance(DAY);
    end(subject, [(saga_id(1), Completed), (SagaId::standalone((1 << 20) + 9), Completed)]).await;
    assert_eq!(prune_all(subject, NOON + DAY, 10).await, 2);
    assert_eq!(left(subject).await, ["1.0", "0.1048576", "0.1048585"]);
}

/// Money may be late even for an order long settled.
pub async fn a_saga_that_has_not_heard_everything_stays(subject: &Subject) {
    end(subject, [(saga_id(1), SagaState::Completed), (order_id(1).saga(3), SagaState::Completed)]).await;
    subject.save(Writes { signals: vec![signal(saga_id(1), "late")], ..Writes::default() }).await;
    subject.clock.advance(90 * DAY);
    assert_eq!(prune_all(subject, subject.clock.now(), 10).await, 0);
    assert_eq!(left(subject).await, ["1.0", "1.3"]);
    let heard = subject.store().inbox(saga_id(1)).await.expect("reads");
    let mut folded = moved(&subject.saga(saga_id(1)).await, |saga| saga.wake_at = None);
    folded.sagas.values_mut().for_each(|(_, saga)| saga.updated_at = subject.clock.now());
    folded.consumed.push(heard[0].seq);
    subject.save(folded).await;
    subject.clock.advance(DAY);
    // The two sagas; the signal is remembered for its thirty days.
    assert_eq!(prune_all(subject, subject.clock.now(), 10).await, 2);
    subject.save(Writes { signals: vec![signal(saga_id(1), "late")], ..Writes::default() }).await;
    assert!(subject.store().inbox(saga_id(1)).await.expect("reads").is_empty(), "it is the same signal");
    subject.clock.advance(31 * DAY);
    assert_eq!(prune_all(subject, subject.clock.now(), 10).await, 1, "now it may go");
}

/// After that, a key may be used again.
pub async fn keys_go_when_they_are_old(subject: &Subject) {
    save_key(subject, 1).await;
    subject.clock.advance(DAY);
    save_key(subject, 2).await;
    assert_eq!(prune_all(subject, NOON + DAY, 10).await, 1);
    let taken = subject.load(looked_up(&[1, 2])).await.taken;
    assert_eq!(taken.into_values().collect::<Vec<_>>(), [claim(2, 2, 1)]);
}

/// Orders go first.
pub async fn pruning_takes_small_bites_and_ends(subject: &Subject) {
    end(subject, (1..=5).map(|number| (saga_id(number), SagaState::Completed))).await;
    for key in 1..=3 {
        save_key(subject, key).await;
    }
    subject.clock.advance(DAY);
    let mut bites = Vec::new();
    for _ in 0..4 {
        bites.push(subject.store().prune(NOON + DAY, 2).await.expect("prunes"));
    }
    assert_eq!(bites, [4, 3, 1, 0]);
}

/// Never.
pub async fn orders_money_and_stock_are_never_pruned(subject: &Subject) {
    subject
        .save(Writes {
            payments: [(order_id(1), (None, payment(1, PaymentStatus::Captured)))].into(),
            reservations: [(order_id(1), (None, ReservationStatus::Confirmed))].into(),
            stock: [(sku("cd-1"), StockMove::default())].into(),
            ..with_orders([order(1)])
        })
        .await;
    end(subject, [(saga_id(1), SagaState::Completed)]).await;
    subject.clock.advance(4_000 * DAY);
    assert_eq!(prune_all(subject, subject.clock.now(), 10).await, 1);
    let filter = OrderFilter { limit: 10, ..OrderFilter::default() };
    let views = subject.store().orders(&filter).await.expect("reads");
    assert_eq!(views.len(), 1);
    assert_eq!(views[0].order, order(1));
    assert_eq!(views[0].payment, Some(payment(1, PaymentStatus::Captured)));
    assert_eq!(views[0].reservation, Some(ReservationStatus::Confirmed));
    assert_eq!(subject.store().stock(None, 10).await.expect("reads").len(), 1);
}
