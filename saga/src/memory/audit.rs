//! The facts of an audit.

use std::collections::BTreeMap;

use holdfast_shared::{ReservationStatus, Sku};

use super::Tables;
use crate::records::Order;
use crate::records::audit_fact::{OrderFact, PaymentFact, RefundFact, StockFact};

impl Tables {
    pub(super) fn stock_facts(&self) -> BTreeMap<Sku, StockFact> {
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

    pub(super) fn order_fact(&self, order: &Order) -> OrderFact {
        OrderFact {
            id: order.id,
            status: order.status,
            reason: order.cancel_reason,
            method: order.method,
            currency: order.total.currency,
            total_minor: order.total.amount_minor,
            lines_minor: order
                .lines
                .iter()
                .map(|line| line.unit_price_minor * i64::from(line.quantity))
                .sum(),
            payment: self.payments.get(&order.id).map(PaymentFact::of),
            refunds: self.refunds.range(order.id.sagas()).map(|(_, refund)| RefundFact::of(refund)).collect(),
            reservation: self.reservations.get(&order.id).copied(),
            cart: self.carts.get(&order.cart).map(|cart| (cart.status, cart.order)),
            sagas: self
                .of_order(order.id)
                .map(|saga| (saga.id.slot().unwrap_or_default(), saga.state))
                .collect(),
            notifications: self
                .notifications
                .range(order.id.sagas())
                .filter_map(|(id, _)| id.slot())
                .collect(),
        }
    }
}
