//! The unlocked reads: filters, cursors, and the facts an audit judges.

use holdfast_saga::records::audit_fact::{Fact, Loose, LooseRow, OrderFact, SagaFact, StockFact};
use holdfast_saga::records::batch_rows::{CartMove, Writes};
use holdfast_saga::records::history::{Entry, LogRow};
use holdfast_saga::records::saga::{DefinitionId, Saga};
use holdfast_saga::records::signal::{NewSignal, SignalBody};
use holdfast_saga::records::view::{SagaCount, SagaFilter};
use holdfast_saga::records::{
    Cart, NotificationStatus, Order, Payment, Refund, Stock, StockAdjustment, StockMove,
};
use holdfast_shared::{
    Actor, CartStatus, Line, Money, PaymentStatus, RefundStatus, ReservationStatus, SLOT_MAX, SagaId,
    SagaState, Sku,
};

use super::Subject;
use crate::database::NOON;
use crate::rows::{
    cart, cart_id, notification, order, order_id, payment, refund, saga, saga_id, sku, with_orders,
    with_sagas,
};

pub(super) fn ended(order: i64, slot: u32, state: SagaState) -> Saga {
    Saga { state, wake_at: None, ..saga(order_id(order).saga(slot)) }
}

/// Any saga of it, its message too.
pub async fn an_order_needs_attention_while_a_saga_of_it_is_dead(subject: &Subject) {
    let sagas = [ended(1, 0, SagaState::Completed), ended(1, SLOT_MAX, SagaState::Dead), saga(saga_id(2))];
    subject
        .save(Writes { new_sagas: with_sagas(sagas).new_sagas, ..with_orders([order(1), order(2)]) })
        .await;
    let needs = async |number| {
        let view = subject.store().order(order_id(number)).await.expect("reads").expect("exists");
        view.needs_attention
    };
    assert!(needs(1).await && !needs(2).await);
    assert_eq!(subject.store().order(order_id(3)).await.expect("reads"), None);
}

/// A message about an account serves no order.
pub async fn a_saga_without_an_order_is_nobodys_orphan(subject: &Subject) {
    subject.save(with_orders([Order { customer: None, ..order(1) }])).await;
    let alone = Saga { state: SagaState::Dead, wake_at: None, ..saga(SagaId::standalone(17)) };
    subject.save(with_sagas([saga(saga_id(1)), alone.clone()])).await;
    assert_eq!(subject.saga(alone.id).await, alone);
    assert_eq!(subject.store().sagas_of(order_id(1)).await.expect("reads").len(), 1);
    let listed =
        subject.store().sagas(&SagaFilter { limit: 10, ..SagaFilter::default() }).await.expect("reads");
    assert_eq!(listed.iter().map(|saga| saga.id).collect::<Vec<_>>(), [alone.id, saga_id(1)]);
    let dead = subject.store().dead(None, 10).await.expect("reads");
    assert_eq!(dead.iter().map(|row| (row.id, row.token.clone())).collect::<Vec<_>>(), [(alone.id, None)]);
    let view = subject.store().order(order_id(1)).await.expect("reads").expect("exists");
    assert!(!view.needs_attention, "another saga's death is none of the order's");
    let (mut apart, mut loose) = (Vec::new(), 0);
    let mut sort = |fact| match fact {
        Fact::Saga(fact) => apart.push(fact.saga.id),
        Fact::Loose(_) | Fact::Unreadable(_) => loose += 1,
        Fact::Stock(_) | Fact::Order(_) => {}
    };
    subject.store().facts(&mut sort).await.expect("reads");
    assert_eq!((apart, loose), (vec![alone.id], 0));
}

/// And nobody else's.
pub async fn an_orders_sagas_are_listed_by_slot(subject: &Subject) {
    let slots = [3, 0, SLOT_MAX, 64].map(|slot| order_id(7).saga(slot));
    let neighbours = [order_id(6).saga(SLOT_MAX), order_id(8).saga(0)];
    subject.save(with_sagas(slots.into_iter().chain(neighbours).map(saga))).await;
    let found = subject.store().sagas_of(order_id(7)).await.expect("reads");
    assert_eq!(found.iter().map(|saga| saga.id.slot()).collect::<Vec<_>>(), [0, 3, 64, SLOT_MAX].map(Some));
    assert_eq!(found[0], saga(saga_id(7)));
    assert_eq!(subject.store().saga(saga_id(9)).await.expect("reads"), None);
}

/// One row a commit.
pub async fn history_is_read_oldest_first(subject: &Subject) {
    let row = |fence, entries: Vec<Entry>| LogRow { saga: saga_id(1), fence, at: NOON, entries };
    let first = row(2, vec![Entry::Did("a \"step\"".to_owned()), Entry::Pivot]);
    let second = row(10, vec![Entry::Completed]);
    let others = LogRow { saga: order_id(1).saga(1), ..row(1, vec![]) };
    subject.save(Writes { log: vec![second.clone(), others, first.clone()], ..Writes::default() }).await;
    assert_eq!(subject.store().log(saga_id(1)).await.expect("reads"), [first, second]);
    assert!(subject.store().log(saga_id(2)).await.expect("reads").is_empty());
}

/// One, or a page of all.
pub async fn stock_is_listed_by_sku(subject: &Subject) {
    let level = |on_hand| Stock { on_hand, reserved: 1 };
    let delivery = |on_hand| StockMove { on_hand, reserved: 1 };
    let stock = [(sku("b"), delivery(2)), (sku("a"), delivery(1)), (sku("c"), delivery(3))];
    subject.save(Writes { stock: stock.into(), ..Writes::default() }).await;
    let read = async |name: Option<&str>, limit| {
        let name: Option<Sku> = name.map(sku);
        subject.store().stock(name.as_ref(), limit).await.expect("reads")
    };
    assert_eq!(read(None, 2).await, [(sku("a"), level(1)), (sku("b"), level(2))]);
    assert_eq!(read(Some("c"), 1).await, [(sku("c"), level(3))]);
    assert_eq!(read(Some("d"), 1).await, []);
}

/// For the metrics.
pub async fn sagas_are_counted_by_definition_and_state(subject: &Subject) {
    let other = DefinitionId { name: "other".to_owned(), version: 1 };
    let newer = DefinitionId { name: "flow".to_owned(), version: 2 };
    subject
        .save(with_sagas([
            saga(saga_id(1)),
            Saga { definition: newer, ..saga(saga_id(2)) },
            ended(3, 0, SagaState::Dead),
            ended(5, 0, SagaState::Completed),
            Saga { definition: other, ..saga(saga_id(4)) },
        ]))
        .await;
    let all = counts(subject.store().saga_counts().await.expect("reads"));
    assert_eq!(all, ["1 flow COMPLETED", "1 flow DEAD", "1 other RUNNING", "2 flow RUNNING"]);
    let unsettled = counts(subject.store().unsettled().await.expect("reads"));
    assert_eq!(unsettled, ["1 flow DEAD", "1 other RUNNING", "2 flow RUNNING"]);
}

fn counts(saga_counts: Vec<SagaCount>) -> Vec<String> {
    let line = |row: SagaCount| format!("{} {} {}", row.sagas, row.definition, row.state);
    let mut counts: Vec<_> = saga_counts.into_iter().map(line).collect();
    counts.sort();
    counts
}

fn lines(cds: u32) -> (Vec<Line>, Money) {
    let line = Line { sku: sku("cd-1"), quantity: cds, unit_price_minor: 500 };
    (vec![line], Money::new(500 * i64::from(cds), holdfast_shared::Currency::EUR))
}

/// The payment of the first order; a refund given on it, one settled by hand, and one of late money.
fn money_of_the_first() -> (Payment, [Refund; 3]) {
    let captured = Payment {
        captured_minor: 1_000,
        refunded_minor: 400,
        settled_manually_minor: 250,
        ..payment(1, PaymentStatus::PartiallyRefunded)
    };
    let granted = Refund {
        saga: order_id(1).saga(40),
        amount: Money::new(400, holdfast_shared::Currency::EUR),
        late: false,
        ..refund(1, RefundStatus::Succeeded)
    };
    let by_hand = Refund {
        saga: order_id(1).saga(41),
        amount: Money::new(250, holdfast_shared::Currency::EUR),
        settled_manually: true,
        ..granted.clone()
    };
    (captured, [granted, by_hand, refund(1, RefundStatus::Unknown)])
}

/// All of what the audit needs, and the sums right.
pub async fn the_facts_are_what_the_rows_say(subject: &Subject) {
    let of = |number, cds| {
        let (lines, total) = lines(cds);
        Order { lines, total, customer: None, ..order(number) }
    };
    let adjustment = |name, delta| StockAdjustment {
        sku: sku(name),
        delta,
        reason: "delivery".to_owned(),
        actor: "otto".to_owned(),
        at: NOON,
    };
    let (captured, refunds) = money_of_the_first();
    let unread = NewSignal {
        saga: order_id(1).saga(3),
        dedupe: "cancel".to_owned(),
        body: SignalBody::Cancel { by: Actor::Customer },
    };
    let notices = [1, 2].map(|slot| notification(1, slot, NotificationStatus::Sent));
    subject
        .save(Writes {
            put_carts: [(cart_id(1), Cart { owner: None, ..cart(1) })].into(),
            payments: [(order_id(1), (None, captured.clone()))].into(),
            reservations: [
                (order_id(1), (None, ReservationStatus::Confirmed)),
                (order_id(2), (None, ReservationStatus::Restocked)),
                (order_id(3), (None, ReservationStatus::Held)),
                (order_id(4), (None, ReservationStatus::Released)),
            ]
            .into(),
            refunds: refunds.iter().map(|row| (row.saga, (None, row.clone()))).collect(),
            notifications: notices.iter().map(|row| (row.saga, (None, row.clone()))).collect(),
            signals: vec![unread],
            log: [1, 4].map(|fence| LogRow { saga: saga_id(1), fence, at: NOON, entries: vec![] }).into(),
            stock: [(sku("cd-1"), StockMove { on_hand: 18, reserved: 4 })].into(),
            adjustments: vec![adjustment("cd-1", 30), adjustment("cd-1", -10), adjustment("cd-2", 7)],
            new_sagas: with_sagas([
                ended(1, 0, SagaState::Completed),
                ended(1, 3, SagaState::Dead),
                saga(saga_id(9)),
            ])
            .new_sagas,
            ..with_orders([of(1, 2), of(2, 3), of(3, 4), of(4, 5)])
        })
        .await;
    let held = CartMove { from: CartStatus::Open, to: CartStatus::InCheckout, order: order_id(1) };
    subject.save(Writes { carts: [(cart_id(1), held)].into(), ..Writes::default() }).await;
    let mut facts = Vec::new();
    subject.store().facts(&mut |fact| facts.push(fact)).await.expect("reads");
    // Loose rows may come anywhere; the rest is sorted.
    facts.sort_by_key(|fact| matches!(fact, Fact::Loose(_)));
    let cd = StockFact {
        sku: Some(sku("cd-1")),
        on_hand: 18,
        reserved: 4,
        adjusted: 20,
        confirmed: 5,
        restocked: 3,
        held: 4,
    };
    let unknown = StockFact { sku: Some(sku("cd-2")), adjusted: 7, ..StockFact::default() };
    let plain = |number: i64, cds, reservation| OrderFact {
        order: of(number, cds),
        payment: None,
        refunds: vec![],
        reservation: Some(reservation),
        cart: None,
        sagas: vec![],
        notifications: vec![],
    };
    let checkout =
        SagaFact { saga: Box::new(subject.saga(saga_id(1)).await), unread: vec![], logged: Some(4) };
    let cancellation = SagaFact {
        saga: Box::new(subject.saga(order_id(1).saga(3)).await),
        unread: subject.store().inbox(order_id(1).saga(3)).await.expect("reads"),
        logged: None,
    };
    assert_eq!(cancellation.unread.len(), 1);
    let mut by_saga = refunds.to_vec();
    by_saga.sort_by_key(|refund| refund.saga);
    let full = OrderFact {
        payment: Some(captured),
        refunds: by_saga,
        cart: subject.store().cart(cart_id(1)).await.expect("reads"),
        sagas: vec![checkout, cancellation],
        notifications: notices.to_vec(),
        ..plain(1, 2, ReservationStatus::Confirmed)
    };
    let loose = Loose { what: LooseRow::SagaWithoutOrder, subject: "saga 9.0".to_owned() };
    let order = |fact| Fact::Order(Box::new(fact));
    let expected = [
        Fact::Stock(cd),
        Fact::Stock(unknown),
        order(full),
        order(plain(2, 3, ReservationStatus::Restocked)),
        order(plain(3, 4, ReservationStatus::Held)),
        order(plain(4, 5, ReservationStatus::Released)),
        Fact::Loose(loose),
    ];
    assert_eq!(facts, expected);
}
