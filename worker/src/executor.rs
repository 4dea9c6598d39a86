//! The batch executor: whatever is pending when a commit returns forms the next batch.
//!
//! At low load a batch is one saga, and only the hint adds latency. Under load a batch is full, and its sagas share
//! one commit. A second batch then plans while the first one waits for the database.

mod after_commit;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use holdfast_saga::engine::batch::{BatchInput, BatchOutcome, CallPermits, CommitFailures, Engine};
use holdfast_saga::ports::{Dispatch, StoreError};
use holdfast_saga::records::call::Outcome;
use holdfast_shared::{Queue, SagaId};
use holdfast_telemetry::Metrics;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, sleep_until};

use crate::calls::Caller;
use crate::config::WorkerConfig;
use crate::queue::Poll;
use crate::stats::WorkerStats;

/// The shortest and the longest wait between batches while the database does not answer.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));
/// Even without a free call permit, a batch takes some hints: a signal needs no permit.
const HINTS_MIN: usize = 16;
/// Batches at once. While one waits for the database the other one plans; a third would only wait as well.
const CONCURRENT_BATCHES: usize = 2;
/// A second batch starts only with this part of a full one. Smaller ones would cost more commits than they save.
const SECOND_BATCH_PART: usize = 4;

/// What an executor reports to.
pub(crate) struct ExecutorDeps {
    pub(crate) stats: Arc<WorkerStats>,
    pub(crate) metrics: Metrics,
    /// Sends hints for sagas that other workers serve.
    pub(crate) dispatch: Arc<dyn Dispatch>,
    /// Records that the database answers.
    pub(crate) database: Poll,
}

pub(crate) struct Executor {
    engine: Arc<Engine>,
    commit_failures: Arc<CommitFailures>,
    caller: Arc<Caller>,
    config: WorkerConfig,
    deps: ExecutorDeps,
    intake: mpsc::Receiver<SagaId>,
    stop: watch::Receiver<bool>,
    outcomes_in: mpsc::UnboundedReceiver<(Queue, Outcome)>,
    outcomes_out: mpsc::UnboundedSender<(Queue, Outcome)>,
    /// The running batches, each with its sagas.
    batches: JoinSet<(Vec<SagaId>, BatchOutcome)>,
    /// The sagas of all running batches: no saga is in two of them.
    batched: BTreeSet<SagaId>,
    /// What arrived for these sagas in the meantime.
    deferred: BatchInput,
    /// Sagas to look at, each once, however many hints there were.
    hints: VecDeque<SagaId>,
    hinted: BTreeSet<SagaId>,
    /// Outcomes that are not committed yet. Never dropped while this process runs.
    outcomes: Vec<Outcome>,
    /// Calls that may start.
    permits: CallPermits,
    in_flight: usize,
    /// Sagas whose next call found no free permit.
    awaiting_permit: BTreeMap<Queue, BTreeSet<SagaId>>,
    /// Work to retry a little later: sagas that were locked, and work whose commit the database refused.
    /// Its outcomes are never dropped while this process runs.
    retry_later: VecDeque<(Instant, BatchInput)>,
    next_sweep: tokio::time::Instant,
    /// The wait for the sweep after it.
    sweep_interval: Duration,
    /// While the database does not answer, no batch starts before this time, and each wait is longer.
    resume_at: tokio::time::Instant,
    backoff: Duration,
}

impl Executor {
    pub(crate) fn new(
        engine: Engine,
        caller: Caller,
        config: WorkerConfig,
        deps: ExecutorDeps,
        intake: mpsc::Receiver<SagaId>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        // Bounded by the permits: only a call in flight sends, and it sends once.
        let (outcomes_out, outcomes_in) = mpsc::unbounded_channel();
        let permits = config.pools.iter().map(|(queue, permits)| (*queue, *permits)).collect();
        let now = tokio::time::Instant::now();
        let sweep_interval = config.sweep_every;
        Self {
            engine: Arc::new(engine),
            commit_failures: Arc::default(),
            caller: Arc::new(caller),
            config,
            deps,
            intake,
            stop,
            outcomes_in,
            outcomes_out,
            batches: JoinSet::new(),
            batched: BTreeSet::new(),
            deferred: BatchInput::default(),
            hints: VecDeque::new(),
            hinted: BTreeSet::new(),
            outcomes: Vec::new(),
            permits,
            in_flight: 0,
            awaiting_permit: BTreeMap::new(),
            retry_later: VecDeque::new(),
            next_sweep: now,
            sweep_interval,
            resume_at: now,
            backoff: BACKOFF.0,
        }
    }

    /// Runs until `stop`, then lets calls in flight end and commits their outcomes. Returns how many calls
    /// the drain timeout cut off: their leases expire.
    pub(crate) async fn run(mut self) -> usize {
        while !*self.stop.borrow() {
            self.collect();
            while self.may_start() {
                let work = self.next_work();
                self.start(work);
            }
            self.wait_for_work().await;
        }
        self.drain().await
    }

    /// Whether another batch may start, and there is enough work for it.
    fn may_start(&self) -> bool {
        let now = tokio::time::Instant::now();
        if now < self.resume_at {
            return false;
        }
        let pending = self.hints.len() + self.outcomes.len();
        match self.batches.len() {
            0 => pending > 0 || now >= self.next_sweep,
            running => {
                running < CONCURRENT_BATCHES && pending >= self.config.batch_max.div_ceil(SECOND_BATCH_PART)
            }
        }
    }

    /// Starts a batch in a task of its own, so that it plans while another one waits for the database.
    fn start(&mut self, work: BatchInput) {
        let sagas: Vec<_> =
            work.outcomes.iter().map(|outcome| outcome.saga).chain(work.hints.iter().copied()).collect();
        self.batched.extend(&sagas);
        let (engine, commit_failures) = (Arc::clone(&self.engine), Arc::clone(&self.commit_failures));
        self.batches.spawn(async move { (sagas, engine.run(work, &commit_failures).await) });
    }

    /// Waits for the end of a batch, a hint, an outcome, the next sweep, or `stop`.
    async fn wait_for_work(&mut self) {
        let pending = !self.hints.is_empty() || !self.outcomes.is_empty();
        let idle = if pending { self.resume_at } else { self.next_sweep.max(self.resume_at) };
        // While a batch runs, the sweep waits for its end.
        let idle = self.batches.is_empty().then_some(idle);
        let later = self.retry_later.front().map(|(at, _)| tokio::time::Instant::from_std(*at));
        let timer = later.into_iter().chain(idle).min();
        let open = self.batches.len() < CONCURRENT_BATCHES;
        let has_room = open && self.hints.len() < self.config.batch_max;
        let (mut ended, mut answered, mut hinted) = (None, None, None);
        tokio::select! {
            biased;
            // A dropped sender is no reason to stop: the leases are still served.
            Ok(_) = self.stop.wait_for(|stop| *stop) => {}
            Some(batch) = self.batches.join_next() => ended = Some(batch),
            outcome = self.outcomes_in.recv(), if open => answered = outcome,
            Some(saga) = self.intake.recv(), if has_room => hinted = Some(saga),
            () = sleep_until(timer.unwrap_or(self.resume_at)), if open && timer.is_some() => {}
        }
        if let Some(batch) = ended {
            self.ended(batch);
        }
        if let Some((queue, outcome)) = answered {
            self.answered(queue, outcome);
        }
        if let Some(saga) = hinted {
            self.hint(saga);
        }
    }

    /// Takes everything else that has arrived.
    fn collect(&mut self) {
        while let Ok((queue, outcome)) = self.outcomes_in.try_recv() {
            self.answered(queue, outcome);
        }
        while self.hints.len() < self.config.batch_max {
            let Ok(saga) = self.intake.try_recv() else { break };
            self.hint(saga);
        }
        while self.retry_later.front().is_some_and(|(at, _)| *at <= Instant::now()) {
            if let Some((_, work)) = self.retry_later.pop_front() {
                self.take_back(work);
            }
        }
    }

    fn take_back(&mut self, work: BatchInput) {
        self.outcomes.extend(work.outcomes);
        work.hints.into_iter().for_each(|saga| self.hint(saga));
    }

    fn hint(&mut self, saga: SagaId) {
        if self.hinted.insert(saga) {
            self.hints.push_back(saga);
        }
    }

    fn answered(&mut self, queue: Queue, outcome: Outcome) {
        self.in_flight -= 1;
        self.permits.give_back(queue);
        self.deps.stats.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.outcomes.push(outcome);
        // A permit is free again: the sagas that wait for one go first.
        let waiting = self.awaiting_permit.get_mut(&queue).and_then(BTreeSet::pop_first);
        if let Some(saga) = waiting
            && self.hinted.insert(saga)
        {
            self.hints.push_front(saga);
        }
    }

    /// The pending work, up to a full batch. What arrived for a saga in a running batch waits for its end.
    fn next_work(&mut self) -> BatchInput {
        self.close_providers();
        let batched = &self.batched;
        self.deferred
            .outcomes
            .extend(self.outcomes.extract_if(.., |outcome| batched.contains(&outcome.saga)));
        let outcomes_max = self.config.batch_max.min(self.outcomes.len());
        let outcomes: Vec<_> = self.outcomes.drain(..outcomes_max).collect();
        let room = self.config.batch_max - outcomes.len();
        let free = self.permits.free();
        let hints_max = room.min(free.max(HINTS_MIN)).min(self.hints.len());
        let mut hints: Vec<SagaId> = self.hints.drain(..hints_max).collect();
        for saga in &hints {
            self.hinted.remove(saga);
        }
        self.deferred.hints.extend(hints.extract_if(.., |saga| self.batched.contains(saga)));
        let mut due_max = 0;
        if tokio::time::Instant::now() >= self.next_sweep {
            self.next_sweep = tokio::time::Instant::now() + self.sweep_interval;
            due_max = room.saturating_sub(hints.len()).min(free.max(HINTS_MIN));
        }
        BatchInput { outcomes, hints, due_max, slots: self.permits.clone() }
    }

    /// Leaves calls to workers that can send them: to a provider that this one alone cannot reach (M17), and what its
    /// credentials alone do not allow (M18).
    fn close_providers(&self) {
        let breakers = self.config.circuit_breakers.iter();
        let mut away = breakers.filter(|(_, breaker)| breaker.leaves_calls_to_others()).peekable();
        let mut closed = self.caller.credentials.left_to_others();
        if away.peek().is_some() {
            // Not those that the others' credentials do not allow: each would leave them to the other.
            let elsewhere = away.flat_map(|(name, _)| self.caller.credentials.elsewhere(name));
            Arc::make_mut(&mut closed).extend(elsewhere);
        }
        self.permits.close_providers(closed);
    }

    /// Releases an ended batch and its sagas, and backs off if the database failed.
    fn ended(&mut self, batch: Result<(Vec<SagaId>, BatchOutcome), JoinError>) {
        // A batch is never aborted, so it can only have panicked, and there is no way to recover here.
        let (sagas, ran) = batch.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        for saga in sagas {
            self.batched.remove(&saga);
        }
        match self.settle(ran) {
            None => {
                self.deps.database.answered();
                self.backoff = BACKOFF.0;
            }
            Some(error) => {
                if matches!(error, StoreError::Unavailable(_)) {
                    self.caller.shop.look_again();
                }
                self.deps.stats.failed.fetch_add(1, Ordering::Relaxed);
                tracing::warn!("a batch failed and will be retried in {:?}: {error}", self.backoff);
                self.resume_at = tokio::time::Instant::now() + self.backoff;
                self.backoff = (self.backoff * 2).min(BACKOFF.1);
            }
        }
        let deferred = std::mem::take(&mut self.deferred);
        self.take_back(deferred);
    }

    /// Starts no new calls, lets those in flight end, and commits their outcomes.
    async fn drain(mut self) -> usize {
        let deadline = tokio::time::Instant::now() + self.config.drain_timeout;
        while let Some(batch) = self.batches.join_next().await {
            self.ended(batch);
        }
        loop {
            for (_, work) in std::mem::take(&mut self.retry_later) {
                self.outcomes.extend(work.outcomes);
            }
            if self.in_flight == 0 && self.outcomes.is_empty() {
                return 0;
            }
            if self.outcomes.is_empty() {
                tokio::select! {
                    Some((queue, outcome)) = self.outcomes_in.recv() => self.answered(queue, outcome),
                    () = sleep_until(deadline) => return self.in_flight,
                }
            }
            self.collect();
            self.hints.clear();
            self.hinted.clear();
            let outcomes = std::mem::take(&mut self.outcomes);
            let ran = self
                .engine
                .run(BatchInput { outcomes, ..BatchInput::default() }, &self.commit_failures)
                .await;
            if self.settle(ran).is_some() {
                if tokio::time::Instant::now() >= deadline {
                    return self.in_flight;
                }
                sleep(BACKOFF.0).await;
            }
        }
    }
}
