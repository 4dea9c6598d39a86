//! A saga's history: one row per commit, each a list of what that commit decided.

use holdfast_shared::{Actor, CancelReason, SagaId, Sku, Time};
use serde::{Deserialize, Serialize};

/// What one commit decided about one saga. Keyed by (saga, fence): no commit is logged twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRow {
    /// Whose history.
    pub saga: SagaId,
    /// The fence that commit gave the saga.
    pub fence: i64,
    /// When it happened.
    pub at: Time,
    /// What, in order.
    pub entries: Vec<Entry>,
}

/// One line of a saga's history. Tags are short because there is a row of these in every commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// A local stage was done.
    Did(String),
    /// A rule refused a local stage.
    Refused {
        /// The stage.
        step: String,
        /// What the rule says.
        why: String,
        /// The product that there is not enough of, if that is why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        short_of: Option<Sku>,
    },
    /// The intent to call, committed before the call.
    Started {
        /// The step.
        step: String,
        /// Which start, from 1.
        start: u32,
        /// Whether it is only asked about, because it may have been sent before.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        ask: bool,
    },
    /// The call was answered.
    Succeeded(String),
    /// The other side waits for somebody.
    Pending {
        /// The step.
        step: String,
        /// Until when we wait.
        until: Time,
    },
    /// The buyer's attempt was declined; they may try again.
    AttemptDeclined {
        /// The step.
        step: String,
        /// What the other side said.
        why: String,
    },
    /// The money is on its way; the other side alone ends this.
    Processing {
        /// The step.
        step: String,
        /// When it is looked up next.
        until: Time,
    },
    /// The other side has agreed to give the money back; it is not back yet.
    GivingBack {
        /// The step.
        step: String,
        /// When it is looked up next.
        until: Time,
    },
    /// The call was refused for good.
    Rejected {
        /// The step.
        step: String,
        /// What the other side said.
        why: String,
    },
    /// The call failed and provably moved nothing.
    Failed {
        /// The step.
        step: String,
        /// What went wrong.
        why: String,
    },
    /// The call's answer was lost.
    Unknown {
        /// The step.
        step: String,
        /// What is known.
        why: String,
    },
    /// The call was never sent.
    NotSent(String),
    /// The call was held back and never sent: the other side is given a rest.
    Held {
        /// The step.
        step: String,
        /// The reason.
        why: String,
        /// When it is tried again.
        until: Time,
    },
    /// The worker that held the saga vanished; another one goes on.
    TakenOver {
        /// The step it was at.
        step: String,
        /// Who held it.
        from: Option<String>,
    },
    /// It will be tried again.
    RetryAt {
        /// The step.
        step: String,
        /// When it is tried again.
        at: Time,
    },
    /// Waits for a signal.
    Waiting {
        /// The stage.
        step: String,
        /// Until when.
        until: Time,
    },
    /// An admin decided.
    Decided {
        /// Whether the order was confirmed or rejected.
        confirmed: bool,
        /// Who decided.
        by: Actor,
    },
    /// Somebody asked for the order to be undone, in time.
    CancelAccepted(Actor),
    /// A signal came that no longer changes anything.
    Ignored(String),
    /// The provider reported on the charge; it is being asked.
    PaymentEvent,
    /// A window closed.
    Expired(String),
    /// The point of no return is passed.
    Pivot,
    /// Begins to undo.
    Unwinding(CancelReason),
    /// An undo was done.
    Undid(String),
    /// A child saga was started.
    Spawned {
        /// The stage.
        step: String,
        /// The child.
        saga: SagaId,
    },
    /// Money was reported that this saga had given up; a saga of its own gives it back.
    LateCapture(SagaId),
    /// Gave up; an operator decides.
    Dead {
        /// The step at which it stopped.
        step: String,
        /// The reason.
        why: String,
    },
    /// An operator let it go on.
    Revived(Actor),
    /// An operator took responsibility for the step it had stopped at: nothing more is sent for it.
    Discarded {
        /// The step.
        step: String,
        /// Who asked for it.
        by: Actor,
        /// The reason, as it was given.
        reason: String,
    },
    /// Fully done.
    Completed,
    /// Fully undone.
    Compensated,
}
