//! Rows as tests need them: small, valid, and numbered.

use std::sync::Arc;

use holdfast_saga::records::batch_rows::Writes;
use holdfast_saga::records::context::{Context, Notice, NoticeKind};
use holdfast_saga::records::saga::{DefinitionId, Progress, Saga};
use holdfast_saga::records::signal::{NewSignal, SignalBody};
use holdfast_saga::records::{
    Cart, CartItem, Notification, NotificationStatus, Order, Payment, PaymentDetails, Product, Refund,
};
use holdfast_shared::{
    Actor, Address, CartId, CartStatus, Contact, Currency, CustomerId, KeyPrefix, Line, Money, OrderId,
    OrderStatus, PaymentMethod, PaymentStatus, Queue, RefundStatus, SagaId, SagaState, ShopId, Sku, StepKey,
};
use uuid::Uuid;

use crate::database::NOON;

/// A customer.
pub const ADA: CustomerId = CustomerId(Uuid::from_u128(0xada));
/// Another one.
pub const BOB: CustomerId = CustomerId(Uuid::from_u128(0xb0b));
/// A third one.
pub const EVE: CustomerId = CustomerId(Uuid::from_u128(0xe7e));

/// A SKU.
pub fn sku(name: &str) -> Sku {
    name.parse().expect("is a SKU")
}

/// Order `number`.
pub fn order_id(number: i64) -> OrderId {
    OrderId::new(number)
}

/// The checkout of order `number`.
pub fn saga_id(number: i64) -> SagaId {
    order_id(number).saga(0)
}

/// The shop of [`key_prefix`].
pub fn shop() -> ShopId {
    "00c0ffee42".parse().expect("is a shop id")
}

/// What the keys of the checkout of order `number` begin with.
pub fn key_prefix(number: i64) -> KeyPrefix {
    KeyPrefix::new(shop(), order_id(number), number.unsigned_abs())
}

/// The charge of order `number`.
pub fn charge(number: i64) -> StepKey {
    StepKey::new(&key_prefix(number), "take_payment", 1)
}

/// The cart of order `number`.
pub fn cart_id(number: i64) -> CartId {
    CartId(Uuid::from_u128(number.unsigned_abs().into()))
}

/// The definition that [`saga`] runs.
pub fn flow() -> DefinitionId {
    DefinitionId { name: "flow".to_owned(), version: 1 }
}

/// A saga that is due since [`NOON`].
pub fn saga(id: SagaId) -> Saga {
    Saga {
        id,
        key_prefix: KeyPrefix::new(
            shop(),
            id.order(),
            id.order().map_or(id.key(), OrderId::number).unsigned_abs(),
        ),
        definition: flow(),
        queue: Queue::Checkout,
        state: SagaState::Running,
        fence: 1,
        leased_until: None,
        wake_at: Some(NOON),
        progress: Progress::default(),
        context: Arc::new(Context::Notice(Notice {
            channel: "log".to_owned(),
            notice: NoticeKind::OrderConfirmed,
            total: Money::new(1_999, Currency::EUR),
            reason: None,
        })),
        created_at: NOON,
        updated_at: NOON,
    }
}

/// An open cart of two CDs.
pub fn cart(number: i64) -> Cart {
    Cart {
        id: cart_id(number),
        owner: Some(ADA),
        status: CartStatus::Open,
        order: None,
        items: vec![CartItem { sku: sku("cd-1"), quantity: 2 }],
        updated_at: NOON,
    }
}

/// An order of two CDs and a book, from the cart of the same number.
pub fn order(number: i64) -> Order {
    let line = |name, quantity, unit_price_minor| Line { sku: sku(name), quantity, unit_price_minor };
    Order {
        id: order_id(number),
        status: OrderStatus::PendingPayment,
        cancel_reason: None,
        method: PaymentMethod::Card,
        cart: cart_id(number),
        customer: Some(ADA),
        contact: Contact { email: "ada@example.com".to_owned(), phone: Some("+49 30 123".to_owned()) },
        shipping_address: Address {
            name: "Ada \"L.\" Lovelace".to_owned(),
            line1: "Straße 1".to_owned(),
            line2: None,
            city: "Zürich".to_owned(),
            region: None,
            postal_code: "8000".to_owned(),
            country: "CH".to_owned(),
        },
        notes: Some("ring 'twice'; -- then wait {\\}".to_owned()),
        lines: vec![line("book-1", 1, 1_000), line("cd-1", 2, 500)],
        total: Money::new(2_000, Currency::EUR),
        accepted_at: NOON,
        updated_at: NOON,
    }
}

/// The book on the payment of order `number`.
pub fn payment(number: i64, status: PaymentStatus) -> Payment {
    Payment {
        order: order_id(number),
        provider: "sandbox".to_owned(),
        status,
        amount: Money::new(2_000, Currency::EUR),
        captured_minor: 0,
        refunded_minor: 0,
        settled_manually_minor: 0,
        charge: Some(charge(number)),
        details: PaymentDetails::default(),
    }
}

/// A refund of the checkout of order `number`.
pub fn refund(number: i64, status: RefundStatus) -> Refund {
    Refund {
        saga: saga_id(number),
        status,
        amount: Money::new(2_000, Currency::EUR),
        charge: charge(number),
        late: true,
        settled_manually: false,
    }
}

/// A message of the saga in `slot` of order `number`.
pub fn notification(number: i64, slot: u32, status: NotificationStatus) -> Notification {
    Notification {
        saga: order_id(number).saga(slot),
        notice: NoticeKind::OrderCancelled,
        channel: "log".to_owned(),
        status,
    }
}

/// A product for 5.00 USD.
pub fn product(name: &str) -> Product {
    Product {
        sku: sku(name),
        name: "Night, on \"Earth\"".to_owned(),
        price: Money::new(500, Currency::USD),
        active: true,
    }
}

/// A customer's request to cancel.
pub fn signal(saga: SagaId, dedupe: &str) -> NewSignal {
    let body = SignalBody::Cancel { by: Actor::Customer };
    NewSignal { saga, dedupe: dedupe.to_owned(), body }
}

/// The birth of some sagas.
pub fn with_sagas(sagas: impl IntoIterator<Item = Saga>) -> Writes {
    Writes {
        new_sagas: sagas.into_iter().map(|saga| (saga.id, Box::new(saga))).collect(),
        ..Writes::default()
    }
}

/// The acceptance of some orders.
pub fn with_orders(orders: impl IntoIterator<Item = Order>) -> Writes {
    Writes { new_orders: orders.into_iter().map(|order| (order.id, order)).collect(), ..Writes::default() }
}

/// `before`, as it is in the database, with `change` and the fence raised.
pub fn moved(before: &Saga, change: impl FnOnce(&mut Saga)) -> Writes {
    let mut after = Box::new(before.clone());
    after.fence += 1;
    change(&mut after);
    Writes { sagas: [(before.id, (before.fence, after))].into(), ..Writes::default() }
}
