//! The batch executor: whatever is pending when the last commit returns forms the next batch.
//!
//! At low load a batch is one saga, and the hint is all the latency there is. Under load it is as
//! many as fit, and they share a commit; a second batch then plans while the first one is in the database.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use holdfast_saga::engine::batch::{
    BatchInput, BatchOutcome, CallPermits, CommitFailures, Committed, Engine,
};
use holdfast_saga::ports::{Dispatch, Gateways, Hint, StoreError};
use holdfast_saga::records::call::{Answer, Outcome};
use holdfast_shared::{Queue, SagaId};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, sleep_until};

use crate::calls::carry_out;
use crate::config::{WorkerConfig, WorkerStats};
use crate::metrics::Metrics;
use crate::queue::Poll;

/// A saga that was locked by somebody else is looked at again this much later.
const LOCKED_AGAIN: Duration = Duration::from_millis(10);
/// A saga whose commit was refused while it was alone in its batch is tried again this much later.
const REFUSED_AGAIN: Duration = Duration::from_millis(500);
/// Waits between batches while the database does not answer.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));
/// Even without a free slot some hints are looked at: a signal needs no slot.
const HINTS_MIN: usize = 16;
/// A sweep that finds nothing makes the next one wait twice as long, up to so many times as long as usual: hints tell
/// what is new, and a timer may be late by as much.
const REST_MAX: u32 = 5;
/// Batches at once. While one waits for the database another one plans; a third would only wait with them.
const CONCURRENT_BATCHES: usize = 2;
/// A second batch begins beside another one only with this part of a full one: small ones cost more commits
/// than their waiting is worth.
const SECOND_LANE_PART: usize = 4;

/// Whom an executor tells what it does.
pub(crate) struct ExecutorDeps {
    pub(crate) stats: Arc<WorkerStats>,
    pub(crate) metrics: Metrics,
    /// Where sagas go on that other workers serve.
    pub(crate) dispatch: Arc<dyn Dispatch>,
    /// Whether the database answers.
    pub(crate) database: Poll,
}

pub(crate) struct Executor {
    engine: Arc<Engine>,
    commit_failures: Arc<CommitFailures>,
    outside: Gateways,
    config: WorkerConfig,
    around: ExecutorDeps,
    intake: mpsc::Receiver<SagaId>,
    stop: watch::Receiver<bool>,
    outcomes_in: mpsc::UnboundedReceiver<(Queue, Outcome)>,
    outcomes_out: mpsc::UnboundedSender<(Queue, Outcome)>,
    /// Batches under way, with the sagas each was given.
    batches: JoinSet<(Vec<SagaId>, BatchOutcome)>,
    /// All of those sagas: none is in two batches.
    batched: BTreeSet<SagaId>,
    /// What came for them meanwhile.
    meanwhile: BatchInput,
    /// Sagas to look at, each once however often it was hinted at.
    hints: VecDeque<SagaId>,
    hinted: BTreeSet<SagaId>,
    /// Answers that are not committed yet. Never dropped while this process lives.
    outcomes: Vec<Outcome>,
    /// Calls that may be begun.
    slots: CallPermits,
    /// Calls in flight.
    in_flight: usize,
    /// Sagas before a call for which there was no slot.
    awaiting_permit: BTreeMap<Queue, BTreeSet<SagaId>>,
    /// What is worth another look a little later: sagas that somebody else had locked, and work whose
    /// commit the database refused. Outcomes among it are never dropped while this process lives.
    later: VecDeque<(Instant, BatchInput)>,
    next_sweep: tokio::time::Instant,
    /// How long it is to the one after it.
    rest: Duration,
    /// While the database does not answer, nothing is begun before this instant, and each wait is longer.
    resume_at: tokio::time::Instant,
    backoff: Duration,
}

impl Executor {
    pub(crate) fn new(
        engine: Engine,
        outside: Gateways,
        config: WorkerConfig,
        around: ExecutorDeps,
        intake: mpsc::Receiver<SagaId>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        // Bounded by the slots: only a call in flight can send, and each sends once.
        let (outcomes_out, outcomes_in) = mpsc::unbounded_channel();
        let slots = config.pools.iter().map(|(queue, slots)| (*queue, *slots)).collect();
        let now = tokio::time::Instant::now();
        let rest = config.sweep_every;
        Self {
            engine: Arc::new(engine),
            commit_failures: Arc::default(),
            outside,
            config,
            around,
            intake,
            stop,
            outcomes_in,
            outcomes_out,
            batches: JoinSet::new(),
            batched: BTreeSet::new(),
            meanwhile: BatchInput::default(),
            hints: VecDeque::new(),
            hinted: BTreeSet::new(),
            outcomes: Vec::new(),
            slots,
            in_flight: 0,
            awaiting_permit: BTreeMap::new(),
            later: VecDeque::new(),
            next_sweep: now,
            rest,
            resume_at: now,
            backoff: BACKOFF.0,
        }
    }

    /// Runs until it is told to stop, then lets calls in flight end and commits their outcomes. Returns
    /// how many calls were still in flight when the drain timeout cut them off: their leases run out.
    pub(crate) async fn run(mut self) -> usize {
        while !*self.stop.borrow() {
            self.collect();
            while self.may_begin() {
                let work = self.next_work();
                self.begin(work);
            }
            self.wait_for_work().await;
        }
        self.drain().await
    }

    /// Whether there is a lane free and enough to do for it.
    fn may_begin(&self) -> bool {
        let now = tokio::time::Instant::now();
        if now < self.resume_at {
            return false;
        }
        let pending = self.hints.len() + self.outcomes.len();
        match self.batches.len() {
            0 => pending > 0 || now >= self.next_sweep,
            lanes => {
                lanes < CONCURRENT_BATCHES && pending >= self.config.batch_max.div_ceil(SECOND_LANE_PART)
            }
        }
    }

    /// Runs a batch in a lane of its own, so that its work here overlaps another one's in the database.
    fn begin(&mut self, work: BatchInput) {
        let sagas: Vec<_> =
            work.outcomes.iter().map(|outcome| outcome.saga).chain(work.hints.iter().copied()).collect();
        self.batched.extend(&sagas);
        let (engine, commit_failures) = (Arc::clone(&self.engine), Arc::clone(&self.commit_failures));
        self.batches.spawn(async move { (sagas, engine.run(work, &commit_failures).await) });
    }

    /// Waits until a batch, a hint, an outcome, the next sweep or the end.
    async fn wait_for_work(&mut self) {
        let pending = !self.hints.is_empty() || !self.outcomes.is_empty();
        let idle = if pending { self.resume_at } else { self.next_sweep.max(self.resume_at) };
        // While a batch runs, what is due waits for its end.
        let idle = self.batches.is_empty().then_some(idle);
        let later = self.later.front().map(|(at, _)| tokio::time::Instant::from_std(*at));
        let timer = later.into_iter().chain(idle).min();
        let open = self.batches.len() < CONCURRENT_BATCHES;
        let room = open && self.hints.len() < self.config.batch_max;
        let (mut ended, mut answered, mut hinted) = (None, None, None);
        tokio::select! {
            biased;
            // Nobody left to say it is no reason to stop: the leases are still served.
            Ok(_) = self.stop.wait_for(|stop| *stop) => {}
            Some(batch) = self.batches.join_next() => ended = Some(batch),
            outcome = self.outcomes_in.recv(), if open => answered = outcome,
            Some(saga) = self.intake.recv(), if room => hinted = Some(saga),
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

    /// Takes in whatever else has come meanwhile.
    fn collect(&mut self) {
        while let Ok((queue, outcome)) = self.outcomes_in.try_recv() {
            self.answered(queue, outcome);
        }
        while self.hints.len() < self.config.batch_max {
            let Ok(saga) = self.intake.try_recv() else { break };
            self.hint(saga);
        }
        while self.later.front().is_some_and(|(at, _)| *at <= Instant::now()) {
            if let Some((_, work)) = self.later.pop_front() {
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
        self.slots.give_back(queue);
        self.around.stats.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.outcomes.push(outcome);
        // A slot is free again: sagas that waited for one go first.
        let waiting = self.awaiting_permit.get_mut(&queue).and_then(BTreeSet::pop_first);
        if let Some(saga) = waiting
            && self.hinted.insert(saga)
        {
            self.hints.push_front(saga);
        }
    }

    /// What is pending, as far as it fits. What came for a saga in another batch waits for that batch's end.
    fn next_work(&mut self) -> BatchInput {
        let batched = &self.batched;
        self.meanwhile
            .outcomes
            .extend(self.outcomes.extract_if(.., |outcome| batched.contains(&outcome.saga)));
        let outcomes_max = self.config.batch_max.min(self.outcomes.len());
        let outcomes: Vec<_> = self.outcomes.drain(..outcomes_max).collect();
        let room = self.config.batch_max - outcomes.len();
        let free = self.slots.free();
        let hints_max = room.min(free.max(HINTS_MIN)).min(self.hints.len());
        let mut hints: Vec<SagaId> = self.hints.drain(..hints_max).collect();
        for saga in &hints {
            self.hinted.remove(saga);
        }
        self.meanwhile.hints.extend(hints.extract_if(.., |saga| self.batched.contains(saga)));
        let mut due_max = 0;
        if tokio::time::Instant::now() >= self.next_sweep {
            self.next_sweep = tokio::time::Instant::now() + self.rest;
            due_max = room.saturating_sub(hints.len()).min(free.max(HINTS_MIN));
        }
        BatchInput { outcomes, hints, due_max, slots: self.slots.clone() }
    }

    /// Frees the lane of a batch and its sagas, and waits a while if the database was at fault.
    fn ended(&mut self, batch: Result<(Vec<SagaId>, BatchOutcome), JoinError>) {
        // Nobody aborts a batch, so it can only have panicked, and nothing here knows how to go on.
        let (sagas, ran) = batch.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        for saga in sagas {
            self.batched.remove(&saga);
        }
        match self.settle(ran) {
            None => {
                self.around.database.answered();
                self.backoff = BACKOFF.0;
            }
            Some(error) => {
                WorkerStats::add(&self.around.stats.failed, 1);
                tracing::warn!("a batch is tried again in {:?}: {error}", self.backoff);
                self.resume_at = tokio::time::Instant::now() + self.backoff;
                self.backoff = (self.backoff * 2).min(BACKOFF.1);
            }
        }
        let meanwhile = std::mem::take(&mut self.meanwhile);
        self.take_back(meanwhile);
    }

    /// Takes in what came of a batch, and begins its calls.
    fn settle(&mut self, ran: BatchOutcome) -> Option<StoreError> {
        for done in ran.committed {
            self.begin_calls(done);
        }
        let again = Instant::now() + REFUSED_AGAIN;
        // Without an error of the whole batch it was one row's fault: it waits, the others go on.
        for work in ran.not_committed {
            if ran.error.is_some() {
                self.take_back(work);
            } else {
                self.later.push_back((again, work));
            }
        }
        ran.error
    }

    fn begin_calls(&mut self, done: Committed) {
        self.around.metrics.committed(&done);
        WorkerStats::add(&self.around.stats.batches, 1);
        WorkerStats::add(&self.around.stats.claimed, done.claimed);
        WorkerStats::add(&self.around.stats.moved, done.moved.len());
        WorkerStats::add(
            &self.around.stats.settled,
            done.moved.iter().filter(|moved| moved.state.is_settled()).count(),
        );
        WorkerStats::add(&self.around.stats.late, done.late);
        WorkerStats::add(&self.around.stats.calls, done.calls.len());
        WorkerStats::add(&self.around.stats.in_flight, done.calls.len());
        self.around.stats.batch_largest.fetch_max(done.claimed as u64, Ordering::Relaxed);
        let again = Instant::now() + LOCKED_AGAIN;
        if !done.locked.is_empty() {
            self.later.push_front((again, BatchInput { hints: done.locked, ..BatchInput::default() }));
        }
        let mut elsewhere = Vec::new();
        for (saga, queue) in done.awaiting_permit {
            match self.config.pools.get(&queue) {
                Some(0) => {}
                Some(_) => {
                    self.awaiting_permit.entry(queue).or_default().insert(saga);
                }
                None => elsewhere.push(Hint { saga, queue }),
            }
        }
        self.around.dispatch.wake(&elsewhere);
        let now = tokio::time::Instant::now();
        if done.claimed == 0 {
            self.rest = (self.rest * 2).min(self.config.sweep_every * REST_MAX);
        } else {
            self.rest = self.config.sweep_every;
            self.next_sweep = self.next_sweep.min(now + self.rest);
        }
        // A full sweep may have left some behind: the next one follows at once.
        if done.claimed >= self.config.batch_max {
            self.next_sweep = now;
        }
        for call in done.calls {
            let queue = call.queue;
            self.in_flight += 1;
            let outside = self.outside.clone();
            let answers = self.outcomes_out.clone();
            let (lease, timeout) = (self.config.lease, self.config.call_timeout);
            let (metrics, since) = (self.around.metrics.clone(), Instant::now());
            let (definition, circuit_breaker) = (call.definition, self.config.circuit_breaker.clone());
            tokio::spawn(async move {
                let outcome = carry_out(call, outside, done.leased_at, lease, timeout, circuit_breaker).await;
                // What was not sent took no time.
                if !matches!(outcome.answer, Answer::NotSent | Answer::NotNow { .. }) {
                    metrics.called(definition, outcome.step, since.elapsed());
                }
                // The executor outlives its calls, or the lease does.
                let _ = answers.send((queue, outcome));
            });
        }
    }

    /// No new calls; those in flight may end, and what they achieved is committed.
    async fn drain(mut self) -> usize {
        let deadline = tokio::time::Instant::now() + self.config.drain_timeout;
        while let Some(batch) = self.batches.join_next().await {
            self.ended(batch);
        }
        loop {
            for (_, work) in std::mem::take(&mut self.later) {
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
