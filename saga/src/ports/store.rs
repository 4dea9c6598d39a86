//! The database, as the rules see it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use holdfast_shared::{CartId, CustomerId, KeySource, OrderId, Queue, SagaId, Sku, Time};

use crate::records::audit_fact::Fact;
use crate::records::batch_rows::{Footprint, World, Writes};
use crate::records::context::Context;
use crate::records::history::LogRow;
use crate::records::saga::{DefinitionId, Saga};
use crate::records::signal::Signal;
use crate::records::view::{
    ActionFilter, ActionView, DeadRow, Heartbeat, NotificationFilter, NotificationView, OrderFilter,
    OrderRecords, OrderVersion, OrderView, ProductFilter, QueueView, RetryingGroup, SagaCount, SagaFilter,
    WorkerView,
};
use crate::records::{AdminAction, Cart, Identity, Product, Shop, Stock, Versions};

/// A worker that is silent for so long is forgotten.
pub const WORKERS_KEPT: Duration = Duration::from_hours(24);

/// The database, as the rules see it: three moves, one transaction for a whole batch.
#[async_trait]
pub trait Store: Send + Sync + fmt::Debug {
    /// Opens a transaction. Dropping it without [`Tx::save`] leaves everything as it was.
    async fn begin(&self) -> Result<Box<dyn Tx>, StoreError>;

    /// Where the keys of new sagas come from, in the name of the shop that this database holds. A store asks the database
    /// once: a process ends when it finds another shop there.
    async fn keys(&self) -> Result<KeySource, StoreError>;

    /// The shop's row as it stands now, and where its database is.
    async fn shop(&self) -> Result<Shop, StoreError>;

    /// An order with its payment and reservation.
    async fn order(&self, id: OrderId) -> Result<Option<OrderView>, StoreError>;

    /// The same, and the id of the customer with this identity: what it takes to tell whether the order is theirs.
    async fn order_and_customer(
        &self,
        id: OrderId,
        identity: &Identity,
    ) -> Result<(Option<OrderView>, Option<CustomerId>), StoreError> {
        Ok((self.order(id).await?, self.known_customer(identity).await?))
    }

    /// An order with everything that happened to it. The parts may be read one after the other, so in a shop at work a
    /// later one may be a commit further; the order is read last.
    async fn order_records(&self, id: OrderId) -> Result<Option<OrderRecords>, StoreError> {
        let sagas = self.sagas_of(id).await?;
        let (mut log, mut inbox) = (Vec::new(), Vec::new());
        for saga in &sagas {
            log.extend(self.log(saga.id).await?);
            inbox.extend(self.inbox(saga.id).await?);
        }
        let actions = self.admin_actions(id).await?;
        let order = self.order(id).await?;
        Ok(order.map(|order| OrderRecords { order, sagas, log, inbox, actions }))
    }

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

    /// The sagas behind `after` whose call waits for the settings to change, by id, at most `limit`. It costs what is not
    /// settled, not what is stored.
    async fn parked(&self, after: Option<SagaId>, limit: u32) -> Result<Vec<SagaId>, StoreError>;

    /// The sagas that [are retrying](Saga::is_retrying), by queue, definition and place. It costs what is not settled.
    async fn retrying(&self) -> Result<Vec<RetryingGroup>, StoreError>;

    /// How every pool stands, in their order. It costs what is not settled, not what is stored.
    async fn queues(&self) -> Result<Vec<QueueView>, StoreError>;

    /// Keeps what a worker says of itself. Whoever heartbeats also forgets the workers that are silent for a day.
    async fn heartbeat(&self, heartbeat: &Heartbeat) -> Result<(), StoreError>;

    /// Notes that a worker left by itself: nobody need wait for it any more.
    async fn deregister(&self, name: &str) -> Result<(), StoreError>;

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

    /// The id of the customer with this identity; `None`: there is no record. A record from before issuers were stored is
    /// assigned to the first issuer that asks for its `sub`.
    async fn known_customer(&self, identity: &Identity) -> Result<Option<CustomerId>, StoreError>;

    /// Adds a customer with the id `fresh`, unless there is one with this identity.
    async fn add_customer(&self, identity: &Identity, fresh: CustomerId) -> Result<(), StoreError>;

    /// The id of the customer with this identity. One without a record is added with the id `fresh`.
    async fn customer(&self, identity: &Identity, fresh: CustomerId) -> Result<CustomerId, StoreError> {
        if let Some(known) = self.known_customer(identity).await? {
            return Ok(known);
        }
        self.add_customer(identity, fresh).await?;
        // Another process may have been faster.
        let gone =
            || StoreError::Unavailable("the customer was erased while they were added; repeat it".to_owned());
        self.known_customer(identity).await?.ok_or_else(gone)
    }

    /// The customer's open cart; of several the one with the highest id, which grows with time.
    async fn open_cart_of(&self, customer: CustomerId) -> Result<Option<CartId>, StoreError>;

    /// Products, by SKU: bytewise, so that a cursor means the same to every store.
    async fn products(&self, filter: &ProductFilter) -> Result<Vec<Product>, StoreError>;

    /// The levels of those `skus` that have one.
    async fn levels(&self, skus: &[Sku]) -> Result<Vec<(Sku, Stock)>, StoreError>;

    /// The versions of what is on the shelf of `sku` and of its product, if it has a shelf.
    async fn versions(&self, sku: &Sku) -> Result<Option<Versions>, StoreError>;

    /// How many orders still wait for their payment or their confirmation, counted up to `at_most`.
    async fn pending(&self, at_most: u64) -> Result<u64, StoreError>;

    /// How many of them wait for nobody outside: neither for the buyer nor for the shop.
    async fn at_work(&self, at_most: u64) -> Result<u64, StoreError>;

    /// The versions of those `orders` that exist, read at once.
    async fn order_versions(&self, orders: &[OrderId])
    -> Result<BTreeMap<OrderId, OrderVersion>, StoreError>;

    /// The secret kept under `name`: `fresh`, unless there is one already. So all replicas have the same.
    async fn secret(&self, name: &str, fresh: [u8; 32]) -> Result<[u8; 32], StoreError>;

    /// Messages, newest first.
    async fn notifications(&self, filter: &NotificationFilter) -> Result<Vec<NotificationView>, StoreError>;

    /// Marks a message as read; the first time stays. `None` when there is no such message, or when it is
    /// about another customer's order. Without a `customer` it is anybody's: for those who run the shop.
    async fn mark_read(
        &self,
        id: SagaId,
        customer: Option<CustomerId>,
    ) -> Result<Option<NotificationView>, StoreError>;

    /// What admins and operators did to an order, oldest first.
    async fn admin_actions(&self, order: OrderId) -> Result<Vec<AdminAction>, StoreError>;

    /// What admins and operators did, to orders and to anything else, newest first.
    async fn actions(&self, filter: &ActionFilter) -> Result<Vec<ActionView>, StoreError>;

    /// How many sagas of which definition stand where.
    async fn saga_counts(&self) -> Result<Vec<SagaCount>, StoreError>;

    /// The same of those that are not settled: living ones and dead ones. It costs what they are, not what is stored.
    async fn unsettled(&self) -> Result<Vec<SagaCount>, StoreError>;

    /// Hands every fact the audit needs to `visit`, all of one consistent snapshot.
    async fn facts(&self, visit: &mut (dyn FnMut(Fact) + Send)) -> Result<(), StoreError>;

    /// Does what every order needs of a database, and leaves nothing: takes a connection and a transaction that may
    /// write, and a little of the disk. An error says why no order can be saved now.
    async fn try_write(&self) -> Result<(), StoreError>;

    /// Deletes at most `limit` settled sagas (with their history and read signals) and as many
    /// idempotency keys older than `before`. Returns how many rows went, zero when nothing is left
    /// to prune. Never touches orders, money, stock or anything dead.
    async fn prune(&self, before: Time, limit: u32) -> Result<u64, StoreError>;
}

/// One transaction: `claim` and `load` lock and read, `save` writes everything and commits.
///
/// Locks are taken in one order: sagas, orders, payments, carts, idempotency keys, stock; each
/// table sorted by key. So two batches can wait for each other, never for each other in a circle.
#[async_trait]
pub trait Tx: Send {
    /// Locks the sagas a batch may plan, and reads them with their unread signals.
    async fn claim(&mut self, claim: &Claim<'_>) -> Result<Claimed, StoreError>;

    /// Locks and reads `footprint` into `world`, besides what is there already. Sets `world.now`.
    async fn load(&mut self, footprint: &Footprint, world: &mut World) -> Result<(), StoreError>;

    /// Draws the numbers of new orders, in ascending order. One that is drawn and not saved may be a gap for ever.
    async fn draw_order_numbers(&mut self, count: usize) -> Result<Vec<OrderId>, StoreError>;

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
    pub sagas: Vec<(Box<Saga>, Vec<Signal>)>,
    /// Hinted sagas that another transaction holds right now.
    pub locked: Vec<SagaId>,
    /// Locked rows that could not be read, and why.
    pub unreadable: Vec<(SagaId, String)>,
}

/// Why a store could not do what it was asked. Nothing was written, one variant excepted.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// It may work later, by itself: no connection, a server that stops, a statement that took too long. The text says
    /// which, and the next move.
    #[error("{0}")]
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

/// Why a save fails whose idempotency key another commit has taken since it was read.
pub const KEY_TAKEN: &str = "another request with the same idempotency key was faster";

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
