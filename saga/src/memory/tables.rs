//! Writing the tables: each row moves from where it is said to stand, or nothing is written.

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_shared::{CartId, CartStatus, OrderStatus, SagaId, SagaState, Time};

use super::Tables;
use crate::ports::{KEY_TAKEN, StoreError};
use crate::records::batch_rows::{CartMove, OrderMove, Writes};
use crate::records::context::Dedupe;
use crate::records::saga::Saga;
use crate::records::signal::Signal;

/// Read signals are remembered this long, so that a repeated one is recognised.
pub(super) const SIGNALS_KEPT: Duration = Duration::from_hours(30 * 24);

impl Tables {
    pub(super) fn unread(&self, saga: SagaId) -> Vec<Signal> {
        let of_saga = self.signals.range((saga, String::new())..).take_while(|((id, _), _)| *id == saga);
        let mut signals: Vec<_> = of_saga
            .filter(|(_, (_, read_at))| read_at.is_none())
            .map(|(_, (signal, _))| signal.clone())
            .collect();
        signals.sort_by_key(|signal| signal.seq);
        signals
    }

    pub(super) fn write(&mut self, writes: &Writes) -> Result<(), StoreError> {
        if let Some((epoch, shop)) = &writes.shop {
            if self.shop.epoch != *epoch {
                return Err(mismatch("shop"));
            }
            self.shop = shop.clone();
            self.last_order = self.last_order.max(shop.last_number);
        }
        for (id, (fence, saga)) in &writes.sagas {
            let found = self.sagas.get_mut(id).filter(|found| found.fence == *fence);
            *found.ok_or_else(|| mismatch("sagas"))? = Saga::clone(saga);
        }
        for (id, saga) in &writes.new_sagas {
            if self.sagas.insert(*id, Saga::clone(saga)).is_some() {
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
        for sku in writes.put_products.keys() {
            self.versions.entry(sku.clone()).or_default().product += 1;
        }
        for Dedupe { key, body } in &writes.request_keys {
            if self.request_keys.insert(*key, *body).is_some() {
                return Err(duplicate("request_keys", key));
            }
        }
        for sku in &writes.shelves {
            self.stock.entry(sku.clone()).or_default();
        }
        self.adjustments.extend(writes.adjustments.iter().cloned());
        self.admin_actions.extend(writes.admin_actions.iter().cloned());
        self.brake(&writes.pauses);
        for (sku, step) in &writes.stock {
            let level = self.stock.entry(sku.clone()).or_default();
            *level += *step;
            self.versions.entry(sku.clone()).or_default().stock += i64::from(step.on_hand != 0);
            if level.reserved < 0 || level.reserved > level.on_hand {
                return Err(StoreError::Data(format!("stock_never_oversold: {sku} {level:?}")));
            }
        }
        Ok(())
    }

    pub(super) fn write_orders(&mut self, writes: &Writes) -> Result<(), StoreError> {
        for claim in &writes.keys {
            if self.keys.insert(claim.key, (*claim, writes.at)).is_some() {
                return Err(StoreError::Contention(KEY_TAKEN.to_owned()));
            }
        }
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
            put("payments", &mut self.payments, *id, *from, |row| row.status, payment.clone())?;
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

    pub(super) fn write_signals(&mut self, writes: &Writes) {
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

    pub(super) fn move_cart(&mut self, id: CartId, step: &CartMove, now: Time) -> Result<(), StoreError> {
        let held = (step.from != CartStatus::Open).then_some(step.order);
        let cart = self.carts.get_mut(&id).filter(|cart| cart.status == step.from && cart.order == held);
        let cart = cart.ok_or_else(|| mismatch("carts"))?;
        cart.status = step.to;
        cart.order = (step.to != CartStatus::Open).then_some(step.order);
        cart.updated_at = now;
        Ok(())
    }
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
