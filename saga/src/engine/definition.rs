//! A flow as data: a list of stages on one screen.

use std::sync::Arc;
use std::time::Duration;

use holdfast_shared::{CancelReason, Queue, RetryPolicy, SagaId, Sku, StepKey};

use crate::records::call::Answer;
use crate::records::change::Change;
use crate::records::context::Context;
use crate::records::request::Request;
use crate::records::saga::{DefinitionId, NewSaga, Phase, Progress, Saga};

/// A flow. Published versions are never edited: a changed flow is a new version beside the old one.
#[derive(Debug, Clone, Copy)]
pub struct Definition {
    /// Its name.
    pub name: &'static str,
    /// Its version, from 1.
    pub version: i32,
    /// The pool that carries it forward. Unwinding moves to [`Queue::Compensation`].
    pub queue: Queue,
    /// The stages, in order, the pivot among them.
    pub forward: &'static [Stage],
    /// What follows when everything is undone. These only go forward.
    pub after_undo: &'static [Stage],
    /// What gives money back that arrives after the saga has given it up, if it takes money.
    pub late_capture: Option<LateCaptureFn>,
}

/// Where a saga stands in its definition: the stage or undo, and its call if it is one.
#[derive(Clone, Copy)]
pub(crate) struct Position<'a> {
    pub(crate) step: &'static str,
    pub(crate) call: Option<&'a CallSpec>,
}

/// One stage of a flow.
#[derive(Debug, Clone, Copy)]
pub struct Stage {
    /// Its name, in logs, keys and metrics.
    pub name: &'static str,
    /// What people read of it.
    pub phrases: Phrases,
    /// What it does.
    pub kind: Kind,
    /// How it is undone, if it is.
    pub undo: Option<Undo>,
}

/// What people read of a stage or of its undo. `{amount}` stands for the money that its saga is about.
#[derive(Debug, Clone, Copy, Default)]
pub struct Phrases {
    /// As a thing one can wait for: `the payment`. Empty: its name.
    pub noun: &'static str,
    /// What the shop reads once it is done. Empty: nothing.
    pub done: &'static str,
    /// What the buyer reads once it is done. Empty: nothing.
    pub done_for_buyer: &'static str,
}

/// What a stage does.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Only changes to our own rows; runs in one commit with its neighbours.
    Local(LocalFn),
    /// Something outside.
    Call(CallSpec),
    /// Waits for an admin's confirmation until [`crate::records::context::Checkout::decide_by`].
    Confirmation,
    /// Starts a child saga in the same commit; fire and forget.
    Spawn(SpawnFn),
    /// The point of no return.
    Pivot,
}

/// The changes of a local stage. `Err` is a rule saying no.
pub type LocalFn = fn(&Saga) -> Result<Vec<Change>, Refusal>;
/// The saga that gives back what a charge took after all; the last argument is how many were started before. `None`:
/// there have been too many.
pub type LateCaptureFn = fn(&Saga, &StepKey, usize) -> Option<NewSaga>;
/// The child a spawn stage starts.
pub type SpawnFn = fn(&Saga) -> NewSaga;

/// How a stage is undone. It is owed only when the stage succeeded, or may have.
#[derive(Debug, Clone, Copy)]
pub enum Undo {
    /// By changes to our own rows.
    Local {
        /// Its name.
        name: &'static str,
        /// What people read of it.
        phrases: Phrases,
        /// What it does.
        changes: LocalFn,
    },
    /// By something outside.
    Call {
        /// Its name.
        name: &'static str,
        /// What people read of it.
        phrases: Phrases,
        /// What it does.
        call: CallSpec,
    },
}

/// A call to the outside.
#[derive(Debug, Clone, Copy)]
pub struct CallSpec {
    /// Whether it concerns this saga at all; else the stage passes.
    pub concerns: fn(&Saga) -> bool,
    /// What is asked, given the stable key; `None` when there is nothing to ask and the stage passes.
    pub request: fn(&Saga, StepKey) -> Option<Request>,
    /// Keeps our own ledger: called for the intent and for each answer, in the commit that records it.
    pub record: fn(&mut Saga, &StepKey, Event<'_>) -> Result<Vec<Change>, Refusal>,
    /// How often, how far apart.
    pub retry: RetryPolicy,
    /// No answer for this long is an unknown outcome.
    pub timeout: Duration,
    /// What an order is cancelled for when the other side says no before the pivot.
    pub rejected_as: CancelReason,
    /// What an order is cancelled for when the call gives up before the pivot.
    pub gives_up_as: CancelReason,
    /// What it means when no word comes back.
    pub unclear: Unclear,
    /// What it means when an operator takes this call off the saga's hands.
    pub discard: Discard,
}

/// What it means for a call that no word comes back of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unclear {
    /// Money may have moved: it is asked about, for as long as it takes, and no failure is counted (M15).
    AskAgain,
    /// Nothing can have moved: it is sent anew under the next key, and no failure is counted.
    SendAnew,
    /// It may have happened, and twice would be a nuisance: each is a failure.
    Fails,
}

/// What it means when an operator takes a call that keeps failing off the hands of its dead saga.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discard {
    /// It is given up: the saga ends where it stands.
    GivenUp,
    /// A person saw to it outside Holdfast: the saga goes on behind it.
    SettledManually,
    /// It cannot be done; what can be done instead.
    Never(&'static str),
}

/// What happened to a call, for our own ledger.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// It is about to be sent for the first time.
    Intent,
    /// It was answered.
    Answered(&'a Answer),
    /// Given up before the pivot, and provably nothing moved.
    GaveUp,
    /// Its saga died here; only an operator brings it back.
    Died,
    /// An operator took it off the dead saga's hands.
    Discarded,
}

/// A rule said no, before anything was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// What the order is cancelled for, if the rule speaks before the pivot.
    pub reason: CancelReason,
    /// A sentence with ids in it.
    pub message: String,
    /// The product that there is not enough of, if that is why.
    pub short_of: Option<Sku>,
}

impl Definition {
    /// What a saga row stores.
    pub fn id(&self) -> DefinitionId {
        DefinitionId { name: self.name.to_owned(), version: self.version }
    }

    /// A saga that runs it, to be started with `context`.
    pub fn start(&self, id: SagaId, context: Context) -> NewSaga {
        NewSaga { id, definition: self.id(), queue: self.queue, context: Arc::new(context) }
    }

    /// The stage or undo of this name, if there is one.
    pub(crate) fn step_named(&self, name: &str) -> Option<&'static str> {
        self.steps().map(|(step, _)| step).find(|step| *step == name)
    }

    /// Its stages and their undos, each with what people read of it.
    pub(crate) fn steps(&self) -> impl Iterator<Item = (&'static str, &Phrases)> {
        self.forward.iter().chain(self.after_undo).flat_map(|stage| {
            let undo = stage.undo.as_ref().map(|undo| match undo {
                Undo::Local { name, phrases, .. } | Undo::Call { name, phrases, .. } => (*name, phrases),
            });
            [Some((stage.name, &stage.phrases)), undo].into_iter().flatten()
        })
    }

    /// The same progress behind the point of no return, if it stands right before it: there is nothing to do at it.
    pub(crate) fn past_pivot(&self, progress: &Progress) -> Progress {
        let mut past = progress.clone();
        let at_pivot = |past: &Progress| {
            let stage = self.forward.get(past.stage);
            past.phase == Phase::Forward && stage.is_some_and(|stage| matches!(stage.kind, Kind::Pivot))
        };
        while at_pivot(&past) {
            past.pivoted = true;
            past.stage += 1;
        }
        past
    }

    /// Where a saga with this progress stands.
    pub(crate) fn position(&self, progress: &Progress) -> Position<'_> {
        let at = progress.stage;
        let stages = match progress.phase {
            Phase::Forward => self.forward,
            Phase::AfterUndo => self.after_undo,
            Phase::Undo => {
                let undone = at.checked_sub(1).and_then(|at| self.forward.get(at));
                return match undone.and_then(|stage| stage.undo.as_ref()) {
                    Some(Undo::Call { name, call, .. }) => Position { step: name, call: Some(call) },
                    Some(Undo::Local { name, .. }) => Position { step: name, call: None },
                    None => Position { step: "end", call: None },
                };
            }
        };
        match stages.get(at) {
            Some(stage) => Position {
                step: stage.name,
                call: match &stage.kind {
                    Kind::Call(spec) => Some(spec),
                    Kind::Local(_) | Kind::Confirmation | Kind::Spawn(_) | Kind::Pivot => None,
                },
            },
            None => Position { step: "end", call: None },
        }
    }
}

/// A local stage.
pub const fn local(name: &'static str, changes: LocalFn) -> Stage {
    Stage::new(name, Kind::Local(changes))
}

/// A call stage.
pub const fn call(name: &'static str, spec: CallSpec) -> Stage {
    Stage::new(name, Kind::Call(spec))
}

/// A stage that waits for an admin.
pub const fn confirmation(name: &'static str) -> Stage {
    Stage::new(name, Kind::Confirmation).reads(Phrases::new("the confirmation", ""))
}

/// A stage that starts a child.
pub const fn spawn(name: &'static str, child: SpawnFn) -> Stage {
    Stage::new(name, Kind::Spawn(child))
}

/// The point of no return.
pub const fn pivot() -> Stage {
    Stage::new("pivot", Kind::Pivot).reads(Phrases::new("the point of no return", ""))
}

impl Stage {
    const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, phrases: Phrases::new("", ""), kind, undo: None }
    }

    /// The same stage, with what people read of it.
    #[must_use]
    pub const fn reads(self, phrases: Phrases) -> Self {
        Self { phrases, ..self }
    }

    /// The same stage, undone by changes to our own rows.
    #[must_use]
    pub const fn undo(self, name: &'static str, changes: LocalFn, phrases: Phrases) -> Self {
        Self { undo: Some(Undo::Local { name, phrases, changes }), ..self }
    }

    /// The same stage, undone by a call.
    #[must_use]
    pub const fn undo_call(self, name: &'static str, call: CallSpec, phrases: Phrases) -> Self {
        Self { undo: Some(Undo::Call { name, phrases, call }), ..self }
    }
}

impl Phrases {
    /// A noun, and what the shop reads once it is done.
    pub const fn new(noun: &'static str, done: &'static str) -> Self {
        Self { noun, done, done_for_buyer: "" }
    }

    /// The same, and what the buyer reads once it is done.
    #[must_use]
    pub const fn buyer(self, done_for_buyer: &'static str) -> Self {
        Self { done_for_buyer, ..self }
    }
}
