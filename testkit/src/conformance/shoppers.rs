//! The rules of carts and catalogue over each store: the locks they rely on are the store's.

use std::sync::Arc;

use holdfast_saga::ports::Store;
use holdfast_saga::records::batch_rows::Writes;
use holdfast_saga::records::view::ProductFilter;
use holdfast_saga::records::{Cart, CartItem, Product};
use holdfast_saga::shop::cart::{Refused, discard, merge, open, put_item, remove_item};
use holdfast_saga::shop::catalog::{self, Expect, put_product};
use holdfast_saga::shop::checkout::{CheckoutRequest, accept};
use holdfast_shared::{CartId, CartStatus, CustomerId, Money, SystemIds};

use super::Subject;
use crate::rows::{ADA, product, sku};
use crate::shop::Shop;

/// As many as meet at once.
const RIVALS: u32 = 8;

fn item(name: &str, quantity: u32) -> CartItem {
    CartItem { sku: sku(name), quantity }
}

async fn stocked(subject: &Subject) {
    let products = ["cd-1", "cd-2"].map(|name| (sku(name), product(name)));
    subject.save(Writes { put_products: products.into(), ..Writes::default() }).await;
}

async fn put(
    subject: &Subject,
    cart: CartId,
    who: Option<CustomerId>,
    item: CartItem,
) -> Result<Cart, Refused> {
    put_item(subject.store(), cart, who, item).await.expect("the store answers")
}

/// What each step answers is what is kept.
pub async fn a_cart_lives_from_its_opening_to_its_end(subject: &Subject) {
    stocked(subject).await;
    let store = subject.store();
    let guests = open(store, &SystemIds, None).await.expect("opens");
    let theirs = open(store, &SystemIds, Some(ADA)).await.expect("opens");
    put(subject, guests.id, None, item("cd-1", 2)).await.expect("goes in");
    put(subject, theirs.id, Some(ADA), item("cd-2", 1)).await.expect("goes in");
    let unknown = put(subject, guests.id, None, item("none", 1)).await;
    assert_eq!(unknown, Err(Refused::NotForSale(sku("none"))));
    let merged = merge(store, guests.id, ADA).await.expect("answers").expect("is merged");
    assert_eq!(merged.items, [item("cd-2", 1), item("cd-1", 2)]);
    assert_eq!(store.cart(theirs.id).await.expect("reads"), Some(merged));
    assert_eq!(store.cart(guests.id).await.expect("reads"), None);
    let rest = remove_item(store, theirs.id, Some(ADA), &sku("cd-2")).await.expect("answers");
    assert_eq!(rest.expect("goes out").items, [item("cd-1", 2)]);
    assert_eq!(discard(store, theirs.id, Some(ADA)).await.expect("answers"), Ok(()));
    assert_eq!(store.cart(theirs.id).await.expect("reads"), None);
}

/// Nobody's item is lost to somebody else's.
pub async fn items_put_in_at_the_same_instant_are_all_there(subject: &Subject) {
    let names: Vec<String> = (0..RIVALS).map(|number| format!("p{number}")).collect();
    let products = names.iter().map(|name| (sku(name), product(name))).collect();
    subject.save(Writes { put_products: products, ..Writes::default() }).await;
    let cart = open(subject.store(), &SystemIds, None).await.expect("opens").id;
    let store: Arc<dyn Store> = Arc::clone(&subject.database.store);
    let puts: Vec<_> = names
        .iter()
        .map(|name| {
            let (store, item) = (Arc::clone(&store), item(name, 1));
            tokio::spawn(async move { put_item(&*store, cart, Some(ADA), item).await })
        })
        .collect();
    for put in puts {
        put.await.expect("no panic").expect("the store answers").expect("goes in");
    }
    let full = subject.store().cart(cart).await.expect("reads").expect("exists");
    let mut there: Vec<String> = full.items.iter().map(|item| item.sku.to_string()).collect();
    there.sort();
    assert_eq!(there, names);
}

/// A guest's cart is merged once, however often that is asked.
pub async fn a_cart_merged_twice_at_once_is_counted_once(subject: &Subject) {
    stocked(subject).await;
    let theirs = open(subject.store(), &SystemIds, Some(ADA)).await.expect("opens").id;
    let guest = open(subject.store(), &SystemIds, None).await.expect("opens").id;
    put(subject, guest, None, item("cd-1", 3)).await.expect("goes in");
    let (one, other) = tokio::join!(merge(subject.store(), guest, ADA), merge(subject.store(), guest, ADA));
    let answers = [one.expect("answers"), other.expect("answers")];
    // Both are the same request, so both get its answer (F22).
    assert_eq!(answers[0], answers[1]);
    let full = subject.store().cart(theirs).await.expect("reads").expect("exists");
    assert_eq!(full.items, [item("cd-1", 3)]);
}

/// And the answer shows the order as it is kept.
pub async fn a_guests_cart_that_a_customer_checks_out_is_theirs(subject: &Subject) {
    let shop = Shop::new(Arc::clone(&subject.database.store));
    shop.stock("cd-1", 5).await;
    let cart = shop.carts(1, &[("cd-1", 1)]).await[0];
    let request = CheckoutRequest { customer: Some(ADA), ..shop.request(cart, None) };
    let answers = accept(subject.store(), &shop.policy, &[request]).await.expect("the store answers");
    let accepted = answers[0].as_ref().expect("is accepted");
    let order = shop.view(accepted.order).await.order;
    assert_eq!(accepted.placed.as_deref(), Some(&order));
    let taken = subject.store().cart(cart).await.expect("reads").expect("exists");
    assert_eq!((taken.owner, taken.status), (order.customer, CartStatus::InCheckout));
    assert_eq!((taken.order, taken.updated_at), (Some(order.id), order.accepted_at));
}

/// Of those who create a product, and of those who change the version they all saw, exactly one does.
pub async fn one_of_many_who_put_a_product_at_once_is_first(subject: &Subject) {
    let of = |cents: u32| Product {
        price: Money::new(i64::from(cents), product("lp-1").price.currency),
        ..product("lp-1")
    };
    let rush = async |cents: std::ops::Range<u32>, expect: Expect| {
        let store: Arc<dyn Store> = Arc::clone(&subject.database.store);
        let puts: Vec<_> = cents
            .map(|cents| {
                let (store, product, expect) = (Arc::clone(&store), of(cents), expect.clone());
                tokio::spawn(async move { put_product(&*store, product, expect, "otto").await })
            })
            .collect();
        let mut won = Vec::new();
        for put in puts {
            match put.await.expect("no panic").expect("the store answers") {
                Ok(put) => won.push(put),
                Err(refused) => assert!(matches!(refused, catalog::Refused::Changed { found: Some(_), .. })),
            }
        }
        assert_eq!(won.len(), 1, "{won:?}");
        won.remove(0)
    };
    let created = rush(0..RIVALS, Expect::Absent).await;
    assert!(created.created);
    let changed = rush(100..100 + RIVALS, Expect::Is(created.version.clone())).await;
    assert!(!changed.created);
    let filter = ProductFilter { limit: 10, ..ProductFilter::default() };
    assert_eq!(subject.store().products(&filter).await.expect("reads"), [changed.product]);
    let level = subject.store().stock(None, 10).await.expect("reads");
    assert_eq!(level, [(sku("lp-1"), holdfast_saga::records::Stock::default())]);
}
