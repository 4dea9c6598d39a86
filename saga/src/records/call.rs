//! Calls to the outside: how one is made, and what can come back.

use std::sync::Arc;
use std::time::Duration;

use holdfast_shared::{Money, Queue, SagaId, StepKey};
use serde::{Deserialize, Serialize};

use crate::records::PaymentObject;
use crate::records::context::Context;
use crate::records::request::{PaymentRequest, Request};

/// Whether a call may be sent or may only be asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Nothing has been sent under this key: send it.
    Send,
    /// It may have been sent: find out, and if nothing moved make sure nothing ever will.
    Query,
}

/// Which calls go first where a provider takes only so many a second (M19).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// It takes money, closes a payment, gives money back, or sends a message.
    Money,
    /// It opens a payment, or finds out what became of one: its time has come.
    LookUp,
    /// It finds out before its time, because somebody said that something happened.
    Event,
}

impl Urgency {
    /// Of this request. A buyer who is waited for is asked about earlier only because of an event.
    pub const fn of(request: &Request, mode: Mode, waits_for_buyer: bool) -> Self {
        match (request, mode) {
            (Request::Payment(PaymentRequest::Charge { .. }), Mode::Query) if waits_for_buyer => Self::Event,
            // Nothing moves by these.
            (Request::Payment(PaymentRequest::Open { .. }), _)
            | (Request::Payment(PaymentRequest::Charge { .. }), Mode::Query) => Self::LookUp,
            (Request::Payment(_) | Request::Notify { .. } | Request::Participate { .. }, _) => Self::Money,
        }
    }
}

/// A call that a committed plan decided on: the worker that owns the lease carries it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Whose call.
    pub saga: SagaId,
    /// The pool whose slot it takes.
    pub queue: Queue,
    /// The fence of the commit that decided on it.
    pub fence: i64,
    /// The definition the saga runs.
    pub definition: &'static str,
    /// The step, as the definition names it.
    pub step: &'static str,
    /// Which start of this step, from 1.
    pub start: u32,
    /// The stable key.
    pub key: StepKey,
    /// What the saga was started with.
    pub context: Arc<Context>,
    /// Send or ask.
    pub mode: Mode,
    /// What the other side is asked.
    pub request: Request,
    /// Whether others go first.
    pub urgency: Urgency,
    /// How long ago the attempt that is asked about was sent, if its answer was lost.
    pub unclear_for: Option<Duration>,
    /// Whether the other side has agreed to give the money back, in its own time.
    pub accepted: bool,
    /// How long something that was sent and never answered may still take to arrive.
    pub settles_in: Option<Duration>,
    /// No answer for this long is an unknown outcome. At most half the lease.
    pub timeout: Duration,
}

/// What came of a call. It names the commit it answers, so that a late outcome is recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Whose call.
    pub saga: SagaId,
    /// The fence the call was made under.
    pub fence: i64,
    /// The step.
    pub step: &'static str,
    /// Which start of it.
    pub start: u32,
    /// Under which key.
    pub key: StepKey,
    /// What the saga was started with: it need not be read again.
    pub context: Arc<Context>,
    /// Whether it was sent or asked about.
    pub mode: Mode,
    /// The answer.
    pub answer: Answer,
}

/// The answer to a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Done.
    Succeeded(CallResult),
    /// The other side has it and waits for somebody.
    Pending {
        /// Where the buyer must go.
        next_action: Option<String>,
        /// Why the attempt before was declined, if it was: the next one has a key of its own.
        declined: Option<String>,
    },
    /// The buyer's money is on its way, and nobody can stop it: the other side alone ends this, however long it takes.
    Processing,
    /// The other side has agreed to give the money back; it is not back yet.
    GivingBack,
    /// A final no, and proof that nothing moved.
    Rejected {
        /// The reason, as it was given.
        reason: String,
    },
    /// It did not happen, provably; it may be tried again under the next generation of the key.
    Failed {
        /// The error, as the other side or the network gave it.
        error: String,
    },
    /// No word: nobody can tell yet. No failure, however often.
    Unknown {
        /// The error, as the other side or the network gave it.
        error: String,
    },
    /// It is known nowhere, and may still be on its way. Only time makes that a failure.
    NotFound {
        /// What the other side said.
        error: String,
    },
    /// The other side refused to say or to do more: a failure, but no proof about what was sent before.
    Refused {
        /// What it said.
        error: String,
    },
    /// The worker never sent it: it was interrupted, or its lease was nearly over.
    NotSent,
    /// It did not happen, provably, and that is no failure: nobody was reached, or it was held back.
    NotNow {
        /// When it is worth another try; `None`: later each time.
        retry_in: Option<Duration>,
        /// The reason.
        why: String,
    },
    /// It did not happen, provably: this process is not set up for it, or its credentials do not allow it. Another may be.
    NotHere {
        /// What is missing.
        why: String,
    },
    /// It did not happen, provably, and will not before an operator changes the settings.
    Parked {
        /// What is missing.
        why: String,
    },
}

/// What a call that succeeded achieved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallResult {
    /// A payment was opened.
    Opened(PaymentObject),
    /// Money was taken.
    Captured {
        /// How much.
        amount: Money,
        /// The provider's own name for it.
        provider_ref: String,
    },
    /// A charge holds no money that is owed.
    Undone {
        /// How much had been taken; zero when nothing had.
        captured_minor: i64,
    },
    /// The part of a charge that was asked for went back, now or before.
    Refunded,
    /// The message is out.
    Sent,
    /// A participant did its part, or took it back.
    Done,
}

impl CallResult {
    /// What this request achieves where all goes well. `captured_minor` is what was taken under a charge to be undone.
    pub fn gone_well(request: &Request, captured_minor: i64) -> Self {
        match request {
            Request::Payment(PaymentRequest::Open { .. }) => Self::Opened(PaymentObject {
                reference: String::new(),
                account: String::new(),
                live: false,
                wire: 0,
            }),
            Request::Payment(PaymentRequest::Charge { amount, .. }) => {
                Self::Captured { amount: *amount, provider_ref: String::new() }
            }
            Request::Payment(PaymentRequest::UndoCharge { .. }) => Self::Undone { captured_minor },
            Request::Payment(PaymentRequest::Refund { .. }) => Self::Refunded,
            Request::Notify { .. } => Self::Sent,
            Request::Participate { .. } => Self::Done,
        }
    }
}

impl Answer {
    /// The same answer, with `kept` of each text that another wrote.
    #[must_use]
    pub fn map_text(self, kept: impl Fn(String) -> String) -> Self {
        match self {
            Self::Rejected { reason } => Self::Rejected { reason: kept(reason) },
            Self::Failed { error } => Self::Failed { error: kept(error) },
            Self::Unknown { error } => Self::Unknown { error: kept(error) },
            Self::NotFound { error } => Self::NotFound { error: kept(error) },
            Self::Refused { error } => Self::Refused { error: kept(error) },
            Self::NotNow { retry_in, why } => Self::NotNow { retry_in, why: kept(why) },
            Self::NotHere { why } => Self::NotHere { why: kept(why) },
            Self::Parked { why } => Self::Parked { why: kept(why) },
            Self::Pending { next_action, declined } => {
                Self::Pending { next_action, declined: declined.map(kept) }
            }
            Self::Succeeded(_) | Self::Processing | Self::GivingBack | Self::NotSent => self,
        }
    }
}

impl Call {
    /// The outcome of this call, given its answer.
    pub fn outcome(&self, answer: Answer) -> Outcome {
        Outcome {
            saga: self.saga,
            fence: self.fence,
            step: self.step,
            start: self.start,
            key: self.key.clone(),
            context: Arc::clone(&self.context),
            mode: self.mode,
            answer,
        }
    }
}
