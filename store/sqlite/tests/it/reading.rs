//! The unlocked reads: pages, lists and the audit's facts.

use holdfast_saga::ports::Store;
use holdfast_saga::records::audit_fact::Fact;
use holdfast_saga::records::batch_rows::Writes;
use holdfast_saga::records::context::NoticeKind;
use holdfast_saga::records::saga::Saga;
use holdfast_saga::records::view::{OrderFilter, SagaCount, SagaFilter};
use holdfast_saga::records::{
    Channel, Notification, NotificationStatus, Order, Payment, Stock, StockAdjustment, StockMove,
};
use holdfast_shared::{
    CancelReason, CartStatus, OrderStatus, PaymentMethod, PaymentStatus, ReservationStatus, SagaState, Sku,
};

use crate::shop::{NOW, Shop, cart, cart_id, order, order_id, saga, saga_id, sku, with_orders, with_sagas};

/// Five orders: 2 and 4 cancelled, 3 and 4 paid in cash, 1 and 4 with a dead saga.
async fn shop_of_five() -> Shop {
    let shop = Shop::open().await;
    let orders = (1..=5).map(|number| {
        let mut order = order(number);
        if number == 3 || number == 4 {
            order.method = PaymentMethod::Cod;
        }
        if number == 2 || number == 4 {
            order.status = OrderStatus::Cancelled;
            order.cancel_reason =
                Some(if number == 2 { CancelReason::OutOfStock } else { CancelReason::AdminRequest });
        }
        order
    });
    let mut sagas: Vec<Saga> = (1..=5).map(|number| saga(saga_id(number))).collect();
    sagas[0].state = SagaState::Dead;
    sagas.push(Saga { state: SagaState::Dead, ..saga(order_id(4).saga(255)) });
    shop.save(Writes {
        reservations: [(order_id(5), (None, ReservationStatus::Held))].into(),
        new_sagas: with_sagas(sagas).new_sagas,
        ..with_orders(orders)
    })
    .await;
    shop
}

#[tokio::test]
async fn orders_are_listed_newest_first_by_every_filter() {
    let shop = shop_of_five().await;
    let all = || OrderFilter { limit: 100, ..OrderFilter::default() };
    let cancelled = Some(OrderStatus::Cancelled);
    let cases = [
        (all(), vec![5, 4, 3, 2, 1]),
        (OrderFilter { limit: 2, ..all() }, vec![5, 4]),
        (OrderFilter { limit: 2, before: Some(order_id(4)), ..all() }, vec![3, 2]),
        (OrderFilter { status: cancelled, ..all() }, vec![4, 2]),
        (OrderFilter { method: Some(PaymentMethod::Cod), ..all() }, vec![4, 3]),
        (OrderFilter { reason: Some(CancelReason::OutOfStock), ..all() }, vec![2]),
        (OrderFilter { needs_attention: Some(true), ..all() }, vec![4, 1]),
        (OrderFilter { needs_attention: Some(false), ..all() }, vec![5, 3, 2]),
        (OrderFilter { needs_attention: Some(true), status: cancelled, ..all() }, vec![4]),
        (OrderFilter { needs_attention: Some(true), before: Some(order_id(4)), ..all() }, vec![1]),
        (OrderFilter { needs_attention: Some(true), limit: 1, ..all() }, vec![4]),
        (OrderFilter { needs_attention: Some(false), status: cancelled, ..all() }, vec![2]),
    ];
    for (filter, expected) in cases {
        let orders = shop.store.orders(&filter).await.expect("reads");
        let numbers: Vec<_> = orders.iter().map(|view| view.order.id.number()).collect();
        assert_eq!(numbers, expected, "{filter:?}");
        for view in orders {
            assert_eq!(view.needs_attention, [1, 4].contains(&view.order.id.number()), "{filter:?}");
            assert_eq!(view.order.lines, order(1).lines, "{filter:?}");
        }
    }
}

#[tokio::test]
async fn an_order_comes_with_what_belongs_to_it() {
    let shop = shop_of_five().await;
    let payment = Payment {
        order: order_id(5),
        provider: "sandbox".to_owned(),
        status: PaymentStatus::RequiresAction,
        amount: order(5).total,
        captured_minor: 0,
        refunded_minor: 0,
        settled_manually_minor: 0,
        charge: None,
        provider_ref: None,
        next_action: Some("https://pay.example.com/5".to_owned()),
    };
    shop.save(Writes { payments: [(order_id(5), (None, payment.clone()))].into(), ..Writes::default() })
        .await;
    let view = shop.store.order(order_id(5)).await.expect("reads").expect("exists");
    assert_eq!(view.order, order(5));
    assert_eq!(view.payment, Some(payment));
    assert_eq!(view.reservation, Some(ReservationStatus::Held));
    assert!(!view.needs_attention);
    assert_eq!(shop.store.order(order_id(6)).await.expect("reads"), None);
}

#[tokio::test]
async fn sagas_are_listed_newest_first_by_every_filter() {
    let shop = shop_of_five().await;
    let all = SagaFilter { limit: 100, ..SagaFilter::default() };
    let dead = Some(SagaState::Dead);
    let cases = [
        (all.clone(), vec!["5.0", "4.255", "4.0", "3.0", "2.0", "1.0"]),
        (SagaFilter { limit: 1, ..all.clone() }, vec!["5.0"]),
        (SagaFilter { before: Some(saga_id(4)), ..all.clone() }, vec!["3.0", "2.0", "1.0"]),
        (SagaFilter { state: dead, ..all.clone() }, vec!["4.255", "1.0"]),
        (SagaFilter { state: dead, before: Some(saga_id(4)), ..all.clone() }, vec!["1.0"]),
        (SagaFilter { state: Some(SagaState::Running), limit: 2, ..all.clone() }, vec!["5.0", "4.0"]),
        (SagaFilter { definition: Some("other".to_owned()), ..all.clone() }, vec![]),
        (SagaFilter { definition: Some("flow".to_owned()), state: dead, ..all }, vec!["4.255", "1.0"]),
    ];
    for (filter, expected) in cases {
        let sagas = shop.store.sagas(&filter).await.expect("reads");
        let ids: Vec<_> = sagas.iter().map(|saga| saga.id.to_string()).collect();
        assert_eq!(ids, expected, "{filter:?}");
    }
    let of_four: Vec<_> =
        shop.store.sagas_of(order_id(4)).await.expect("reads").iter().map(|saga| saga.id.slot()).collect();
    assert_eq!(of_four, [0, 255]);
    let saga_counts = |state, sagas| SagaCount { definition: "flow".to_owned(), state, sagas };
    assert_eq!(
        shop.store.saga_counts().await.expect("reads"),
        [saga_counts(SagaState::Dead, 2), saga_counts(SagaState::Running, 4)]
    );
}

#[tokio::test]
async fn stock_is_listed_by_sku() {
    let shop = Shop::open().await;
    let level = |on_hand| Stock { on_hand, reserved: 1 };
    let stock =
        [("b", 2), ("a", 1), ("c", 3)].map(|(name, on_hand)| (sku(name), StockMove { on_hand, reserved: 1 }));
    shop.save(Writes { stock: stock.into(), ..Writes::default() }).await;
    let named = |name: &str, on_hand| (sku(name), level(on_hand));
    let cases = [
        (None, 2, vec![named("a", 1), named("b", 2)]),
        (Some(sku("c")), 1, vec![named("c", 3)]),
        (Some(sku("d")), 1, vec![]),
    ];
    for (sku, limit, expected) in cases {
        assert_eq!(shop.store.stock(sku.as_ref(), limit).await.expect("reads"), expected, "{sku:?}");
    }
}

async fn facts(shop: &Shop) -> Vec<Fact> {
    let mut facts = Vec::new();
    shop.store.facts(&mut |fact| facts.push(fact)).await.expect("reads");
    facts
}

#[tokio::test]
async fn the_audit_hears_of_every_piece_of_every_sku() {
    let shop = Shop::open().await;
    let reserved = [
        (1, ReservationStatus::Held),
        (2, ReservationStatus::Confirmed),
        (3, ReservationStatus::Restocked),
        (4, ReservationStatus::Released),
    ];
    let adjustment = |name, delta| StockAdjustment {
        sku: sku(name),
        delta,
        reason: "count".to_owned(),
        actor: "grace".to_owned(),
        at: NOW,
    };
    shop.save(Writes {
        stock: [(sku("cd-1"), StockMove { on_hand: 10, reserved: 2 }), (sku("idle"), StockMove::default())]
            .into(),
        adjustments: vec![
            adjustment("cd-1", 15),
            adjustment("cd-1", -3),
            adjustment("gone", 4),
            adjustment("even", 4),
            adjustment("even", -4),
        ],
        reservations: reserved.map(|(number, status)| (order_id(number), (None, status))).into(),
        // Order 5 has no reservation, so its lines count for nothing.
        ..with_orders((1..=5).map(order))
    })
    .await;
    let level = |sku: &Sku| [i64::from(sku.as_str() == "cd-1") * 10, i64::from(sku.as_str() == "cd-1") * 2];
    let seen: Vec<_> = facts(&shop)
        .await
        .into_iter()
        .filter_map(|fact| match fact {
            Fact::Stock(fact) => {
                let sku = fact.sku.expect("is named");
                assert_eq!([fact.on_hand, fact.reserved], level(&sku), "{sku}");
                Some((sku.to_string(), fact.adjusted, fact.confirmed, fact.restocked, fact.held))
            }
            Fact::Order(_) | Fact::Orphan(_) => None,
        })
        .collect();
    let expected =
        [("book-1", 0, 2, 1, 1), ("cd-1", 12, 4, 2, 2), ("gone", 4, 0, 0, 0), ("idle", 0, 0, 0, 0)];
    assert_eq!(seen, expected.map(|(name, a, c, r, h)| (name.to_owned(), a, c, r, h)));
}

#[tokio::test]
async fn the_audit_hears_of_every_order_across_pages_and_of_orphans() {
    let shop = Shop::open().await;
    // Two pages and one order; orders 7 and 5,001 are missing, and something lies behind the last one.
    let missing = [7, 5_001];
    let numbers = || (1..=10_003).filter(|number| !missing.contains(number));
    let mut held = cart(1);
    held.status = CartStatus::InCheckout;
    held.order = Some(order_id(1));
    let late = saga(order_id(20_000).saga(64));
    let sagas = (1..=10_003).map(|number| saga(saga_id(number))).chain([late]);
    let notification = Notification {
        saga: order_id(9_000).saga(1),
        notice: NoticeKind::OrderConfirmed,
        channel: Channel::Log,
        recipient: "ada@example.com".to_owned(),
        status: NotificationStatus::Pending,
    };
    shop.save(Writes {
        put_carts: [(cart_id(1), held)].into(),
        new_sagas: with_sagas(sagas).new_sagas,
        notifications: [(notification.saga, (None, notification))].into(),
        ..with_orders(numbers().map(|number| Order { lines: Vec::new(), ..order(number) }))
    })
    .await;
    shop.save(Writes { new_orders: [(order_id(20_001), order(20_001))].into(), ..Writes::default() }).await;

    let mut orders = Vec::new();
    let mut orphans = Vec::new();
    for fact in facts(&shop).await {
        match fact {
            Fact::Order(order) => orders.push(order),
            Fact::Orphan(saga) => orphans.push(saga.to_string()),
            Fact::Stock(stock) => panic!("{stock:?}"),
        }
    }
    assert_eq!(orphans, ["7.0", "5001.0", "20000.64"]);
    let seen: Vec<_> = orders.iter().map(|order| order.id.number()).collect();
    assert_eq!(seen, numbers().chain([20_001]).collect::<Vec<_>>());
    for order in &orders {
        let number = order.id.number();
        let sagas = if number == 20_001 { vec![] } else { vec![(0, SagaState::Running)] };
        assert_eq!(order.sagas, sagas, "{number}");
        assert_eq!(order.lines_minor, if number == 20_001 { 2_000 } else { 0 }, "{number}");
        assert_eq!(order.total_minor, 2_000, "{number}");
        assert_eq!(order.notifications, if number == 9_000 { vec![1] } else { vec![] }, "{number}");
    }
    assert_eq!(orders[0].cart, Some((CartStatus::InCheckout, Some(order_id(1)))));
    assert_eq!(orders[1].cart, None);
}
