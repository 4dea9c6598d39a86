//! Sagas as they are shown. Their context is left out: it holds the payment token.

use holdfast_saga::flows::REGISTRY;
use holdfast_saga::operations::signal::Sign;
use holdfast_saga::ports::{Store, StoreError};
use holdfast_saga::records::saga::{Phase, Saga};
use holdfast_saga::records::slot;
use holdfast_saga::records::view::SagaFilter;
use holdfast_saga::shop::answer::{Answer, Answered, Conflict};
use holdfast_saga::timeline::next_move;
use holdfast_saga::timeline::{Line, Story, history, redact_token, step};
use holdfast_shared::{OrderId, Queue, SagaId, SagaState, Time, redact};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A saga.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Saga)]
pub struct SagaBody {
    /// Its id: the order's number and the saga's place among the order's.
    #[schema(value_type = String, example = "1042.0")]
    pub id: SagaId,
    /// The order it serves.
    pub order: OrderId,
    /// What it runs.
    #[schema(example = "checkout_online")]
    pub definition: String,
    /// Which version of it.
    pub version: i32,
    /// The pool that carries it on.
    #[schema(value_type = String, example = "checkout")]
    pub queue: Queue,
    /// `RUNNING`, `WAITING`, `COMPENSATING`, `COMPLETED`, `COMPENSATED` or `DEAD`.
    #[schema(value_type = String, example = "DEAD")]
    pub state: SagaState,
    /// `forward`, `undo` or `after_undo`.
    #[schema(value_type = String, example = "forward")]
    pub phase: Phase,
    /// Where it stands; `null` when this release does not know the definition.
    #[schema(value_type = Option<String>, example = "take_payment")]
    pub step: Option<&'static str>,
    /// Whether the point of no return is behind it.
    pub pivoted: bool,
    /// How many commits have moved it.
    pub fence: i64,
    /// How often its step was begun.
    pub attempts: u32,
    /// How often it failed.
    pub failures: u32,
    /// The worker that holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
    /// Until when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leased_until: Option<Time>,
    /// When it is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wake_at: Option<Time>,
    /// What went wrong last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What an operator can do about it, when it is dead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_move: Option<String>,
    /// When it was started.
    pub created_at: Time,
    /// When it was last moved.
    pub updated_at: Time,
}

/// A saga with its history.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = SagaDetails)]
pub struct SagaDetails {
    /// The saga itself.
    #[serde(flatten)]
    pub saga: SagaBody,
    /// What happened to it, oldest first.
    pub history: Vec<HistoryLine>,
}

/// One thing that happened to a saga.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct HistoryLine {
    /// When.
    pub at: Time,
    /// To which saga.
    #[schema(value_type = String, example = "1042.0")]
    pub saga: SagaId,
    /// What, in words.
    pub words: String,
}

impl From<Line> for HistoryLine {
    fn from(line: Line) -> Self {
        Self { at: line.at, saga: line.saga, words: redact(&line.words) }
    }
}

impl SagaBody {
    /// `redact_token` takes the payment token out of words, where it is known.
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
            step: REGISTRY.find(&saga.definition).map(|definition| step(saga, definition)),
            pivoted: progress.pivoted,
            fence: saga.fence,
            attempts: progress.attempts,
            failures: progress.failures,
            worker: progress.worker.clone(),
            leased_until: saga.leased_until,
            wake_at: saga.wake_at,
            error: progress.error.as_deref().map(|error| redact(&redact_token(error))),
            next_move: (saga.state == SagaState::Dead).then(|| next_move(saga)),
            created_at: saga.created_at,
            updated_at: saga.updated_at,
        }
    }

    /// Sagas, newest first.
    pub async fn list(store: &dyn Store, filter: &SagaFilter) -> Result<Vec<Self>, StoreError> {
        let mut sagas = Vec::new();
        for saga in store.sagas(filter).await? {
            // What went wrong may name the token that the order's checkout holds: mostly this very saga.
            let checkout = saga.id.order().saga(slot::CHECKOUT);
            let other = match saga.progress.error {
                Some(_) if saga.id != checkout => store.saga(checkout).await?,
                Some(_) | None => None,
            };
            let holder = other.as_ref().unwrap_or(&saga);
            sagas.push(Self::new(&saga, |words| redact_token(std::slice::from_ref(holder), words)));
        }
        Ok(sagas)
    }
}

impl SagaDetails {
    /// A saga with its history; `None` when there is no such saga.
    pub async fn read(store: &dyn Store, id: SagaId) -> Result<Option<Self>, StoreError> {
        let Some(saga) = store.saga(id).await? else { return Ok(None) };
        let Some(whole) = Story::read(store, id.order()).await? else { return Ok(None) };
        Ok(Some(Self {
            saga: SagaBody::new(&saga, |words| whole.redact_token(words)),
            history: history(&whole, &saga).into_iter().map(Into::into).collect(),
        }))
    }
}

/// What a saga is told.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SagaSignal, example = json!({"signal": "payment_event"}))]
pub struct SignalBody {
    /// What.
    pub signal: SignBody,
}

/// What a waiting saga can be told.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Signal)]
pub enum SignBody {
    /// The order goes on.
    Confirmation,
    /// The order is refused.
    Rejection,
    /// The provider has news of the charge; it is asked before it is believed.
    PaymentEvent,
}

impl From<SignBody> for Sign {
    fn from(sign: SignBody) -> Self {
        match sign {
            SignBody::Confirmation => Self::Confirmation,
            SignBody::Rejection => Self::Rejection,
            SignBody::PaymentEvent => Self::PaymentEvent,
        }
    }
}

/// What came of asking something of a saga.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SagaAnswer)]
pub struct CommandResult {
    /// Which.
    #[schema(value_type = String, example = "1042.3")]
    pub id: SagaId,
    /// `accepted`, `done` or `already`.
    #[schema(value_type = String, example = "accepted")]
    pub answer: &'static str,
    /// In words.
    #[schema(example = "saga 1042.3 goes on with the next free worker")]
    pub detail: String,
}

impl CommandResult {
    /// What was answered; `accepted` in words.
    pub fn new(id: SagaId, answer: Answer, accepted: String) -> Result<Self, Conflict> {
        let (answer, detail) = match answer? {
            Answered::Accepted(_) => ("accepted", accepted),
            Answered::Done(words) => ("done", words),
            Answered::Already(words) => ("already", format!("{words}; nothing was changed")),
        };
        Ok(Self { id, answer, detail })
    }
}
