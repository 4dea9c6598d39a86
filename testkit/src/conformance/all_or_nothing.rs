//! Saving: all of a batch is written, or nothing.

use holdfast_saga::records::batch_rows::{CartMove, Footprint, OrderMove, Writes};
use holdfast_saga::records::saga::Saga;
use holdfast_saga::records::{NotificationStatus, Order, StockMove};
use holdfast_shared::{CartStatus, OrderStatus, PaymentStatus, RefundStatus, ReservationStatus};

use super::saving::log;
use super::{Subject, mismatched, refused};
use crate::rows::{
    cart, cart_id, moved, notification, order, order_id, payment, product, refund, saga, saga_id, signal,
    sku, with_orders, with_sagas,
};

/// The whole batch, whatever else is in it.
pub async fn one_row_out_of_place_and_nothing_is_written(subject: &Subject) {
    subject
        .save(Writes {
            put_carts: [(cart_id(1), cart(1))].into(),
            ..with_sagas([saga(saga_id(1)), saga(saga_id(2))])
        })
        .await;
    let mut stale = saga(saga_id(2));
    stale.fence = 7;
    let mut writes = moved(&saga(saga_id(1)), |saga| saga.wake_at = None);
    writes.sagas.extend(moved(&stale, |_| {}).sagas);
    writes.new_orders.insert(order_id(1), order(1));
    writes.log.push(log(saga_id(1), 2));
    writes.signals.push(signal(saga_id(1), "one"));
    writes.stock.insert(sku("cd-1"), StockMove { on_hand: 1, reserved: 0 });
    writes.reservations.insert(order_id(1), (None, ReservationStatus::Held));
    let step = CartMove { from: CartStatus::Open, to: CartStatus::InCheckout, order: order_id(1) };
    writes.carts.insert(cart_id(1), step);
    assert_eq!(mismatched(subject.try_save(writes).await), "sagas");
    assert_eq!(subject.saga(saga_id(1)).await, saga(saga_id(1)));
    assert_eq!(subject.store().order(order_id(1)).await.expect("reads"), None);
    assert!(subject.store().log(saga_id(1)).await.expect("reads").is_empty());
    assert!(subject.store().inbox(saga_id(1)).await.expect("reads").is_empty());
    assert!(subject.store().stock(None, 10).await.expect("reads").is_empty());
    let carts = Footprint { carts: vec![cart_id(1)], ..Footprint::default() };
    assert_eq!(subject.load(carts).await.carts[&cart_id(1)], cart(1));
}

/// A worker that dies inside a transaction was never there.
pub async fn a_transaction_that_is_dropped_leaves_nothing(subject: &Subject) {
    subject.save(with_sagas([saga(saga_id(1))])).await;
    let mut world = holdfast_saga::records::batch_rows::World::default();
    let mut tx = subject.store().begin().await.expect("begins");
    let footprint = Footprint { sagas: vec![saga_id(1)], stock: vec![sku("cd-1")], ..Footprint::default() };
    tx.load(&footprint, &mut world).await.expect("loads");
    drop(tx);
    // Nothing is locked any more, either.
    subject.save(moved(&saga(saga_id(1)), |_| {})).await;
    assert_eq!(subject.saga(saga_id(1)).await.fence, 2);
}

/// Whichever table stops it, nothing of the batch is written.
pub async fn a_save_that_any_table_stops_writes_nothing(subject: &Subject) {
    subject
        .save(Writes {
            put_carts: [(cart_id(1), cart(1))].into(),
            payments: [(order_id(1), (None, payment(1, PaymentStatus::Pending)))].into(),
            refunds: [(saga_id(1), (None, refund(1, RefundStatus::Pending)))].into(),
            reservations: [(order_id(1), (None, ReservationStatus::Held))].into(),
            notifications: [(saga_id(1), (None, notification(1, 0, NotificationStatus::Pending)))].into(),
            new_sagas: with_sagas([saga(saga_id(1))]).new_sagas,
            ..with_orders([order(1)])
        })
        .await;
    let writes = Writes::default;
    let stale = Saga { fence: 7, ..saga(saga_id(1)) };
    let confirm = OrderMove { from: OrderStatus::Processing, to: OrderStatus::Confirmed, reason: None };
    let captured = (Some(PaymentStatus::Unknown), payment(1, PaymentStatus::Captured));
    let refunded = (Some(RefundStatus::Failed), refund(1, RefundStatus::Succeeded));
    let restocked = (Some(ReservationStatus::Confirmed), ReservationStatus::Restocked);
    let failed = (Some(NotificationStatus::Sent), notification(1, 0, NotificationStatus::Failed));
    let cleared = CartMove { from: CartStatus::InCheckout, to: CartStatus::Cleared, order: order_id(1) };
    let out_of_place = [
        ("sagas", moved(&stale, |_| {})),
        ("orders", Writes { orders: [(order_id(1), confirm)].into(), ..writes() }),
        ("payments", Writes { payments: [(order_id(1), captured)].into(), ..writes() }),
        ("refunds", Writes { refunds: [(saga_id(1), refunded)].into(), ..writes() }),
        ("reservations", Writes { reservations: [(order_id(1), restocked)].into(), ..writes() }),
        ("notifications", Writes { notifications: [(saga_id(1), failed)].into(), ..writes() }),
        ("carts", Writes { carts: [(cart_id(1), cleared)].into(), ..writes() }),
    ];
    let besides = |writes| Writes {
        put_products: [(sku("cd-9"), product("cd-9"))].into(),
        stock: [(sku("cd-1"), StockMove { on_hand: 1, reserved: 0 })].into(),
        ..writes
    };
    let is_untouched = async || {
        let products = Footprint { products: vec![sku("cd-9")], ..Footprint::default() };
        let stock = subject.store().stock(None, 10).await.expect("reads");
        stock.is_empty() && subject.load(products).await.products.is_empty()
    };
    for (table, writes) in out_of_place {
        assert_eq!(mismatched(subject.try_save(besides(writes)).await), table);
        assert!(is_untouched().await, "{table}");
    }
    for writes in [with_orders([Order { cart: cart_id(1), ..order(2) }]), with_orders([order(1)])] {
        refused(subject.try_save(besides(writes)).await);
        assert!(is_untouched().await, "a rule of the schema");
    }
}
