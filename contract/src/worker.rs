//! Workers.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_saga::records::request::Operation;
use holdfast_saga::records::view::WorkerView;
use holdfast_shared::{Queue, Time};
use serde::{Deserialize, Serialize};

/// A worker, as of its last heartbeat.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = Worker))]
pub struct WorkerBody {
    /// The name in its leases.
    #[cfg_attr(feature = "openapi", schema(example = "worker-4711"))]
    pub name: String,
    /// `alive`, `silent` or `left`.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "alive"))]
    pub state: WorkerState,
    /// The host it runs on.
    pub host: String,
    /// The id of its process.
    pub pid: u32,
    /// The release of Holdfast.
    #[cfg_attr(feature = "openapi", schema(example = "0.1.0"))]
    pub version: String,
    /// The pools it serves, with the most calls in flight of each.
    #[cfg_attr(feature = "openapi", schema(value_type = BTreeMap<String, usize>, example = json!({"checkout": 256})))]
    pub pools: BTreeMap<Queue, usize>,
    /// The definitions it knows, with their versions.
    #[cfg_attr(feature = "openapi", schema(example = json!(["checkout_online 1"])))]
    pub definitions: Vec<String>,
    /// The payment providers it is set up for, with what its credentials allow there: `take` money, `give_back` money.
    #[cfg_attr(feature = "openapi", schema(value_type = BTreeMap<String, Vec<String>>, example = json!({"sandbox": ["take", "give_back"]})))]
    pub providers: BTreeMap<String, BTreeSet<Operation>>,
    /// The number of calls in flight.
    pub in_flight: u64,
    /// The time at which it started.
    pub started_at: Time,
    /// When its last heartbeat came.
    pub heartbeat_at: Time,
    /// The time at which it deregistered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_at: Option<Time>,
}

/// Whether a worker runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkerState {
    /// Its last heartbeat is recent.
    Alive,
    /// It has missed several heartbeats.
    Silent,
    /// It stopped and deregistered itself.
    Left,
}

impl WorkerState {
    /// The name, as in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alive => "alive",
            Self::Silent => "silent",
            Self::Left => "left",
        }
    }
}

impl WorkerBody {
    /// The worker of `view`, at `now`.
    pub fn new(view: WorkerView, now: Time) -> Self {
        let state = match (view.left_at, view.is_alive(now)) {
            (Some(_), _) => WorkerState::Left,
            (None, true) => WorkerState::Alive,
            (None, false) => WorkerState::Silent,
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
            providers: heartbeat.providers.unwrap_or_default(),
            in_flight: heartbeat.in_flight,
            started_at: heartbeat.started_at,
            heartbeat_at,
            left_at,
        }
    }
}
