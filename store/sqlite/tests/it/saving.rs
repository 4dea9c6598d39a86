//! Loading and saving: what one transaction sees and leaves behind.

use std::sync::Arc;
use std::time::Duration;

use holdfast_saga::ports::{Store, StoreError};
use holdfast_saga::records::batch_rows::{CartMove, Footprint, OrderMove, Writes};
use holdfast_saga::records::context::NoticeKind;
use holdfast_saga::records::history::{Entry, LogRow};
use holdfast_saga::records::{
    AdminAction, Channel, Notification, NotificationStatus, Payment, Product, Refund, Stock, StockAdjustment,
    StockMove,
};
use holdfast_shared::{
    CancelReason, CartStatus, Currency, Money, OrderStatus, PaymentStatus, RefundStatus, ReservationStatus,
    SagaState, StepKey,
};
use uuid::Uuid;

use crate::shop::{
    NOW, Shop, cart, cart_id, key_prefix, moved, order, order_id, saga, saga_id, sku, with_orders, with_sagas,
};

const LATER: Duration = Duration::from_mins(1);

fn payment(number: i64, status: PaymentStatus) -> Payment {
    Payment {
        order: order_id(number),
        provider: "sandbox".to_owned(),
        status,
        amount: Money::new(2_000, Currency::EUR),
        captured_minor: 0,
        refunded_minor: 0,
        settled_manually_minor: 0,
        charge: Some(StepKey::new(&key_prefix(number), "take_payment", 1)),
        provider_ref: None,
        next_action: None,
    }
}

fn refund(number: i64, status: RefundStatus) -> Refund {
    Refund {
        saga: saga_id(number),
        status,
        amount: Money::new(2_000, Currency::EUR),
        charge: StepKey::new(&key_prefix(number), "take_payment", 1),
        late: true,
        settled_manually: false,
    }
}

fn notification(number: i64, status: NotificationStatus) -> Notification {
    Notification {
        saga: saga_id(number),
        notice: NoticeKind::OrderCancelled,
        channel: Channel::Log,
        recipient: "ada@example.com".to_owned(),
        status,
    }
}

#[tokio::test]
async fn every_row_is_read_back_as_it_was_saved() {
    let shop = Shop::open().await;
    let mut waiting = saga(saga_id(1));
    waiting.state = SagaState::Waiting;
    waiting.leased_until = Some(NOW + LATER);
    waiting.progress.failures = 3;
    waiting.progress.not_before = Some(NOW + LATER);
    let product = Product {
        sku: sku("cd-1"),
        name: "Night, on \"Earth\"".to_owned(),
        price: Money::new(500, Currency::USD),
        active: true,
    };
    let stock = Stock { on_hand: 7, reserved: 2 };
    let log = LogRow {
        saga: saga_id(1),
        fence: 1,
        at: NOW,
        entries: vec![Entry::Did("reserve_stock".to_owned()), Entry::Pivot],
    };
    shop.save(Writes {
        new_sagas: [(waiting.id, waiting.clone())].into(),
        log: vec![log.clone()],
        new_orders: [(order_id(1), order(1))].into(),
        payments: [(order_id(1), (None, payment(1, PaymentStatus::Pending)))].into(),
        refunds: [(saga_id(1), (None, refund(1, RefundStatus::Pending)))].into(),
        reservations: [(order_id(1), (None, ReservationStatus::Held))].into(),
        notifications: [(saga_id(1), (None, notification(1, NotificationStatus::Pending)))].into(),
        put_carts: [(cart_id(1), cart(1))].into(),
        put_products: [(sku("cd-1"), product.clone())].into(),
        stock: [(sku("cd-1"), StockMove { on_hand: stock.on_hand, reserved: stock.reserved })].into(),
        adjustments: vec![StockAdjustment {
            sku: sku("cd-1"),
            delta: -3,
            reason: "broken".to_owned(),
            actor: "grace".to_owned(),
            at: NOW,
        }],
        admin_actions: vec![AdminAction {
            at: NOW,
            actor: "grace".to_owned(),
            action: "order.confirm".to_owned(),
            subject: "order 1".to_owned(),
            detail: "fine".to_owned(),
            order: Some(order_id(1)),
        }],
        ..Writes::default()
    })
    .await;
    let world = shop
        .load(Footprint {
            sagas: vec![saga_id(1), saga_id(2)],
            orders: vec![order_id(1), order_id(2)],
            payments: vec![order_id(1)],
            carts: vec![cart_id(1), cart_id(2)],
            products: vec![sku("cd-1"), sku("cd-2")],
            stock: vec![sku("cd-1"), sku("cd-2")],
            ..Footprint::default()
        })
        .await;
    assert_eq!(world.now, NOW);
    assert_eq!(world.sagas, [(saga_id(1), (waiting, vec![]))].into());
    assert_eq!(world.orders, [(order_id(1), order(1))].into());
    assert_eq!(world.payments, [(order_id(1), payment(1, PaymentStatus::Pending))].into());
    assert_eq!(world.carts, [(cart_id(1), cart(1))].into());
    assert_eq!(world.products, [(sku("cd-1"), product)].into());
    assert_eq!(world.stock, [(sku("cd-1"), stock)].into());
    assert_eq!(shop.store.log(saga_id(1)).await.expect("reads"), [log]);
    for (sql, rows) in [
        ("select count(*) from stock_adjustments where delta = -3 and reason = 'broken'", 1),
        ("select count(*) from admin_actions where action = 'order.confirm' and detail = 'fine'", 1),
        (
            "select count(*) from refunds where late = 1 and charge_key = '00c0ffee42-1-000000000007:take_payment:1'",
            1,
        ),
        ("select count(*) from notifications where notice = 'order_cancelled' and channel = 'log'", 1),
    ] {
        assert_eq!(shop.number(sql).await, rows, "{sql}");
    }
}

#[tokio::test]
async fn a_dropped_transaction_leaves_nothing() {
    let shop = Shop::open().await;
    let key = (Uuid::from_u128(1), Uuid::from_u128(2));
    let world = shop.load(Footprint { keys: vec![key], ..Footprint::default() }).await;
    assert_eq!(world.claimed.len(), 1);
    assert_eq!(shop.number("select count(*) from idempotency_keys").await, 0);
    // The writer is free again, and undisturbed.
    shop.save(with_sagas([saga(saga_id(1))])).await;
}

#[tokio::test]
async fn a_transaction_that_sqlite_itself_rolls_back_does_not_jam_the_writer() {
    // A full disk does the same as this trigger: it ends the transaction behind the driver's back.
    let shop = Shop::open().await;
    shop.execute("create trigger t before insert on carts begin select raise(rollback, 'gone'); end").await;
    for _ in 0..3 {
        let writes = Writes { put_carts: [(cart_id(1), cart(1))].into(), ..with_sagas([saga(saga_id(1))]) };
        let error = shop.try_save(writes).await.expect_err("is rolled back");
        assert!(matches!(error, StoreError::Data(_)), "{error:?}");
    }
    assert_eq!(shop.number("select count(*) from sagas").await, 0);
    shop.save(with_sagas([saga(saga_id(1))])).await;
    assert_eq!(shop.number("select count(*) from sagas").await, 1);
}

#[tokio::test]
async fn keys_are_claimed_once_and_their_numbers_are_never_shared() {
    let shop = Shop::open().await;
    let key = |n: u128| (Uuid::from_u128(n), Uuid::from_u128(n + 100));
    let claim = async |keys: Vec<(Uuid, Uuid)>| {
        let mut world = holdfast_saga::records::batch_rows::World::default();
        let mut tx = shop.store.begin().await.expect("begins");
        tx.load(&Footprint { keys, ..Footprint::default() }, &mut world).await.expect("loads");
        tx.save(&Writes { at: NOW, ..Writes::default() }).await.expect("saves");
        world
    };
    let first = claim(vec![key(1), key(2)]).await;
    assert_eq!(first.claimed.keys().copied().collect::<Vec<_>>(), [key(1).0, key(2).0]);
    let second = claim(vec![key(2), key(3), key(3)]).await;
    assert_eq!(second.claimed.keys().copied().collect::<Vec<_>>(), [key(3).0]);
    let taken = second.taken[&key(2).0];
    assert_eq!((taken.body, taken.order), (key(2).1, first.claimed[&key(2).0]));
    let mut numbers: Vec<_> = first.claimed.values().chain(second.claimed.values()).collect();
    numbers.sort();
    numbers.dedup();
    assert_eq!(numbers.len(), 3);

    shop.save(Writes { unclaimed: vec![key(1).0], ..Writes::default() }).await;
    let third = claim(vec![key(1)]).await;
    assert!(third.claimed.contains_key(&key(1).0), "a key that was given up may be claimed again");
}

#[tokio::test]
async fn a_row_that_is_not_where_it_should_be_stops_the_whole_save() {
    let shop = Shop::open().await;
    let held = Writes {
        put_carts: [(cart_id(1), cart(1))].into(),
        payments: [(order_id(1), (None, payment(1, PaymentStatus::Pending)))].into(),
        refunds: [(saga_id(1), (None, refund(1, RefundStatus::Pending)))].into(),
        reservations: [(order_id(1), (None, ReservationStatus::Held))].into(),
        notifications: [(saga_id(1), (None, notification(1, NotificationStatus::Pending)))].into(),
        new_sagas: [(saga_id(1), saga(saga_id(1)))].into(),
        ..with_orders([order(1)])
    };
    shop.save(held).await;
    let mut late = saga(saga_id(1));
    late.fence = 7;
    let to = OrderStatus::Confirmed;
    let reason = None;
    let cases = [
        ("sagas", moved(&late, |_| {})),
        (
            "orders",
            Writes {
                orders: [(order_id(1), OrderMove { from: OrderStatus::Processing, to, reason })].into(),
                ..Writes::default()
            },
        ),
        (
            "payments",
            Writes {
                payments: [(
                    order_id(1),
                    (Some(PaymentStatus::Unknown), payment(1, PaymentStatus::Captured)),
                )]
                .into(),
                ..Writes::default()
            },
        ),
        (
            "refunds",
            Writes {
                refunds: [(saga_id(1), (Some(RefundStatus::Failed), refund(1, RefundStatus::Succeeded)))]
                    .into(),
                ..Writes::default()
            },
        ),
        (
            "reservations",
            Writes {
                reservations: [(
                    order_id(1),
                    (Some(ReservationStatus::Confirmed), ReservationStatus::Restocked),
                )]
                .into(),
                ..Writes::default()
            },
        ),
        (
            "notifications",
            Writes {
                notifications: [(
                    saga_id(1),
                    (Some(NotificationStatus::Sent), notification(1, NotificationStatus::Failed)),
                )]
                .into(),
                ..Writes::default()
            },
        ),
        (
            "carts",
            Writes {
                carts: [(
                    cart_id(1),
                    CartMove { from: CartStatus::InCheckout, to: CartStatus::Cleared, order: order_id(1) },
                )]
                .into(),
                ..Writes::default()
            },
        ),
    ];
    for (table, writes) in cases {
        let besides =
            Writes { stock: [(sku("cd-1"), StockMove { on_hand: 1, reserved: 0 })].into(), ..writes };
        let error = shop.try_save(besides).await.expect_err("does not fit");
        let StoreError::Mismatch { table: named, expected: 1, found: 0 } = error else {
            panic!("{table}: {error:?}");
        };
        assert_eq!(named, table);
        assert_eq!(shop.number("select count(*) from stock").await, 0, "{table}");
    }
}

#[tokio::test]
async fn a_rule_of_the_schema_stops_the_whole_save() {
    let shop = Shop::open().await;
    shop.save(with_orders([order(1)])).await;
    let mut same_cart = order(2);
    same_cart.cart = cart_id(1);
    let oversold = (sku("cd-1"), StockMove { on_hand: 1, reserved: 2 });
    let cases = [
        ("one unsettled order a cart", with_orders([same_cart])),
        ("an order is born once", with_orders([order(1)])),
        ("never oversold", Writes { stock: [oversold].into(), ..Writes::default() }),
    ];
    for (rule, writes) in cases {
        let besides = Writes { put_carts: [(cart_id(9), cart(9))].into(), ..writes };
        let error = shop.try_save(besides).await.expect_err(rule);
        assert!(matches!(error, StoreError::Data(_)), "{rule}: {error:?}");
        assert_eq!(shop.number("select count(*) from carts").await, 0, "{rule}");
    }
}

#[tokio::test]
async fn rows_move_from_where_they_are() {
    let shop = Shop::open().await;
    let captured = Payment {
        captured_minor: 2_000,
        provider_ref: Some("ch_1".to_owned()),
        ..payment(1, PaymentStatus::Captured)
    };
    let mut in_checkout = cart(2);
    in_checkout.status = CartStatus::InCheckout;
    in_checkout.order = Some(order_id(1));
    shop.save(Writes {
        payments: [(order_id(1), (None, payment(1, PaymentStatus::Pending)))].into(),
        put_carts: [(cart_id(1), cart(1)), (cart_id(2), in_checkout)].into(),
        ..with_orders([order(1)])
    })
    .await;
    shop.save(Writes {
        payments: [(order_id(1), (Some(PaymentStatus::Pending), captured))].into(),
        orders: [(
            order_id(1),
            OrderMove {
                from: OrderStatus::PendingPayment,
                to: OrderStatus::Cancelled,
                reason: Some(CancelReason::CustomerRequest),
            },
        )]
        .into(),
        carts: [
            (cart_id(1), CartMove { from: CartStatus::Open, to: CartStatus::InCheckout, order: order_id(1) }),
            (cart_id(2), CartMove { from: CartStatus::InCheckout, to: CartStatus::Open, order: order_id(1) }),
        ]
        .into(),
        ..Writes::default()
    })
    .await;
    let refunded =
        Payment { captured_minor: 2_000, refunded_minor: 2_000, ..payment(1, PaymentStatus::Refunded) };
    shop.save(Writes {
        payments: [(order_id(1), (Some(PaymentStatus::Captured), refunded))].into(),
        ..Writes::default()
    })
    .await;
    let world = shop
        .load(Footprint {
            orders: vec![order_id(1)],
            payments: vec![order_id(1)],
            carts: vec![cart_id(1), cart_id(2)],
            ..Footprint::default()
        })
        .await;
    assert_eq!(world.orders[&order_id(1)].cancel_reason, Some(CancelReason::CustomerRequest));
    let payment = &world.payments[&order_id(1)];
    assert_eq!(payment.status, PaymentStatus::Refunded);
    assert_eq!(payment.provider_ref.as_deref(), Some("ch_1"), "a name once given stays");
    assert_eq!(world.carts[&cart_id(1)].order, Some(order_id(1)));
    assert_eq!(world.carts[&cart_id(2)].order, None);
}

#[tokio::test]
async fn writers_take_turns_and_none_is_lost() {
    let shop = Arc::new(Shop::open().await);
    let adding = (0..40).map(|_| {
        let shop = Arc::clone(&shop);
        tokio::spawn(async move {
            let tx = shop.store.begin().await.expect("begins");
            let stock = [(sku("cd-1"), StockMove { on_hand: 1, reserved: 0 })].into();
            tx.save(&Writes { at: NOW, stock, ..Writes::default() }).await.expect("saves");
        })
    });
    for added in adding.collect::<Vec<_>>() {
        added.await.expect("adds");
    }
    assert_eq!(shop.number("select on_hand from stock").await, 40);
}
