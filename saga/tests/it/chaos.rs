//! What goes wrong around an honest shop: a database that loses its answers, a road on which
//! requests are stopped half way, weather over the provider. All of it follows from one seed.

mod road;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use holdfast_saga::memory::MemoryStore;
use holdfast_saga::ports::{
    Account, At, Attempt, Caps, Charge, Claim, Claimed, Closed, Fault, Movement, NamedRefund, Page,
    PaymentProvider, RefundState, Store, StoreError, Tx,
};
use holdfast_saga::records::audit_fact::Fact;
use holdfast_saga::records::batch_rows::{Footprint, World, Writes};
use holdfast_saga::records::history::LogRow;
use holdfast_saga::records::saga::Saga;
use holdfast_saga::records::signal::Signal;
use holdfast_saga::records::view::{
    ActionFilter, ActionView, DeadRow, Heartbeat, NotificationFilter, NotificationView, OrderFilter,
    OrderVersion, OrderView, ProductFilter, QueueView, RetryingGroup, SagaCount, SagaFilter, WorkerView,
};
use holdfast_saga::records::{AdminAction, Cart, Identity, Product, Shop as ShopRow, Stock, Versions};
use holdfast_sandbox::Sky;
use holdfast_shared::{CartId, CustomerId, KeySource, Money, OrderId, SagaId, Sku, StepKey, Time};
use holdfast_test_bank::Weather;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

pub(crate) use self::road::Road;

/// Where all chance comes from. Once the sky is fair, nothing goes wrong any more.
#[derive(Debug)]
pub(crate) struct Dice {
    rng: Mutex<StdRng>,
    fair: AtomicBool,
}

impl Dice {
    pub(crate) fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self { rng: Mutex::new(StdRng::seed_from_u64(seed)), fair: AtomicBool::new(false) })
    }

    /// From now on nothing goes wrong.
    pub(crate) fn make_fair(&self) {
        self.fair.store(true, Ordering::SeqCst);
    }

    /// A number below `bound`, which is not zero.
    pub(crate) fn below(&self, bound: usize) -> usize {
        self.rng.lock().unwrap_or_else(PoisonError::into_inner).random_range(0..bound)
    }

    /// True `percent` times in a hundred.
    pub(crate) fn chance(&self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// Like [`Self::chance`], but never under a fair sky.
    pub(crate) fn mishap(&self, percent: usize) -> bool {
        !self.fair.load(Ordering::SeqCst) && self.chance(percent)
    }

    /// One of them.
    pub(crate) fn pick<'a, T>(&self, of: &'a [T]) -> Option<&'a T> {
        if of.is_empty() { None } else { of.get(self.below(of.len())) }
    }

    /// The sky over one request, when `percent` of them meet with a mishap.
    pub(crate) fn sky(&self, percent: usize) -> Sky {
        if !self.mishap(percent) {
            return Sky::Clear;
        }
        [Sky::LoseAnswer, Sky::LoseRequest, Sky::Refuse][self.below(3)]
    }

    /// What becomes of one request to the bank, when `percent` of them meet with a mishap.
    pub(crate) fn weather(&self, percent: usize) -> Weather {
        if !self.mishap(percent) {
            return Weather::Clear;
        }
        match self.below(7) {
            0 => Weather::Away,
            1 => Weather::LoseAnswer,
            2 => Weather::LoseRequest,
            3 => Weather::ServerError { done: true },
            4 => Weather::ServerError { done: false },
            5 => Weather::TooMany,
            _ => Weather::ArriveLate(Duration::from_secs(self.below(540) as u64)),
        }
    }
}

/// What a meddling store does with a save.
pub(crate) enum Verdict {
    Save,
    /// Fails, and nothing is written.
    Fail(StoreError),
    /// Writes it, and loses the answer.
    SaveAndLose,
}

/// Looks at every save, may change it, and says what becomes of it.
pub(crate) type OnSave = dyn Fn(&mut Writes) -> Verdict + Send + Sync;
/// Looks at every claim, and may change it.
pub(crate) type OnClaim = dyn Fn(&mut Claimed) + Send + Sync;

/// The memory store, with somebody at the door.
#[derive(Clone)]
pub(crate) struct Meddled {
    pub(crate) memory: MemoryStore,
    pub(crate) on_save: Arc<OnSave>,
    pub(crate) on_claim: Arc<OnClaim>,
    /// Rows that a save refused. An honest engine never writes such rows.
    pub(crate) refused: Arc<Mutex<Vec<String>>>,
}

impl Meddled {
    /// A store that loses its answers, or is busy, `percent` times in a hundred.
    pub(crate) fn unreliable(memory: MemoryStore, dice: Arc<Dice>, percent: usize) -> Self {
        let on_save = move |_: &mut Writes| {
            if !dice.mishap(percent) {
                return Verdict::Save;
            }
            match dice.below(3) {
                0 => Verdict::Fail(StoreError::Contention("deadlock".to_owned())),
                1 => Verdict::Fail(StoreError::CommitUnknown("reset before the commit".to_owned())),
                _ => Verdict::SaveAndLose,
            }
        };
        Self::with_door(memory, on_save)
    }

    /// A store whose saves are looked at.
    pub(crate) fn with_door(
        memory: MemoryStore,
        on_save: impl Fn(&mut Writes) -> Verdict + Send + Sync + 'static,
    ) -> Self {
        Self { memory, on_save: Arc::new(on_save), on_claim: Arc::new(|_| ()), refused: Arc::default() }
    }
}

impl fmt::Debug for Meddled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meddled").finish_non_exhaustive()
    }
}

struct MeddledTx {
    tx: Box<dyn Tx>,
    by: Meddled,
}

#[async_trait]
impl Tx for MeddledTx {
    async fn claim(&mut self, claim: &Claim<'_>) -> Result<Claimed, StoreError> {
        let mut claimed = self.tx.claim(claim).await?;
        (self.by.on_claim)(&mut claimed);
        Ok(claimed)
    }

    async fn load(&mut self, footprint: &Footprint, world: &mut World) -> Result<(), StoreError> {
        self.tx.load(footprint, world).await
    }

    async fn draw_order_numbers(&mut self, count: usize) -> Result<Vec<OrderId>, StoreError> {
        self.tx.draw_order_numbers(count).await
    }

    async fn save(self: Box<Self>, writes: &Writes) -> Result<(), StoreError> {
        let mut writes = writes.clone();
        let verdict = (self.by.on_save)(&mut writes);
        if let Verdict::Fail(error) = verdict {
            return Err(error);
        }
        let saved = self.tx.save(&writes).await;
        if let Err(error) = &saved {
            self.by.refused.lock().unwrap_or_else(PoisonError::into_inner).push(error.to_string());
        }
        if matches!(verdict, Verdict::SaveAndLose) {
            return Err(StoreError::CommitUnknown("reset after the commit".to_owned()));
        }
        saved
    }
}

#[async_trait]
impl Store for Meddled {
    async fn begin(&self) -> Result<Box<dyn Tx>, StoreError> {
        Ok(Box::new(MeddledTx { tx: self.memory.begin().await?, by: self.clone() }))
    }
    async fn try_write(&self) -> Result<(), StoreError> {
        self.memory.try_write().await
    }
    async fn order(&self, id: OrderId) -> Result<Option<OrderView>, StoreError> {
        self.memory.order(id).await
    }
    async fn orders(&self, filter: &OrderFilter) -> Result<Vec<OrderView>, StoreError> {
        self.memory.orders(filter).await
    }
    async fn shop(&self) -> Result<ShopRow, StoreError> {
        self.memory.shop().await
    }
    async fn parked(&self, after: Option<SagaId>, limit: u32) -> Result<Vec<SagaId>, StoreError> {
        self.memory.parked(after, limit).await
    }
    async fn keys(&self) -> Result<KeySource, StoreError> {
        self.memory.keys().await
    }
    async fn saga(&self, id: SagaId) -> Result<Option<Saga>, StoreError> {
        self.memory.saga(id).await
    }
    async fn sagas_of(&self, order: OrderId) -> Result<Vec<Saga>, StoreError> {
        self.memory.sagas_of(order).await
    }
    async fn sagas(&self, filter: &SagaFilter) -> Result<Vec<Saga>, StoreError> {
        self.memory.sagas(filter).await
    }
    async fn log(&self, saga: SagaId) -> Result<Vec<LogRow>, StoreError> {
        self.memory.log(saga).await
    }
    async fn inbox(&self, saga: SagaId) -> Result<Vec<Signal>, StoreError> {
        self.memory.inbox(saga).await
    }
    async fn stock(&self, sku: Option<&Sku>, limit: u32) -> Result<Vec<(Sku, Stock)>, StoreError> {
        self.memory.stock(sku, limit).await
    }
    async fn cart(&self, id: CartId) -> Result<Option<Cart>, StoreError> {
        self.memory.cart(id).await
    }
    async fn known_customer(&self, identity: &Identity) -> Result<Option<CustomerId>, StoreError> {
        self.memory.known_customer(identity).await
    }
    async fn add_customer(&self, identity: &Identity, fresh: CustomerId) -> Result<(), StoreError> {
        self.memory.add_customer(identity, fresh).await
    }
    async fn open_cart_of(&self, customer: CustomerId) -> Result<Option<CartId>, StoreError> {
        self.memory.open_cart_of(customer).await
    }
    async fn products(&self, filter: &ProductFilter) -> Result<Vec<Product>, StoreError> {
        self.memory.products(filter).await
    }
    async fn pending(&self, at_most: u64) -> Result<u64, StoreError> {
        self.memory.pending(at_most).await
    }
    async fn at_work(&self, at_most: u64) -> Result<u64, StoreError> {
        self.memory.at_work(at_most).await
    }
    async fn order_versions(
        &self,
        orders: &[OrderId],
    ) -> Result<BTreeMap<OrderId, OrderVersion>, StoreError> {
        self.memory.order_versions(orders).await
    }
    async fn secret(&self, name: &str, fresh: [u8; 32]) -> Result<[u8; 32], StoreError> {
        self.memory.secret(name, fresh).await
    }
    async fn notifications(&self, filter: &NotificationFilter) -> Result<Vec<NotificationView>, StoreError> {
        self.memory.notifications(filter).await
    }
    async fn mark_read(
        &self,
        id: SagaId,
        who: Option<CustomerId>,
    ) -> Result<Option<NotificationView>, StoreError> {
        self.memory.mark_read(id, who).await
    }
    async fn levels(&self, skus: &[Sku]) -> Result<Vec<(Sku, Stock)>, StoreError> {
        self.memory.levels(skus).await
    }
    async fn versions(&self, sku: &Sku) -> Result<Option<Versions>, StoreError> {
        self.memory.versions(sku).await
    }
    async fn admin_actions(&self, order: OrderId) -> Result<Vec<AdminAction>, StoreError> {
        self.memory.admin_actions(order).await
    }
    async fn actions(&self, filter: &ActionFilter) -> Result<Vec<ActionView>, StoreError> {
        self.memory.actions(filter).await
    }
    async fn dead(&self, before: Option<SagaId>, limit: u32) -> Result<Vec<DeadRow>, StoreError> {
        self.memory.dead(before, limit).await
    }
    async fn retrying(&self) -> Result<Vec<RetryingGroup>, StoreError> {
        self.memory.retrying().await
    }
    async fn queues(&self) -> Result<Vec<QueueView>, StoreError> {
        self.memory.queues().await
    }
    async fn heartbeat(&self, heartbeat: &Heartbeat) -> Result<(), StoreError> {
        self.memory.heartbeat(heartbeat).await
    }
    async fn deregister(&self, name: &str) -> Result<(), StoreError> {
        self.memory.deregister(name).await
    }
    async fn workers(&self) -> Result<Vec<WorkerView>, StoreError> {
        self.memory.workers().await
    }
    async fn now(&self) -> Result<Time, StoreError> {
        self.memory.now().await
    }
    async fn saga_counts(&self) -> Result<Vec<SagaCount>, StoreError> {
        self.memory.saga_counts().await
    }
    async fn unsettled(&self) -> Result<Vec<SagaCount>, StoreError> {
        self.memory.unsettled().await
    }
    async fn facts(&self, visit: &mut (dyn FnMut(Fact) + Send)) -> Result<(), StoreError> {
        self.memory.facts(visit).await
    }
    async fn prune(&self, before: Time, limit: u32) -> Result<u64, StoreError> {
        self.memory.prune(before, limit).await
    }
}

/// A provider that keeps no note of a void for a charge it has never seen: the charge may still arrive.
#[derive(Debug)]
pub(crate) struct Forgetful(pub(crate) Arc<dyn PaymentProvider>);

#[async_trait]
impl PaymentProvider for Forgetful {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn caps(&self) -> Caps {
        self.0.caps()
    }

    async fn ping(&self) -> Result<Account, Fault> {
        self.0.ping().await
    }

    async fn drive(&self, at: &At<'_>, attempt: &Attempt<'_>) -> Result<Charge, Fault> {
        self.0.drive(at, attempt).await
    }

    async fn look_up(&self, at: &At<'_>) -> Result<Charge, Fault> {
        self.0.look_up(at).await
    }

    async fn close(&self, at: &At<'_>) -> Result<Closed, Fault> {
        match self.0.look_up(at).await? {
            Charge::Open => Ok(Closed::Closed),
            _ => self.0.close(at).await,
        }
    }

    async fn refund(&self, at: &At<'_>, key: &StepKey, amount: Money) -> Result<RefundState, Fault> {
        self.0.refund(at, key, amount).await
    }

    async fn refunds(&self, at: &At<'_>) -> Result<Vec<NamedRefund>, Fault> {
        self.0.refunds(at).await
    }

    async fn movements(&self, cursor: &str) -> Result<Option<Page<Movement>>, Fault> {
        self.0.movements(cursor).await
    }
}
