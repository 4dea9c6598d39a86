//! Idempotency keys: the claim is the first lock of a checkout.

use std::collections::BTreeSet;

use holdfast_saga::records::batch_rows::{Footprint, World, Writes};
use uuid::Uuid;

use super::Subject;

fn key(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn claim(keys: &[(u128, u128)]) -> Footprint {
    let keys = keys.iter().map(|(name, body)| (key(*name), key(*body))).collect();
    Footprint { keys, ..Footprint::default() }
}

/// Claims and commits; returns what was seen.
async fn claimed(subject: &Subject, keys: &[(u128, u128)], unclaimed: &[u128]) -> World {
    let mut world = World::default();
    let mut tx = subject.store().begin().await.expect("begins");
    tx.load(&claim(keys), &mut world).await.expect("loads");
    let unclaimed = unclaimed.iter().map(|name| key(*name)).collect();
    tx.save(&Writes { at: world.now, unclaimed, ..Writes::default() }).await.expect("saves");
    world
}

/// E11: the second request finds the first one's body and order.
pub async fn a_key_is_claimed_once_and_found_taken_ever_after(subject: &Subject) {
    let first = claimed(subject, &[(1, 11)], &[]).await;
    let order = first.claimed[&key(1)];
    assert!(first.taken.is_empty());
    let second = claimed(subject, &[(1, 99), (2, 22)], &[]).await;
    let taken = second.taken[&key(1)];
    assert_eq!((taken.key, taken.body, taken.order), (key(1), key(11), order));
    assert_eq!(second.claimed.keys().copied().collect::<Vec<_>>(), [key(2)]);
    assert_ne!(second.claimed[&key(2)], order);
}

/// Pitfall 9: only an accepted request is remembered.
pub async fn a_claim_that_is_given_back_was_never_made(subject: &Subject) {
    claimed(subject, &[(1, 11), (2, 22)], &[1]).await;
    let again = subject.load(claim(&[(1, 12), (2, 22)])).await;
    assert_eq!(again.claimed.keys().copied().collect::<Vec<_>>(), [key(1)]);
    assert_eq!(again.taken.keys().copied().collect::<Vec<_>>(), [key(2)]);
}

/// A crash before the commit.
pub async fn a_claim_that_is_dropped_was_never_made(subject: &Subject) {
    let dropped = subject.load(claim(&[(1, 11)])).await;
    assert!(dropped.claimed.contains_key(&key(1)));
    let again = subject.load(claim(&[(1, 12)])).await;
    assert!(again.claimed.contains_key(&key(1)) && again.taken.is_empty());
}

/// Gaps are normal, doubles are not.
pub async fn every_claim_has_a_number_of_its_own(subject: &Subject) {
    let mut orders = BTreeSet::new();
    for batch in 0..4u128 {
        let keys: Vec<_> = (0..25).map(|number| (batch * 100 + number, 1)).collect();
        let world = claimed(subject, &keys, &[batch * 100]).await;
        assert_eq!(world.claimed.len(), 25);
        orders
            .extend(world.claimed.into_iter().filter(|(name, _)| *name != key(batch * 100)).map(|(_, n)| n));
    }
    assert_eq!(orders.len(), 4 * 24);
}

/// A batch of checkouts may hold the same key more than once.
pub async fn a_key_asked_for_twice_in_one_claim_is_claimed_once(subject: &Subject) {
    let world = claimed(subject, &[(1, 11), (1, 11), (2, 22)], &[]).await;
    assert_eq!(world.claimed.keys().copied().collect::<Vec<_>>(), [key(1), key(2)]);
    assert_ne!(world.claimed[&key(1)], world.claimed[&key(2)]);
    let again = subject.load(claim(&[(1, 11)])).await;
    assert_eq!(again.taken[&key(1)].order, world.claimed[&key(1)]);
}
