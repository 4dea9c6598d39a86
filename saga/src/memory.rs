//! A store in memory: the same three moves over plain maps.
//!
//! It is what the simulation runs on, and the shortest description of what a store must do.
//! Nothing in it survives the process.

mod front_door;
mod operations;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use holdfast_shared::{
    CartId, CartStatus, Clock, KeySource, OrderId, OrderStatus, Queue, ReservationStatus, SagaId, SagaState,
    ShopId, Sku, Time,
};
use tokio::sync::{Mutex, OwnedMutexGuard};
use uuid::Uuid;

use crate::audit::{Fact, OrderFact, PaymentFact, RefundFact, StockFact};
use crate::context::slot;
use crate::log::LogRow;
use crate::ports::{Claim, Claimed, Store, StoreError, Tx};
use crate::rows::{
    AdminAction, Cart, KeyClaim, Notification, Order, Payment, Product, Refund, Stock, StockAdjustment,
};
use crate::saga::Saga;
use crate::signal::Signal;
use crate::view::{
    Census, DeadRow, NotificationFilter, NotificationView, OrderFilter, OrderView, Paused, ProductFilter,
    Pulse, QueueView, SagaFilter, WorkerBeat, WorkerView,
};
use crate::world::{CartMove, Footprint, OrderMove, World, Writes};

/// The shop that a store in memory is of, unless it is given another.
const SHOP: &str = "00c0ffee42";

/// Read signals are remembered this long, so that a repeated one is recognised.
const SIGNALS_KEPT: Duration = Duration::from_hours(30 * 24);

/// All tables. Cloning it is a snapshot.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    keys: BTreeMap<Uuid, (KeyClaim, Time)>,
    last_order: i64,
    sagas: BTreeMap<SagaId, Saga>,
    log: BTreeMap<(SagaId, i64), LogRow>,
    /// With the instant they were read, once they were.
    signals: BTreeMap<(SagaId, String), (Signal, Option<Time>)>,
    last_signal: i64,
    orders: BTreeMap<OrderId, Order>,
    payments: BTreeMap<OrderId, Payment>,
    refunds: BTreeMap<SagaId, Refund>,
    reservations: BTreeMap<OrderId, ReservationStatus>,
    notifications: BTreeMap<SagaId, Notification>,
    /// When each was saved, and first read.
    notified: BTreeMap<SagaId, (Time, Option<Time>)>,
    carts: BTreeMap<CartId, Cart>,
    products: BTreeMap<Sku, Product>,
    stock: BTreeMap<Sku, Stock>,
    adjustments: Vec<StockAdjustment>,
    admin_actions: Vec<AdminAction>,
    secrets: BTreeMap<String, [u8; 32]>,
    paused: BTreeMap<Queue, Paused>,
    workers: BTreeMap<String, WorkerView>,
}

/// The store. Clones share the tables.
#[derive(Debug, Clone)]
pub struct MemoryStore {
    keys: KeySource,
    tables: Arc<Mutex<Tables>>,
    clock: Arc<dyn Clock>,
}

impl MemoryStore {
    /// An empty store whose present is `clock`'s. Its keys repeat: it is for tests and simulations.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::of_shop(SHOP.parse().expect("is a shop id"), clock)
    }

    /// The same, of another shop.
    pub fn of_shop(shop: ShopId, clock: Arc<dyn Clock>) -> Self {
        Self { keys: KeySource::seeded(shop, 0), tables: Arc::default(), clock }
    }

    /// A copy of everything, as a crash at this instant would leave it.
    pub async fn snapshot(&self) -> Tables {
        self.tables.lock().await.clone()
    }

    /// Puts a copy back.
    pub async fn restore(&self, tables: Tables) {
        *self.tables.lock().await = tables;
    }
}

struct MemoryTx {
    tables: OwnedMutexGuard<Tables>,
    /// Keys claimed by this transaction; they become rows when it is saved.
    claimed: BTreeMap<Uuid, KeyClaim>,
    now: Time,
}

#[async_trait]
impl Tx for MemoryTx {
    async fn claim(&mut self, claim: &Claim<'_>) -> Result<Claimed, StoreError> {
        let now = self.now;
        let outcomes: BTreeSet<_> = claim.outcomes.iter().copied().collect();
        let hints: BTreeSet<_> = claim.hints.iter().copied().collect();
        let claimable = |saga: &&Saga| {
            !outcomes.contains(&saga.id)
                && !saga.is_leased(now)
                && claim.queues.contains(&saga.queue)
                && !self.tables.paused.contains_key(&saga.queue)
                && claim.definitions.contains(&saga.definition)
        };
        let sagas = &self.tables.sagas;
        let mut ids: Vec<SagaId> = outcomes.iter().filter(|id| sagas.contains_key(id)).copied().collect();
        ids.extend(hints.iter().filter_map(|id| sagas.get(id)).filter(claimable).map(|saga| saga.id));
        let mut due: Vec<_> = sagas
            .values()
            .filter(|saga| saga.wake_at.is_some_and(|at| at <= now) && !hints.contains(&saga.id))
            .filter(claimable)
            .map(|saga| (saga.wake_at, saga.id))
            .collect();
        due.sort_unstable();
        ids.extend(due.into_iter().take(claim.due_max).map(|(_, id)| id));
        let sagas =
            ids.into_iter().map(|id| (self.tables.sagas[&id].clone(), self.tables.unread(id))).collect();
        Ok(Claimed { now, sagas, ..Claimed::default() })
    }

    async fn load(&mut self, footprint: &Footprint, world: &mut World) -> Result<(), StoreError> {
        world.now = self.now;
        for (key, body) in &footprint.keys {
            if let Some((taken, _)) = self.tables.keys.get(key) {
                world.taken.insert(*key, *taken);
            } else {
                self.tables.last_order += 1;
                let order = OrderId::new(self.tables.last_order);
                self.claimed.insert(*key, KeyClaim { key: *key, body: *body, order });
                world.claimed.insert(*key, order);
            }
        }
        let tables = &*self.tables;
        for id in &footprint.sagas {
            if let Some(saga) = tables.sagas.get(id) {
                world.sagas.insert(*id, (saga.clone(), tables.unread(*id)));
            }
        }
        copy(&footprint.orders, &tables.orders, &mut world.orders);
        copy(&footprint.payments, &tables.payments, &mut world.payments);
        for order in &footprint.refunds {
            let of_order = tables.refunds.range(order.saga(0)..=order.saga(u8::MAX));
            world.refunds.extend(of_order.map(|(id, refund)| (*id, refund.clone())));
        }
        copy(&footprint.carts, &tables.carts, &mut world.carts);
        copy(&footprint.products, &tables.products, &mut world.products);
        copy(&footprint.stock, &tables.stock, &mut world.stock);
        copy(&footprint.levels, &tables.stock, &mut world.stock);
        if footprint.pauses {
            world.paused.extend(tables.paused.clone());
        }
        Ok(())
    }

    async fn save(mut self: Box<Self>, writes: &Writes) -> Result<(), StoreError> {
        // All or nothing: the copy replaces the tables only when every row was accepted.
        let mut next = self.tables.clone();
        for (key, claim) in &self.claimed {
            if !writes.unclaimed.contains(key) {
                next.keys.insert(*key, (*claim, self.now));
            }
        }
        next.write(writes)?;
        *self.tables = next;
        Ok(())
    }
}

fn copy<K: Ord + Clone, V: Clone>(keys: &[K], from: &BTreeMap<K, V>, to: &mut BTreeMap<K, V>) {
    to.extend(keys.iter().filter_map(|key| Some((key.clone(), from.get(key)?.clone()))));
}

fn mismatch(table: &'static str) -> StoreError {
    StoreError::Mismatch { table, expected: 1, found: 0 }
}

fn duplicate(table: &str, key: impl std::fmt::Debug) -> StoreError {
    StoreError::Data(format!("{table}: {key:?} exists already"))
}

/// Inserts a row, or moves one that stands where its saga had left it.
fn put<K, V, S>(
    table: &'static str,
    rows: &mut BTreeMap<K, V>,
    key: K,
    from: Option<S>,
    status: impl Fn(&V) -> S,
    row: V,
) -> Result<(), StoreError>
where
    K: Ord + std::fmt::Debug,
    S: PartialEq,
{
    match (rows.get(&key), from) {
        (None, None) => {}
        (Some(_), None) => return Err(duplicate(table, key)),
        (Some(found), Some(from)) if status(found) == from => {}
        (Some(_) | None, Some(_)) => return Err(mismatch(table)),
    }
    rows.insert(key, row);
    Ok(())
}

impl Tables {
    fn unread(&self, saga: SagaId) -> Vec<Signal> {
        let of_saga = self.signals.range((saga, String::new())..).take_while(|((id, _), _)| *id == saga);
        let mut signals: Vec<_> = of_saga
            .filter(|(_, (_, read_at))| read_at.is_none())
            .map(|(_, (signal, _))| signal.clone())
            .collect();
        signals.sort_by_key(|signal| signal.seq);
        signals
    }

    fn write(&mut self, writes: &Writes) -> Result<(), StoreError> {
        for (id, (fence, saga)) in &writes.sagas {
            let found = self.sagas.get_mut(id).filter(|found| found.fence == *fence);
            *found.ok_or_else(|| mismatch("sagas"))? = saga.clone();
        }
        for (id, saga) in &writes.new_sagas {
            if self.sagas.insert(*id, saga.clone()).is_some() {
                return Err(duplicate("sagas", id));
            }
        }
        for (id, reason) in &writes.poisoned {
            let saga = self.sagas.get_mut(id).ok_or_else(|| mismatch("sagas"))?;
            saga.state = SagaState::Dead;
            saga.wake_at = None;
            saga.leased_until = None;
            saga.fence += 1;
            saga.progress.error = Some(reason.clone());
            saga.updated_at = writes.at;
        }
        for row in &writes.log {
            if self.log.insert((row.saga, row.fence), row.clone()).is_some() {
                return Err(duplicate("saga_log", (row.saga, row.fence)));
            }
        }
        self.write_orders(writes)?;
        self.write_signals(writes);
        for (cart, step) in &writes.carts {
            self.move_cart(*cart, step, writes.at)?;
        }
        self.carts.extend(writes.put_carts.iter().map(|(id, cart)| (*id, cart.clone())));
        for id in &writes.discarded_carts {
            let cart = self.carts.remove(id).filter(|cart| cart.status == CartStatus::Open);
            cart.ok_or_else(|| mismatch("carts"))?;
        }
        self.products.extend(writes.put_products.iter().map(|(sku, product)| (sku.clone(), product.clone())));
        for sku in &writes.shelves {
            self.stock.entry(sku.clone()).or_default();
        }
        self.adjustments.extend(writes.adjustments.iter().cloned());
        self.admin_actions.extend(writes.admin_actions.iter().cloned());
        self.brake(&writes.pauses);
        for (sku, step) in &writes.stock {
            let level = self.stock.entry(sku.clone()).or_default();
            *level += *step;
            if level.reserved < 0 || level.reserved > level.on_hand {
                return Err(StoreError::Data(format!("stock_never_oversold: {sku} {level:?}")));
            }
        }
        Ok(())
    }

    fn write_orders(&mut self, writes: &Writes) -> Result<(), StoreError> {
        for (id, order) in &writes.new_orders {
            let twice =
                self.orders.values().any(|other| other.cart == order.cart && other.status.is_pending());
            if twice || self.orders.insert(*id, order.clone()).is_some() {
                return Err(duplicate("orders", id));
            }
        }
        for (id, OrderMove { from, to, reason }) in &writes.orders {
            let order = self.orders.get_mut(id).filter(|order| order.status == *from);
            let order = order.ok_or_else(|| mismatch("orders"))?;
            order.status = *to;
            order.cancel_reason = *reason;
            order.updated_at = writes.at;
            if (*to == OrderStatus::Cancelled) != reason.is_some() {
                return Err(StoreError::Data(format!("cancelled_says_why: {id}")));
            }
        }
        for (id, (from, payment)) in &writes.payments {
            let mut payment = payment.clone();
            if payment.provider_ref.is_none() {
                payment.provider_ref = self.payments.get(id).and_then(|before| before.provider_ref.clone());
            }
            put("payments", &mut self.payments, *id, *from, |row| row.status, payment)?;
        }
        for (id, (from, refund)) in &writes.refunds {
            put("refunds", &mut self.refunds, *id, *from, |row| row.status, refund.clone())?;
        }
        for (id, (from, to)) in &writes.reservations {
            put("reservations", &mut self.reservations, *id, *from, |row| *row, *to)?;
        }
        for (id, (from, row)) in &writes.notifications {
            put("notifications", &mut self.notifications, *id, *from, |row| row.status, row.clone())?;
            self.notified.entry(*id).or_insert((writes.at, None));
        }
        Ok(())
    }

    fn write_signals(&mut self, writes: &Writes) {
        for (signal, read_at) in self.signals.values_mut() {
            if writes.consumed.contains(&signal.seq) {
                *read_at = Some(writes.at);
            }
        }
        for signal in &writes.signals {
            let key = (signal.saga, signal.dedupe.clone());
            if self.signals.contains_key(&key) {
                continue;
            }
            self.last_signal += 1;
            let row = Signal {
                seq: self.last_signal,
                saga: signal.saga,
                dedupe: signal.dedupe.clone(),
                body: signal.body.clone(),
                created_at: writes.at,
            };
            self.signals.insert(key, (row, None));
            if let Some(saga) = self.sagas.get_mut(&signal.saga) {
                saga.wake_at = Some(saga.wake_at.map_or(writes.at, |at| at.min(writes.at)));
            }
        }
    }

    fn move_cart(&mut self, id: CartId, step: &CartMove, now: Time) -> Result<(), StoreError> {
        let held = (step.from != CartStatus::Open).then_some(step.order);
        let cart = self.carts.get_mut(&id).filter(|cart| cart.status == step.from && cart.order == held);
        let cart = cart.ok_or_else(|| mismatch("carts"))?;
        cart.status = step.to;
        cart.order = (step.to != CartStatus::Open).then_some(step.order);
        cart.updated_at = now;
        Ok(())
    }

    fn view(&self, order: &Order) -> OrderView {
        OrderView {
            order: order.clone(),
            payment: self.payments.get(&order.id).cloned(),
            reservation: self.reservations.get(&order.id).copied(),
            needs_attention: self.of_order(order.id).any(|saga| saga.state == SagaState::Dead),
        }
    }

    fn of_order(&self, order: OrderId) -> impl Iterator<Item = &Saga> {
        self.sagas.range(order.saga(0)..=order.saga(u8::MAX)).map(|(_, saga)| saga)
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

    fn order_fact(&self, order: &Order) -> OrderFact {
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
            refunds: self
                .refunds
                .range(order.id.saga(0)..=order.id.saga(u8::MAX))
                .map(|(_, refund)| RefundFact::of(refund))
                .collect(),
            reservation: self.reservations.get(&order.id).copied(),
            cart: self.carts.get(&order.cart).map(|cart| (cart.status, cart.order)),
            sagas: self.of_order(order.id).map(|saga| (saga.id.slot(), saga.state)).collect(),
            notifications: self
                .notifications
                .range(order.id.saga(0)..=order.id.saga(u8::MAX))
                .map(|(id, _)| id.slot())
                .collect(),
        }
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn keys(&self) -> Result<KeySource, StoreError> {
        Ok(self.keys.clone())
    }

    async fn begin(&self) -> Result<Box<dyn Tx>, StoreError> {
        let tables = Arc::clone(&self.tables).lock_owned().await;
        Ok(Box::new(MemoryTx { tables, claimed: BTreeMap::new(), now: self.clock.now() }))
    }

    async fn order(&self, id: OrderId) -> Result<Option<OrderView>, StoreError> {
        let tables = self.tables.lock().await;
        Ok(tables.orders.get(&id).map(|order| tables.view(order)))
    }

    async fn orders(&self, filter: &OrderFilter) -> Result<Vec<OrderView>, StoreError> {
        let tables = self.tables.lock().await;
        let fits = |view: &OrderView| {
            filter.status.is_none_or(|status| view.order.status == status)
                && filter.method.is_none_or(|method| view.order.method == method)
                && filter.reason.is_none_or(|reason| view.order.cancel_reason == Some(reason))
                && filter.needs_attention.is_none_or(|needs| view.needs_attention == needs)
                && filter.customer.as_ref().is_none_or(|name| view.order.customer.as_ref() == Some(name))
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
                && filter.state.is_none_or(|state| saga.state == state)
                && filter.before.is_none_or(|before| saga.id < before)
        };
        Ok(tables.sagas.values().rev().filter(fits).take(filter.limit as usize).cloned().collect())
    }

    async fn dead(&self, before: Option<SagaId>, limit: u32) -> Result<Vec<DeadRow>, StoreError> {
        Ok(self.tables.lock().await.dead(before, limit))
    }

    async fn queues(&self) -> Result<Vec<QueueView>, StoreError> {
        Ok(self.tables.lock().await.queues(self.clock.now()))
    }

    async fn beat(&self, beat: &WorkerBeat) -> Result<(), StoreError> {
        self.tables.lock().await.beat(beat, self.clock.now());
        Ok(())
    }

    async fn farewell(&self, name: &str) -> Result<(), StoreError> {
        self.tables.lock().await.farewell(name, self.clock.now());
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

    async fn open_cart_of(&self, customer: &str) -> Result<Option<CartId>, StoreError> {
        Ok(self.tables.lock().await.open_cart_of(customer))
    }

    async fn products(&self, filter: &ProductFilter) -> Result<Vec<Product>, StoreError> {
        Ok(self.tables.lock().await.products(filter))
    }

    async fn pending(&self, at_most: u64) -> Result<u64, StoreError> {
        Ok(self.tables.lock().await.pending(at_most))
    }

    async fn pulses(&self, orders: &[OrderId]) -> Result<BTreeMap<OrderId, Pulse>, StoreError> {
        Ok(self.tables.lock().await.pulses(orders))
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
        customer: Option<&str>,
    ) -> Result<Option<NotificationView>, StoreError> {
        Ok(self.tables.lock().await.mark_read(id, customer, self.clock.now()))
    }

    async fn admin_actions(&self, order: OrderId) -> Result<Vec<AdminAction>, StoreError> {
        Ok(self.tables.lock().await.admin_actions(order))
    }

    async fn census(&self) -> Result<Vec<Census>, StoreError> {
        Ok(count(self.tables.lock().await.sagas.values()))
    }

    async fn unsettled(&self) -> Result<Vec<Census>, StoreError> {
        Ok(count(self.tables.lock().await.sagas.values().filter(|saga| !saga.state.is_settled())))
    }

    async fn facts(&self, visit: &mut (dyn FnMut(Fact) + Send)) -> Result<(), StoreError> {
        let tables = self.tables.lock().await;
        for (sku, fact) in tables.stock_facts() {
            visit(Fact::Stock(StockFact { sku: Some(sku), ..fact }));
        }
        for order in tables.orders.values() {
            visit(Fact::Order(tables.order_fact(order)));
        }
        for saga in tables.sagas.keys().filter(|saga| !tables.orders.contains_key(&saga.order())) {
            visit(Fact::Orphan(*saga));
        }
        Ok(())
    }

    async fn prune(&self, before: Time, limit: u32) -> Result<u64, StoreError> {
        let mut tables = self.tables.lock().await;
        let limit = limit as usize;
        // One that is due has not heard everything yet: money may be late even for an order long settled.
        // An order's checkout goes first, its other sagas once it is gone: they explain what it says.
        let is_old = |saga: &&Saga| {
            let checkout = saga.id.order().saga(slot::CHECKOUT);
            saga.state.is_settled()
                && saga.wake_at.is_none()
                && saga.updated_at < before
                && (saga.id == checkout || !tables.sagas.contains_key(&checkout))
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

fn count<'s>(sagas: impl Iterator<Item = &'s Saga>) -> Vec<Census> {
    let mut counts: BTreeMap<(&str, &'static str), (SagaState, u64)> = BTreeMap::new();
    for saga in sagas {
        counts.entry((&saga.definition.name, saga.state.into())).or_insert((saga.state, 0)).1 += 1;
    }
    let census = |((definition, _), (state, sagas)): ((&str, _), _)| Census {
        definition: definition.to_owned(),
        state,
        sagas,
    };
    counts.into_iter().map(census).collect()
}
