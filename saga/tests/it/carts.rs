//! Carts before their checkout: whose they are, what may be in them, what they cost.

use std::collections::BTreeMap;

use holdfast_saga::ports::Store as _;
use holdfast_saga::records::batch_rows::Writes;
use holdfast_saga::records::{Cart, CartItem, Identity, Product, Stock};
use holdfast_saga::shop::cart::{
    LINES_MAX, QUANTITY_MAX, Refused, discard, merge, open, priced, put_item, remove_item, visible,
};
use holdfast_saga::shop::checkout::accept;
use holdfast_shared::{CartId, CartStatus, Clock as _, Currency, CustomerId, Money, SeededIds, Sku};

use uuid::Uuid;

use crate::shop::{Shop, sku};

const ADA: Option<CustomerId> = Some(THEIRS);
const THEIRS: CustomerId = CustomerId(Uuid::from_u128(0xada));
const BOB: Option<CustomerId> = Some(ANOTHERS);
const ANOTHERS: CustomerId = CustomerId(Uuid::from_u128(0xb0b));

fn item(name: &str, quantity: u32) -> CartItem {
    CartItem { sku: sku(name), quantity }
}

fn product(name: &str, amount_minor: i64, currency: Currency) -> Product {
    Product {
        sku: sku(name),
        name: name.to_uppercase(),
        price: Money::new(amount_minor, currency),
        active: true,
    }
}

/// A shop that also sells one thing for dollars, and has withdrawn another.
async fn shop() -> Shop {
    let shop = Shop::open().await;
    let usd = product("usd", 5, Currency::USD);
    let gone = Product { active: false, ..product("gone", 5, Currency::EUR) };
    let many = (0..LINES_MAX).map(|number| product(&format!("p{number}"), 1, Currency::EUR));
    let products = [usd, gone].into_iter().chain(many).map(|row| (row.sku.clone(), row)).collect();
    let writes = Writes { at: shop.clock.now(), put_products: products, ..Writes::default() };
    shop.memory.begin().await.expect("memory opens").save(&writes).await.expect("products are saved");
    shop
}

/// A cart of `owner` with these items in it, however many.
async fn cart_of(shop: &mut Shop, owner: Option<CustomerId>, items: &[(&str, u32)]) -> CartId {
    let id = shop.cart(items).await;
    let mut cart = read(shop, id).await.expect("was put");
    cart.owner = owner;
    let writes = Writes { at: shop.clock.now(), put_carts: [(id, cart)].into(), ..Writes::default() };
    shop.memory.begin().await.expect("memory opens").save(&writes).await.expect("cart is saved");
    id
}

async fn read(shop: &Shop, id: CartId) -> Option<Cart> {
    shop.store.cart(id).await.expect("memory reads")
}

async fn put(shop: &Shop, cart: CartId, who: Option<CustomerId>, item: CartItem) -> Result<Cart, Refused> {
    put_item(&*shop.store, cart, who, item).await.expect("the store answers")
}

async fn remove(shop: &Shop, cart: CartId, who: Option<CustomerId>, name: &str) -> Result<Cart, Refused> {
    remove_item(&*shop.store, cart, who, &sku(name)).await.expect("the store answers")
}

async fn merged(shop: &Shop, guest: CartId, customer: CustomerId) -> Result<Cart, Refused> {
    merge(&*shop.store, guest, customer).await.expect("the store answers")
}

fn contents(cart: &Cart) -> Vec<(&str, u32)> {
    cart.items.iter().map(|item| (item.sku.as_str(), item.quantity)).collect()
}

#[tokio::test]
async fn a_cart_is_filled_changed_and_emptied() {
    let shop = shop().await;
    let ids = SeededIds::new(7);
    let cart = open(&*shop.store, &ids, ADA).await.expect("the store answers");
    assert_eq!((cart.owner, cart.status), (ADA, CartStatus::Open));
    assert_eq!(shop.store.open_cart_of(THEIRS).await.expect("reads"), Some(cart.id));
    put(&shop, cart.id, ADA, item("cd-1", 2)).await.expect("goes in");
    put(&shop, cart.id, ADA, item("cd-2", 1)).await.expect("goes in");
    let full = put(&shop, cart.id, ADA, item("cd-1", 7)).await.expect("is replaced");
    assert_eq!(contents(&full), [("cd-1", 7), ("cd-2", 1)]);
    assert_eq!(read(&shop, cart.id).await, Some(full));
    for _ in 0..2 {
        let rest = remove(&shop, cart.id, ADA, "cd-1").await.expect("goes out, or is out");
        assert_eq!(contents(&rest), [("cd-2", 1)]);
    }
    assert_eq!(discard(&*shop.store, cart.id, ADA).await.expect("the store answers"), Ok(()));
    assert_eq!(read(&shop, cart.id).await, None);
    let again = discard(&*shop.store, cart.id, ADA).await.expect("the store answers");
    assert_eq!(again, Err(Refused::UnknownCart(cart.id)));
}

#[tokio::test]
async fn what_may_not_be_bought_does_not_go_in() {
    let mut shop = shop().await;
    let names: Vec<String> = (0..LINES_MAX).map(|number| format!("p{number}")).collect();
    let items: Vec<_> = names.iter().map(|name| (name.as_str(), 1)).collect();
    let full = shop.cart(&items).await;
    let euros = shop.cart(&[("cd-1", 1)]).await;
    for (cart, put_in, code) in [
        (euros, item("unknown", 1), "not_for_sale"),
        (euros, item("gone", 1), "not_for_sale"),
        (euros, item("cd-1", 0), "invalid_quantity"),
        (euros, item("cd-1", QUANTITY_MAX + 1), "invalid_quantity"),
        (euros, item("usd", 1), "mixed_currencies"),
        (full, item("cd-1", 1), "too_many_lines"),
    ] {
        let before = read(&shop, cart).await;
        let refused = put(&shop, cart, None, put_in.clone()).await.expect_err("is refused");
        assert_eq!(refused.code(), code, "{put_in:?}");
        assert_eq!(read(&shop, cart).await, before, "{put_in:?}");
    }
    put(&shop, full, None, item("p7", QUANTITY_MAX)).await.expect("a line that is there may grow");
    let only = shop.cart(&[("usd", 1)]).await;
    put(&shop, only, None, item("usd", 2)).await.expect("the only line sets the currency");
}

#[tokio::test]
async fn a_customers_cart_is_theirs_alone_and_a_guests_becomes_theirs_at_the_first_touch() {
    let mut shop = shop().await;
    let theirs = cart_of(&mut shop, ADA, &[("cd-1", 1)]).await;
    for who in [None, BOB] {
        assert!(!visible(&read(&shop, theirs).await.expect("exists"), who));
        let unknown = Refused::UnknownCart(theirs);
        assert_eq!(put(&shop, theirs, who, item("cd-1", 2)).await, Err(unknown.clone()));
        assert_eq!(remove(&shop, theirs, who, "cd-1").await, Err(unknown.clone()));
        assert_eq!(discard(&*shop.store, theirs, who).await.expect("answers"), Err(unknown));
    }
    let (by_put, by_remove) = (shop.cart(&[]).await, shop.cart(&[]).await);
    put(&shop, by_put, None, item("cd-1", 1)).await.expect("a guest may");
    put(&shop, by_put, ADA, item("cd-1", 2)).await.expect("whoever knows it may");
    remove(&shop, by_remove, ADA, "cd-1").await.expect("it is out already");
    for cart in [by_put, by_remove] {
        assert_eq!(read(&shop, cart).await.expect("exists").owner, ADA);
        assert_eq!(put(&shop, cart, None, item("cd-1", 3)).await, Err(Refused::UnknownCart(cart)));
    }
}

#[tokio::test]
async fn a_guests_cart_that_a_customer_checks_out_is_theirs() {
    let mut shop = shop().await;
    let cart = shop.cart(&[("cd-1", 1)]).await;
    let mut request = shop.request(cart, Some("tok_ok"));
    request.customer = Some(THEIRS);
    let identity = Identity { issuer: "issuer".to_owned(), sub: "ada".to_owned() };
    shop.store.add_customer(&identity, THEIRS).await.expect("is added");
    // The second one of the batch meets the cart as the first one left it.
    let mut rival = shop.request(cart, Some("tok_ok"));
    rival.customer = Some(ANOTHERS);
    let answers = accept(&*shop.store, &shop.policy, &[request, rival]).await.expect("the store answers");
    let order = answers[0].as_ref().expect("is accepted").order;
    assert_eq!(answers[1].as_ref().expect_err("is not bob's").code(), "cart_not_found");
    let taken = read(&shop, cart).await.expect("exists");
    assert_eq!((taken.owner, taken.status, taken.order), (ADA, CartStatus::InCheckout, Some(order)));
    assert!(!visible(&taken, BOB));
    shop.rest().await;
    assert_eq!(read(&shop, cart).await.expect("exists").status, CartStatus::Cleared);
    shop.assert_clean("an adopted cart").await;
}

#[tokio::test]
async fn a_cart_that_an_order_holds_is_left_alone() {
    let mut shop = shop().await;
    let order = shop.cod().await;
    let cart = shop.view(order).await.order.cart;
    let check = async |shop: &Shop, refused: Refused| {
        assert_eq!(put(shop, cart, None, item("cd-1", 2)).await, Err(refused.clone()));
        assert_eq!(remove(shop, cart, None, "cd-1").await, Err(refused.clone()));
        assert_eq!(discard(&*shop.store, cart, None).await.expect("answers"), Err(refused.clone()));
        assert_eq!(merged(shop, cart, THEIRS).await, Err(refused));
    };
    check(&shop, Refused::CartInCheckout { cart, order }).await;
    let bought = shop.card("tok_ok").await;
    shop.rest().await;
    let cart = shop.view(bought).await.order.cart;
    let refused = Refused::CartCleared { cart, order: bought };
    assert_eq!(put(&shop, cart, None, item("cd-1", 2)).await, Err(refused.clone()));
    assert_eq!(merged(&shop, cart, THEIRS).await, Err(refused));
}

#[tokio::test]
async fn a_guest_who_signs_in_keeps_what_they_chose() {
    let mut shop = shop().await;
    let theirs = cart_of(&mut shop, ADA, &[("cd-1", 1), ("cd-2", 2)]).await;
    let guest = shop.cart(&[("p1", 1), ("cd-1", 4)]).await;
    let cart = merged(&shop, guest, THEIRS).await.expect("is merged");
    assert_eq!((cart.id, contents(&cart)), (theirs, vec![("cd-1", 5), ("cd-2", 2), ("p1", 1)]));
    assert_eq!(read(&shop, guest).await, None);
    assert_eq!(read(&shop, theirs).await, Some(cart.clone()));
    assert_eq!(merged(&shop, theirs, THEIRS).await, Ok(cart), "theirs already");
    assert_eq!(merged(&shop, theirs, ANOTHERS).await, Err(Refused::UnknownCart(theirs)));
    // F22: the answer was lost, and the same merge is asked for again.
    let again = merged(&shop, guest, THEIRS).await.expect("was merged");
    assert_eq!(Some(again), read(&shop, theirs).await);
    assert_eq!(merged(&shop, guest, ANOTHERS).await, Err(Refused::UnknownCart(guest)));

    let first = shop.cart(&[("usd", 1)]).await;
    let adopted = merged(&shop, first, ANOTHERS).await.expect("bob has none");
    assert_eq!((adopted.id, adopted.owner, contents(&adopted)), (first, BOB, vec![("usd", 1)]));
}

#[tokio::test]
async fn a_merge_that_no_order_could_have_changes_neither_cart() {
    let mut shop = shop().await;
    let names: Vec<String> = (0..LINES_MAX).map(|number| format!("p{number}")).collect();
    let full: Vec<_> = names.iter().map(|name| (name.as_str(), 1)).collect();
    for (theirs, guests, code) in [
        (vec![("cd-1", QUANTITY_MAX)], vec![("cd-1", 1)], "invalid_quantity"),
        (full, vec![("cd-1", 1)], "too_many_lines"),
        (vec![("cd-1", 1)], vec![("usd", 1)], "mixed_currencies"),
    ] {
        let theirs = cart_of(&mut shop, ADA, &theirs).await;
        let guest = shop.cart(&guests).await;
        let before = (read(&shop, theirs).await, read(&shop, guest).await);
        assert_eq!(merged(&shop, guest, THEIRS).await.expect_err("is refused").code(), code);
        assert_eq!((read(&shop, theirs).await, read(&shop, guest).await), before, "{code}");
    }
}

fn cart(items: Vec<CartItem>) -> Cart {
    Cart {
        id: CartId(uuid::Uuid::nil()),
        owner: None,
        status: CartStatus::Open,
        order: None,
        items,
        updated_at: holdfast_shared::Time::default(),
    }
}

#[test]
fn a_cart_costs_what_the_catalogue_says_of_what_is_for_sale() {
    let catalogue = [
        product("cd-1", 1_000, Currency::EUR),
        product("usd", 5, Currency::USD),
        product("dear", i64::MAX / 2, Currency::EUR),
        Product { active: false, ..product("gone", 7, Currency::EUR) },
    ];
    let products: BTreeMap<Sku, Product> = catalogue.into_iter().map(|row| (row.sku.clone(), row)).collect();
    let level = |sku: &Sku| (sku.clone(), Stock { on_hand: 7, reserved: 2 });
    let levels: BTreeMap<Sku, Stock> = products.keys().map(level).collect();
    let eur = |amount| Some(Money::new(amount, Currency::EUR));
    for (items, total) in [
        (vec![], None),
        (vec![item("cd-1", 3)], eur(3_000)),
        (vec![item("cd-1", 3), item("gone", 2), item("unknown", 1)], eur(3_000)),
        (vec![item("gone", 2)], None),
        (vec![item("cd-1", 1), item("usd", 1)], None),
        (vec![item("dear", 1), item("dear", 1), item("cd-1", 1)], None),
        (vec![item("dear", 3)], None),
    ] {
        let priced_cart = priced(&cart(items.clone()), &products, &levels);
        assert_eq!(priced_cart.total, total, "{items:?}");
        let names: Vec<_> = priced_cart.lines.iter().map(|line| &line.sku).collect();
        assert_eq!(names, items.iter().map(|item| &item.sku).collect::<Vec<_>>());
    }
    let priced_cart =
        priced(&cart(vec![item("cd-1", 3), item("gone", 2), item("unknown", 1)]), &products, &levels);
    let lines: Vec<_> = priced_cart
        .lines
        .iter()
        .map(|line| (line.name.as_str(), line.unit_price, line.line_total, line.available))
        .collect();
    assert_eq!(
        lines,
        [("CD-1", eur(1_000), eur(3_000), true), ("GONE", None, None, false), ("unknown", None, None, false)]
    );
}

#[test]
fn f18_what_is_available_is_so_in_the_quantity_that_is_asked_for() {
    let products: BTreeMap<Sku, Product> =
        ["cd-1", "cd-2"].map(|name| (sku(name), product(name, 1_000, Currency::EUR))).into();
    let level = |on_hand, reserved| BTreeMap::from([(sku("cd-1"), Stock { on_hand, reserved })]);
    for (levels, quantity, available, in_stock, most) in [
        (level(80, 0), 80, true, true, 80),
        (level(80, 0), 81, false, true, 80),
        (level(80, 75), 5, true, true, 5),
        (level(80, 80), 1, false, false, 0),
        (level(1_000_000, 0), 10_000, true, true, 10_000),
        (BTreeMap::new(), 1, false, false, 0),
    ] {
        let priced_cart = priced(&cart(vec![item("cd-1", quantity)]), &products, &levels);
        let line = &priced_cart.lines[0];
        assert_eq!(
            (line.available, line.in_stock, line.quantity_max),
            (available, in_stock, most),
            "{quantity}"
        );
        assert!(priced_cart.total.is_some(), "what is short has a price all the same");
    }
}
