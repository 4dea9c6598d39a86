//! Workers as they are shown.

use std::collections::BTreeMap;

use holdfast_saga::records::view::WorkerView;
use holdfast_shared::{Queue, Time};
use serde::Serialize;
use utoipa::ToSchema;

/// A worker, as it said of itself.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Worker)]
pub struct WorkerBody {
    /// The name its leases carry.
    #[schema(example = "worker-4711")]
    pub name: String,
    /// `alive`, `silent` or `left`.
    #[schema(value_type = String, example = "alive")]
    pub state: &'static str,
    /// The machine it runs on.
    pub host: String,
    /// Its process there.
    pub pid: u32,
    /// Of which release it is.
    #[schema(example = "0.1.0")]
    pub version: String,
    /// The pools it serves, and how many calls of each may be in flight.
    #[schema(value_type = BTreeMap<String, usize>, example = json!({"checkout": 256}))]
    pub pools: BTreeMap<Queue, usize>,
    /// The definitions it knows, with their versions.
    #[schema(example = json!(["checkout_online 1"]))]
    pub definitions: Vec<String>,
    /// Calls it had in flight.
    pub in_flight: u64,
    /// When this life of it began.
    pub started_at: Time,
    /// When it was last heard of.
    pub heartbeat_at: Time,
    /// When it left by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_at: Option<Time>,
}

impl WorkerBody {
    /// `view` at `now`.
    pub fn new(view: WorkerView, now: Time) -> Self {
        let state = match (view.left_at, view.is_alive(now)) {
            (Some(_), _) => "left",
            (None, true) => "alive",
            (None, false) => "silent",
        };
        let WorkerView { heartbeat, heartbeat_at, left_at } = view;
        let definitions = heartbeat.definitions.iter().map(|id| format!("{} {}", id.name, id.version));
        Self {
            name: heartbeat.name,
            state,
            host: heartbeat.host,
            pid: heartbeat.pid,
            version: heartbeat.version,
            pools: heartbeat.pools,
            definitions: definitions.collect(),
            in_flight: heartbeat.in_flight,
            started_at: heartbeat.started_at,
            heartbeat_at,
            left_at,
        }
    }
}
