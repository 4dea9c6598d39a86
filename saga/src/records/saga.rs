//! One saga: the row that is locked, planned and saved. It never touches a database or a socket.

use std::sync::Arc;

use holdfast_shared::{
    CancelReason, KeyPrefix, OrderId, PaymentStatus, Queue, RefundStatus, SagaId, SagaState, StepKey, Time,
};
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr};

use crate::records::context::Context;
use crate::records::{NotificationStatus, Payment, PaymentDetails};

/// Which definition a saga runs, and which version of it. A saga keeps its version for life.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DefinitionId {
    /// Such as `checkout_online`.
    pub name: String,
    /// Counted from 1.
    pub version: i32,
}

/// A saga as it stands between two commits.
#[derive(Debug, Clone, PartialEq)]
pub struct Saga {
    /// Order and slot.
    pub id: SagaId,
    /// What the keys of its calls begin with; never changes.
    pub key_prefix: KeyPrefix,
    /// What it runs.
    pub definition: DefinitionId,
    /// The pool that carries it on.
    pub queue: Queue,
    /// Where it stands.
    pub state: SagaState,
    /// Raised by every commit of a plan; a write that names an older one is late.
    pub fence: i64,
    /// While in the future, one worker owns the saga and nobody else plans it.
    pub leased_until: Option<Time>,
    /// When it is due to be looked at: outbox, timer and sweep in one. `None`: nothing to do until a signal.
    pub wake_at: Option<Time>,
    /// Everything else that moves.
    pub progress: Progress,
    /// What it was started with; never changes.
    pub context: Arc<Context>,
    /// When it was started.
    pub created_at: Time,
    /// When its last plan was committed.
    pub updated_at: Time,
}

/// Which way a saga is going.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, Display, EnumString, IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Phase {
    /// Through the stages, in order.
    #[default]
    Forward,
    /// Through the undos, in reverse.
    Undo,
    /// Through what follows once everything is undone.
    AfterUndo,
}

/// What is known of the call the saga stands at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallState {
    /// Nothing has been sent under the present key.
    #[default]
    Fresh,
    /// Sent, or about to be, and nothing certain has been heard: ask, never send again.
    Sent,
    /// The other side has it and waits for somebody, such as the buyer.
    Pending,
}

/// Where in its definition a saga is, and what it has met on the way.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// Which way it goes. A dead saga keeps it.
    #[serde(rename = "p", skip_serializing_if = "is_default")]
    pub phase: Phase,
    /// Forward and after the undo: the stage it stands at. While undoing: how many stages are still to be undone.
    #[serde(rename = "s")]
    pub stage: usize,
    /// Whether the point of no return is behind it. A dead saga keeps it.
    #[serde(skip_serializing_if = "is_default")]
    pub pivoted: bool,
    /// The call it stands at.
    #[serde(skip_serializing_if = "is_default")]
    pub call: CallState,
    /// Calls of this stage proven to have moved nothing; part of the stable key.
    #[serde(skip_serializing_if = "is_default")]
    pub generation: u32,
    /// Times this stage's call was begun, counted in the commit before it is sent, so a crash counts too.
    #[serde(skip_serializing_if = "is_default")]
    pub attempts: u32,
    /// What [`attempts`](Self::attempts) was when an outcome came back last: a worker lived through that many.
    #[serde(skip_serializing_if = "is_default")]
    pub returned: u32,
    /// Times it failed. An interrupted start is not a failure, nor is a lost answer.
    #[serde(skip_serializing_if = "is_default")]
    pub failures: u32,
    /// Times that nothing was heard of the other side since it was heard last. Each wait is longer.
    #[serde(skip_serializing_if = "is_default")]
    pub unanswered: u32,
    /// When the attempt whose answer was lost was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unclear_since: Option<Time>,
    /// Whether the other side has agreed to give the money back, and does so in its own time.
    #[serde(skip_serializing_if = "is_default")]
    pub accepted: bool,
    /// Whether its call waits for an operator to change the settings: until then nobody can send it.
    #[serde(skip_serializing_if = "is_default")]
    pub parked: bool,
    /// By then, whatever was sent and never answered must have arrived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settles_at: Option<Time>,
    /// Not planned before this instant, signals apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Time>,
    /// A wait, or a call that is pending at the other side, ends here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Time>,
    /// Why it unwinds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<CancelReason>,
    /// The last error, as a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The worker that holds the lease.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
    /// What the flow itself must remember.
    #[serde(alias = "memo", skip_serializing_if = "is_default")]
    pub data: SagaData,
}

/// What a flow remembers between commits, so that it need not read its own rows again.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SagaData {
    /// The charge that may hold money: its key, and what is known of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub charge: Option<Charge>,
    /// What our own refund row says, if this saga opened one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refund: Option<RefundStatus>,
    /// What our own notification row says, once it says more than "pending".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notification: Option<NotificationStatus>,
    /// Keys of late money already handed to a saga of its own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub late: Vec<StepKey>,
}

/// A charge, as this saga knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// The stable key it was sent under.
    pub key: StepKey,
    /// What our payment row says.
    pub status: PaymentStatus,
    /// What else our payment row says.
    #[serde(default, skip_serializing_if = "is_default")]
    pub details: PaymentDetails,
}

impl Charge {
    /// A charge of which the provider has said nothing yet.
    pub fn begun(key: StepKey, status: PaymentStatus) -> Self {
        Self { key, status, details: PaymentDetails::default() }
    }

    /// What our payment row says of the charge that counts, if there is one.
    pub fn of(payment: &Payment) -> Option<Self> {
        let key = payment.charge.clone()?;
        Some(Self { key, status: payment.status, details: payment.details.clone() })
    }
}

/// A saga that is to be started. Only the commit that starts it draws the prefix of its keys: a plan, which may be made
/// again, is pure and draws nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct NewSaga {
    /// Order and slot.
    pub id: SagaId,
    /// What it runs.
    pub definition: DefinitionId,
    /// The pool that carries it on.
    pub queue: Queue,
    /// What it is started with.
    pub context: Arc<Context>,
}

impl NewSaga {
    /// The saga, not planned yet and due at once.
    pub fn begin(self, key_prefix: KeyPrefix, now: Time) -> Box<Saga> {
        Box::new(Saga {
            id: self.id,
            key_prefix,
            definition: self.definition,
            queue: self.queue,
            state: SagaState::Running,
            fence: 0,
            leased_until: None,
            wake_at: Some(now),
            progress: Progress::default(),
            context: self.context,
            created_at: now,
            updated_at: now,
        })
    }
}

impl Progress {
    /// How many tries of its current step failed, or were never answered.
    pub const fn tries_in_vain(&self) -> u32 {
        self.failures.saturating_add(self.unanswered)
    }
}

impl Saga {
    /// The order it serves. For flows about an order: one that serves none is a fault of the flow.
    pub(crate) fn order(&self) -> OrderId {
        self.id.order().unwrap_or_else(|| panic!("saga {} serves no order", self.id))
    }

    /// The key under which a call of `step` counts now.
    pub(crate) fn key_at(&self, step: &str) -> StepKey {
        StepKey::new(&self.key_prefix, step, self.progress.generation + 1)
    }

    /// The key under which a call of `step` counts that nothing ever proves to have moved nothing.
    pub(crate) fn first_key_of(&self, step: &str) -> StepKey {
        StepKey::new(&self.key_prefix, step, 1)
    }

    /// The payment status our own row holds, if one was opened.
    pub fn payment_status(&self) -> Option<PaymentStatus> {
        self.progress.data.charge.as_ref().map(|charge| charge.status)
    }

    /// Whether its current step failed or is held back, and will be retried automatically. This is shown and not
    /// stored. A payment that the provider is processing is no failed try.
    pub fn is_retrying(&self) -> bool {
        let Progress { failures, unanswered, parked, not_before, accepted, .. } = self.progress;
        let processing = accepted || self.payment_status() == Some(PaymentStatus::Processing);
        matches!(self.state, SagaState::Running | SagaState::Waiting | SagaState::Compensating)
            && (failures > 0 || unanswered > 0 || parked || (not_before.is_some() && !processing))
    }

    /// Whether it goes on only once an operator acts: dead, or parked until the settings change.
    pub fn is_stuck(&self) -> bool {
        self.state == SagaState::Dead || self.progress.parked
    }

    /// Whether some worker owns it at `now`.
    pub fn is_leased(&self, now: Time) -> bool {
        self.leased_until.is_some_and(|until| until > now)
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
