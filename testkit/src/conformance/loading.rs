//! Loading: what a transaction locks and reads.

use std::sync::Arc;
use std::time::Duration;

use holdfast_saga::records::batch_rows::{Footprint, World, Writes};
use holdfast_saga::records::context::{Checkout, Context, Origin};
use holdfast_saga::records::saga::{CallState, Charge, Phase, Saga};
use holdfast_saga::records::{CartItem, PaymentDetails, PaymentObject, Product, Refund, Stock, StockMove};
use holdfast_shared::{
    CancelReason, CartStatus, Currency, Line, OrderStatus, PaymentMethod, PaymentStatus, Queue, RefundStatus,
    SagaState, StepKey,
};

use super::Subject;
use crate::database::NOON;
use crate::rows::{
    cart, cart_id, order, order_id, payment, product, refund, saga, saga_id, signal, sku, with_orders,
    with_sagas,
};

const MINUTE: Duration = Duration::from_mins(1);

/// A saga with something in every field.
pub(super) fn busy_saga() -> Saga {
    let mut busy = saga(saga_id(1));
    busy.queue = Queue::PaymentEvents;
    busy.state = SagaState::Waiting;
    busy.fence = 41;
    busy.leased_until = Some(NOON + MINUTE);
    busy.wake_at = Some(NOON + 2 * MINUTE);
    let progress = &mut busy.progress;
    progress.phase = Phase::Undo;
    (progress.stage, progress.pivoted, progress.call) = (3, true, CallState::Pending);
    (progress.generation, progress.attempts, progress.failures) = (1, 2, 3);
    (progress.not_before, progress.deadline) = (Some(NOON + MINUTE), Some(NOON + 3 * MINUTE));
    progress.cause = Some(CancelReason::PaymentExpired);
    progress.error = Some("the bank's \"phone\" rang; nobody {answered}".to_owned());
    progress.worker = Some("worker-7".to_owned());
    let charge = StepKey::new(&busy.key_prefix, "take_payment", 2);
    let details = PaymentDetails { provider_ref: Some("ch_2".to_owned()), next_action: None, object: None };
    progress.data.charge = Some(Charge { key: charge.clone(), status: PaymentStatus::Unknown, details });
    progress.data.refund = Some(RefundStatus::Pending);
    progress.data.late = vec![charge];
    busy.context = Arc::new(Context::Checkout(Checkout {
        cart: cart_id(1),
        method: PaymentMethod::Paypal,
        provider: "sandbox".to_owned(),
        opens: false,
        token: Some("tok_ok".to_owned()),
        lines: vec![Line { sku: sku("cd-1"), quantity: 2, unit_price_minor: 500 }],
        total_minor: 1_000,
        currency: Currency::EUR,
        decide_by: NOON + 30 * MINUTE,
        origin: Origin {
            request_id: Some("request-7".to_owned()),
            trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736".to_owned()),
        },
    }));
    busy
}

/// Nothing is lost, rounded or turned around on the way.
pub async fn every_table_is_loaded_as_it_was_saved(subject: &Subject) {
    let full_cart = holdfast_saga::records::Cart {
        owner: None,
        items: vec![CartItem { sku: sku("b"), quantity: 1 }, CartItem { sku: sku("a"), quantity: 10_000 }],
        ..cart(1)
    };
    let plain_order = holdfast_saga::records::Order {
        status: OrderStatus::PendingConfirmation,
        method: PaymentMethod::Cod,
        customer: None,
        notes: None,
        contact: holdfast_shared::Contact { phone: None, ..order(2).contact },
        ..order(2)
    };
    let known = holdfast_saga::records::Payment {
        captured_minor: 2_000,
        refunded_minor: 500,
        settled_manually_minor: 300,
        details: PaymentDetails {
            provider_ref: Some("ch_1".to_owned()),
            next_action: Some("https://bank.example/?a=1&b=2".to_owned()),
            object: Some(Box::new(PaymentObject {
                reference: "po_'1".to_owned(),
                account: "acct_1".to_owned(),
                live: true,
                wire: 2,
            })),
        },
        ..payment(1, PaymentStatus::PartiallyRefunded)
    };
    // The first and the last slot an order has; the next order's are not its own.
    let granted = Refund {
        late: false,
        settled_manually: true,
        saga: *order_id(1).sagas().end(),
        ..refund(1, RefundStatus::Unknown)
    };
    let refunds = [refund(1, RefundStatus::Succeeded), granted, refund(2, RefundStatus::Pending)];
    let withdrawn = Product { active: false, ..product("cd-2") };
    let level = Stock { on_hand: 1_000_000_000, reserved: 7 };
    subject
        .save(Writes {
            payments: [
                (order_id(1), (None, known.clone())),
                (order_id(2), (None, payment(2, PaymentStatus::Pending))),
            ]
            .into(),
            put_carts: [(cart_id(1), full_cart.clone())].into(),
            put_products: [(sku("cd-1"), product("cd-1")), (sku("cd-2"), withdrawn.clone())].into(),
            stock: [
                (sku("cd-1"), StockMove { on_hand: level.on_hand, reserved: level.reserved }),
                (sku("cd-2"), StockMove::default()),
            ]
            .into(),
            refunds: refunds.iter().map(|refund| (refund.saga, (None, refund.clone()))).collect(),
            new_sagas: with_sagas([busy_saga()]).new_sagas,
            signals: vec![signal(saga_id(1), "one")],
            ..with_orders([order(1), plain_order.clone()])
        })
        .await;
    let world = subject
        .load(Footprint {
            sagas: vec![saga_id(1)],
            orders: vec![order_id(1), order_id(2)],
            payments: vec![order_id(1), order_id(2)],
            refunds: vec![order_id(1)],
            carts: vec![cart_id(1)],
            keys: vec![],
            products: vec![sku("cd-1"), sku("cd-2")],
            products_of_carts: false,
            stock: vec![sku("cd-1"), sku("cd-2")],
            levels: vec![],
            versions: vec![],
            request_keys: vec![],
            pauses: false,
        })
        .await;
    let (found, inbox) = &world.sagas[&saga_id(1)];
    // The signal made it due at once.
    assert_eq!(**found, Saga { wake_at: Some(NOON), ..busy_saga() });
    assert_eq!(inbox.iter().map(|signal| signal.dedupe.as_str()).collect::<Vec<_>>(), ["one"]);
    assert_eq!(inbox[0].body, signal(saga_id(1), "one").body);
    assert_eq!(world.orders, [(order_id(1), order(1)), (order_id(2), plain_order)].into());
    let fresh = payment(2, PaymentStatus::Pending);
    assert_eq!(world.payments, [(order_id(1), known), (order_id(2), fresh)].into());
    assert_eq!(world.refunds, refunds[..2].iter().map(|refund| (refund.saga, refund.clone())).collect());
    assert_eq!(world.carts, [(cart_id(1), full_cart)].into());
    assert_eq!(world.products, [(sku("cd-1"), product("cd-1")), (sku("cd-2"), withdrawn)].into());
    assert_eq!(world.stock, [(sku("cd-1"), level), (sku("cd-2"), Stock::default())].into());
    assert!(world.writes.is_empty());
    let glance = Footprint { levels: vec![sku("cd-1"), sku("cd-3")], ..Footprint::default() };
    assert_eq!(subject.load(glance).await.stock, [(sku("cd-1"), level)].into());
}

/// Unknown ids are for the rules to judge.
pub async fn what_is_missing_is_left_out(subject: &Subject) {
    subject.save(with_orders([order(1)])).await;
    let world = subject
        .load(Footprint {
            sagas: vec![saga_id(1)],
            orders: vec![order_id(1), order_id(2)],
            payments: vec![order_id(1)],
            refunds: vec![order_id(1)],
            carts: vec![cart_id(1)],
            keys: vec![],
            products: vec![sku("cd-1")],
            products_of_carts: true,
            stock: vec![sku("cd-1")],
            levels: vec![sku("cd-1")],
            versions: vec![sku("cd-1")],
            request_keys: vec![uuid::Uuid::from_u128(1)],
            pauses: true,
        })
        .await;
    assert_eq!(world.orders.keys().copied().collect::<Vec<_>>(), [order_id(1)]);
    assert!(world.sagas.is_empty() && world.payments.is_empty() && world.carts.is_empty());
    assert!(world.refunds.is_empty() && world.products.is_empty() && world.stock.is_empty());
    assert!(world.paused.is_empty() && world.versions.is_empty() && world.request_keys.is_empty());
}

/// What time it is can be asked alone.
pub async fn the_present_is_read_even_for_nothing(subject: &Subject) {
    subject.clock.advance(MINUTE);
    assert_eq!(subject.load(Footprint::default()).await.now, NOON + MINUTE);
}

/// A command reads an order first, and then what is in it.
pub async fn a_second_load_adds_to_the_first(subject: &Subject) {
    subject
        .save(Writes {
            put_carts: [(cart_id(1), cart(1))].into(),
            put_products: [(sku("cd-1"), product("cd-1"))].into(),
            ..Writes::default()
        })
        .await;
    let mut world = World::default();
    let mut tx = subject.store().begin().await.expect("begins");
    let carts = Footprint { carts: vec![cart_id(1)], ..Footprint::default() };
    tx.load(&carts, &mut world).await.expect("loads");
    let products = Footprint { products: vec![sku("cd-1")], ..Footprint::default() };
    tx.load(&products, &mut world).await.expect("loads");
    assert_eq!((world.carts.len(), world.products.len()), (1, 1));
    assert_eq!(world.carts[&cart_id(1)].status, CartStatus::Open);
}
