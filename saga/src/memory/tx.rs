//! A transaction: whoever has one holds all tables.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use holdfast_shared::{OrderId, SagaId, Sku, Time};
use tokio::sync::OwnedMutexGuard;

use super::Tables;
use crate::ports::{Claim, Claimed, StoreError, Tx};
use crate::records::batch_rows::{Footprint, World, Writes};
use crate::records::saga::Saga;

pub(super) struct MemoryTx {
    pub(super) tables: OwnedMutexGuard<Tables>,
    pub(super) now: Time,
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
        let sagas = ids
            .into_iter()
            .map(|id| (Box::new(self.tables.sagas[&id].clone()), self.tables.unread(id)))
            .collect();
        Ok(Claimed { now, sagas, ..Claimed::default() })
    }

    async fn load(&mut self, footprint: &Footprint, world: &mut World) -> Result<(), StoreError> {
        world.now = self.now;
        let tables = &*self.tables;
        for id in &footprint.sagas {
            if let Some(saga) = tables.sagas.get(id) {
                world.sagas.insert(*id, (Box::new(saga.clone()), tables.unread(*id)));
            }
        }
        copy(&footprint.orders, &tables.orders, &mut world.orders);
        copy(&footprint.payments, &tables.payments, &mut world.payments);
        for order in &footprint.refunds {
            let of_order = tables.refunds.range(order.sagas());
            world.refunds.extend(of_order.map(|(id, refund)| (*id, refund.clone())));
        }
        copy(&footprint.carts, &tables.carts, &mut world.carts);
        let taken = footprint.keys.iter().filter_map(|key| tables.keys.get(key));
        world.taken.extend(taken.map(|(taken, _)| (taken.key, *taken)));
        copy(&footprint.products, &tables.products, &mut world.products);
        if footprint.products_of_carts {
            let carts = footprint.carts.iter().filter_map(|id| tables.carts.get(id));
            let skus: Vec<Sku> = carts.flat_map(|cart| &cart.items).map(|item| item.sku.clone()).collect();
            copy(&skus, &tables.products, &mut world.products);
        }
        copy(&footprint.stock, &tables.stock, &mut world.stock);
        copy(&footprint.levels, &tables.stock, &mut world.stock);
        let shelves = footprint.versions.iter().filter(|sku| tables.stock.contains_key(sku));
        let version = |sku: &Sku| (sku.clone(), tables.versions.get(sku).copied().unwrap_or_default());
        world.versions.extend(shelves.map(version));
        copy(&footprint.request_keys, &tables.request_keys, &mut world.request_keys);
        if footprint.pauses {
            world.paused.extend(tables.paused.clone());
        }
        Ok(())
    }

    async fn draw_order_numbers(&mut self, count: usize) -> Result<Vec<OrderId>, StoreError> {
        let numbers = (0..count).map(|_| {
            self.tables.last_order += 1;
            OrderId::new(self.tables.last_order)
        });
        Ok(numbers.collect())
    }

    async fn save(mut self: Box<Self>, writes: &Writes) -> Result<(), StoreError> {
        // All or nothing: the copy replaces the tables only when every row was accepted.
        let mut next = self.tables.clone();
        next.write(writes)?;
        *self.tables = next;
        Ok(())
    }
}

fn copy<K: Ord + Clone, V: Clone>(keys: &[K], from: &BTreeMap<K, V>, to: &mut BTreeMap<K, V>) {
    to.extend(keys.iter().filter_map(|key| Some((key.clone(), from.get(key)?.clone()))));
}
