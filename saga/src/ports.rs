//! The ports: what the rules need from the outside, and what they promise about its use.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use holdfast_shared::{CartId, KeySource, Money, OrderId, Queue, SagaId, Sku, StepKey, Time};

use crate::audit::Fact;
use crate::context::{Context, Notice};
use crate::log::LogRow;
use crate::rows::{AdminAction, Cart, Product, Stock};
use crate::saga::{DefinitionId, Saga};
use crate::signal::Signal;
use crate::view::{
    Census, DeadRow, NotificationFilter, NotificationView, OrderFilter, OrderView, ProductFilter, Pulse,
    QueueView, SagaFilter, WorkerBeat, WorkerView,
};
use crate::world::{Footprint, World, Writes};

/// A worker that is silent for so long is forgotten.
pub const WORKERS_KEPT: Duration = Duration::from_hours(24);

/// The database, as the rules see it: three moves, one transaction for a whole batch.
#[async_trait]
pub trait Store: Send + Sync + fmt::Debug {
    /// Opens a transaction. Dropping it without [`Tx::save`] leaves everything as it was.
    async fn begin(&self) -> Result<Box<dyn Tx>, StoreError>;

    /// Where the keys of new sagas come from, in the name of the shop that this database holds. That never changes, so a
    /// store asks the database once.
    async fn keys(&self) -> Result<KeySource, StoreError>;

    /// An order with its payment and reservation.
    async fn order(&self, id: OrderId) -> Result<Option<OrderView>, StoreError>;

    /// Orders, newest first.
    async fn orders(&self, filter: &OrderFilter) -> Result<Vec<OrderView>, StoreError>;

    /// One saga, not locked.
    async fn saga(&self, id: SagaId) -> Result<Option<Saga>, StoreError>;

    /// All sagas of an order, by slot.
    async fn sagas_of(&self, order: OrderId) -> Result<Vec<Saga>, StoreError>;

    /// Sagas, newest first.
    async fn sagas(&self, filter: &SagaFilter) -> Result<Vec<Saga>, StoreError>;

    /// The dead sagas behind `before`, newest first, at most `limit`. One that cannot be read is among them.
    async fn dead(&self, before: Option<SagaId>, limit: u32) -> Result<Vec<DeadRow>, StoreError>;

    /// How every pool stands, in their order. It costs what is not settled, not what is stored.
    async fn queues(&self) -> Result<Vec<QueueView>, StoreError>;

    /// Keeps what a worker says of itself. Whoever beats also forgets the workers that are silent for a day.
    async fn beat(&self, beat: &WorkerBeat) -> Result<(), StoreError>;

    /// Notes that a worker left by itself: nobody need wait for it any more.
    async fn farewell(&self, name: &str) -> Result<(), StoreError>;

    /// The workers that are known, by name.
    async fn workers(&self) -> Result<Vec<WorkerView>, StoreError>;

    /// The present, by the clock that sagas go by.
    async fn now(&self) -> Result<Time, StoreError>;

    /// The history of one saga, oldest first.
    async fn log(&self, saga: SagaId) -> Result<Vec<LogRow>, StoreError>;

    /// The unread signals of one saga, in order.
    async fn inbox(&self, saga: SagaId) -> Result<Vec<Signal>, StoreError>;

    /// Stock levels, by SKU: the named one, or up to `limit` of all.
    async fn stock(&self, sku: Option<&Sku>, limit: u32) -> Result<Vec<(Sku, Stock)>, StoreError>;

    /// A cart, not locked.
    async fn cart(&self, id: CartId) -> Result<Option<Cart>, StoreError>;

    /// The customer's open cart; of several the one with the highest id, which grows with time.
    async fn open_cart_of(&self, customer: &str) -> Result<Option<CartId>, StoreError>;

    /// Products, by SKU: bytewise, so that a cursor means the same to every store.
    async fn products(&self, filter: &ProductFilter) -> Result<Vec<Product>, StoreError>;

    /// How many orders still wait for their payment or their confirmation, counted up to `at_most`.
    async fn pending(&self, at_most: u64) -> Result<u64, StoreError>;

    /// The pulses of those `orders` that exist, read at once.
    async fn pulses(&self, orders: &[OrderId]) -> Result<BTreeMap<OrderId, Pulse>, StoreError>;

    /// The secret kept under `name`: `fresh`, unless there is one already. So all replicas have the same.
    async fn secret(&self, name: &str, fresh: [u8; 32]) -> Result<[u8; 32], StoreError>;

    /// Messages, newest first.
    async fn notifications(&self, filter: &NotificationFilter) -> Result<Vec<NotificationView>, StoreError>;

    /// Marks a message as read; the first time stays. `None` when there is no such message, or when it is
    /// about another customer's order. Without a `customer` it is anybody's: for those who run the shop.
    async fn mark_read(
        &self,
        id: SagaId,
        customer: Option<&str>,
    ) -> Result<Option<NotificationView>, StoreError>;

    /// What admins and operators did to an order, oldest first.
    async fn admin_actions(&self, order: OrderId) -> Result<Vec<AdminAction>, StoreError>;

    /// How many sagas of which definition stand where.
    async fn census(&self) -> Result<Vec<Census>, StoreError>;

    /// The same of those that are not settled: living ones and dead ones. It costs what they are, not what is stored.
    async fn unsettled(&self) -> Result<Vec<Census>, StoreError>;

    /// Hands every fact the audit needs to `visit`, all of one consistent snapshot.
    async fn facts(&self, visit: &mut (dyn FnMut(Fact) + Send)) -> Result<(), StoreError>;

    /// Deletes at most `limit` settled sagas (with their history and read signals) and as many
    /// idempotency keys older than `before`. Returns how many rows went, zero when nothing is left
    /// to prune. Never touches orders, money, stock or anything dead.
    async fn prune(&self, before: Time, limit: u32) -> Result<u64, StoreError>;
}

/// One transaction: `claim` and `load` lock and read, `save` writes everything and commits.
///
/// Locks are taken in one order: idempotency keys, sagas, orders, payments, carts, stock; each
/// table sorted by key. So two batches can wait for each other, never for each other in a circle.
#[async_trait]
pub trait Tx: Send {
    /// Locks the sagas a batch may plan, and reads them with their unread signals.
    async fn claim(&mut self, claim: &Claim<'_>) -> Result<Claimed, StoreError>;

    /// Locks and reads `footprint` into `world`, besides what is there already. Sets `world.now`.
    async fn load(&mut self, footprint: &Footprint, world: &mut World) -> Result<(), StoreError>;

    /// Writes the dirty rows, set-wise, and commits once.
    ///
    /// An error means that nothing was written, except [`StoreError::CommitUnknown`].
    async fn save(self: Box<Self>, writes: &Writes) -> Result<(), StoreError>;
}

/// Which sagas a batch wants.
#[derive(Debug, Clone, Copy, Default)]
pub struct Claim<'a> {
    /// Sagas whose call was answered: waited for, whoever holds them, whatever their queue.
    pub outcomes: &'a [SagaId],
    /// Contexts that the caller has already. They never change, so a store need not read them again.
    pub contexts: &'a [(SagaId, Arc<Context>)],
    /// Sagas somebody said are due. One that is locked or leased is skipped.
    pub hints: &'a [SagaId],
    /// How many that are due by their own `wake_at` may be added, the longest due first.
    pub due_max: usize,
    /// Only from these pools, as far as they are not paused; outcomes excepted.
    pub queues: &'a [Queue],
    /// Only of these definitions; outcomes excepted.
    pub definitions: &'a [DefinitionId],
}

/// What was claimed.
#[derive(Debug, Clone, Default)]
pub struct Claimed {
    /// The database's present.
    pub now: Time,
    /// Locked sagas with their unread signals, in no particular order.
    pub sagas: Vec<(Saga, Vec<Signal>)>,
    /// Hinted sagas that another transaction holds right now.
    pub locked: Vec<SagaId>,
    /// Locked rows that could not be read, and why.
    pub unreadable: Vec<(SagaId, String)>,
}

/// Why a store could not do what it was asked. Nothing was written, one variant excepted.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached, or is shutting down.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// Somebody else was in the way: a deadlock, a lock timeout.
    #[error("another transaction was in the way: {0}")]
    Contention(String),
    /// A value the database refuses (SQLSTATE 22, 23).
    #[error("the database refused a row: {0}")]
    Data(String),
    /// Rows were not where their saga had left them.
    #[error("{table}: {expected} rows should have moved, {found} did")]
    Mismatch {
        /// Which table.
        table: &'static str,
        /// Rows to move.
        expected: u64,
        /// Rows that were where they should be.
        found: u64,
    },
    /// The connection broke while committing: nobody knows whether it happened. Look at a fence.
    #[error("the answer to a commit was lost: {0}")]
    CommitUnknown(String),
    /// Full disk, read-only database, missing rights, a schema that does not fit: a person must act.
    #[error("{0}")]
    Refused(String),
}

/// What to do about a [`StoreError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// The same again, whole, after a while.
    Retry,
    /// One row is at fault: halve the batch to find it.
    Halve,
    /// Find out first.
    LookAgain,
}

impl StoreError {
    /// What to do about it.
    pub const fn class(&self) -> ErrorClass {
        match self {
            Self::Unavailable(_) | Self::Contention(_) | Self::Refused(_) => ErrorClass::Retry,
            Self::Data(_) | Self::Mismatch { .. } => ErrorClass::Halve,
            Self::CommitUnknown(_) => ErrorClass::LookAgain,
        }
    }
}

/// Says which sagas are due: a hint that may be dropped, doubled, late or lost. Nothing follows but latency.
pub trait Dispatch: Send + Sync + fmt::Debug {
    /// Passes the hints on, or drops them. Never blocks, never fails.
    fn wake(&self, hints: &[Hint]);
}

/// One saga that may be due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hint {
    /// Which.
    pub saga: SagaId,
    /// In which pool.
    pub queue: Queue,
}

/// A payment provider, as far as a checkout needs one.
///
/// Everything is keyed by our own stable keys; repeating a request under its key never moves money twice.
#[async_trait]
pub trait PaymentProvider: Send + Sync + fmt::Debug {
    /// The name stored with the payments it takes.
    fn name(&self) -> &str;

    /// How long it recognises a key. A charge that old is only looked up, never sent again.
    fn key_ttl(&self) -> Duration;

    /// Takes `amount`, once per key.
    async fn charge(&self, key: &StepKey, amount: Money, token: &str) -> Result<ChargeState, Fault>;

    /// What it knows of a charge, found by the key as our reference; `None` proves nothing: it may still be under way.
    async fn look_up(&self, charge: &StepKey) -> Result<Option<ChargeState>, Fault>;

    /// Makes sure that no money will ever move under `charge`, also if the charge arrives later.
    /// Money that was captured already stays captured, and is reported.
    async fn void(&self, charge: &StepKey) -> Result<ChargeState, Fault>;

    /// Gives `amount_minor` of `charge` back, once per key.
    async fn refund(&self, key: &StepKey, charge: &StepKey, amount_minor: i64) -> Result<(), Fault>;

    /// What went back of `charge`, by anybody: each refund with the key it was asked for under, if it had one.
    async fn refunds(&self, charge: &StepKey) -> Result<Vec<NamedRefund>, Fault>;

    /// Every charge the provider knows of, other shops' on the same account included; `None` when it keeps no such list.
    async fn statement(&self) -> Result<Option<Vec<StatementLine>>, Fault> {
        Ok(None)
    }
}

/// Where a charge stands at the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChargeState {
    /// Waits for the buyer.
    RequiresAction {
        /// Where they must go.
        url: Option<String>,
    },
    /// The money was taken; some or all of it may be back already.
    Captured {
        /// How much was taken.
        amount: Money,
        /// How much is back.
        refunded_minor: i64,
        /// The provider's own name for it.
        provider_ref: String,
    },
    /// Refused; nothing moved.
    Declined {
        /// Why.
        reason: String,
    },
    /// Nothing moved and nothing will.
    Voided,
}

/// One refund, as the provider lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedRefund {
    /// The key it was asked for under; `None` for one that was made at the provider's desk.
    pub key: Option<StepKey>,
    /// How much went back under it.
    pub amount_minor: i64,
}

/// What the provider's own books say about one charge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementLine {
    /// Our reference.
    pub charge: StepKey,
    /// Its currency.
    pub currency: holdfast_shared::Currency,
    /// Taken.
    pub captured_minor: i64,
    /// Given back.
    pub refunded_minor: i64,
}

/// Why the other side did not answer properly.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It never began, provably: a rule of theirs refused it.
    #[error("{0}")]
    NotDone(String),
    /// It never began, provably: they cannot be reached, or take nothing at present.
    #[error("{0}")]
    Unavailable(String),
    /// Nobody can tell whether it happened.
    #[error("{0}")]
    Unclear(String),
}

/// A way to reach customers.
#[async_trait]
pub trait Notifier: Send + Sync + fmt::Debug {
    /// Sends one message, that of saga `id`. May be asked twice under the same `key`, which is how the outside knows it.
    async fn send(&self, key: &StepKey, id: SagaId, notice: &Notice) -> Result<(), Fault>;
}

/// Everything outside the database that calls go to.
#[derive(Debug, Clone)]
pub struct Outside {
    /// The payment provider. Orders name it; another name is a fault of the configuration.
    pub payments: Arc<dyn PaymentProvider>,
    /// The customer's channel.
    pub notifier: Arc<dyn Notifier>,
}
