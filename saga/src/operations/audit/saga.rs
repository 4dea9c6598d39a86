//! A saga by itself: where it stands is a place that its definition has, and something wakes it until it has ended.

use std::time::Duration;

use holdfast_shared::{Queue, SagaState};

use super::finding::Findings;
use super::place::Place;
use super::report::{Invariant, Scope};
use crate::engine::definition::Kind;
use crate::engine::plan::HELD_MAX;
use crate::flows;
use crate::records::audit_fact::SagaFact;
use crate::records::context::Context;
use crate::records::saga::{CallState, Phase, Saga};
use crate::records::signal::SignalBody;
use crate::records::slot;

/// No worker may lease a saga for longer.
pub const LEASE_MAX: Duration = Duration::from_hours(1);

/// Clocks that were read one after the other may be apart by so much.
const SLACK: Duration = Duration::from_mins(1);

/// Whether a saga could be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It was.
    Judged,
    /// Its definition is another release's, as while one is rolled out: what it means to stand there only that one knows.
    Unverifiable,
}

pub(super) fn judge(fact: &SagaFact, scope: &Scope, findings: &mut Findings<'_>) -> Verdict {
    let saga = &*fact.saga;
    identity(saga, scope, findings);
    wakes(fact, scope, findings);
    history(fact, findings);
    let Some(place) = Place::of(fact, scope) else { return Verdict::Unverifiable };
    stands(saga, place, findings);
    Verdict::Judged
}

/// Its keys are its own, and it is what its slot says.
fn identity(saga: &Saga, scope: &Scope, findings: &mut Findings<'_>) {
    let prefix = &saga.key_prefix;
    // The first sagas of all had no prefix; they have ended.
    let is_own = (prefix.as_str().is_empty() && saga.state.is_settled())
        || prefix.owner().is_some_and(|(shop, order)| scope.is_own(shop, order) && order == saga.id.order());
    findings
        .check(Invariant::Reference, is_own, || format!("its keys begin with {prefix}, which is another's"));
    let fits = match (&*saga.context, slot::kind_of(saga.id)) {
        (Context::Checkout(_), kind) => kind == Some(slot::CHECKOUT),
        (Context::Cancellation(_), kind) => kind == Some(slot::CANCELLATION),
        (Context::PartialRefund(_), kind) => kind == Some(slot::PARTIAL_REFUND),
        (Context::LateRefund(_), kind) => kind == Some(slot::LATE_REFUND),
        (Context::Notice(_), kind) => {
            matches!(kind, Some(slot::CONFIRMED_NOTICE | slot::CANCELLED_NOTICE) | None)
        }
    };
    let runs = flows::REGISTRY.find(&saga.definition).map(|definition| definition.name);
    let is_flow_of_it = runs.is_none_or(|name| name == flows::name_for(&saga.context));
    findings.check(Invariant::Saga, fits && is_flow_of_it, || {
        format!("runs {} with a context of another kind", saga.definition.name)
    });
}

/// Whatever has not ended is woken by a time or held by a worker; what has ended is not.
fn wakes(fact: &SagaFact, scope: &Scope, findings: &mut Findings<'_>) {
    let saga = &*fact.saga;
    let progress = &saga.progress;
    let is_live = !saga.state.is_settled() && saga.state != SagaState::Dead;
    // Its last commit may have been made by a clock that was set back since.
    let now = scope.now.max(saga.updated_at) + SLACK;
    // A decision stays unread until it is asked for.
    let is_news = |body: &SignalBody| !matches!(body, SignalBody::Confirmation { .. });
    let unread = || fact.unread.iter().filter(|signal| is_news(&signal.body));
    let (news, written) = (unread().count(), unread().map(|signal| signal.created_at).max());
    match (saga.wake_at, is_live) {
        (None, true) => findings.broken(
            Invariant::Saga,
            format!("is {}, and nothing wakes it: `holdfast saga retry {}`", saga.state, saga.id),
        ),
        (Some(at), true) if news > 0 => {
            findings.check(Invariant::Saga, Some(at) <= written.max(Some(now)), || {
                format!("sleeps until {at}, and has {news} signals to read")
            });
        }
        (Some(at), true) => {
            let due = [Some(now), progress.not_before, progress.deadline, saga.leased_until];
            findings.check(Invariant::Saga, due.into_iter().flatten().any(|due| at <= due), || {
                format!("sleeps until {at}, and waits for nothing until then")
            });
        }
        (Some(at), false) => findings.check(Invariant::Saga, !fact.unread.is_empty(), || {
            format!("is {}, and is woken at {at} for nothing", saga.state)
        }),
        // One that was quarantined may have died of a signal, which stays.
        (None, false) => findings.check(Invariant::Saga, news == 0 || saga.state == SagaState::Dead, || {
            format!("is {}, and nothing wakes it to read its {news} signals", saga.state)
        }),
    }
    if let Some(at) = progress.not_before {
        let latest = now + HELD_MAX;
        findings.check(Invariant::Saga, at <= latest || !is_live, || {
            format!("is held back until {at}, longer than anything is")
        });
    }
    if let Some(until) = saga.leased_until {
        let worker = progress.worker.as_deref().unwrap_or("nobody");
        let in_bounds = until <= now + LEASE_MAX;
        let is_called = is_live && progress.worker.is_some() && progress.call == CallState::Sent;
        findings.check(Invariant::Saga, in_bounds && is_called, || {
            format!("is {}, and leased to {worker} until {until}", saga.state)
        });
    } else if is_live {
        findings.check(Invariant::Saga, progress.worker.is_none(), || {
            format!("worker {} holds it without a lease", progress.worker.as_deref().unwrap_or_default())
        });
    }
}

fn history(fact: &SagaFact, findings: &mut Findings<'_>) {
    let saga = &*fact.saga;
    let logged = fact.logged.unwrap_or_default();
    findings.check(Invariant::Saga, saga.fence >= 0 && logged <= saga.fence, || {
        format!("stands at commit {}, its history at {logged}", saga.fence)
    });
    findings.check(Invariant::Saga, saga.fence > 0 || saga.progress.stage == 0, || {
        format!("was never planned, and stands at place {}", saga.progress.stage)
    });
    // The commit that ended it is in its history, unless it ended in the one that started it.
    if saga.state.is_settled() && saga.fence > 1 {
        findings.check(Invariant::Saga, logged == saga.fence, || {
            format!("ended in commit {}, its history ends in {logged}", saga.fence)
        });
    }
}

/// Its state, the way it goes and where it stands on it are one.
fn stands(saga: &Saga, place: Place<'_>, findings: &mut Findings<'_>) {
    let progress = &saga.progress;
    let forward = place.is_forward();
    let call = place.definition.position(progress).call;
    let fits = match saga.state {
        SagaState::Running => forward && !place.is_at_end() && !is_wait(progress.call, place),
        SagaState::Waiting => {
            let until = progress.deadline;
            forward && is_wait(progress.call, place) && until.is_some() && saga.wake_at <= until
        }
        SagaState::Compensating => !forward && !place.is_at_end(),
        SagaState::Completed => forward && place.is_at_end(),
        SagaState::Compensated => progress.phase == Phase::AfterUndo && place.is_at_end(),
        SagaState::Dead => !place.is_at_end(),
    };
    findings.check(Invariant::Saga, fits && place.exists(), || {
        let way: &str = progress.phase.into();
        format!("is {} at place {} of its way {way}", saga.state, progress.stage)
    });
    findings.check(Invariant::Saga, progress.pivoted == place.is_past_pivot(), || {
        let side = if progress.pivoted { "behind" } else { "before" };
        format!("says that it is {side} its point of no return, and is not")
    });
    findings.check(Invariant::Saga, forward == progress.cause.is_none(), || {
        let cause = progress.cause.map_or("nothing", Into::into);
        format!("is undone because of {cause}")
    });
    findings.check(Invariant::Saga, saga.leased_until.is_none() || call.is_some(), || {
        "is leased at a step that asks nobody".to_owned()
    });
    if saga.state == SagaState::Dead {
        findings.check(Invariant::Saga, progress.error.as_ref().is_some_and(|why| !why.is_empty()), || {
            "is DEAD, and nobody knows why".to_owned()
        });
    }
    findings.check(Invariant::Saga, progress.call == CallState::Fresh || call.is_some(), || {
        "waits for the answer to a call at a step that asks nobody".to_owned()
    });
    let queues: &[Queue] = match (forward, progress.call) {
        (true, CallState::Pending) => &[Queue::PaymentEvents],
        // The buyer was waited for, and is asked about.
        (true, CallState::Fresh | CallState::Sent) if call.is_some() && !place.is_past_pivot() => {
            &[place.definition.queue, Queue::PaymentEvents]
        }
        (true, CallState::Fresh | CallState::Sent) => &[place.definition.queue],
        (false, _) => &[Queue::Compensation],
    };
    findings.check(Invariant::Saga, queues.contains(&saga.queue), || {
        format!("is in queue {}, and belongs into {}", saga.queue, queues[0])
    });
}

/// Only a confirmation and a buyer are waited for, until the end of a window.
fn is_wait(call: CallState, place: Place<'_>) -> bool {
    let stage = place.definition.forward.get(place.progress.stage);
    let confirmation = stage.is_some_and(|stage| matches!(stage.kind, Kind::Confirmation));
    confirmation || call == CallState::Pending
}
