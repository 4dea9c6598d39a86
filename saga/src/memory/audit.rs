//! The facts of an audit.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_shared::{CustomerId, OrderId, ReservationStatus, SagaId, Sku};

use super::Tables;
use crate::records::audit_fact::{Fact, Loose, LooseRow, StockFact};
use crate::records::audit_stretch::Stretch;

impl Tables {
    pub(super) fn facts(&self) -> Vec<Fact> {
        let stock = self.stock_facts().into_iter();
        let mut facts: Vec<_> =
            stock.map(|(sku, fact)| Fact::Stock(StockFact { sku: Some(sku), ..fact })).collect();
        facts.extend(self.loose().into_iter().map(Fact::Loose));
        facts.extend(self.stretch().facts());
        facts
    }

    fn stock_facts(&self) -> BTreeMap<Sku, StockFact> {
        let mut facts: BTreeMap<Sku, StockFact> = BTreeMap::new();
        for (sku, stock) in &self.stock {
            let fact = facts.entry(sku.clone()).or_default();
            (fact.on_hand, fact.reserved) = (stock.on_hand, stock.reserved);
        }
        for adjustment in &self.adjustments {
            facts.entry(adjustment.sku.clone()).or_default().adjusted += adjustment.delta;
        }
        for (order, status) in &self.reservations {
            for line in self.orders.get(order).into_iter().flat_map(|order| &order.lines) {
                let fact = facts.entry(line.sku.clone()).or_default();
                let quantity = i64::from(line.quantity);
                match status {
                    ReservationStatus::Held => fact.held += quantity,
                    ReservationStatus::Confirmed => fact.confirmed += quantity,
                    ReservationStatus::Released => {}
                    ReservationStatus::Restocked => {
                        fact.confirmed += quantity;
                        fact.restocked += quantity;
                    }
                }
            }
        }
        facts
    }

    fn stretch(&self) -> Stretch {
        let mut logged: BTreeMap<SagaId, i64> = BTreeMap::new();
        for (saga, fence) in self.log.keys() {
            // Sorted by fence, so the last one stays.
            logged.insert(*saga, *fence);
        }
        let of_orders = self.orders.values().filter_map(|order| self.carts.get(&order.cart));
        let unread = self.signals.values().filter(|(_, read_at)| read_at.is_none());
        Stretch {
            orders: self.orders.values().cloned().collect(),
            lines: Vec::new(),
            payments: self.payments.values().cloned().collect(),
            refunds: self.refunds.values().cloned().collect(),
            reservations: self.reservations.iter().map(|(order, status)| (*order, *status)).collect(),
            carts: of_orders.cloned().collect(),
            sagas: self.sagas.values().cloned().map(Box::new).collect(),
            signals: unread.map(|(signal, _)| signal.clone()).collect(),
            logged: logged.into_iter().collect(),
            notifications: self.notifications.values().cloned().collect(),
        }
    }

    /// What no stretch of orders shows.
    fn loose(&self) -> Vec<Loose> {
        let mut loose = Vec::new();
        let customers: BTreeSet<_> = self.customers.values().copied().collect();
        let is_unknown = |customer: &CustomerId| !customers.contains(customer);
        for order in self.orders.values().filter(|order| order.customer.as_ref().is_some_and(is_unknown)) {
            let subject = format!("order {}", order.id);
            loose.push(Loose { what: LooseRow::OrderWithoutCustomer, subject });
        }
        for cart in self.carts.values() {
            if cart.owner.as_ref().is_some_and(is_unknown) {
                let subject = format!("cart {}", cart.id);
                loose.push(Loose { what: LooseRow::CartWithoutCustomer, subject });
            }
            let names_it =
                |order: &OrderId| self.orders.get(order).is_some_and(|order| order.cart == cart.id);
            if cart.order.is_some_and(|order| !names_it(&order)) {
                let subject = format!("cart {}", cart.id);
                loose.push(Loose { what: LooseRow::CartOfAnotherOrder, subject });
            }
        }
        for order in self.admin_actions.iter().filter_map(|act| act.order) {
            if !self.orders.contains_key(&order) {
                let subject = format!("order {order}");
                loose.push(Loose { what: LooseRow::ActWithoutOrder, subject });
            }
        }
        let mut keys: BTreeMap<OrderId, u32> = BTreeMap::new();
        for (claim, _) in self.keys.values() {
            *keys.entry(claim.order).or_default() += 1;
        }
        for (order, keys) in keys {
            let what = match (self.orders.contains_key(&order), keys) {
                (false, _) => LooseRow::KeyWithoutOrder,
                (true, 1) => continue,
                (true, _) => LooseRow::SecondKeyOfOrder,
            };
            loose.push(Loose { what, subject: format!("order {order}") });
        }
        loose
    }
}
