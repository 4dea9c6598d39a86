//! Calls to the outside: what is asked, and what can come back.

use std::sync::Arc;
use std::time::Duration;

use holdfast_shared::{Money, Queue, SagaId, StepKey};
use serde::{Deserialize, Serialize};
use strum::{Display, IntoStaticStr};

use crate::records::PaymentObject;
use crate::records::context::{Context, Notice};

/// What is asked of the outside. Repeating one under the same key is always safe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Open a payment at the provider. Nothing moves by that.
    Open {
        /// The stable key; the provider's object refers to it.
        key: StepKey,
        /// Which provider.
        provider: String,
        /// How much it is for.
        amount: Money,
    },
    /// Take the money.
    Charge {
        /// The stable key of this attempt.
        key: StepKey,
        /// The payment.
        payment: PaymentAt,
        /// How much.
        amount: Money,
        /// From whom, as the provider's token; `None` where the buyer pays at the provider.
        token: Option<String>,
    },
    /// Make sure that a charge holds no money: looked up first, then closed or refunded.
    UndoCharge {
        /// The payment.
        payment: PaymentAt,
        /// The stable key of the refund.
        key: StepKey,
    },
    /// Give some of a charge back: looked up first, so that money that is back already is not sent again.
    Refund {
        /// The payment.
        payment: PaymentAt,
        /// The stable key of the refund.
        key: StepKey,
        /// How much.
        amount: Money,
        /// What had been refunded before, by our ledger.
        refunded_minor: i64,
    },
    /// Tell the customer.
    Notify {
        /// The stable key.
        key: StepKey,
        /// The notification.
        id: SagaId,
        /// What to tell.
        notice: Notice,
    },
}

/// A payment, as a call names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentAt {
    /// Which provider.
    pub provider: String,
    /// The key of the charge that counts.
    pub charge: StepKey,
    /// What the provider opened for it, if it opens payments.
    pub object: Option<PaymentObject>,
}

/// What the credentials at a provider must allow. Restricted ones may take money and give none back.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Display, IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Operation {
    /// Opening payments and taking their money.
    Take,
    /// Closing payments and giving money back.
    GiveBack,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Take, Self::GiveBack];
}

impl Request {
    /// What it needs the credentials at its provider for, if it goes to one.
    pub const fn operation(&self) -> Option<Operation> {
        match self {
            Self::Open { .. } | Self::Charge { .. } => Some(Operation::Take),
            Self::UndoCharge { .. } | Self::Refund { .. } => Some(Operation::GiveBack),
            Self::Notify { .. } => None,
        }
    }

    /// The payment provider it goes to, if it goes to one.
    pub fn provider(&self) -> Option<&str> {
        match self {
            Self::Open { provider, .. } => Some(provider),
            Self::Charge { payment, .. }
            | Self::UndoCharge { payment, .. }
            | Self::Refund { payment, .. } => Some(&payment.provider),
            Self::Notify { .. } => None,
        }
    }

    /// The keys that it names: its own, and that of the charge it is about.
    pub fn keys(&self) -> impl Iterator<Item = &StepKey> {
        let (key, charge) = match self {
            Self::Open { key, .. } | Self::Notify { key, .. } => (key, None),
            Self::Charge { key, payment, .. }
            | Self::UndoCharge { key, payment }
            | Self::Refund { key, payment, .. } => (key, Some(&payment.charge)),
        };
        [key].into_iter().chain(charge)
    }

    /// The notification channel it goes to, if it goes to one.
    pub fn channel(&self) -> Option<&str> {
        match self {
            Self::Notify { notice, .. } => Some(&notice.channel),
            Self::Open { .. } | Self::Charge { .. } | Self::UndoCharge { .. } | Self::Refund { .. } => None,
        }
    }
}

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
    /// A charge holds no money any more.
    Undone {
        /// How much went back now or before; zero when nothing had been taken.
        refunded_minor: i64,
    },
    /// The part of a charge that was asked for went back, now or before.
    Refunded,
    /// The message is out.
    Sent,
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
