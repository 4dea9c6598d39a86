//! What readers see: orders and sagas as lists and pages, queues and workers, never locked.

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_shared::{
    CancelReason, OrderId, OrderStatus, PaymentMethod, Queue, ReservationStatus, SagaId, SagaState, Sku, Time,
};
use strum::IntoEnumIterator;
use uuid::Uuid;

use crate::rows::{Notification, Order, Payment};
use crate::saga::{DefinitionId, Progress};

/// An order with what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderView {
    /// The order.
    pub order: Order,
    /// Our book on its payment, once one was opened.
    pub payment: Option<Payment>,
    /// Its hold on stock, once there was one.
    pub reservation: Option<ReservationStatus>,
    /// Whether one of its sagas is dead and waits for an operator.
    pub needs_attention: bool,
}

impl OrderView {
    /// The id the world outside sees.
    pub fn public_id(&self) -> Uuid {
        self.order.id.public(self.order.accepted_at)
    }
}

/// Which orders to list, newest first.
#[derive(Debug, Clone, Default)]
pub struct OrderFilter {
    /// In this state.
    pub status: Option<OrderStatus>,
    /// Paid this way.
    pub method: Option<PaymentMethod>,
    /// Cancelled for this.
    pub reason: Option<CancelReason>,
    /// With a dead saga.
    pub needs_attention: Option<bool>,
    /// Only this customer's.
    pub customer: Option<String>,
    /// Older than this one: the cursor.
    pub before: Option<OrderId>,
    /// At most.
    pub limit: u32,
}

/// Which sagas to list, newest first.
#[derive(Debug, Clone, Default)]
pub struct SagaFilter {
    /// Of this definition.
    pub definition: Option<String>,
    /// In this state.
    pub state: Option<SagaState>,
    /// Older than this one: the cursor.
    pub before: Option<SagaId>,
    /// At most.
    pub limit: u32,
}

/// A dead saga, as far as lists need to know it: its context stays where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadRow {
    /// Which.
    pub id: SagaId,
    /// What it runs.
    pub definition: DefinitionId,
    /// Where it stopped and why, or why that cannot be read.
    pub progress: Result<Progress, String>,
    /// Since when.
    pub since: Time,
    /// Set while it was told something that nobody has looked at yet.
    pub wake_at: Option<Time>,
    /// The payment token of its order, so that it can be kept out of the reason.
    pub token: Option<String>,
}

/// How a pool stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueView {
    /// Which.
    pub queue: Queue,
    /// Sagas that a worker could take now.
    pub due: u64,
    /// Since when the longest due of them is.
    pub oldest_due: Option<Time>,
    /// Sagas whose call is under way: leased.
    pub in_flight: u64,
    /// Sagas that gave up.
    pub dead: u64,
    /// Since when, by whom and why nobody takes any, if so.
    pub paused: Option<Paused>,
}

impl QueueView {
    /// An empty pool.
    pub const fn empty(queue: Queue) -> Self {
        Self { queue, due: 0, oldest_due: None, in_flight: 0, dead: 0, paused: None }
    }

    /// All pools, empty.
    pub fn all_empty() -> BTreeMap<Queue, Self> {
        Queue::iter().map(|queue| (queue, Self::empty(queue))).collect()
    }
}

/// An operator's brake on a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paused {
    /// Since when.
    pub at: Time,
    /// By whom.
    pub by: String,
    /// Why, if they said so.
    pub reason: Option<String>,
}

impl std::fmt::Display for Paused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "paused by {} since {}", self.by, self.at)?;
        self.reason.as_ref().map_or(Ok(()), |reason| write!(f, " ({reason})"))
    }
}

/// What a worker says of itself, again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerBeat {
    /// The name its leases carry.
    pub name: String,
    /// The machine it runs on.
    pub host: String,
    /// Its process there.
    pub pid: u32,
    /// Of which release it is.
    pub version: String,
    /// The pools it serves, and how many calls of each may be in flight.
    pub pools: BTreeMap<Queue, usize>,
    /// The definitions it knows.
    pub definitions: Vec<DefinitionId>,
    /// Calls it has in flight.
    pub in_flight: u64,
    /// When this life of it began.
    pub started_at: Time,
}

/// A worker as the registry knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerView {
    /// What it said last.
    pub beat: WorkerBeat,
    /// When it said so.
    pub beat_at: Time,
    /// When it said farewell, if it did.
    pub left_at: Option<Time>,
}

impl WorkerView {
    /// A worker beats every few seconds; one that missed four of them is not counted on any more.
    pub const SILENT: Duration = Duration::from_secs(20);

    /// Whether it can be counted on at `now`.
    pub fn is_alive(&self, now: Time) -> bool {
        self.left_at.is_none() && now.since(self.beat_at) < Self::SILENT
    }
}

/// How many sagas of a definition stand where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Census {
    /// Such as `checkout_online`.
    pub definition: String,
    /// Where.
    pub state: SagaState,
    /// How many.
    pub sagas: u64,
}

/// Which products to list, by SKU, bytewise.
#[derive(Debug, Clone, Default)]
pub struct ProductFilter {
    /// Of these; empty: any.
    pub skus: Vec<Sku>,
    /// For sale, or not.
    pub active: Option<bool>,
    /// Behind this one: the cursor.
    pub after: Option<Sku>,
    /// At most.
    pub limit: u32,
}

/// Whether an order moved, without reading it: another pulse says that the order or one of its sagas did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pulse {
    /// When the order last changed.
    pub updated_at: Time,
    /// The fences of its sagas, added up: each of their commits raises one.
    pub fences: i64,
    /// How many sagas it has: one is born, or pruned.
    pub sagas: i64,
}

/// Which messages to list, newest first.
#[derive(Debug, Clone, Default)]
pub struct NotificationFilter {
    /// About this customer's orders.
    pub customer: Option<String>,
    /// Not read yet, or read.
    pub unread: Option<bool>,
    /// Older than this one: the cursor.
    pub before: Option<SagaId>,
    /// At most.
    pub limit: u32,
}

/// A message with what its reader needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotificationView {
    /// The message.
    pub notification: Notification,
    /// The order it is about, as the world outside knows it.
    pub order_public: Uuid,
    /// Whose order that is; `None` for a guest's.
    pub customer: Option<String>,
    /// When it was saved.
    pub created_at: Time,
    /// When it was first read, if it was.
    pub read_at: Option<Time>,
}
