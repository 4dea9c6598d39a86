//! What a batch is run with.

use std::sync::Arc;
use std::time::Duration;

use holdfast_shared::{Queue, SagaId};

use super::call_permits::CallPermits;
use crate::engine::registry::Registry;
use crate::ports::Store;
use crate::records::call::Outcome;

/// What carries sagas on: a store, the definitions it knows, and the name it leases under.
#[derive(Debug, Clone)]
pub struct Engine {
    /// Where the sagas are.
    pub store: Arc<dyn Store>,
    /// The flows this binary knows; sagas of others stay due.
    pub registry: Registry,
    /// The name that leases carry.
    pub worker: String,
    /// How long a call may keep its saga. Nobody else plans it meanwhile.
    pub lease: Duration,
    /// The pools it serves.
    pub queues: Vec<Queue>,
}

/// What a batch is asked to locking at.
#[derive(Debug, Clone, Default)]
pub struct BatchInput {
    /// Answers to calls. They name their saga; it is waited for.
    pub outcomes: Vec<Outcome>,
    /// Sagas somebody said are due.
    pub hints: Vec<SagaId>,
    /// How many due sagas may be added.
    pub due_max: usize,
    /// Calls that may be begun, shared by all batches that run at once.
    pub slots: CallPermits,
}

/// How a batch looks at the stock it decides on.
///
/// All batches want the same few rows. At first nobody holds them: a batch decides on what it saw, and adds to what
/// is there by its commit; if a level could not bear that, the save is refused. Only then is the batch made again with
/// its levels locked first, where nothing can come in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Locking {
    Optimistic,
    Locked,
}
