//! Workers as they were seen last.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use holdfast_shared::{Queue, Time};

use crate::records::request::Operation;
use crate::records::saga::DefinitionId;

/// What a worker says of itself, again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
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
    /// The payment providers it is set up for, and what its credentials allow there, as far as it has found out; `None`: it is
    /// of a release that does not say.
    pub providers: Option<BTreeMap<String, BTreeSet<Operation>>>,
    /// Calls it has in flight.
    pub in_flight: u64,
    /// When this life of it began.
    pub started_at: Time,
}

impl Heartbeat {
    /// Whether it begins calls of `queue`.
    pub fn serves(&self, queue: Queue) -> bool {
        self.pools.get(&queue).is_some_and(|calls| *calls > 0)
    }
}

/// A worker as the registry knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerView {
    /// What it said last.
    pub heartbeat: Heartbeat,
    /// When it said so.
    pub heartbeat_at: Time,
    /// When it said deregister, if it did.
    pub left_at: Option<Time>,
}

impl WorkerView {
    /// A worker heartbeats every few seconds; one that missed four of them is not counted on any more.
    pub const SILENT: Duration = Duration::from_secs(20);

    /// Whether it can be counted on at `now`.
    pub fn is_alive(&self, now: Time) -> bool {
        self.left_at.is_none() && now.since(self.heartbeat_at) < Self::SILENT
    }
}
