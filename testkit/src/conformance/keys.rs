//! Idempotency keys and the numbers of orders.

use std::collections::BTreeSet;

use holdfast_saga::ports::StoreError;
use holdfast_saga::records::batch_rows::{Footprint, Writes};
use holdfast_saga::records::{CartItem, KeyClaim};
use holdfast_shared::OrderId;
use uuid::Uuid;

use super::Subject;
use crate::rows::{cart, cart_id, order_id, product, sku};

pub(super) fn claim(key: u128, body: u128, order: i64) -> KeyClaim {
    KeyClaim { key: Uuid::from_u128(key), body: Uuid::from_u128(body), order: order_id(order) }
}

fn item(name: &str, quantity: u32) -> CartItem {
    CartItem { sku: sku(name), quantity }
}

pub(super) fn looked_up(keys: &[u128]) -> Footprint {
    Footprint { keys: keys.iter().copied().map(Uuid::from_u128).collect(), ..Footprint::default() }
}

fn with_keys(keys: &[KeyClaim]) -> Writes {
    Writes { keys: keys.to_vec(), ..Writes::default() }
}

/// E11: the second request finds the first one's body and order.
pub async fn a_key_that_was_saved_is_found_ever_after(subject: &Subject) {
    assert!(subject.load(looked_up(&[1, 2])).await.taken.is_empty());
    let keys = [claim(2, 22, 5), claim(1, 11, 4)];
    subject.save(with_keys(&keys)).await;
    let taken = subject.load(looked_up(&[1, 2, 3])).await.taken;
    assert_eq!(taken.into_values().collect::<Vec<_>>(), [keys[1], keys[0]]);
}

/// Two replicas judged the same request: the second commit fails whole, and is judged again.
pub async fn a_key_that_is_taken_refuses_the_whole_commit(subject: &Subject) {
    subject.save(with_keys(&[claim(1, 11, 4)])).await;
    let writes = Writes {
        put_products: [(sku("cd-1"), product("cd-1"))].into(),
        ..with_keys(&[claim(2, 22, 5), claim(1, 11, 6)])
    };
    let refused = subject.try_save(writes).await.expect_err("is refused");
    assert!(matches!(refused, StoreError::Contention(_)), "{refused:?}");
    let world = subject.load(Footprint { products: vec![sku("cd-1")], ..looked_up(&[1, 2]) }).await;
    assert_eq!(world.taken.into_values().collect::<Vec<_>>(), [claim(1, 11, 4)]);
    assert!(world.products.is_empty());
}

/// Gaps are allowed, doubles are not.
pub async fn no_number_is_drawn_twice(subject: &Subject) {
    let mut drawn = Vec::new();
    for count in [1, 25, 3] {
        let mut tx = subject.store().begin().await.expect("begins");
        let numbers = tx.draw_order_numbers(count).await.expect("draws");
        assert_eq!(numbers.len(), count);
        tx.save(&Writes::default()).await.expect("saves");
        drawn.extend(numbers);
    }
    assert!(drawn.is_sorted(), "{drawn:?}");
    assert_eq!(drawn.iter().copied().collect::<BTreeSet<OrderId>>().len(), 29);
}

/// What a batch of checkouts reads, in one round trip.
pub async fn the_products_in_carts_are_read_with_them(subject: &Subject) {
    let mut full = cart(1);
    full.items = vec![item("cd-2", 1), item("cd-3", 2), item("gone", 1)];
    let mut other = cart(2);
    other.items = vec![item("cd-3", 5)];
    subject
        .save(Writes {
            put_carts: [(cart_id(1), full), (cart_id(2), other), (cart_id(3), cart(3))].into(),
            put_products: ["cd-1", "cd-2", "cd-3", "cd-4"].map(|name| (sku(name), product(name))).into(),
            ..Writes::default()
        })
        .await;
    let asked = Footprint {
        carts: vec![cart_id(1), cart_id(2), cart_id(4)],
        products: vec![sku("cd-4")],
        products_of_carts: true,
        ..Footprint::default()
    };
    let found = subject.load(asked.clone()).await.products;
    assert_eq!(found.into_keys().collect::<Vec<_>>(), ["cd-2", "cd-3", "cd-4"].map(sku));
    let found = subject.load(Footprint { products_of_carts: false, ..asked }).await.products;
    assert_eq!(found.into_keys().collect::<Vec<_>>(), [sku("cd-4")]);
}
