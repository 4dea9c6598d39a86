//! The rows of a stretch of orders as a store reads them, table by table, put together into facts.

use std::collections::BTreeMap;

use holdfast_shared::{Line, OrderId, ReservationStatus, SagaId};

use crate::records::audit_fact::{Fact, Loose, LooseRow, OrderFact, SagaFact};
use crate::records::saga::Saga;
use crate::records::signal::Signal;
use crate::records::{Cart, Notification, Order, Payment, Refund};

/// Every row between two numbers of orders, each table by itself.
#[derive(Debug, Default)]
pub struct Stretch {
    /// Orders.
    pub orders: Vec<Order>,
    /// Lines that are not in their orders yet.
    pub lines: Vec<(OrderId, Line)>,
    /// Payments.
    pub payments: Vec<Payment>,
    /// Refunds.
    pub refunds: Vec<Refund>,
    /// Reservations.
    pub reservations: Vec<(OrderId, ReservationStatus)>,
    /// The carts that these orders came from.
    pub carts: Vec<Cart>,
    /// Sagas.
    pub sagas: Vec<Box<Saga>>,
    /// Signals that no saga has read yet.
    pub signals: Vec<Signal>,
    /// The last commit in the history of each saga.
    pub logged: Vec<(SagaId, i64)>,
    /// Messages.
    pub notifications: Vec<Notification>,
}

impl Stretch {
    /// Each row with the one it belongs to. Those that belong to none are loose.
    pub fn facts(self) -> Vec<Fact> {
        let mut loose = Vec::new();
        let sagas = with_their_rows(self.sagas, self.signals, self.logged, &mut loose);
        let carts: BTreeMap<_, _> = self.carts.into_iter().map(|cart| (cart.id, cart)).collect();
        let fact = |order: Order| OrderFact {
            cart: carts.get(&order.cart).cloned(),
            order,
            payment: None,
            refunds: Vec::new(),
            reservation: None,
            sagas: Vec::new(),
            notifications: Vec::new(),
        };
        let orders: BTreeMap<OrderId, OrderFact> =
            self.orders.into_iter().map(|order| (order.id, fact(order))).collect();
        let mut places = Places { orders, loose };
        for (order, line) in self.lines {
            let loose =
                |line: &Line| (LooseRow::LineWithoutOrder, format!("order {order}, sku {}", line.sku));
            places.put(Some(order), line, loose, |fact, line| fact.order.lines.push(line));
        }
        for payment in self.payments {
            let order = payment.order;
            let loose = |_: &Payment| (LooseRow::PaymentWithoutOrder, format!("order {order}"));
            places.put(Some(order), payment, loose, |fact, payment| fact.payment = Some(payment));
        }
        for (order, reservation) in self.reservations {
            let loose = |_: &ReservationStatus| (LooseRow::ReservationWithoutOrder, format!("order {order}"));
            places.put(Some(order), reservation, loose, |fact, status| fact.reservation = Some(status));
        }
        for refund in self.refunds {
            let loose = |refund: &Refund| (LooseRow::RefundWithoutOrder, format!("saga {}", refund.saga));
            places.put(refund.saga.order(), refund, loose, |fact, refund| fact.refunds.push(refund));
        }
        for row in self.notifications {
            // A message about no order has a saga all the same.
            if row.saga.order().is_none() && sagas.contains_key(&row.saga) {
                continue;
            }
            let loose =
                |row: &Notification| (LooseRow::NotificationWithoutOrder, format!("saga {}", row.saga));
            places.put(row.saga.order(), row, loose, |fact, row| fact.notifications.push(row));
        }
        let mut alone = Vec::new();
        for (id, saga) in sagas {
            if id.order().is_none() {
                alone.push(saga);
                continue;
            }
            let loose = |_: &SagaFact| (LooseRow::SagaWithoutOrder, format!("saga {id}"));
            places.put(id.order(), saga, loose, |fact, saga| fact.sagas.push(saga));
        }
        let Places { orders, loose } = places;
        let orders = orders.into_values().map(|mut fact| {
            // A database may sort them in the order of its locale.
            fact.order.lines.sort_by(|one, other| one.sku.cmp(&other.sku));
            Fact::Order(Box::new(fact))
        });
        orders.chain(alone.into_iter().map(Fact::Saga)).chain(loose.into_iter().map(Fact::Loose)).collect()
    }
}

struct Places {
    orders: BTreeMap<OrderId, OrderFact>,
    loose: Vec<Loose>,
}

impl Places {
    fn put<R>(
        &mut self,
        order: Option<OrderId>,
        row: R,
        loose: impl FnOnce(&R) -> (LooseRow, String),
        put: impl FnOnce(&mut OrderFact, R),
    ) {
        if let Some(fact) = order.and_then(|order| self.orders.get_mut(&order)) {
            put(fact, row);
        } else {
            let (what, subject) = loose(&row);
            self.loose.push(Loose { what, subject });
        }
    }
}

fn with_their_rows(
    sagas: impl IntoIterator<Item = Box<Saga>>,
    signals: Vec<Signal>,
    logged: Vec<(SagaId, i64)>,
    loose: &mut Vec<Loose>,
) -> BTreeMap<SagaId, SagaFact> {
    let fact = |saga| SagaFact { saga, unread: Vec::new(), logged: None };
    let mut facts: BTreeMap<SagaId, SagaFact> = sagas.into_iter().map(|saga| (saga.id, fact(saga))).collect();
    for signal in signals {
        match facts.get_mut(&signal.saga) {
            Some(fact) => fact.unread.push(signal),
            None => loose.push(Loose {
                what: LooseRow::SignalWithoutSaga,
                subject: format!("saga {}, signal {}", signal.saga, signal.dedupe),
            }),
        }
    }
    for (id, fence) in logged {
        match facts.get_mut(&id) {
            Some(fact) => fact.logged = Some(fence),
            None => {
                loose.push(Loose { what: LooseRow::HistoryWithoutSaga, subject: format!("saga {id}") });
            }
        }
    }
    facts
}
