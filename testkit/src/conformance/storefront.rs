//! What customers and admins come for: carts, the catalogue, their own orders, how things move.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use holdfast_saga::records::batch_rows::{Footprint, OrderMove, Writes};
use holdfast_saga::records::context::Dedupe;
use holdfast_saga::records::saga::Saga;
use holdfast_saga::records::view::{OrderFilter, OrderVersion, ProductFilter};
use holdfast_saga::records::{Cart, Identity, Order, Product, Stock, StockMove, Versions};
use holdfast_shared::{
    CancelReason, CartStatus, CustomerId, OrderId, OrderStatus, PaymentMethod, SLOT_MAX, SagaState,
};

use super::{Subject, mismatched};
use crate::database::NOON;
use crate::rows::{
    ADA, BOB, EVE, cart, cart_id, moved, order, order_id, product, saga, saga_id, sku, with_orders,
    with_sagas,
};

const MINUTE: Duration = Duration::from_mins(1);

fn with_carts(carts: impl IntoIterator<Item = Cart>) -> Writes {
    Writes { put_carts: carts.into_iter().map(|cart| (cart.id, cart)).collect(), ..Writes::default() }
}

/// Whole, wherever it stands.
pub async fn a_cart_is_read_as_it_was_put(subject: &Subject) {
    let taken = Cart {
        owner: None,
        status: CartStatus::InCheckout,
        order: Some(order_id(7)),
        items: vec![],
        ..cart(2)
    };
    subject.save(with_carts([cart(1), taken.clone()])).await;
    let read = async |number| subject.store().cart(cart_id(number)).await.expect("reads");
    assert_eq!(read(1).await, Some(cart(1)));
    assert_eq!(read(2).await, Some(taken));
    assert_eq!(read(3).await, None);
}

/// Of several the youngest; never a guest's, nobody else's, none that an order holds.
pub async fn a_customers_open_cart_is_found(subject: &Subject) {
    let find = async |who| subject.store().open_cart_of(who).await.expect("reads");
    assert_eq!(find(ADA).await, None);
    let held =
        |number| Cart { status: CartStatus::InCheckout, order: Some(order_id(number)), ..cart(number) };
    let of = |owner: Option<CustomerId>, number| Cart { owner, ..cart(number) };
    subject.save(with_carts([cart(1), cart(2), held(3), of(Some(BOB), 4), of(None, 5)])).await;
    assert_eq!(find(ADA).await, Some(cart_id(2)));
    assert_eq!(find(BOB).await, Some(cart_id(4)));
    assert_eq!(find(CustomerId::random()).await, None);
    subject.save(with_carts([Cart { owner: Some(EVE), ..cart(2) }])).await;
    assert_eq!((find(ADA).await, find(EVE).await), (Some(cart_id(1)), Some(cart_id(2))));
}

/// One id for one identity, whoever asks first; two issuers may know different people by one name.
pub async fn s10_an_identity_has_one_id(subject: &Subject) {
    let of = |issuer: &str, sub: &str| Identity { issuer: issuer.to_owned(), sub: sub.to_owned() };
    let known = async |identity: Identity| subject.store().known_customer(&identity).await.expect("reads");
    assert_eq!(known(of("us", "ada")).await, None);
    let asked: Vec<_> = (0..8)
        .map(|_| {
            let (store, identity) = (Arc::clone(&subject.database.store), of("us", "ada"));
            tokio::spawn(async move { store.customer(&identity, CustomerId::random()).await })
        })
        .collect();
    let mut ids = BTreeSet::new();
    for answer in asked {
        ids.insert(answer.await.expect("ends").expect("answers"));
    }
    let ada = known(of("us", "ada")).await;
    assert_eq!(ids.into_iter().map(Some).collect::<Vec<_>>(), [ada]);
    assert_eq!((known(of("them", "ada")).await, known(of("us", "Ada")).await), (None, None));

    // One from before issuers were kept is the first one's who knows them.
    let before = subject.store().customer(&of("", "bob"), BOB).await.expect("answers");
    assert_eq!(before, BOB);
    assert_eq!(known(of("us", "bob")).await, Some(BOB));
    assert_eq!(known(of("them", "bob")).await, None);
    let theirs = subject.store().customer(&of("them", "bob"), EVE).await.expect("answers");
    assert_eq!((theirs, known(of("us", "bob")).await), (EVE, Some(BOB)));
}

/// Only while it is open: what an order came from is kept.
pub async fn only_an_open_cart_is_discarded(subject: &Subject) {
    let held = Cart { status: CartStatus::InCheckout, order: Some(order_id(2)), ..cart(2) };
    subject.save(with_carts([cart(1), held.clone()])).await;
    let discard = |numbers: &[i64]| Writes {
        discarded_carts: numbers.iter().map(|number| cart_id(*number)).collect(),
        ..Writes::default()
    };
    assert_eq!(mismatched(subject.try_save(discard(&[1, 2])).await), "carts");
    let read = async |number| subject.store().cart(cart_id(number)).await.expect("reads");
    assert_eq!((read(1).await, read(2).await), (Some(cart(1)), Some(held)));
    subject.save(discard(&[1])).await;
    assert_eq!(read(1).await, None);
    assert_eq!(mismatched(subject.try_save(discard(&[1])).await), "carts");
}

/// And never moves one that is there.
pub async fn a_shelf_is_empty_unless_it_is_there_already(subject: &Subject) {
    let level = Stock { on_hand: 5, reserved: 2 };
    let stocked = StockMove { on_hand: level.on_hand, reserved: level.reserved };
    subject.save(Writes { stock: [(sku("a"), stocked)].into(), ..Writes::default() }).await;
    let shelves = [sku("a"), sku("b")].into();
    subject.save(Writes { shelves, ..Writes::default() }).await;
    let levels = subject.store().stock(None, 10).await.expect("reads");
    assert_eq!(levels, [(sku("a"), level), (sku("b"), Stock::default())]);
}

/// Whatever happens to a level or a product, its version is not one that it had before.
pub async fn f19_versions_only_grow(subject: &Subject) {
    let step = |on_hand, reserved| Writes {
        stock: [(sku("a"), StockMove { on_hand, reserved })].into(),
        ..Writes::default()
    };
    let put = |name: &str| Writes {
        put_products: [(sku("a"), Product { name: name.to_owned(), ..product("a") })].into(),
        ..Writes::default()
    };
    assert_eq!(subject.store().versions(&sku("a")).await.expect("reads"), None);
    let mut expected = Versions::default();
    for (writes, stock, product) in [
        (step(5, 0), 1, 0),
        (put("A"), 0, 1),
        (step(0, 3), 0, 0),
        (step(-3, -3), 1, 0),
        (put("B"), 0, 1),
        (step(3, 0), 1, 0),
        (put("A"), 0, 1),
    ] {
        subject.save(writes).await;
        expected = Versions { stock: expected.stock + stock, product: expected.product + product };
        assert_eq!(subject.store().versions(&sku("a")).await.expect("reads"), Some(expected));
        let world =
            subject.load(Footprint { versions: vec![sku("a"), sku("b")], ..Footprint::default() }).await;
        assert_eq!(world.versions, [(sku("a"), expected)].into());
    }
    let levels = subject.store().levels(&[sku("a"), sku("b")]).await.expect("reads");
    assert_eq!(levels, [(sku("a"), Stock { on_hand: 5, reserved: 0 })]);
}

/// With what it was used for, and for good.
pub async fn a_requests_key_is_used_once(subject: &Subject) {
    let [one, two] = [1, 2].map(uuid::Uuid::from_u128);
    let keyed = |key, body| Writes { request_keys: vec![Dedupe { key, body }], ..Writes::default() };
    subject.save(keyed(one, two)).await;
    assert!(subject.try_save(keyed(one, one)).await.is_err());
    subject.save(keyed(two, two)).await;
    let keys = Footprint { request_keys: vec![one, uuid::Uuid::from_u128(3)], ..Footprint::default() };
    assert_eq!(subject.load(keys).await.request_keys, [(one, two)].into());
}

/// Bytewise, so that a cursor means the same everywhere.
pub async fn the_catalogue_is_paged_by_sku_bytewise(subject: &Subject) {
    let names = ["a-1", "B-1", "b_1", "~", "A", "a", "Z", "!"];
    let withdrawn = |name: &str| Product { active: name != "Z" && name != "a", ..product(name) };
    let products: BTreeMap<_, _> = names.map(|name| (sku(name), withdrawn(name))).into();
    subject.save(Writes { put_products: products, ..Writes::default() }).await;
    let list = async |filter: ProductFilter| {
        let found = subject.store().products(&filter).await.expect("reads");
        found.iter().map(|product| product.sku.to_string()).collect::<Vec<_>>()
    };
    let all = || ProductFilter { limit: 100, ..ProductFilter::default() };
    assert_eq!(list(all()).await, ["!", "A", "B-1", "Z", "a", "a-1", "b_1", "~"]);
    assert_eq!(list(ProductFilter { limit: 3, ..all() }).await, ["!", "A", "B-1"]);
    let page = |after| ProductFilter { after: Some(sku(after)), ..all() };
    assert_eq!(list(ProductFilter { limit: 2, ..page("B-1") }).await, ["Z", "a"]);
    assert_eq!(list(ProductFilter { active: Some(true), ..page("B-1") }).await, ["a-1", "b_1", "~"]);
    assert_eq!(list(ProductFilter { active: Some(false), ..all() }).await, ["Z", "a"]);
    let chosen = || ProductFilter { skus: ["b_1", "Z", "none", "A"].map(sku).into(), ..all() };
    assert_eq!(list(chosen()).await, ["A", "Z", "b_1"]);
    let some = ProductFilter { active: Some(true), after: Some(sku("A")), ..chosen() };
    assert_eq!(list(some).await, ["b_1"]);
    assert_eq!(list(ProductFilter { limit: 1, ..chosen() }).await, ["A"]);
    let one = ProductFilter { skus: vec![sku("Z")], ..all() };
    assert_eq!(subject.store().products(&one).await.expect("reads"), [withdrawn("Z")]);
}

/// Theirs alone, by every other filter too.
pub async fn a_customers_orders_are_theirs_alone(subject: &Subject) {
    let of = |customer: Option<CustomerId>, number| Order { customer, ..order(number) };
    let cod = Order { method: PaymentMethod::Cod, ..of(Some(ADA), 5) };
    let orders = [of(Some(ADA), 1), of(Some(BOB), 2), of(Some(ADA), 3), of(None, 4), cod, of(Some(ADA), 6)];
    let mut dead = saga(saga_id(3));
    dead.state = SagaState::Dead;
    dead.wake_at = None;
    subject.save(Writes { new_sagas: with_sagas([dead]).new_sagas, ..with_orders(orders) }).await;
    let reason = Some(CancelReason::OutOfStock);
    let step = OrderMove { from: OrderStatus::PendingPayment, to: OrderStatus::Cancelled, reason };
    subject
        .save(Writes { orders: [(order_id(1), step), (order_id(2), step)].into(), ..Writes::default() })
        .await;
    let ada = || OrderFilter { customer: Some(ADA), limit: 100, ..OrderFilter::default() };
    for (filter, expected) in [
        (ada(), vec![6, 5, 3, 1]),
        (OrderFilter { customer: Some(BOB), ..ada() }, vec![2]),
        (OrderFilter { customer: Some(EVE), ..ada() }, vec![]),
        (OrderFilter { limit: 2, ..ada() }, vec![6, 5]),
        (OrderFilter { before: Some(order_id(5)), ..ada() }, vec![3, 1]),
        (OrderFilter { method: Some(PaymentMethod::Cod), ..ada() }, vec![5]),
        (OrderFilter { statuses: vec![OrderStatus::Cancelled], ..ada() }, vec![1]),
        (OrderFilter { reason, ..ada() }, vec![1]),
        (OrderFilter { needs_attention: Some(true), ..ada() }, vec![3]),
        (OrderFilter { needs_attention: Some(false), ..ada() }, vec![6, 5, 1]),
    ] {
        let found = subject.store().orders(&filter).await.expect("reads");
        let numbers: Vec<_> = found.iter().map(|view| view.order.id.number()).collect();
        assert_eq!(numbers, expected, "{filter:?}");
    }
}

/// For admission: more than that many are all the same.
pub async fn unsettled_orders_are_counted_up_to_a_bound(subject: &Subject) {
    let count = async |at_most| subject.store().pending(at_most).await.expect("counts");
    assert_eq!(count(10).await, 0);
    let waits = Order { method: PaymentMethod::Cod, status: OrderStatus::PendingConfirmation, ..order(3) };
    subject.save(with_orders([order(1), order(2), waits, order(4)])).await;
    let step = OrderMove { from: OrderStatus::PendingPayment, to: OrderStatus::Confirmed, reason: None };
    subject.save(Writes { orders: [(order_id(4), step)].into(), ..Writes::default() }).await;
    for (at_most, expected) in [(0, 0), (2, 2), (3, 3), (10, 3), (u64::MAX, 3)] {
        assert_eq!(count(at_most).await, expected, "{at_most}");
    }
    // F26: who waits for the buyer or the shop is no work. Order 2 has no saga, and order 4 is decided.
    let sagas = [(1, SagaState::Running), (3, SagaState::Waiting), (4, SagaState::Running)];
    let sagas = sagas.map(|(number, state)| Saga { state, ..saga(order_id(number).saga(0)) });
    subject.save(with_sagas(sagas)).await;
    for (at_most, expected) in [(0, 0), (1, 1), (u64::MAX, 1)] {
        assert_eq!(subject.store().at_work(at_most).await.expect("counts"), expected, "{at_most}");
    }
}

/// The order, any saga of it, or one more saga.
pub async fn an_orders_version_changes_with_whatever_moves(subject: &Subject) {
    let children = [order_id(1).saga(SLOT_MAX), order_id(3).saga(0)].map(saga);
    let sagas = with_sagas([saga(saga_id(1))].into_iter().chain(children)).new_sagas;
    subject.save(Writes { new_sagas: sagas, ..with_orders([order(1), order(2)]) }).await;
    let order_versions = async |orders: &[i64]| {
        let orders: Vec<OrderId> = orders.iter().map(|number| order_id(*number)).collect();
        subject.store().order_versions(&orders).await.expect("reads")
    };
    let quiet = OrderVersion { updated_at: NOON, fences: 0, sagas: 0 };
    let first = OrderVersion { fences: 2, sagas: 2, ..quiet };
    // Order 3 does not exist, although a saga of it does.
    assert_eq!(order_versions(&[2, 1, 3, 2]).await, [(order_id(1), first), (order_id(2), quiet)].into());
    assert_eq!(order_versions(&[]).await, BTreeMap::new());

    subject.clock.advance(MINUTE);
    let child = subject.saga(order_id(1).saga(SLOT_MAX)).await;
    subject.save(moved(&child, |saga| saga.state = SagaState::Completed)).await;
    assert_eq!(order_versions(&[1]).await[&order_id(1)], OrderVersion { fences: 3, ..first });
    subject.save(with_sagas([saga(order_id(1).saga(9))])).await;
    assert_eq!(order_versions(&[1]).await[&order_id(1)], OrderVersion { fences: 4, sagas: 3, ..first });
    let step = OrderMove { from: OrderStatus::PendingPayment, to: OrderStatus::Confirmed, reason: None };
    subject.save(Writes { orders: [(order_id(2), step)].into(), ..Writes::default() }).await;
    assert_eq!(order_versions(&[2]).await[&order_id(2)], OrderVersion { updated_at: NOON + MINUTE, ..quiet });

    let many: Vec<i64> = (1..=10_000).collect();
    assert_eq!(order_versions(&many).await.len(), 2);
}

/// So that whatever one replica signed the others recognise.
pub async fn a_secret_is_made_once_and_kept(subject: &Subject) {
    let (first, second) = ([7; 32], [8; 32]);
    let (one, other) = tokio::join!(
        subject.store().secret("order_token", first),
        subject.store().secret("order_token", second),
    );
    let kept = one.expect("keeps");
    assert_eq!(kept, other.expect("keeps"));
    assert!([first, second].contains(&kept));
    assert_eq!(subject.store().secret("order_token", [9; 32]).await.expect("reads"), kept);
    assert_eq!(subject.store().secret("cursor", [0; 32]).await.expect("keeps"), [0; 32]);
}
