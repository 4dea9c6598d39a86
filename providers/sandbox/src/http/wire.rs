//! What goes over the wire, in both directions. The page above says which request has which of these.

use axum::http::StatusCode;
use holdfast_saga::ports::{Fault, Movement, NamedRefund, RefundState};
use holdfast_shared::{Currency, Money, StepKey};
use serde::{Deserialize, Serialize};

use crate::{ChargeState, Reply};

/// The key of what is asked for.
pub(super) const IDEMPOTENCY_KEY: &str = "idempotency-key";

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct NewCharge {
    pub(super) amount: Money,
    pub(super) token: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct NewRefund {
    pub(super) charge: String,
    pub(super) amount_minor: i64,
}

/// What the buyer says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Decision {
    pub(super) approved: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub(super) enum ChargeBody {
    RequiresAction { url: Option<String> },
    Captured { amount: Money, refunded_minor: i64, provider_ref: String },
    Declined { reason: String },
    Voided,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RefundBody {
    key: Option<String>,
    amount_minor: i64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct LineBody {
    charge: String,
    currency: Currency,
    captured_minor: i64,
    refunded_minor: i64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    pub(super) next_cursor: Option<String>,
}

/// Why there is no answer to what was asked.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Problem {
    pub(super) code: Code,
    pub(super) message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Code {
    NotKnown,
    Refused,
    NotDone,
    Unavailable,
    Invalid,
    Unclear,
}

impl Code {
    /// The status it is said with.
    pub(super) const fn status(self) -> StatusCode {
        match self {
            Self::NotKnown => StatusCode::NOT_FOUND,
            Self::Refused | Self::NotDone => StatusCode::CONFLICT,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Invalid => StatusCode::BAD_REQUEST,
            Self::Unclear => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Whether the sandbox says this code with that status; others' pages are not taken for its message.
    fn fits(self, status: StatusCode) -> bool {
        status == self.status() || self == Self::Invalid && status.is_client_error()
    }
}

impl Problem {
    pub(super) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Refused(message) => Self::new(Code::Refused, message),
            Fault::NotReached(message)
            | Fault::NotNow { why: message, .. }
            | Fault::Misconfigured { why: message, .. } => Self::new(Code::Unavailable, message),
            Fault::Unclear(message) => Self::new(Code::Unclear, message),
        }
    }
}

/// What an answer says. `None`: nothing that proves anything.
pub(super) fn understood(status: StatusCode, body: &[u8]) -> Option<Result<Reply, Fault>> {
    match status {
        StatusCode::OK => {
            let charge: ChargeBody = serde_json::from_slice(body).ok()?;
            Some(Ok(Reply::Stands(charge.into())))
        }
        StatusCode::NO_CONTENT => Some(Ok(Reply::Done)),
        _ => problem(status, body),
    }
}

/// The same for an answer that is not what was asked for.
pub(super) fn problem(status: StatusCode, body: &[u8]) -> Option<Result<Reply, Fault>> {
    let problem: Problem = serde_json::from_slice(body).ok()?;
    if !problem.code.fits(status) {
        return None;
    }
    Some(match problem.code {
        Code::NotKnown => Ok(Reply::NotKnown),
        Code::Refused | Code::Invalid => Ok(Reply::Refused(problem.message)),
        Code::NotDone => Ok(Reply::NotDone(problem.message)),
        Code::Unavailable => Err(Fault::NotNow { retry_in: None, why: problem.message }),
        Code::Unclear => Err(Fault::Unclear(problem.message)),
    })
}

impl From<ChargeState> for ChargeBody {
    fn from(state: ChargeState) -> Self {
        match state {
            ChargeState::RequiresAction { url } => Self::RequiresAction { url },
            ChargeState::Captured { amount, refunded_minor, provider_ref } => {
                Self::Captured { amount, refunded_minor, provider_ref }
            }
            ChargeState::Declined { reason } => Self::Declined { reason },
            ChargeState::Voided => Self::Voided,
        }
    }
}

impl From<ChargeBody> for ChargeState {
    fn from(body: ChargeBody) -> Self {
        match body {
            ChargeBody::RequiresAction { url } => Self::RequiresAction { url },
            ChargeBody::Captured { amount, refunded_minor, provider_ref } => {
                Self::Captured { amount, refunded_minor, provider_ref }
            }
            ChargeBody::Declined { reason } => Self::Declined { reason },
            ChargeBody::Voided => Self::Voided,
        }
    }
}

impl From<NamedRefund> for RefundBody {
    fn from(refund: NamedRefund) -> Self {
        Self { key: refund.key.map(|key| key.as_str().to_owned()), amount_minor: refund.amount_minor }
    }
}

impl From<RefundBody> for NamedRefund {
    fn from(body: RefundBody) -> Self {
        Self {
            key: body.key.map(StepKey::from_stored),
            amount_minor: body.amount_minor,
            state: RefundState::Done,
        }
    }
}

impl From<Movement> for LineBody {
    fn from(line: Movement) -> Self {
        let Movement { charge, currency, captured_minor, refunded_minor } = line;
        Self { charge: charge.as_str().to_owned(), currency, captured_minor, refunded_minor }
    }
}

impl From<LineBody> for Movement {
    fn from(body: LineBody) -> Self {
        let LineBody { charge, currency, captured_minor, refunded_minor } = body;
        Self { charge: StepKey::from_stored(charge), currency, captured_minor, refunded_minor }
    }
}
