//! What came of a batch.

use std::sync::Arc;
use std::time::Instant;

use holdfast_shared::{CancelReason, OrderStatus, PaymentMethod, Queue, SagaId, SagaState, Time};

use super::input::BatchInput;
use crate::ports::StoreError;
use crate::records::call::Call;
use crate::records::context::Context;
use crate::records::history::Entry;
use crate::records::saga::DefinitionId;

/// What came of a batch.
#[derive(Debug, Default)]
pub struct BatchOutcome {
    /// What was committed; more than one when the batch had to be halved.
    pub committed: Vec<Committed>,
    /// What was not. Its outcomes must be given again, after a while; its hints may be.
    pub not_committed: Vec<BatchInput>,
    /// Why, when it was not the fault of a row.
    pub error: Option<StoreError>,
}

/// What one commit did.
#[derive(Debug, Clone)]
pub struct Committed {
    /// Calls to carry out, committed and leased.
    pub calls: Vec<Call>,
    /// The monotonic instant before the lease began: a call is sent only while enough of it is left.
    pub leased_at: Instant,
    /// Hinted sagas that somebody else held: to be hinted again.
    pub locked: Vec<SagaId>,
    /// Sagas that stand before a call for which no slot was free: due, to be hinted again.
    pub awaiting_permit: Vec<(SagaId, Queue)>,
    /// Sagas that stand before a call to a provider that is closed here: due, to be hinted to other workers.
    pub elsewhere: Vec<(SagaId, Queue)>,
    /// Sagas that moved, for the metrics.
    pub moved: Vec<SagaTransition>,
    /// Orders that moved, and where to.
    pub orders: Vec<(OrderStatus, PaymentMethod)>,
    /// Outcomes that came too late and were stored as signals.
    pub late: usize,
    /// Sagas that were claimed.
    pub claimed: usize,
}

/// One saga that a commit moved.
#[derive(Debug, Clone)]
pub struct SagaTransition {
    /// The saga.
    pub saga: SagaId,
    /// What it runs.
    pub definition: DefinitionId,
    /// What it was started with.
    pub context: Arc<Context>,
    /// Where it stands now.
    pub state: SagaState,
    /// Whether this commit started it.
    pub is_born: bool,
    /// When it was born.
    pub created_at: Time,
    /// When it was committed.
    pub at: Time,
    /// Commits of it so far, this one included.
    pub commits: i64,
    /// The stage it stands at: how many are done, if it goes forward.
    pub stage: usize,
    /// Times that the call it stood at before was begun.
    pub attempts: u32,
    /// Why it unwinds.
    pub cause: Option<CancelReason>,
    /// What the commit decided.
    pub entries: Vec<Entry>,
}
