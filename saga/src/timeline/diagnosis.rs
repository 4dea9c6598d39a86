//! Why one saga does not move, what comes next, and what would unblock it.

use super::conditions::{Blocker, Conditions};
use super::phrases::{because, moment, noun, span, task};
use super::story::Story;
use crate::engine::definition::{Definition, Position};
use crate::engine::registry::Registry;
use crate::records::history::Entry;
use crate::records::saga::{DefinitionId, Phase, Saga};
use crate::records::view::Paused;
use crate::timeline::next_move;
use crate::timeline::next_move::parked_move;
use holdfast_shared::{SagaState, Time};
use std::time::Duration;

/// A saga that is due for longer than this has nobody to take it: a worker takes up what is due
/// within seconds, and even one that was overrun catches up within minutes.
pub const OVERDUE: Duration = Duration::from_mins(10);

pub(super) const NOTHING: &str = "nothing needs to be done";

/// Where one saga stands.
pub(super) struct Outlook {
    pub(super) now: String,
    pub(super) next: String,
    pub(super) unblocks: String,
}

impl Outlook {
    /// The same, with what stands in the way of whatever would happen by itself.
    pub(super) fn behind(self, blocker: Option<&Blocker>) -> Self {
        let Some(blocker) = blocker else { return self };
        let (why, unblocks) = match blocker {
            Blocker::QueuePaused { queue, by, since, reason } => {
                let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
                (
                    format!("its queue {queue} is paused by {by} since {}{reason}", moment(*since)),
                    format!("`holdfast queue resume {queue}`"),
                )
            }
            Blocker::NoWorker { queue } => (
                format!("no live worker serves its queue {queue}"),
                format!(
                    "start a worker that serves queue {queue}; `holdfast worker list` shows those there are"
                ),
            ),
            Blocker::UnknownDefinition { definition, version } => {
                return Self {
                    now: format!("{}; no live worker knows {definition} version {version}", self.now),
                    ..self
                };
            }
            // The part about its lease says so.
            Blocker::WorkerSilent { .. } => return self,
        };
        let unblocks = match self.unblocks.as_str() {
            NOTHING => unblocks,
            own => format!("{unblocks}; then {own}"),
        };
        Self {
            now: format!("{}; {why}", self.now),
            next: format!("nothing before that; then {}", self.next),
            unblocks,
        }
    }
}

/// One saga that has not ended, and all that is known around it.
pub(super) struct Diagnosis<'a> {
    pub(super) story: &'a Story,
    pub(super) saga: &'a Saga,
    pub(super) conditions: &'a Conditions,
    pub(super) now: Time,
}

impl Diagnosis<'_> {
    pub(super) fn outlook(&self, registry: &Registry) -> Outlook {
        let saga = self.saga;
        let Some(definition) = registry.find(&saga.definition) else {
            return self.unknown();
        };
        let position = definition.position(&saga.progress);
        let due = saga.wake_at.is_some_and(|at| at <= self.now);
        let at_rest = saga.state == SagaState::Dead && !due;
        match (saga.leased_until, saga.wake_at) {
            (Some(until), _) if until > self.now => self.leased(&position, until),
            _ if at_rest => self.dead(&position),
            (_, Some(since)) if due => self.due(&position, since),
            (_, Some(until)) if saga.state == SagaState::Waiting => self.waiting(&position, until),
            (_, Some(at)) => self.later(&position, definition, at),
            (_, None) => Outlook {
                now: format!("{} stands at {}, and nothing will wake it", task(saga.id), noun(position.step)),
                next: "nothing, by itself".to_owned(),
                unblocks: "this must never be: run `holdfast audit`".to_owned(),
            },
        }
    }

    /// What keeps the saga from being taken up, if something does.
    pub(super) fn blocker(&self, registry: &Registry) -> Option<Blocker> {
        let saga = self.saga;
        let (conditions, queue) = (self.conditions, saga.queue);
        if let Some(until) = saga.leased_until.filter(|until| *until > self.now) {
            let worker = conditions.gone(saga.progress.worker.as_deref()?)?;
            let since = worker.left_at.unwrap_or(worker.heartbeat_at);
            return Some(Blocker::WorkerSilent {
                worker: worker.heartbeat.name.clone(),
                since,
                taken_over_at: until,
            });
        }
        // A dead one waits for an operator, and for nobody else.
        saga.wake_at?;
        if let Some(paused) = conditions.paused.get(&queue) {
            let Paused { at, by, reason } = paused.clone();
            return Some(Blocker::QueuePaused { queue, by, since: at, reason });
        }
        if !conditions.serves(queue) {
            return Some(Blocker::NoWorker { queue });
        }
        let unknown = registry.find(&saga.definition).is_none() && !conditions.knows(&saga.definition);
        let DefinitionId { name, version } = saga.definition.clone();
        unknown.then_some(Blocker::UnknownDefinition { definition: name, version })
    }

    fn dead(&self, position: &Position<'_>) -> Outlook {
        let saga = self.saga;
        let why = saga.progress.error.as_deref().unwrap_or("nobody knows why");
        Outlook {
            now: format!("{} stopped at {} and needs attention: {why}", self.task(), noun(position.step)),
            next: "nothing, by itself".to_owned(),
            unblocks: next_move(saga),
        }
    }

    fn leased(&self, position: &Position<'_>, until: Time) -> Outlook {
        let worker = self.saga.progress.worker.as_deref().unwrap_or("unknown");
        if let Some(gone) = self.conditions.gone(worker) {
            let silent = match gone.left_at {
                Some(left) => format!("worker {worker} left at {}", moment(left)),
                None => format!("worker {worker} is silent since {}", moment(gone.heartbeat_at)),
            };
            let (step, task) = (noun(position.step), task(self.saga.id));
            return Outlook {
                now: format!(
                    "{silent}, while it was at {step} of {task}; it holds it until {}",
                    self.when(until)
                ),
                next: format!(
                    "another worker takes over at {} and finds out what became of {step}",
                    moment(until)
                ),
                unblocks: NOTHING.to_owned(),
            };
        }
        Outlook {
            now: format!(
                "worker {worker} is at {} of {}, until {} at the latest",
                noun(position.step),
                self.task().trim_end_matches(','),
                self.when(until)
            ),
            next: format!(
                "the answer is written down and {} goes on{}; if the worker vanishes, another one takes over then",
                task(self.saga.id),
                self.then_reads()
            ),
            unblocks: NOTHING.to_owned(),
        }
    }

    fn waiting(&self, position: &Position<'_>, until: Time) -> Outlook {
        let order = self.story.order.order.id;
        let when = self.when(until);
        if position.call.is_none() {
            return Outlook {
                now: format!("{} waits for an admin to confirm or reject, until {when}", task(self.saga.id)),
                next:
                    "confirmed, it is carried through; rejected, or without an answer by then, it is undone"
                        .to_owned(),
                unblocks: format!("`holdfast order confirm {order}`, or `holdfast order reject {order}`"),
            };
        }
        Outlook {
            now: format!("{} waits for the buyer to approve the payment, until {when}", task(self.saga.id)),
            next: "approved, it is carried through; without an answer of the provider by then, it is undone"
                .to_owned(),
            unblocks: format!(
                "the buyer approves, and the provider reports it; or `holdfast order cancel {order}`"
            ),
        }
    }

    /// Its time has not come: a retry, or the first moment after it was accepted.
    fn later(&self, position: &Position<'_>, definition: &Definition, at: Time) -> Outlook {
        let progress = &self.saga.progress;
        let (step, when) = (noun(position.step), self.when(at));
        match self.last_entry() {
            Some(Entry::Held { why, .. }) => {
                return Outlook {
                    now: format!("{} waits to try {step}: {why}; tried again at {when}", self.task()),
                    next: format!("{step} is tried again; what was held back counts as no failure"),
                    unblocks: if progress.parked {
                        format!("the settings are put right; {}", parked_move(self.saga))
                    } else {
                        "it goes on by itself".to_owned()
                    },
                };
            }
            Some(Entry::Processing { .. } | Entry::GivingBack { .. }) => {
                return Outlook {
                    now: format!(
                        "{} waits for the provider, which is processing {step}; looked up again at {when}",
                        self.task()
                    ),
                    next: "the provider alone ends this, also past the end of a window; then it goes on"
                        .to_owned(),
                    unblocks: "it goes on by itself".to_owned(),
                };
            }
            Some(_) | None => {}
        }
        let why = progress.error.as_deref().unwrap_or("nobody knows why");
        let works_again = || match definition.name {
            "notification" => "the customer's channel works again".to_owned(),
            _ => "the payment provider works again".to_owned(),
        };
        if progress.unanswered > 0 {
            return Outlook {
                now: format!(
                    "{} waits to ask about {step} again at {when}; no answer came {} times in a row, last: {why}",
                    self.task(),
                    progress.unanswered
                ),
                next: format!("it is asked what became of {step}; a lost answer counts as no failure"),
                unblocks: works_again(),
            };
        }
        let Some(call) = position.call.filter(|_| progress.failures > 0) else {
            return Outlook {
                now: format!("{} is about to be taken up at {step}, at {when}", self.task()),
                next: format!("a worker carries on with {step}"),
                unblocks: NOTHING.to_owned(),
            };
        };
        let undone = progress.phase == Phase::Forward && !progress.pivoted;
        let end = if undone { "the order is undone" } else { "it stops, and an operator must act" };
        Outlook {
            now: format!(
                "{} waits to try {step} again at {when}; it failed {} of at most {} times, last: {why}",
                self.task(),
                progress.failures,
                call.retry.failures_max,
            ),
            next: format!("{step} is tried again; after the last failure {end}"),
            unblocks: works_again(),
        }
    }

    /// The last thing that happened to it.
    fn last_entry(&self) -> Option<&Entry> {
        self.story.log.iter().rfind(|row| row.saga == self.saga.id)?.entries.last()
    }

    /// It could go on right now.
    fn due(&self, position: &Position<'_>, since: Time) -> Outlook {
        let waited = self.now.since(since);
        let queue = self.saga.queue;
        let what = format!("{} is due at {}", self.task(), noun(position.step));
        if waited <= OVERDUE {
            return Outlook {
                now: format!("{what} since {}", moment(since)),
                next: format!(
                    "the next free worker takes up {} within moments{}",
                    task(self.saga.id),
                    self.then_reads()
                ),
                unblocks: NOTHING.to_owned(),
            };
        }
        Outlook {
            now: format!("{what} since {}, and nobody took it for {}", moment(since), span(waited)),
            next: format!("{} goes on as soon as a worker takes it{}", task(self.saga.id), self.then_reads()),
            unblocks: format!(
                "start a worker that serves queue {queue}; if one runs, look in its log for why it does not take \
                 saga {}",
                self.saga.id
            ),
        }
    }

    /// This binary cannot tell what the saga stands at.
    fn unknown(&self) -> Outlook {
        let saga = self.saga;
        let definition = format!("{} version {}", saga.definition.name, saga.definition.version);
        let what = format!("{} runs {definition}, which this binary does not know", task(saga.id));
        let now = match (saga.leased_until, saga.wake_at) {
            (Some(until), _) if until > self.now => {
                let worker = saga.progress.worker.as_deref().unwrap_or("unknown");
                format!("{what}; worker {worker} is at it until {} at the latest", self.when(until))
            }
            _ if saga.state == SagaState::Dead => {
                let why = saga.progress.error.as_deref().unwrap_or("nobody knows why");
                format!("{what}; it stopped and needs attention: {why}")
            }
            (_, Some(since)) if since <= self.now => {
                format!("{what}; it is due since {} ({})", moment(since), span(self.now.since(since)))
            }
            (_, Some(at)) => format!("{what}; it is due at {}", self.when(at)),
            (_, None) => what,
        };
        Outlook {
            now,
            next: format!("a worker that knows {definition} takes it"),
            unblocks: format!(
                "run workers of the release that knows {definition}, and ask its `holdfast order explain`"
            ),
        }
    }

    fn when(&self, at: Time) -> String {
        format!("{} (in {})", moment(at), span(at.since(self.now)))
    }

    /// The saga, and which way it goes.
    fn task(&self) -> String {
        let task = task(self.saga.id);
        match (self.saga.progress.phase, self.saga.progress.cause) {
            (Phase::Undo | Phase::AfterUndo, Some(cause)) => {
                format!("{task}, being undone because {},", because(cause))
            }
            (Phase::Undo | Phase::AfterUndo, None) => format!("{task}, being undone,"),
            (Phase::Forward, _) => task.to_owned(),
        }
    }

    fn then_reads(&self) -> &'static str {
        match self.story.unread(self.saga.id).next() {
            Some(_) => "; what came in meanwhile is looked at first",
            None => "",
        }
    }
}
