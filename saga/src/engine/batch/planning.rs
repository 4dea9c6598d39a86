//! One batch between its claim and its save: every saga planned, its changes applied, its next row made.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use holdfast_shared::{CartId, KeySource, SagaId, Sku, Time};

use super::call_permits::{PermitGuard, Verdict};
use super::input::{BatchInput, Engine, Locking};
use super::report::{Committed, SagaTransition};
use crate::engine::apply::apply;
use crate::engine::definition::Definition;
use crate::engine::plan::{Advance, Inbox, Next, plan};
use crate::ports::Claimed;
use crate::records::batch_rows::{Footprint, World};
use crate::records::call::{Answer, CallResult, Outcome};
use crate::records::change::Change;
use crate::records::history::{Entry, LogRow};
use crate::records::saga::{CallState, NewSaga, Saga};
use crate::records::signal::{NewSignal, Signal, SignalBody};

/// A plan is refused and made again at most this often in one batch: once for the rule that says
/// no, once more for what its undo meets; a third time is a fault of a definition.
const REFUSALS_MAX: usize = 4;

/// One batch between its claim and its save.
pub(super) struct Planning<'a> {
    pub(super) engine: &'a Engine,
    keys: KeySource,
    pub(super) world: World,
    pub(super) slots: PermitGuard,
    plans: Vec<Plan>,
    pub(super) poisoned: Vec<(SagaId, String)>,
    pub(super) done: Committed,
}

struct Plan {
    saga: Box<Saga>,
    definition: &'static Definition,
    inbox: Inbox,
    advance: Advance,
}

impl<'a> Planning<'a> {
    pub(super) fn new(engine: &'a Engine, keys: KeySource, work: &BatchInput, claimed: Claimed) -> Self {
        let mut world = World { now: claimed.now, ..World::default() };
        world.writes.at = claimed.now;
        let mut batch = Self {
            engine,
            keys,
            world,
            slots: PermitGuard { slots: work.slots.clone(), queues: Vec::new() },
            plans: Vec::with_capacity(claimed.sagas.len()),
            poisoned: claimed.unreadable,
            done: Committed {
                calls: Vec::new(),
                leased_at: Instant::now(),
                locked: claimed.locked,
                awaiting_permit: Vec::new(),
                elsewhere: Vec::new(),
                moved: Vec::new(),
                orders: Vec::new(),
                late: 0,
                claimed: claimed.sagas.len(),
            },
        };
        batch.plan_all(work, claimed.sagas);
        batch
    }

    /// Gives every saga its outcome and signals, and plans it; tells late outcomes from fresh ones.
    fn plan_all(&mut self, work: &BatchInput, mut sagas: Vec<(Box<Saga>, Vec<Signal>)>) {
        // Within a batch, stock goes by the instant of acceptance, then by number.
        sagas.sort_by_key(|(saga, _)| (saga.created_at, saga.id));
        let mut outcomes: BTreeMap<SagaId, Vec<&Outcome>> = BTreeMap::new();
        for outcome in &work.outcomes {
            outcomes.entry(outcome.saga).or_default().push(outcome);
        }
        for (saga, signals) in sagas {
            let mut own = None;
            for outcome in outcomes.remove(&saga.id).unwrap_or_default() {
                if outcome.fence == saga.fence && own.is_none() {
                    own = Some(outcome.clone());
                } else {
                    self.keep_late(outcome);
                }
            }
            // Somebody else's call is under way: the saga is theirs until its outcome or the lease's end.
            if own.is_none() && saga.is_leased(self.world.now) {
                continue;
            }
            let Some(definition) = self.engine.registry.find(&saga.definition) else {
                continue;
            };
            let inbox = Inbox { outcome: own, signals, refused: Vec::new() };
            match plan_catching_panics(&saga, definition, &inbox, self.world.now) {
                Ok(advance) => self.plans.push(Plan { saga, definition, inbox, advance }),
                Err(panic) => self.poisoned.push((saga.id, panic)),
            }
        }
        // The saga's row is unreadable or gone; what was heard of its money is kept all the same.
        for outcome in outcomes.into_values().flatten() {
            self.keep_late(outcome);
        }
    }

    /// An outcome whose fence is gone is never dropped.
    fn keep_late(&mut self, outcome: &Outcome) {
        self.done.late += 1;
        let captured = matches!(outcome.answer, Answer::Succeeded(CallResult::Captured { .. }));
        self.world.writes.signals.push(NewSignal {
            saga: outcome.saga,
            dedupe: format!("late:{}:{}", outcome.key, outcome.fence),
            body: SignalBody::LateOutcome {
                key: outcome.key.clone(),
                captured,
                answer: serde_json::to_string(&outcome.answer).unwrap_or_default(),
            },
        });
    }

    /// The stock levels the plans decide on, sorted; to be held, with all others they move: rows are locked in
    /// one order, or not before the save.
    ///
    /// Carts come before stock in that order, so whoever holds stock holds its carts first, also those that are
    /// handed back only if stock says no. All else a batch moves belongs to its sagas, whose locks it has.
    pub(super) fn footprint(&self, locking: Locking) -> Footprint {
        let changes = || self.plans.iter().flat_map(|plan| &plan.advance.changes).map(|(_, change)| change);
        let skus = |decided: bool| {
            let wanted = changes().filter(|change| !decided || change.is_decided_by_stock());
            wanted.flat_map(Change::skus).cloned().collect::<BTreeSet<Sku>>().into_iter().collect()
        };
        match locking {
            Locking::Optimistic => Footprint { levels: skus(true), ..Footprint::default() },
            Locking::Locked => Footprint { carts: self.carts(), stock: skus(false), ..Footprint::default() },
        }
    }

    fn carts(&self) -> Vec<CartId> {
        let carts = self.plans.iter().filter_map(|plan| plan.saga.context.cart());
        carts.collect::<BTreeSet<_>>().into_iter().collect()
    }

    pub(super) fn apply_all(&mut self) {
        for plan in std::mem::take(&mut self.plans) {
            if plan.advance.is_idle(&plan.saga) {
                continue;
            }
            let id = plan.saga.id;
            if let Err(reason) = self.apply_one(plan) {
                self.poisoned.push((id, reason));
            }
        }
    }

    /// Applies one plan; when a rule refuses it, plans again with the refusal as its event.
    fn apply_one(&mut self, mut plan: Plan) -> Result<(), String> {
        for _ in 0..REFUSALS_MAX {
            let Some((stage, refusal)) = self.first_refusal(&plan.advance.changes) else {
                self.accept_advance(plan);
                return Ok(());
            };
            plan.inbox.refused.push((stage.to_owned(), refusal));
            plan.advance = plan_catching_panics(&plan.saga, plan.definition, &plan.inbox, self.world.now)?;
        }
        Err(format!("its rules refuse every plan: {:?}", plan.inbox.refused))
    }

    /// Applies the changes, together or not at all, and names the stage whose change was refused.
    fn first_refusal(
        &mut self,
        changes: &[(&'static str, Change)],
    ) -> Option<(&'static str, crate::engine::definition::Refusal)> {
        let (at, refusal) = apply(&mut self.world, changes.iter().map(|(_, change)| change)).err()?;
        Some((changes[at].0, refusal))
    }

    fn accept_advance(&mut self, plan: Plan) {
        let changes = plan.advance.changes.iter();
        let children: Vec<NewSaga> = changes.filter_map(|(_, change)| change.child()).cloned().collect();
        if let Some(method) = plan.saga.context.method() {
            let moves = plan.advance.changes.iter().filter_map(|(_, change)| change.order_status());
            self.done.orders.extend(moves.map(|status| (status, method)));
        }
        let fence_before = plan.saga.fence;
        if let Some((saga, entries)) = self.settle_next(plan.advance, plan.saga.fence, Some(&plan.saga)) {
            self.world.writes.consumed.extend(entries.consumed);
            if !entries.log.is_empty() {
                self.world.writes.log.push(LogRow {
                    saga: saga.id,
                    fence: saga.fence,
                    at: self.world.now,
                    entries: entries.log.clone(),
                });
            }
            self.note(&saga, entries.log, Some(&plan.saga));
            self.world.writes.sagas.insert(saga.id, (fence_before, saga));
        }
        for child in children {
            self.start(child);
        }
    }

    /// Plans a child to its first call in the commit of its parent. Its birth writes no history:
    /// the parent's does.
    fn start(&mut self, child: NewSaga) {
        let now = self.world.now;
        let key_prefix = self.keys.draw(child.id.order());
        let child = child.begin(key_prefix, now);
        let Some(definition) = self.engine.registry.find(&child.definition) else {
            self.world.writes.new_sagas.insert(child.id, child);
            return;
        };
        let planned = plan_catching_panics(&child, definition, &Inbox::default(), now).and_then(|advance| {
            let changes = advance.changes.iter().map(|(_, change)| change);
            apply(&mut self.world, changes).map_err(|(_, refusal)| refusal.message)?;
            Ok(advance)
        });
        let Ok(advance) = planned else {
            // A child that cannot be planned is born all the same, due at once: it fails alone, not its parent.
            self.world.writes.new_sagas.insert(child.id, child);
            return;
        };
        let fence = child.fence;
        let saga = match self.settle_next(advance, fence, None) {
            Some((saga, entries)) => {
                self.note(&saga, entries.log, None);
                saga
            }
            None => child,
        };
        self.world.writes.new_sagas.insert(saga.id, saga);
    }

    /// Raises the fence and, where a call comes next, leases the saga for it, if it may be begun.
    ///
    /// `None`: nothing to write. The saga stands before a call that is not begun here, and nothing else moved.
    fn settle_next(
        &mut self,
        advance: Advance,
        fence: i64,
        before: Option<&Saga>,
    ) -> Option<(Box<Saga>, Entries)> {
        let now = self.world.now;
        let Advance { mut saga, mut entries, consumed, next, .. } = advance;
        if let Next::Call(call) = next {
            let verdict = self.slots.take(&call);
            if verdict == Verdict::Taken {
                saga.progress.attempts += 1;
                saga.progress.call = CallState::Sent;
                saga.progress.not_before = None;
                saga.progress.worker = Some(self.engine.worker.clone());
                // The lease alone keeps others away. `wake_at` stays as it is wherever it can: the index on it
                // is the dearest part of the row, and a saga that is due must be so when its lease runs out.
                let until = now + self.engine.lease;
                saga.leased_until = Some(until);
                saga.wake_at = saga.wake_at.map(|at| at.min(until));
                entries.push(Entry::Started {
                    step: call.step.to_owned(),
                    start: call.start,
                    ask: call.mode == crate::records::call::Mode::Query,
                });
                self.done.calls.push(*call);
            } else {
                match verdict {
                    Verdict::Elsewhere => self.done.elsewhere.push((saga.id, call.queue)),
                    Verdict::Taken | Verdict::NoSlot => self.done.awaiting_permit.push((saga.id, call.queue)),
                }
                saga.wake_at = saga.wake_at.map(|at| at.min(now));
                if before.is_some_and(|before| *before == *saga && entries.is_empty() && consumed.is_empty())
                {
                    return None;
                }
            }
        }
        saga.fence = fence + 1;
        saga.updated_at = now;
        Some((saga, Entries { log: entries, consumed }))
    }

    /// `before`: the saga as it was claimed; `None` for one that this commit started.
    fn note(&mut self, saga: &Saga, entries: Vec<Entry>, before: Option<&Saga>) {
        self.done.moved.push(SagaTransition {
            saga: saga.id,
            definition: saga.definition.clone(),
            context: Arc::clone(&saga.context),
            state: saga.state,
            is_born: before.is_none(),
            created_at: saga.created_at,
            at: self.world.now,
            commits: saga.fence,
            stage: saga.progress.stage,
            attempts: before.map_or(0, |before| before.progress.attempts),
            cause: saga.progress.cause,
            entries,
        });
    }
}

struct Entries {
    log: Vec<Entry>,
    consumed: Vec<i64>,
}

/// A planner that panics is a fault of one definition, not of its caller.
pub(crate) fn plan_catching_panics(
    saga: &Saga,
    definition: &Definition,
    inbox: &Inbox,
    now: Time,
) -> Result<Advance, String> {
    catch_unwind(AssertUnwindSafe(|| plan(saga, definition, inbox, now))).map_err(|panic| {
        let message = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        format!("its plan panicked: {message}")
    })
}
