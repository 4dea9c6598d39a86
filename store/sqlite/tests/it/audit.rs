//! The facts of an audit: SKUs that have no row of their own, and stretches of orders.

use holdfast_saga::ports::Store as _;
use holdfast_saga::records::audit_fact::{Fact, LooseRow};
use holdfast_saga::records::batch_rows::Writes;
use holdfast_saga::records::context::NoticeKind;
use holdfast_saga::records::{Notification, NotificationStatus, Order, StockAdjustment, StockMove};
use holdfast_shared::{CartStatus, ReservationStatus, SagaState, Sku};

use crate::shop::{NOW, Shop, cart, cart_id, order, order_id, saga, saga_id, sku, with_orders, with_sagas};

async fn facts(shop: &Shop) -> Vec<Fact> {
    let mut facts = Vec::new();
    shop.store.facts(&mut |fact| facts.push(fact)).await.expect("reads");
    facts
}

#[tokio::test]
async fn a_fact_names_every_movement_of_a_sku_with_or_without_a_level() {
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
            Fact::Order(_) | Fact::Saga(_) | Fact::Loose(_) | Fact::Unreadable(_) => None,
        })
        .collect();
    let expected =
        [("book-1", 0, 2, 1, 1), ("cd-1", 12, 4, 2, 2), ("gone", 4, 0, 0, 0), ("idle", 0, 0, 0, 0)];
    assert_eq!(seen, expected.map(|(name, a, c, r, h)| (name.to_owned(), a, c, r, h)));
}

fn of_a_guest(number: i64) -> Order {
    Order { customer: None, ..order(number) }
}

#[tokio::test]
async fn stretches_leave_out_no_order_and_no_loose_row() {
    let shop = Shop::open().await;
    // Five stretches and one order; orders 7 and 5,001 are missing, and something lies behind the last one.
    let missing = [7, 5_001];
    let numbers = || (1..=10_003).filter(|number| !missing.contains(number));
    let mut held = cart(1);
    held.owner = None;
    held.status = CartStatus::InCheckout;
    held.order = Some(order_id(1));
    let late = saga(order_id(20_000).saga(64));
    let sagas = (1..=10_003).map(|number| saga(saga_id(number))).chain([late]);
    let notification = Notification {
        saga: order_id(9_000).saga(1),
        notice: NoticeKind::OrderConfirmed,
        channel: "log".to_owned(),
        status: NotificationStatus::Pending,
    };
    shop.save(Writes {
        put_carts: [(cart_id(1), held)].into(),
        new_sagas: with_sagas(sagas).new_sagas,
        notifications: [(notification.saga, (None, notification))].into(),
        ..with_orders(numbers().map(|number| Order { lines: Vec::new(), ..of_a_guest(number) }))
    })
    .await;
    shop.save(Writes { new_orders: [(order_id(20_001), of_a_guest(20_001))].into(), ..Writes::default() })
        .await;

    let mut orders = Vec::new();
    let mut loose = Vec::new();
    for fact in facts(&shop).await {
        match fact {
            Fact::Order(order) => orders.push(order),
            Fact::Loose(row) => loose.push((row.what, row.subject)),
            other @ (Fact::Stock(_) | Fact::Saga(_) | Fact::Unreadable(_)) => panic!("{other:?}"),
        }
    }
    let orphans = ["7.0", "5001.0", "20000.64"].map(|id| (LooseRow::SagaWithoutOrder, format!("saga {id}")));
    assert_eq!(loose, orphans);
    let seen: Vec<_> = orders.iter().map(|fact| fact.order.id.number()).collect();
    assert_eq!(seen, numbers().chain([20_001]).collect::<Vec<_>>());
    for fact in &orders {
        let number = fact.order.id.number();
        let sagas: Vec<_> = fact.sagas.iter().map(|fact| (fact.saga.id.slot(), fact.saga.state)).collect();
        let running = vec![(Some(0), SagaState::Running)];
        assert_eq!(sagas, if number == 20_001 { vec![] } else { running }, "{number}");
        assert_eq!(fact.order.lines.is_empty(), number != 20_001, "{number}");
        assert_eq!(fact.order.total.amount_minor, 2_000, "{number}");
        let messages: Vec<_> = fact.notifications.iter().map(|message| message.saga.slot()).collect();
        assert_eq!(messages, if number == 9_000 { vec![Some(1)] } else { vec![] }, "{number}");
    }
    let cart = orders[0].cart.as_ref().expect("is there");
    assert_eq!((cart.status, cart.order), (CartStatus::InCheckout, Some(order_id(1))));
    assert_eq!(orders[1].cart, None);
}
