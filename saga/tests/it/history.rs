//! One random history of a shop: what its workers, its customers and the world did, and in the end
//! the judgement. Everything in it follows from the seed.

mod judgement;
mod people;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use holdfast_saga::engine::batch::BatchInput;
use holdfast_saga::engine::execute_call::execute_call;
use holdfast_saga::engine::registry::Registry;
use holdfast_saga::flows;
use holdfast_saga::ports::{
    Channels, ErrorClass, Gateways, NotificationChannel, Participant, PaymentProvider, Providers, Store,
};
use holdfast_saga::records::call::{Answer, Call, Outcome};
use holdfast_saga::records::saga::Saga;
use holdfast_saga::records::slot;
use holdfast_saga::shop::checkout::CheckoutRequest;
use holdfast_saga::shop::order::Verb;
use holdfast_sandbox::MemorySandbox;
use holdfast_shared::{Clock, OrderId, SagaId, Time};
use holdfast_test_bank::{LocalWire, Weather};

use crate::chaos::{Dice, Forgetful, Meddled, OnClaim, Road};
use crate::shop::{LEASE, Parts, QUEUES, Shop, bank, bank_provider};

/// No worker's call lives longer than this, however slow its process: its timeout runs on a clock of its own.
const FLIGHT_MAX: Duration = Duration::from_hours(1);
/// Where a payment cannot be closed, or a request is not known by its key, what is on its way counts as arrived after a
/// while: a call must not be sent later.
const BANK_FLIGHT_MAX: Duration = Duration::from_mins(1);

/// Makes a provider, of whose requests so many of a hundred meet with a mishap.
type Provider = fn(Arc<Dice>, usize) -> Arc<dyn PaymentProvider>;

/// The rules a history is played by. The honest ones, or with one of them broken.
#[derive(Clone)]
pub(crate) struct Rules {
    pub(crate) registry: Registry,
    /// Outcomes are given the fence that their saga has by now.
    pub(crate) forge_fences: bool,
    pub(crate) on_claim: Arc<OnClaim>,
    pub(crate) payments: fn(Arc<dyn PaymentProvider>) -> Arc<dyn PaymentProvider>,
    /// Another provider in the place of the sandbox.
    pub(crate) provider: Option<Provider>,
    /// Whether the second provider takes the money, which must open payments and cannot close them.
    pub(crate) at_the_bank: bool,
    /// A service of the shop's that takes part in the checkouts, where the registry has a step for one.
    pub(crate) participant: Option<fn() -> Arc<dyn JudgedParticipant>>,
    /// In the end the provider reports on every charge that holds money, as providers do sooner or later.
    pub(crate) reports: bool,
}

impl Rules {
    pub(crate) fn honest() -> Self {
        Self {
            registry: flows::REGISTRY,
            forge_fences: false,
            on_claim: Arc::new(|_| ()),
            payments: |provider| provider,
            provider: None,
            at_the_bank: false,
            participant: None,
            reports: false,
        }
    }

    /// Honest rules, with the second provider.
    pub(crate) fn at_the_bank() -> Self {
        Self { at_the_bank: true, ..Self::honest() }
    }

    /// Honest rules, with a provider that forgets what it was asked to void: money can really be late.
    pub(crate) fn forgetful() -> Self {
        Self { payments: |provider| Arc::new(Forgetful(provider)), reports: true, ..Self::honest() }
    }
}

/// A participant that is judged in the end.
pub(crate) trait JudgedParticipant: Participant {
    /// What is wrong with what it did for `order`, whose checkout has ended.
    fn wrong(&self, order: OrderId, checkout: &Saga) -> Option<String>;
}

/// What became of a history.
pub(crate) struct HistoryReport {
    /// What happened, line by line, if it was asked for.
    pub(crate) log: Vec<String>,
    /// What is wrong with it; empty when every promise was kept.
    pub(crate) wrong: Vec<String>,
    /// How many orders it had, and how many came to stand.
    pub(crate) orders: (usize, usize),
}

/// A call on its way, at whatever place it has come to.
struct Flight {
    call: Call,
    answer: Pin<Box<dyn Future<Output = Answer> + Send>>,
    began_at: Time,
    left: bool,
}

#[derive(Default)]
struct Worker {
    flights: Vec<Flight>,
    outcomes: Vec<Outcome>,
}

struct History {
    dice: Arc<Dice>,
    shop: Shop,
    door: Meddled,
    rules: Rules,
    participant: Option<Arc<dyn JudgedParticipant>>,
    workers: Vec<Worker>,
    requests: Vec<CheckoutRequest>,
    orders: Vec<OrderId>,
    hints: Vec<SagaId>,
    promises: Vec<(OrderId, Verb)>,
    /// Refunds that were promised, in minor units.
    gifts: Vec<(OrderId, i64)>,
    log: Option<Vec<String>>,
    wrong: Vec<String>,
}

/// Plays the history of `seed`.
pub(crate) async fn play(seed: u64, rules: &Rules, tell: bool) -> HistoryReport {
    let mut history = History::begin(seed, rules, tell).await;
    // A payment at the bank takes twice the requests.
    let events = if rules.at_the_bank { 80 + history.dice.below(240) } else { 20 + history.dice.below(100) };
    for _ in 0..events {
        history.happen().await;
        if !history.wrong.is_empty() {
            break;
        }
    }
    if history.wrong.is_empty() {
        history.end().await;
    }
    if history.wrong.is_empty() {
        history.judge().await;
    }
    let mut standing = 0;
    for order in &history.orders {
        standing += usize::from(history.shop.view(*order).await.order.status.stands());
    }
    let orders = (history.orders.len(), standing);
    HistoryReport { log: history.log.unwrap_or_default(), wrong: history.wrong, orders }
}

impl History {
    async fn begin(seed: u64, rules: &Rules, tell: bool) -> Self {
        let dice = Dice::new(seed);
        let storm = [0, 10, 30][dice.below(3)];
        let busy = [0, 2, 10][dice.below(3)];
        let mut parts = Parts::honest();
        let clock = Arc::clone(&parts.clock) as Arc<dyn Clock>;
        let weather = Arc::clone(&dice);
        parts.sandbox = Arc::new(MemorySandbox::new(clock).in_weather(move |_| weather.sky(storm)));
        let provider = if let Some(provider) = rules.provider {
            provider(Arc::clone(&dice), storm)
        } else if rules.at_the_bank {
            let (weather, pending, lag) = (Arc::clone(&dice), dice.chance(30), dice.below(300) as u64);
            let bank = bank().with_list_lag(Duration::from_secs(lag));
            let bank = if pending { bank.with_pending_refunds() } else { bank };
            let wire = LocalWire::new(bank, Arc::clone(&parts.clock) as Arc<dyn Clock>);
            let wire = Arc::new(wire.in_weather(move |asked| match asked.path.as_str() {
                "/movements" => Weather::Clear,
                _ => weather.weather(storm),
            }));
            parts.bank = Some(Arc::clone(&wire));
            bank_provider(&wire)
        } else {
            Arc::clone(&parts.sandbox) as Arc<dyn PaymentProvider>
        };
        let payments = (rules.payments)(provider);
        let notifier = Arc::clone(&parts.notices) as Arc<dyn NotificationChannel>;
        let (mishaps, road) = (storm, Arc::clone(&dice));
        parts.auditors = Some(Providers::of(Arc::clone(&payments)));
        parts.outside = Gateways::new(
            Providers::of(Arc::new(Road { to: payments, dice: Arc::clone(&dice), mishaps })),
            Channels::of(Arc::new(Road { to: notifier, dice: road, mishaps })),
        );
        let participant = rules.participant.map(|make| make());
        parts.outside.participants = participant
            .iter()
            .map(|to| Road { to: Arc::clone(to), dice: Arc::clone(&dice), mishaps })
            .map(|participant| Arc::new(participant) as Arc<dyn Participant>)
            .collect();
        let mut door = Meddled::unreliable(parts.memory.clone(), Arc::clone(&dice), busy);
        door.on_claim = Arc::clone(&rules.on_claim);
        parts.store = Arc::new(door.clone());
        parts.registry = rules.registry;
        let mut shop = Shop::of(parts).await;
        let scarce = dice.below(6);
        shop.stock("cd-3", i64::try_from(scarce).unwrap_or(0)).await;
        let workers = (0..=dice.below(3)).map(|_| Worker::default()).collect();
        let mut history = Self {
            dice,
            shop,
            door,
            rules: rules.clone(),
            participant,
            workers,
            requests: Vec::new(),
            orders: Vec::new(),
            hints: Vec::new(),
            promises: Vec::new(),
            gifts: Vec::new(),
            log: tell.then(Vec::new),
            wrong: Vec::new(),
        };
        for _ in 0..=history.dice.below(4) {
            history.check_out().await;
        }
        history
    }

    fn tell(&mut self, line: impl FnOnce() -> String) {
        let now = self.shop.clock.now();
        if let Some(log) = &mut self.log {
            log.push(format!("{now} {}", line()));
        }
    }

    async fn happen(&mut self) {
        let worker = self.dice.below(self.workers.len());
        match self.dice.below(100) {
            0..30 => self.run_batch(worker).await,
            30..62 => self.fly(worker),
            62..70 => {
                let step = Duration::from_millis(u64::try_from(self.dice.below(2_000)).unwrap_or(0));
                self.move_clock(|now| now + step);
            }
            70..75 => {
                if let Some(due) = self.shop.next_due().await {
                    self.move_clock(|now| now.max(due));
                }
            }
            75..78 => self.move_clock(|now| now + LEASE + Duration::from_millis(1)),
            78 => self.move_clock(|now| now - Duration::from_secs(45)),
            79..82 => self.crash(worker),
            82..84 => self.time_out(worker),
            84..88 => self.ask().await,
            88..90 => self.give().await,
            90..93 => self.buyer_acts().await,
            // Where money can be late, reports are true: a false one would be looked into once, in vain.
            93..95 if !self.rules.reports => self.event().await,
            95..97 => self.operate().await,
            97 => self.restock().await,
            _ => self.check_out().await,
        }
        self.look_around().await;
    }

    // --- workers ---------------------------------------------------------------------------

    async fn run_batch(&mut self, at: usize) {
        let mut outcomes = Vec::new();
        for outcome in std::mem::take(&mut self.workers[at].outcomes) {
            // Heard twice, or not yet.
            match self.dice.below(10) {
                0 => self.workers[at].outcomes.push(outcome),
                1 => {
                    self.workers[at].outcomes.push(outcome.clone());
                    outcomes.push(outcome);
                }
                2 => outcomes.extend([outcome.clone(), outcome]),
                _ => outcomes.push(outcome),
            }
        }
        // Hints may be lost or doubled, and may be about anybody.
        let mut hints = Vec::new();
        for hint in std::mem::take(&mut self.hints) {
            if self.dice.chance(50) {
                hints.extend([hint, hint]);
            }
        }
        if let (Some(order), true) = (self.dice.pick(&self.orders), self.dice.chance(20)) {
            hints.push(order.saga(slot::CHECKOUT));
        }
        let slots = QUEUES.iter().map(|queue| (*queue, self.dice.below(4))).collect();
        self.run(at, BatchInput { outcomes, hints, due_max: self.dice.below(6), slots }).await;
    }

    async fn run(&mut self, at: usize, mut work: BatchInput) {
        if self.rules.forge_fences {
            for outcome in &mut work.outcomes {
                let saga = self.shop.memory.saga(outcome.saga).await.expect("memory reads");
                outcome.fence = saga.map_or(outcome.fence, |saga| saga.fence);
            }
        }
        let given = (work.outcomes.len(), work.hints.len());
        let ran = self.shop.engine(&format!("w{at}")).run(work, &self.shop.commit_failures).await;
        for work in ran.not_committed {
            self.workers[at].outcomes.extend(work.outcomes);
        }
        if let Some(error) = ran.error {
            self.tell(|| format!("w{at} batch of {given:?}: {error}"));
            // The weather of this shop, and nothing else.
            if error.class() == ErrorClass::Halve {
                self.wrong.push(format!("a batch failed: {error}"));
            }
        }
        for done in ran.committed {
            let moved: Vec<_> = done.moved.iter().map(|moved| (moved.saga, &moved.entries)).collect();
            let (late, calls) = (done.late, done.calls.len());
            self.tell(|| format!("w{at} batch of {given:?}: {late} late, {calls} calls, {moved:?}"));
            self.hints.extend(done.awaiting_permit.iter().map(|(saga, _)| *saga));
            if self.dice.mishap(5) {
                self.tell(|| format!("w{at} dies after the commit"));
                self.workers[at] = Worker::default();
                continue;
            }
            let now = self.shop.clock.now();
            for call in done.calls {
                let outside = self.shop.outside.clone();
                let asked = call.clone();
                let answer = Box::pin(async move { execute_call(&asked, &outside).await });
                self.workers[at].flights.push(Flight { call, answer, began_at: now, left: false });
            }
        }
    }

    /// One call of this worker goes one step further.
    fn fly(&mut self, at: usize) {
        if self.workers[at].flights.is_empty() {
            return;
        }
        let index = self.dice.below(self.workers[at].flights.len());
        let flight = &mut self.workers[at].flights[index];
        flight.left = true;
        if let Poll::Ready(answer) = flight.answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            let flight = self.workers[at].flights.swap_remove(index);
            self.tell(|| format!("w{at} hears of {} {:?}: {answer:?}", flight.call.key, flight.call.mode));
            self.workers[at].outcomes.push(flight.call.outcome(answer));
        }
    }

    /// Everything the worker had in hand is gone; what it had sent may arrive.
    fn crash(&mut self, at: usize) {
        let (flights, outcomes) = (self.workers[at].flights.len(), self.workers[at].outcomes.len());
        self.tell(|| format!("w{at} dies with {flights} calls and {outcomes} answers"));
        self.workers[at] = Worker::default();
    }

    /// The worker stops waiting for a call; or it has not sent it, because it was stopping or held it back.
    fn time_out(&mut self, at: usize) {
        let Some(flight) = self.workers[at].flights.pop() else { return };
        let answer = match (flight.left, self.dice.below(2)) {
            (true, _) => Answer::Unknown { error: "timed out".to_owned() },
            (false, 0) => Answer::NotSent,
            (false, _) => {
                let retry_in = Duration::from_secs(1 + self.dice.below(3_600) as u64);
                let retry_in = (self.dice.below(2) == 0).then_some(retry_in);
                Answer::NotNow { retry_in, why: "the provider is given a rest".to_owned() }
            }
        };
        self.tell(|| format!("w{at} gives up on {}: {answer:?}", flight.call.key));
        self.workers[at].outcomes.push(flight.call.outcome(answer));
    }

    fn move_clock(&mut self, to: impl FnOnce(Time) -> Time) {
        let to = to(self.shop.clock.now());
        self.shop.clock.set(to);
        self.tell(|| "the clock was moved".to_owned());
        for worker in &mut self.workers {
            let flight_max = if self.rules.at_the_bank || self.rules.provider.is_some() {
                BANK_FLIGHT_MAX
            } else {
                FLIGHT_MAX
            };
            worker.flights.retain(|flight| to.since(flight.began_at) < flight_max);
        }
    }
}
