//! Sagas. Their context is left out: it holds the payment token.

use holdfast_saga::flows::REGISTRY;
use holdfast_saga::operations::saga_list::{ListedSaga, SagaWithHistory};
use holdfast_saga::operations::signal::Sign;
use holdfast_saga::records::saga::{Phase, Saga};
use holdfast_saga::shop::answer::{Answer, Answered, Conflict};
use holdfast_saga::timeline::next_move;
use holdfast_saga::timeline::{Line, step};
use holdfast_shared::{OrderId, Queue, SagaId, SagaState, Time, redact};
use serde::{Deserialize, Serialize};
use strum::{Display, EnumIter, EnumString};

use crate::input::choice;
use crate::result::{CommandOutcome, unchanged};

/// A saga, as operators see it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = Saga))]
pub struct SagaBody {
    /// The id: the order's number and the slot of the saga.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "1042.0"))]
    pub id: SagaId,
    /// The number of the order; absent if the saga serves none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<OrderId>,
    /// The definition that it runs.
    #[cfg_attr(feature = "openapi", schema(example = "checkout_online"))]
    pub definition: String,
    /// The version of the definition.
    pub version: i32,
    /// The queue that it waits in.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "checkout"))]
    pub queue: Queue,
    /// `RUNNING`, `WAITING`, `COMPENSATING`, `COMPLETED`, `COMPENSATED` or `DEAD`.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "DEAD"))]
    pub state: SagaState,
    /// `forward`, `undo` or `after_undo`.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "forward"))]
    pub phase: Phase,
    /// The current step; `null` if this release does not know the definition.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, example = "take_payment"))]
    pub step: Option<String>,
    /// Whether it has passed its point of no return.
    pub pivoted: bool,
    /// The number of commits that have moved it.
    pub fence: i64,
    /// How often its current step was started.
    pub attempts: u32,
    /// How often its current step failed.
    pub failures: u32,
    /// How often in a row nothing was heard of it. That is no failure: the next answer counts.
    pub unanswered: u32,
    /// Whether its current step failed or is held back, and will be retried automatically, at `wake_at`.
    pub retrying: bool,
    /// The worker that holds its lease.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
    /// When the lease expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leased_until: Option<Time>,
    /// When the saga is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wake_at: Option<Time>,
    /// The error of the last failed attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What an operator can do about it, if it is dead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_move: Option<String>,
    /// When the saga was created.
    pub created_at: Time,
    /// When the saga last moved.
    pub updated_at: Time,
}

/// A saga with its history.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = SagaDetails))]
pub struct SagaDetails {
    /// The current state of the saga.
    #[serde(flatten)]
    pub saga: SagaBody,
    /// The history, oldest first.
    pub history: Vec<HistoryLine>,
}

/// An entry of a saga's history.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HistoryLine {
    /// The time at which it happened.
    pub at: Time,
    /// The id of the saga.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "1042.0"))]
    pub saga: SagaId,
    /// What happened, for people.
    pub text: String,
}

impl From<Line> for HistoryLine {
    fn from(line: Line) -> Self {
        Self { at: line.at, saga: line.saga, text: redact(&line.text) }
    }
}

impl SagaBody {
    /// `redact_token` takes the payment token out of a text, where the token is known.
    pub fn new(saga: &Saga, redact_token: impl Fn(&str) -> String) -> Self {
        let progress = &saga.progress;
        Self {
            id: saga.id,
            order: saga.id.order(),
            definition: saga.definition.name.clone(),
            version: saga.definition.version,
            queue: saga.queue,
            state: saga.state,
            phase: progress.phase,
            step: REGISTRY.find(&saga.definition).map(|definition| step(saga, definition).to_owned()),
            pivoted: progress.pivoted,
            fence: saga.fence,
            attempts: progress.attempts,
            failures: progress.failures,
            unanswered: progress.unanswered,
            retrying: saga.is_retrying(),
            worker: progress.worker.clone(),
            leased_until: saga.leased_until,
            wake_at: saga.wake_at,
            error: progress.error.as_deref().map(|error| redact(&redact_token(error))),
            next_move: (saga.state == SagaState::Dead).then(|| next_move(saga)),
            created_at: saga.created_at,
            updated_at: saga.updated_at,
        }
    }
}

impl SagaDetails {
    /// A saga with its history.
    pub fn new(found: SagaWithHistory) -> Self {
        Self {
            saga: SagaBody::from(&found.listed),
            history: found.history.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<&ListedSaga> for SagaBody {
    fn from(listed: &ListedSaga) -> Self {
        Self::new(&listed.saga, |text| listed.redact_token(text))
    }
}

/// A signal for a saga.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = SagaSignal, example = json!({"signal": "payment_event"})))]
pub struct SignalBody {
    /// The signal to send.
    pub signal: SignalName,
}

/// The signals that a saga can wait for.
#[derive(Debug, Clone, Copy, Serialize, Display, EnumIter, EnumString)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[cfg_attr(feature = "openapi", schema(as = Signal))]
pub enum SignalName {
    /// An admin confirms the order.
    Confirmation,
    /// An admin rejects the order.
    Rejection,
    /// The charge changed at the provider. The saga asks the provider before it acts.
    PaymentEvent,
}

read_by!(choice: SignalName);
read_fields!(SignalBody { signal });

impl From<SignalName> for Sign {
    fn from(signal: SignalName) -> Self {
        match signal {
            SignalName::Confirmation => Self::Confirmation,
            SignalName::Rejection => Self::Rejection,
            SignalName::PaymentEvent => Self::PaymentEvent,
        }
    }
}

/// What came of a command to a saga.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = CommandResult))]
pub struct CommandResult {
    /// The id of the saga.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "1042.3"))]
    pub id: SagaId,
    /// `accepted`, `done` or `already`.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "accepted"))]
    pub answer: CommandOutcome,
    /// An explanation for people.
    #[cfg_attr(feature = "openapi", schema(example = "saga 1042.3 will be resumed by the next free worker"))]
    pub detail: String,
}

impl CommandResult {
    /// The result of `answer`; `accepted` explains what happens next.
    pub fn new(id: SagaId, answer: Answer, accepted: String) -> Result<Self, Conflict> {
        let (answer, detail) = match answer? {
            Answered::Accepted(_) => (CommandOutcome::Accepted, accepted),
            Answered::Done(detail) => (CommandOutcome::Done, detail),
            Answered::Already(detail) => (CommandOutcome::Already, unchanged(&detail)),
        };
        Ok(Self { id, answer, detail })
    }
}

/// Explains an accepted retry.
pub fn will_resume(id: SagaId) -> String {
    format!("saga {id} will be resumed by the next free worker")
}

/// Explains an accepted signal.
pub fn will_read_signal(id: SagaId) -> String {
    format!("saga {id} will read the signal with the next free worker")
}

/// Explains an accepted decision about an order.
pub fn will_be_carried_out(saga: SagaId) -> String {
    let subject = saga.order().map_or_else(|| format!("saga {saga}"), |order| format!("order {order}"));
    format!("{subject}: accepted; the next free worker carries it out")
}
