//! What is read without a transaction.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use holdfast_shared::{CartId, CustomerId, KeySource, OrderId, SagaId, SagaState, Sku, Time};

use super::tables::SIGNALS_KEPT;
use super::tx::MemoryTx;
use super::{MemoryStore, Tables};
use crate::ports::{Store, StoreError, Tx};
use crate::records::audit_fact::Fact;
use crate::records::history::LogRow;
use crate::records::saga::Saga;
use crate::records::signal::Signal;
use crate::records::slot;
use crate::records::view::{
    ActionFilter, ActionView, DeadRow, Heartbeat, NotificationFilter, NotificationView, OrderFilter,
    OrderVersion, OrderView, Pending, ProductFilter, QueueView, RetryingGroup, SagaCount, SagaFilter,
    WorkerView, ungrouped,
};
use crate::records::{AdminAction, Cart, Identity, Order, Product, Shop, Stock, Versions};

#[async_trait]
impl Store for MemoryStore {
    async fn keys(&self) -> Result<KeySource, StoreError> {
        Ok(self.keys.of(self.tables.lock().await.shop.id))
    }

    async fn shop(&self) -> Result<Shop, StoreError> {
        let tables = self.tables.lock().await;
        let last_number = tables.last_order;
        Ok(Shop { here: self.here.clone(), last_number, ..tables.shop.clone() })
    }

    async fn try_write(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn begin(&self) -> Result<Box<dyn Tx>, StoreError> {
        let tables = Arc::clone(&self.tables).lock_owned().await;
        Ok(Box::new(MemoryTx { tables, now: self.clock.now() }))
    }

    async fn order(&self, id: OrderId) -> Result<Option<OrderView>, StoreError> {
        let tables = self.tables.lock().await;
        Ok(tables.orders.get(&id).map(|order| tables.view(order)))
    }

    async fn orders(&self, filter: &OrderFilter) -> Result<Vec<OrderView>, StoreError> {
        let tables = self.tables.lock().await;
        let fits = |view: &OrderView| {
            let email = view.order.contact.email.to_lowercase();
            (filter.statuses.is_empty() || filter.statuses.contains(&view.order.status))
                && filter.email.as_ref().is_none_or(|wanted| wanted.to_lowercase() == email)
                && filter.phone_ungrouped().is_none_or(|wanted| {
                    view.order.contact.phone.as_deref().is_some_and(|phone| ungrouped(phone) == wanted)
                })
                && filter.since.is_none_or(|since| view.order.accepted_at >= since)
                && filter.until.is_none_or(|until| view.order.accepted_at < until)
                && filter.total_min.is_none_or(|min| view.order.total.amount_minor >= min)
                && filter.total_max.is_none_or(|max| view.order.total.amount_minor <= max)
                && filter.method.is_none_or(|method| view.order.method == method)
                && filter.reason.is_none_or(|reason| view.order.cancel_reason == Some(reason))
                && filter.needs_attention.is_none_or(|needs| view.needs_attention == needs)
                && filter.customer.is_none_or(|customer| view.order.customer == Some(customer))
                && filter.before.is_none_or(|before| view.order.id < before)
        };
        let newest_first = tables.orders.values().rev().map(|order| tables.view(order));
        Ok(newest_first.filter(fits).take(filter.limit as usize).collect())
    }

    async fn saga(&self, id: SagaId) -> Result<Option<Saga>, StoreError> {
        Ok(self.tables.lock().await.sagas.get(&id).cloned())
    }

    async fn sagas_of(&self, order: OrderId) -> Result<Vec<Saga>, StoreError> {
        Ok(self.tables.lock().await.of_order(order).cloned().collect())
    }

    async fn sagas(&self, filter: &SagaFilter) -> Result<Vec<Saga>, StoreError> {
        let tables = self.tables.lock().await;
        let fits = |saga: &&Saga| {
            filter.definition.as_ref().is_none_or(|name| saga.definition.name == *name)
                && filter.state.is_none_or(|state| match state.stored() {
                    Some(stored) => saga.state == stored,
                    None => saga.is_retrying(),
                })
                && filter.before.is_none_or(|before| saga.id < before)
        };
        Ok(tables.sagas.values().rev().filter(fits).take(filter.limit as usize).cloned().collect())
    }

    async fn dead(&self, before: Option<SagaId>, limit: u32) -> Result<Vec<DeadRow>, StoreError> {
        Ok(self.tables.lock().await.dead(before, limit))
    }

    async fn retrying(&self) -> Result<Vec<RetryingGroup>, StoreError> {
        Ok(self.tables.lock().await.retrying())
    }

    async fn queues(&self) -> Result<Vec<QueueView>, StoreError> {
        Ok(self.tables.lock().await.queues(self.clock.now()))
    }

    async fn parked(&self, after: Option<SagaId>, limit: u32) -> Result<Vec<SagaId>, StoreError> {
        let tables = self.tables.lock().await;
        let waits = |saga: &&Saga| saga.wake_at.is_some() && saga.progress.parked;
        let behind = tables.sagas.values().filter(waits).filter(|saga| Some(saga.id) > after);
        Ok(behind.take(limit as usize).map(|saga| saga.id).collect())
    }

    async fn heartbeat(&self, heartbeat: &Heartbeat) -> Result<(), StoreError> {
        self.tables.lock().await.heartbeat(heartbeat, self.clock.now());
        Ok(())
    }

    async fn deregister(&self, name: &str) -> Result<(), StoreError> {
        self.tables.lock().await.deregister(name, self.clock.now());
        Ok(())
    }

    async fn workers(&self) -> Result<Vec<WorkerView>, StoreError> {
        Ok(self.tables.lock().await.workers.values().cloned().collect())
    }

    async fn now(&self) -> Result<Time, StoreError> {
        Ok(self.clock.now())
    }

    async fn log(&self, saga: SagaId) -> Result<Vec<LogRow>, StoreError> {
        let tables = self.tables.lock().await;
        Ok(tables.log.range((saga, 0)..=(saga, i64::MAX)).map(|(_, row)| row.clone()).collect())
    }

    async fn inbox(&self, saga: SagaId) -> Result<Vec<Signal>, StoreError> {
        Ok(self.tables.lock().await.unread(saga))
    }

    async fn stock(&self, sku: Option<&Sku>, limit: u32) -> Result<Vec<(Sku, Stock)>, StoreError> {
        let tables = self.tables.lock().await;
        let fits = |entry: &(&Sku, &Stock)| sku.is_none_or(|sku| sku == entry.0);
        let levels = tables.stock.iter().filter(fits).take(limit as usize);
        Ok(levels.map(|(sku, stock)| (sku.clone(), *stock)).collect())
    }

    async fn cart(&self, id: CartId) -> Result<Option<Cart>, StoreError> {
        Ok(self.tables.lock().await.carts.get(&id).cloned())
    }

    async fn known_customer(&self, identity: &Identity) -> Result<Option<CustomerId>, StoreError> {
        Ok(self.tables.lock().await.known_customer(identity))
    }

    async fn add_customer(&self, identity: &Identity, fresh: CustomerId) -> Result<(), StoreError> {
        self.tables.lock().await.customers.entry(identity.clone()).or_insert(fresh);
        Ok(())
    }

    async fn open_cart_of(&self, customer: CustomerId) -> Result<Option<CartId>, StoreError> {
        Ok(self.tables.lock().await.open_cart_of(customer))
    }

    async fn products(&self, filter: &ProductFilter) -> Result<Vec<Product>, StoreError> {
        Ok(self.tables.lock().await.products(filter))
    }

    async fn pending(&self, at_most: u64) -> Result<u64, StoreError> {
        Ok(self.tables.lock().await.pending(at_most))
    }

    async fn at_work(&self, at_most: u64) -> Result<u64, StoreError> {
        Ok(self.tables.lock().await.at_work(at_most))
    }

    async fn order_versions(
        &self,
        orders: &[OrderId],
    ) -> Result<BTreeMap<OrderId, OrderVersion>, StoreError> {
        Ok(self.tables.lock().await.order_versions(orders))
    }

    async fn secret(&self, name: &str, fresh: [u8; 32]) -> Result<[u8; 32], StoreError> {
        Ok(*self.tables.lock().await.secrets.entry(name.to_owned()).or_insert(fresh))
    }

    async fn notifications(&self, filter: &NotificationFilter) -> Result<Vec<NotificationView>, StoreError> {
        Ok(self.tables.lock().await.notifications(filter))
    }

    async fn mark_read(
        &self,
        id: SagaId,
        customer: Option<CustomerId>,
    ) -> Result<Option<NotificationView>, StoreError> {
        Ok(self.tables.lock().await.mark_read(id, customer, self.clock.now()))
    }

    async fn levels(&self, skus: &[Sku]) -> Result<Vec<(Sku, Stock)>, StoreError> {
        let tables = self.tables.lock().await;
        Ok(skus.iter().filter_map(|sku| Some((sku.clone(), *tables.stock.get(sku)?))).collect())
    }

    async fn versions(&self, sku: &Sku) -> Result<Option<Versions>, StoreError> {
        let tables = self.tables.lock().await;
        Ok(tables.stock.contains_key(sku).then(|| tables.versions.get(sku).copied().unwrap_or_default()))
    }

    async fn admin_actions(&self, order: OrderId) -> Result<Vec<AdminAction>, StoreError> {
        Ok(self.tables.lock().await.admin_actions(order))
    }

    async fn actions(&self, filter: &ActionFilter) -> Result<Vec<ActionView>, StoreError> {
        Ok(self.tables.lock().await.actions(filter))
    }

    async fn saga_counts(&self) -> Result<Vec<SagaCount>, StoreError> {
        Ok(count(self.tables.lock().await.sagas.values()))
    }

    async fn unsettled(&self) -> Result<Vec<SagaCount>, StoreError> {
        Ok(count(self.tables.lock().await.sagas.values().filter(|saga| !saga.state.is_settled())))
    }

    async fn facts(&self, visit: &mut (dyn FnMut(Fact) + Send)) -> Result<(), StoreError> {
        self.tables.lock().await.facts().into_iter().for_each(visit);
        Ok(())
    }

    async fn prune(&self, before: Time, limit: u32) -> Result<u64, StoreError> {
        let mut tables = self.tables.lock().await;
        let limit = limit as usize;
        // One that is due has not heard everything yet: money may be late even for an order long settled.
        // An order's checkout goes first, its other sagas once it is gone: they explain what it says.
        let is_old = |saga: &&Saga| {
            let checkout = saga.id.order().map(|order| order.saga(slot::CHECKOUT));
            saga.state.is_settled()
                && saga.wake_at.is_none()
                && saga.updated_at < before
                && checkout
                    .is_none_or(|checkout| saga.id == checkout || !tables.sagas.contains_key(&checkout))
                && tables.unread(saga.id).is_empty()
        };
        let sagas: Vec<_> = tables.sagas.values().filter(is_old).map(|saga| saga.id).take(limit).collect();
        for saga in &sagas {
            tables.sagas.remove(saga);
            tables.log.retain(|(of, _), _| of != saga);
        }
        let heard_before = before.min(self.clock.now() - SIGNALS_KEPT);
        let is_forgotten = |saga: SagaId, read_at: Option<Time>| {
            read_at.is_some_and(|at| at < heard_before) && !tables.sagas.contains_key(&saga)
        };
        let signals: Vec<_> = tables
            .signals
            .iter()
            .filter(|(key, (_, read_at))| is_forgotten(key.0, *read_at))
            .map(|(key, _)| key.clone())
            .take(limit)
            .collect();
        for signal in &signals {
            tables.signals.remove(signal);
        }
        let keys: Vec<_> =
            tables.keys.values().filter(|(_, at)| *at < before).map(|(claim, _)| claim.key).collect();
        for key in keys.iter().take(limit) {
            tables.keys.remove(key);
        }
        Ok((sagas.len() + signals.len() + keys.len().min(limit)) as u64)
    }
}

impl Tables {
    pub(super) fn view(&self, order: &Order) -> OrderView {
        let inbox = self.unread(order.id.saga(slot::CHECKOUT));
        let sagas: Vec<&Saga> = self.of_order(order.id).collect();
        OrderView {
            pending: Pending::of(order.status, inbox.iter(), sagas.into_iter()),
            order: order.clone(),
            payment: self.payments.get(&order.id).cloned(),
            reservation: self.reservations.get(&order.id).copied(),
            needs_attention: self.of_order(order.id).any(|saga| saga.state == SagaState::Dead),
        }
    }

    pub(super) fn of_order(&self, order: OrderId) -> impl Iterator<Item = &Saga> {
        self.sagas.range(order.sagas()).map(|(_, saga)| saga)
    }
}

fn count<'s>(sagas: impl Iterator<Item = &'s Saga>) -> Vec<SagaCount> {
    let mut counts: BTreeMap<(&str, &'static str), (SagaState, u64)> = BTreeMap::new();
    for saga in sagas {
        counts.entry((&saga.definition.name, saga.state.into())).or_insert((saga.state, 0)).1 += 1;
    }
    let saga_counts = |((definition, _), (state, sagas)): ((&str, _), _)| SagaCount {
        definition: definition.to_owned(),
        state,
        sagas,
    };
    counts.into_iter().map(saga_counts).collect()
}
