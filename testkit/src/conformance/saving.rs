//! Saving: rows move only from where they are.

use std::time::Duration;

use holdfast_saga::records::batch_rows::{CartMove, Footprint, OrderMove, Writes};
use holdfast_saga::records::history::{Entry, LogRow};
use holdfast_saga::records::saga::Saga;
use holdfast_saga::records::{
    Cart, NotificationStatus, Order, Payment, PaymentDetails, Product, Stock, StockMove,
};
use holdfast_shared::{
    CancelReason, CartStatus, OrderStatus, PaymentStatus, Queue, RefundStatus, ReservationStatus, SagaId,
    SagaState,
};

use super::{Subject, mismatched, refused};
use crate::database::NOON;
use crate::rows::{
    cart, cart_id, moved, notification, order, order_id, payment, product, refund, saga, saga_id, signal,
    sku, with_orders, with_sagas,
};

const MINUTE: Duration = Duration::from_mins(1);

pub(super) fn log(saga: SagaId, fence: i64) -> LogRow {
    LogRow { saga, fence, at: NOON, entries: vec![Entry::Did("reserve_stock".to_owned()), Entry::Pivot] }
}

/// The fence is in the write, not only before it.
pub async fn a_saga_moves_only_from_its_fence(subject: &Subject) {
    let before = saga(saga_id(1));
    subject.save(with_sagas([before.clone()])).await;
    let step = moved(&before, |saga| {
        saga.queue = Queue::Compensation;
        saga.state = SagaState::Compensating;
        saga.leased_until = Some(NOON + MINUTE);
        saga.wake_at = None;
        saga.progress.failures = 2;
    });
    subject.save(step.clone()).await;
    assert_eq!(subject.saga(saga_id(1)).await, *step.sagas[&saga_id(1)].1);
    assert_eq!(mismatched(subject.try_save(step.clone()).await), "sagas");
    let unborn = moved(&saga(saga_id(2)), |_| {});
    assert_eq!(mismatched(subject.try_save(unborn).await), "sagas");
    assert_eq!(subject.saga(saga_id(1)).await, *step.sagas[&saga_id(1)].1);
}

/// Orders.
pub async fn an_order_moves_only_from_its_status(subject: &Subject) {
    subject.save(with_orders([order(1)])).await;
    let step = |from, to, reason| Writes {
        orders: [(order_id(1), OrderMove { from, to, reason })].into(),
        ..Writes::default()
    };
    let wrong = step(OrderStatus::PendingConfirmation, OrderStatus::Confirmed, None);
    assert_eq!(mismatched(subject.try_save(wrong).await), "orders");
    subject.clock.advance(MINUTE);
    subject.save(step(OrderStatus::PendingPayment, OrderStatus::Confirmed, None)).await;
    let again = step(OrderStatus::PendingPayment, OrderStatus::Confirmed, None);
    assert_eq!(mismatched(subject.try_save(again).await), "orders");
    let reason = Some(CancelReason::CustomerRequest);
    subject.save(step(OrderStatus::Confirmed, OrderStatus::Cancelling, None)).await;
    subject.save(step(OrderStatus::Cancelling, OrderStatus::Cancelled, reason)).await;
    let found = subject.store().order(order_id(1)).await.expect("reads").expect("exists").order;
    let expected = Order {
        status: OrderStatus::Cancelled,
        cancel_reason: reason,
        updated_at: NOON + MINUTE,
        ..order(1)
    };
    assert_eq!(found, expected);
}

/// Payments.
pub async fn a_payment_moves_only_from_its_status_and_is_written_whole(subject: &Subject) {
    subject.save(with_orders([order(1)])).await;
    let put =
        |from, row: Payment| Writes { payments: [(order_id(1), (from, row))].into(), ..Writes::default() };
    let captured = Payment {
        captured_minor: 2_000,
        details: PaymentDetails { provider_ref: Some("ch_1".to_owned()), next_action: None, object: None },
        ..payment(1, PaymentStatus::Captured)
    };
    let unborn = put(Some(PaymentStatus::Pending), captured.clone());
    assert_eq!(mismatched(subject.try_save(unborn).await), "payments");
    let waiting = Payment {
        details: PaymentDetails {
            provider_ref: None,
            next_action: Some("https://bank".to_owned()),
            object: None,
        },
        ..payment(1, PaymentStatus::RequiresAction)
    };
    subject.save(put(None, waiting)).await;
    refused(subject.try_save(put(None, captured.clone())).await);
    let wrong = put(Some(PaymentStatus::Unknown), captured.clone());
    assert_eq!(mismatched(subject.try_save(wrong).await), "payments");
    subject.save(put(Some(PaymentStatus::RequiresAction), captured.clone())).await;
    let found = |view: holdfast_saga::records::view::OrderView| view.payment.expect("has a payment");
    let view = subject.store().order(order_id(1)).await.expect("reads").expect("exists");
    assert_eq!(found(view), captured);
    let refunded = Payment {
        captured_minor: 2_000,
        refunded_minor: 2_000,
        charge: None,
        ..payment(1, PaymentStatus::Refunded)
    };
    subject.save(put(Some(PaymentStatus::Captured), refunded.clone())).await;
    let view = subject.store().order(order_id(1)).await.expect("reads").expect("exists");
    assert_eq!(found(view), refunded);
}

/// Refunds.
pub async fn a_refund_moves_only_from_its_status(subject: &Subject) {
    use RefundStatus::{Pending, Succeeded, Unknown};
    let put = |from, status| Writes {
        refunds: [(saga_id(1), (from, refund(1, status)))].into(),
        ..Writes::default()
    };
    assert_eq!(mismatched(subject.try_save(put(Some(Pending), Succeeded)).await), "refunds");
    subject.save(put(None, Pending)).await;
    refused(subject.try_save(put(None, Pending)).await);
    assert_eq!(mismatched(subject.try_save(put(Some(Unknown), Succeeded)).await), "refunds");
    subject.save(put(Some(Pending), Succeeded)).await;
    assert_eq!(mismatched(subject.try_save(put(Some(Pending), Succeeded)).await), "refunds");
}

/// Reservations.
pub async fn a_reservation_moves_only_from_its_status(subject: &Subject) {
    use ReservationStatus::{Confirmed, Held, Released, Restocked};
    let put = |from, to| Writes { reservations: [(order_id(1), (from, to))].into(), ..Writes::default() };
    subject.save(with_orders([order(1)])).await;
    assert_eq!(mismatched(subject.try_save(put(Some(Held), Released)).await), "reservations");
    subject.save(put(None, Held)).await;
    refused(subject.try_save(put(None, Held)).await);
    subject.save(put(Some(Held), Confirmed)).await;
    // Pitfall 8: what is confirmed is not released.
    assert_eq!(mismatched(subject.try_save(put(Some(Held), Released)).await), "reservations");
    subject.save(put(Some(Confirmed), Restocked)).await;
    let view = subject.store().order(order_id(1)).await.expect("reads").expect("exists");
    assert_eq!(view.reservation, Some(Restocked));
}

/// Messages.
pub async fn a_message_moves_only_from_its_status(subject: &Subject) {
    use NotificationStatus::{Failed, Pending, Sent};
    let put = |from, to| {
        let row = notification(1, 2, to);
        Writes { notifications: [(row.saga, (from, row))].into(), ..Writes::default() }
    };
    assert_eq!(mismatched(subject.try_save(put(Some(Pending), Sent)).await), "notifications");
    subject.save(put(None, Pending)).await;
    refused(subject.try_save(put(None, Pending)).await);
    subject.save(put(Some(Pending), Failed)).await;
    assert_eq!(mismatched(subject.try_save(put(Some(Pending), Sent)).await), "notifications");
    subject.save(put(Some(Failed), Sent)).await;
}

/// Carts.
pub async fn a_cart_moves_only_for_the_order_that_holds_it(subject: &Subject) {
    use CartStatus::{Cleared, InCheckout, Open};
    subject.save(Writes { put_carts: [(cart_id(1), cart(1))].into(), ..Writes::default() }).await;
    let step = |from, to, order| Writes {
        carts: [(cart_id(1), CartMove { from, to, order: order_id(order) })].into(),
        ..Writes::default()
    };
    assert_eq!(mismatched(subject.try_save(step(InCheckout, Cleared, 1)).await), "carts");
    subject.clock.advance(MINUTE);
    subject.save(step(Open, InCheckout, 1)).await;
    let footprint = || Footprint { carts: vec![cart_id(1)], ..Footprint::default() };
    let held = Cart { status: InCheckout, order: Some(order_id(1)), updated_at: NOON + MINUTE, ..cart(1) };
    assert_eq!(subject.load(footprint()).await.carts[&cart_id(1)], held);
    for (from, to, order) in [(Open, InCheckout, 2), (InCheckout, Cleared, 2), (InCheckout, Open, 2)] {
        assert_eq!(mismatched(subject.try_save(step(from, to, order)).await), "carts");
    }
    subject.save(step(InCheckout, Open, 1)).await;
    let back = Cart { updated_at: NOON + MINUTE, ..cart(1) };
    assert_eq!(subject.load(footprint()).await.carts[&cart_id(1)], back);
    subject.save(step(Open, InCheckout, 2)).await;
    subject.save(step(InCheckout, Cleared, 2)).await;
    let cleared = subject.load(footprint()).await.carts[&cart_id(1)].clone();
    assert_eq!((cleared.status, cleared.order), (Cleared, Some(order_id(2))));
    assert_eq!(mismatched(subject.try_save(step(Open, InCheckout, 3)).await), "carts");
}

/// Births.
pub async fn a_row_born_twice_is_refused(subject: &Subject) {
    subject
        .save(Writes {
            new_orders: with_orders([order(1)]).new_orders,
            log: vec![log(saga_id(1), 1)],
            ..with_sagas([saga(saga_id(1))])
        })
        .await;
    refused(subject.try_save(with_sagas([saga(saga_id(1))])).await);
    refused(subject.try_save(with_orders([Order { cart: cart_id(9), ..order(1) }])).await);
}

/// Pitfall 18: two open checkouts for one cart cannot exist, whatever the code does.
pub async fn one_unsettled_order_per_cart(subject: &Subject) {
    subject.save(with_orders([order(1)])).await;
    let second = || with_orders([Order { cart: cart_id(1), ..order(2) }]);
    refused(subject.try_save(second()).await);
    let step = OrderMove { from: OrderStatus::PendingPayment, to: OrderStatus::Confirmed, reason: None };
    subject.save(Writes { orders: [(order_id(1), step)].into(), ..Writes::default() }).await;
    subject.save(second()).await;
}

/// `0 ≤ reserved ≤ on_hand`, and not a row more is written.
pub async fn stock_is_never_oversold(subject: &Subject) {
    let step = |on_hand, reserved| Writes {
        stock: [(sku("cd-1"), StockMove { on_hand, reserved })].into(),
        signals: vec![signal(saga_id(1), "with it")],
        ..Writes::default()
    };
    let level = async || subject.store().stock(None, 10).await.expect("reads");
    for (on_hand, reserved) in [(0, 1), (5, 6), (5, -1), (-1, -1), (-1, 0)] {
        refused(subject.try_save(step(on_hand, reserved)).await);
        assert_eq!(level().await, [], "{on_hand} {reserved}");
    }
    subject.save(step(5, 5)).await;
    for (on_hand, reserved) in [(0, 1), (-1, 0), (0, -6), (-6, -6), (1, 2)] {
        refused(subject.try_save(step(on_hand, reserved)).await);
        let five = Stock { on_hand: 5, reserved: 5 };
        assert_eq!(level().await, [(sku("cd-1"), five)], "{on_hand} {reserved}");
    }
    subject.save(step(-5, -5)).await;
}

/// Whatever a level is by then: nobody need have read it to move it.
pub async fn stock_moves_add_up(subject: &Subject) {
    let step = |on_hand, reserved| StockMove { on_hand, reserved };
    // Taken back, sold, back on the shelf, delivered for the first time.
    for (cd_1, cd_2) in
        [(step(9, 3), None), (step(0, -1), Some(step(4, 0))), (step(-2, -2), Some(step(1, 1)))]
    {
        let stock = [(sku("cd-1"), Some(cd_1)), (sku("cd-2"), cd_2)];
        let stock = stock.into_iter().filter_map(|(sku, step)| Some((sku, step?))).collect();
        subject.save(Writes { stock, ..Writes::default() }).await;
    }
    let levels = subject.store().stock(None, 10).await.expect("reads");
    let level = |on_hand, reserved| Stock { on_hand, reserved };
    assert_eq!(levels, [(sku("cd-1"), level(7, 0)), (sku("cd-2"), level(5, 1))]);
}

/// And no other order does.
pub async fn a_cancelled_order_says_why(subject: &Subject) {
    subject.save(with_orders([order(1)])).await;
    let step = |to, reason| Writes {
        orders: [(order_id(1), OrderMove { from: OrderStatus::PendingPayment, to, reason })].into(),
        ..Writes::default()
    };
    refused(subject.try_save(step(OrderStatus::Cancelled, None)).await);
    let reason = Some(CancelReason::OutOfStock);
    refused(subject.try_save(step(OrderStatus::Confirmed, reason)).await);
    subject.save(step(OrderStatus::Cancelled, reason)).await;
}

/// Whatever made it fail must not fail this as well.
pub async fn poison_kills_and_touches_only_the_sagas_own_row(subject: &Subject) {
    let leased = Saga { leased_until: Some(NOON + MINUTE), ..saga(saga_id(1)) };
    subject.save(with_sagas([leased.clone(), saga(saga_id(2))])).await;
    subject.clock.advance(MINUTE);
    let poisoned = |id, why: &str| Writes { poisoned: [(id, why.to_owned())].into(), ..Writes::default() };
    subject.save(poisoned(saga_id(1), "its row cannot be read")).await;
    let dead = subject.saga(saga_id(1)).await;
    assert_eq!((dead.state, dead.fence), (SagaState::Dead, leased.fence + 1));
    assert_eq!((dead.leased_until, dead.wake_at), (None, None));
    assert_eq!(dead.progress.error.as_deref(), Some("its row cannot be read"));
    assert_eq!(dead.updated_at, NOON + MINUTE);
    // Direction and all stay as they were (E18).
    assert_eq!((dead.progress.phase, dead.progress.pivoted), (leased.progress.phase, false));
    assert_eq!(subject.saga(saga_id(2)).await, saga(saga_id(2)));
    assert!(subject.store().log(saga_id(1)).await.expect("reads").is_empty());
    assert_eq!(mismatched(subject.try_save(poisoned(saga_id(3), "is gone")).await), "sagas");
}

/// What was said of its old life is not said of its new one.
pub async fn a_poisoned_saga_that_moves_again_is_cured(subject: &Subject) {
    subject.save(with_sagas([saga(saga_id(1))])).await;
    let poisoned = [(saga_id(1), "its commit is refused".to_owned())].into();
    subject.save(Writes { poisoned, ..Writes::default() }).await;
    let dead = subject.saga(saga_id(1)).await;
    subject
        .save(moved(&dead, |saga| {
            saga.state = SagaState::Running;
            saga.progress.error = None;
        }))
        .await;
    assert_eq!(subject.saga(saga_id(1)).await.progress.error, None);
}

/// Carts and products are edited, not appended to.
pub async fn put_rows_are_replaced_whole(subject: &Subject) {
    let put = |cart: Cart, product: Product| Writes {
        put_carts: [(cart.id, cart)].into(),
        put_products: [(product.sku.clone(), product)].into(),
        ..Writes::default()
    };
    subject.save(put(cart(1), product("cd-1"))).await;
    let emptied = Cart { owner: None, items: vec![], updated_at: NOON + MINUTE, ..cart(1) };
    let repriced = Product { active: false, name: "gone".to_owned(), ..product("cd-1") };
    subject.clock.advance(MINUTE);
    subject.save(put(emptied.clone(), repriced.clone())).await;
    let world = subject
        .load(Footprint { carts: vec![cart_id(1)], products: vec![sku("cd-1")], ..Footprint::default() })
        .await;
    assert_eq!(world.carts[&cart_id(1)], emptied);
    assert_eq!(world.products[&sku("cd-1")], repriced);
}

/// History is keyed by saga and fence.
pub async fn no_commit_is_logged_twice(subject: &Subject) {
    subject.save(with_sagas([saga(saga_id(1))])).await;
    subject.save(Writes { log: vec![log(saga_id(1), 2)], ..Writes::default() }).await;
    refused(subject.try_save(Writes { log: vec![log(saga_id(1), 2)], ..Writes::default() }).await);
    assert_eq!(subject.store().log(saga_id(1)).await.expect("reads"), [log(saga_id(1), 2)]);
}
