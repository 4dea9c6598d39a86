//! The batch: many sagas locked, planned, applied and committed at once.
//!
//! This is the whole of the engine's policy about transactions. The worker around it decides only
//! when to run a batch and carries out the calls that come out of it.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use holdfast_shared::{CartId, KeySource, OrderStatus, PaymentMethod, Queue, SagaId, SagaState, Sku, Time};

use crate::apply::apply;
use crate::call::{Answer, Call, Evidence, Outcome};
use crate::change::Change;
use crate::definition::{Definition, Registry};
use crate::log::{Entry, LogRow};
use crate::plan::{Advance, Inbox, Next, plan};
use crate::ports::{Claim, Claimed, ErrorClass, Store, StoreError, Tx};
use crate::saga::{CallState, DefinitionId, NewSaga, Saga};
use crate::signal::{NewSignal, Signal, SignalBody};
use crate::world::{Footprint, World, Writes};

/// A plan is refused and made again at most this often in one batch: once for the rule that says
/// no, once more for what its undo meets; a third time is a fault of a definition.
const REFUSALS_MAX: usize = 4;

/// What carries sagas on: a store, the definitions it knows, and the name it leases under.
#[derive(Debug, Clone)]
pub struct Engine {
    /// Where the sagas are.
    pub store: Arc<dyn Store>,
    /// The flows this binary knows; sagas of others stay due.
    pub registry: Registry,
    /// The name that leases carry.
    pub worker: String,
    /// How long a call may keep its saga. Nobody else plans it meanwhile.
    pub lease: Duration,
    /// The pools it serves.
    pub queues: Vec<Queue>,
}

/// What a batch is asked to look at.
#[derive(Debug, Clone, Default)]
pub struct Work {
    /// Answers to calls. They name their saga; it is waited for.
    pub outcomes: Vec<Outcome>,
    /// Sagas somebody said are due.
    pub hints: Vec<SagaId>,
    /// How many due sagas may be added.
    pub due_max: usize,
    /// Calls that may be begun, shared by all batches that run at once.
    pub slots: Slots,
}

/// Calls that may be begun now, by pool. Clones share them: a slot that one batch takes, no other has.
#[derive(Debug, Clone, Default)]
pub struct Slots(Arc<Mutex<BTreeMap<Queue, usize>>>);

impl FromIterator<(Queue, usize)> for Slots {
    fn from_iter<I: IntoIterator<Item = (Queue, usize)>>(slots: I) -> Self {
        Self(Arc::new(Mutex::new(slots.into_iter().collect())))
    }
}

impl Slots {
    /// How many are free, of all pools together.
    pub fn free(&self) -> usize {
        self.lock().values().sum()
    }

    /// Frees a slot again: the call it was taken for has ended, or was never begun.
    pub fn give_back(&self, queue: Queue) {
        *self.lock().entry(queue).or_default() += 1;
    }

    fn take(&self, queue: Queue) -> bool {
        match self.lock().get_mut(&queue) {
            Some(free @ 1..) => {
                *free -= 1;
                true
            }
            Some(0) | None => false,
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Queue, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The slots one batch took: kept for the calls that come out of it, given back if none do.
#[derive(Debug)]
struct Taken {
    slots: Slots,
    queues: Vec<Queue>,
}

impl Taken {
    fn take(&mut self, queue: Queue) -> bool {
        let taken = self.slots.take(queue);
        if taken {
            self.queues.push(queue);
        }
        taken
    }

    fn keep(mut self) {
        self.queues.clear();
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        for queue in self.queues.drain(..) {
            self.slots.give_back(queue);
        }
    }
}

/// What came of a batch.
#[derive(Debug, Default)]
pub struct Ran {
    /// What was committed; more than one when the batch had to be halved.
    pub done: Vec<Done>,
    /// What was not. Its outcomes must be given again, after a while; its hints may be.
    pub undone: Vec<Work>,
    /// Why, when it was not the fault of a row.
    pub error: Option<StoreError>,
}

/// What one commit did.
#[derive(Debug, Clone)]
pub struct Done {
    /// Calls to carry out, committed and leased.
    pub calls: Vec<Call>,
    /// The monotonic instant before the lease began: a call is sent only while enough of it is left.
    pub leased_at: Instant,
    /// Hinted sagas that somebody else held: to be hinted again.
    pub locked: Vec<SagaId>,
    /// Sagas that stand before a call for which no slot was free: due, to be hinted again.
    pub starved: Vec<(SagaId, Queue)>,
    /// Sagas that moved, for the metrics.
    pub moved: Vec<Moved>,
    /// Orders that moved, and where to.
    pub orders: Vec<(OrderStatus, PaymentMethod)>,
    /// Outcomes that came too late and were stored as signals.
    pub late: usize,
    /// Sagas that were claimed.
    pub claimed: usize,
}

/// One saga that a commit moved.
#[derive(Debug, Clone)]
pub struct Moved {
    /// Which.
    pub saga: SagaId,
    /// What it runs.
    pub definition: DefinitionId,
    /// Where it stands now.
    pub state: SagaState,
    /// Whether this commit started it.
    pub is_born: bool,
    /// When it was born.
    pub created_at: Time,
    /// When it was committed.
    pub at: Time,
    /// What the commit decided.
    pub entries: Vec<Entry>,
}

/// A batch that failed, with the sagas it had claimed.
#[derive(Debug)]
struct Failed {
    error: StoreError,
    claimed: Vec<SagaId>,
    /// It decided on stock levels that somebody else may have moved since.
    by_glance: bool,
}

/// How a batch looks at the stock it decides on.
///
/// All batches want the same few rows. At first nobody holds them: a batch decides on what it saw, and adds to what
/// is there by its commit; if a level could not bear that, the save is refused. Only then is the batch made again with
/// its levels locked first, where nothing can come in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    Glance,
    Hold,
}

impl Engine {
    /// Runs one batch. If the database refuses a row of it, the batch is halved until the culprit
    /// is alone; everybody else goes on. What could not be done comes back, to be given again.
    pub async fn run(&self, work: Work, culprits: &Culprits) -> Ran {
        let mut ran = Ran::default();
        let mut todo = vec![(work, Look::Glance)];
        while let Some((work, look)) = todo.pop() {
            let failed = match self.run_once(&work, look).await {
                Ok(done) => {
                    ran.done.push(done);
                    continue;
                }
                Err(failed) => failed,
            };
            if failed.by_glance && failed.error.class() == ErrorClass::Halve {
                todo.push((work, Look::Hold));
                continue;
            }
            match failed.claimed.as_slice() {
                many @ [_, _, ..] if failed.error.class() == ErrorClass::Halve => {
                    todo.extend(halves(&work, many).map(|half| (half, look)));
                }
                [culprit] if failed.error.class() == ErrorClass::Halve => {
                    ran.undone.push(Work { due_max: 0, ..work });
                    if let Err(error) = self.blame(*culprit, &failed.error, culprits).await {
                        ran.error = Some(error);
                    }
                }
                _ => {
                    ran.error = Some(failed.error);
                    ran.undone.push(work);
                    ran.undone.extend(todo.drain(..).map(|(work, _)| work));
                }
            }
        }
        ran
    }

    async fn run_once(&self, work: &Work, look: Look) -> Result<Done, Failed> {
        let leased_at = Instant::now();
        let definitions: Vec<_> = self.registry.all().map(Definition::id).collect();
        let outcomes: BTreeSet<_> = work.outcomes.iter().map(|outcome| outcome.saga).collect();
        let outcome_ids: Vec<_> = outcomes.iter().copied().collect();
        let contexts = work.outcomes.iter().map(|outcome| (outcome.saga, Arc::clone(&outcome.context)));
        let contexts: Vec<_> = contexts.collect();
        let hints: BTreeSet<_> = work.hints.iter().copied().filter(|id| !outcomes.contains(id)).collect();
        let hint_ids: Vec<_> = hints.into_iter().collect();
        let keys = self.store.keys().await.map_err(unclaimed)?;
        let mut tx = self.store.begin().await.map_err(unclaimed)?;
        let claim = Claim {
            outcomes: &outcome_ids,
            contexts: &contexts,
            hints: &hint_ids,
            due_max: work.due_max,
            queues: &self.queues,
            definitions: &definitions,
        };
        let claimed = tx.claim(&claim).await.map_err(unclaimed)?;
        let ids: Vec<_> = claimed.sagas.iter().map(|(saga, _)| saga.id).collect();
        let mut batch = Planning::new(self, keys, work, claimed);
        let footprint = batch.footprint(look);
        let failed = |error| Failed { error, claimed: ids.clone(), by_glance: !footprint.levels.is_empty() };
        if footprint != Footprint::default() {
            let mut world = World::default();
            tx.load(&footprint, &mut world).await.map_err(failed)?;
            batch.world.stock = world.stock;
        }
        batch.apply_all();

        let Planning { world, slots, done, poisoned, .. } = batch;
        // Before anything dies below: this very transaction has its row locked.
        self.save(tx, &world.writes).await.map_err(failed)?;
        for (saga, reason) in poisoned {
            self.poison(saga, reason).await.map_err(unclaimed)?;
        }
        slots.keep();
        Ok(Done { leased_at, ..done })
    }

    /// Commits, unless there is nothing to commit. A lost answer is looked for, never guessed.
    async fn save(&self, tx: Box<dyn Tx>, writes: &Writes) -> Result<(), StoreError> {
        if writes.is_empty() {
            return Ok(());
        }
        match tx.save(writes).await {
            Err(StoreError::CommitUnknown(words)) => {
                if self.was_committed(writes).await? {
                    return Ok(());
                }
                Err(StoreError::Unavailable(words))
            }
            answered => answered,
        }
    }

    /// Whether a commit whose answer was lost happened: all of its sagas moved, or none did. Reading under
    /// the lock waits for a commit that is still under way. A row that has moved on since says "no", and
    /// being planned again as it is now does no harm; what is lost is the time until the lease runs out.
    async fn was_committed(&self, writes: &Writes) -> Result<bool, StoreError> {
        let Some((id, (_, moved))) = writes.sagas.first_key_value() else { return Ok(false) };
        let mut tx = self.store.begin().await?;
        let mut world = World::default();
        tx.load(&Footprint { sagas: vec![*id], ..Footprint::default() }, &mut world).await?;
        Ok(world.sagas.get(id).is_some_and(|(found, _)| found == moved))
    }

    /// A row that alone makes a batch fail is left for a while, then dies in a transaction of its own.
    async fn blame(
        &self,
        culprit: SagaId,
        error: &StoreError,
        culprits: &Culprits,
    ) -> Result<(), StoreError> {
        let count = culprits.count(culprit);
        tracing::warn!(saga.id = %culprit, count, "saga {culprit} cannot be saved: {error}");
        if count < Culprits::MAX {
            return Ok(());
        }
        culprits.forget(culprit);
        self.poison(culprit, format!("its commit is refused: {error}")).await
    }

    async fn poison(&self, saga: SagaId, reason: String) -> Result<(), StoreError> {
        tracing::error!(saga.id = %saga, "saga {saga} is dead: {reason}");
        let mut tx = self.store.begin().await?;
        let mut world = World::default();
        // Nothing of the saga is read, only what time it is.
        tx.load(&Footprint::default(), &mut world).await?;
        world.writes.at = world.now;
        world.writes.poisoned.insert(saga, reason);
        tx.save(&world.writes).await
    }
}

/// Sagas whose commit was refused while they were alone in it. Kept by the worker between batches.
#[derive(Debug, Default)]
pub struct Culprits(Mutex<BTreeMap<SagaId, u32>>);

impl Culprits {
    /// The third lonely failure is the last: a row that is refused thrice is refused for ever.
    pub const MAX: u32 = 3;

    fn count(&self, saga: SagaId) -> u32 {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(saga).or_default();
        *count += 1;
        *count
    }

    fn forget(&self, saga: SagaId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&saga);
    }
}

fn unclaimed(error: StoreError) -> Failed {
    Failed { error, claimed: Vec::new(), by_glance: false }
}

/// The same work, in two parts.
fn halves(work: &Work, claimed: &[SagaId]) -> [Work; 2] {
    let (left, right) = claimed.split_at(claimed.len() / 2);
    let part = |ids: &[SagaId], is_mine: &dyn Fn(SagaId) -> bool| Work {
        outcomes: work.outcomes.iter().filter(|outcome| is_mine(outcome.saga)).cloned().collect(),
        hints: ids.to_vec(),
        due_max: 0,
        slots: work.slots.clone(),
    };
    // Outcomes of sagas that could not be claimed go along on the left: they are stored as late ones.
    [part(left, &|id| !right.contains(&id)), part(right, &|id| right.contains(&id))]
}

/// One batch between its claim and its save.
struct Planning<'a> {
    engine: &'a Engine,
    keys: KeySource,
    world: World,
    slots: Taken,
    plans: Vec<Plan>,
    poisoned: Vec<(SagaId, String)>,
    done: Done,
}

struct Plan {
    saga: Saga,
    definition: &'static Definition,
    inbox: Inbox,
    advance: Advance,
}

impl<'a> Planning<'a> {
    fn new(engine: &'a Engine, keys: KeySource, work: &Work, claimed: Claimed) -> Self {
        let mut world = World { now: claimed.now, ..World::default() };
        world.writes.at = claimed.now;
        let mut batch = Self {
            engine,
            keys,
            world,
            slots: Taken { slots: work.slots.clone(), queues: Vec::new() },
            plans: Vec::with_capacity(claimed.sagas.len()),
            poisoned: claimed.unreadable,
            done: Done {
                calls: Vec::new(),
                leased_at: Instant::now(),
                locked: claimed.locked,
                starved: Vec::new(),
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
    fn plan_all(&mut self, work: &Work, mut sagas: Vec<(Saga, Vec<Signal>)>) {
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
            match guarded_plan(&saga, definition, &inbox, self.world.now) {
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
        let captured = matches!(outcome.answer, Answer::Succeeded(Evidence::Captured { .. }));
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
    fn footprint(&self, look: Look) -> Footprint {
        let changes = || self.plans.iter().flat_map(|plan| &plan.advance.changes).map(|(_, change)| change);
        let skus = |decided: bool| {
            let wanted = changes().filter(|change| !decided || change.is_decided_by_stock());
            wanted.flat_map(Change::skus).cloned().collect::<BTreeSet<Sku>>().into_iter().collect()
        };
        match look {
            Look::Glance => Footprint { levels: skus(true), ..Footprint::default() },
            Look::Hold => Footprint { carts: self.carts(), stock: skus(false), ..Footprint::default() },
        }
    }

    fn carts(&self) -> Vec<CartId> {
        let carts = self.plans.iter().filter_map(|plan| plan.saga.context.cart());
        carts.collect::<BTreeSet<_>>().into_iter().collect()
    }

    fn apply_all(&mut self) {
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
            plan.advance = guarded_plan(&plan.saga, plan.definition, &plan.inbox, self.world.now)?;
        }
        Err(format!("its rules refuse every plan: {:?}", plan.inbox.refused))
    }

    /// Applies the changes, together or not at all, and names the stage whose change was refused.
    fn first_refusal(
        &mut self,
        changes: &[(&'static str, Change)],
    ) -> Option<(&'static str, crate::definition::Refusal)> {
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
            self.note(&saga, entries.log, false);
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
        let planned = guarded_plan(&child, definition, &Inbox::default(), now).and_then(|advance| {
            let changes = advance.changes.iter().map(|(_, change)| change);
            apply(&mut self.world, changes).map_err(|(_, refusal)| refusal.words)?;
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
                self.note(&saga, entries.log, true);
                saga
            }
            None => child,
        };
        self.world.writes.new_sagas.insert(saga.id, saga);
    }

    /// Raises the fence and, where a call comes next, leases the saga for it, if a slot is free.
    ///
    /// `None`: nothing to write. The saga stands before a call, there is no slot, and nothing else moved.
    fn settle_next(
        &mut self,
        advance: Advance,
        fence: i64,
        before: Option<&Saga>,
    ) -> Option<(Saga, Entries)> {
        let now = self.world.now;
        let Advance { mut saga, mut entries, consumed, next, .. } = advance;
        if let Next::Call(call) = next {
            if self.slots.take(call.queue) {
                saga.progress.starts += 1;
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
                    ask: call.mode == crate::call::Mode::Ask,
                });
                self.done.calls.push(call);
            } else {
                self.done.starved.push((saga.id, call.queue));
                saga.wake_at = saga.wake_at.map(|at| at.min(now));
                if before.is_some_and(|before| *before == saga && entries.is_empty() && consumed.is_empty()) {
                    return None;
                }
            }
        }
        saga.fence = fence + 1;
        saga.updated_at = now;
        Some((saga, Entries { log: entries, consumed }))
    }

    fn note(&mut self, saga: &Saga, entries: Vec<Entry>, is_born: bool) {
        self.done.moved.push(Moved {
            saga: saga.id,
            definition: saga.definition.clone(),
            state: saga.state,
            is_born,
            created_at: saga.created_at,
            at: self.world.now,
            entries,
        });
    }
}

struct Entries {
    log: Vec<Entry>,
    consumed: Vec<i64>,
}

/// A planner that panics is a fault of one definition, not of its caller.
pub(crate) fn guarded_plan(
    saga: &Saga,
    definition: &Definition,
    inbox: &Inbox,
    now: Time,
) -> Result<Advance, String> {
    catch_unwind(AssertUnwindSafe(|| plan(saga, definition, inbox, now))).map_err(|panic| {
        let words = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no words");
        format!("its plan panicked: {words}")
    })
}
