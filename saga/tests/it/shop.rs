//! A small shop: the memory store, a clock of its own, the sandbox provider, a channel that
//! remembers, and a driver that runs batches until nothing is due any more.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use holdfast_saga::engine::batch::{BatchInput, CommitFailures, Committed, Engine};
use holdfast_saga::engine::execute_call::execute_call;
use holdfast_saga::engine::registry::Registry;
use holdfast_saga::flows;
use holdfast_saga::memory::MemoryStore;
use holdfast_saga::operations::audit::{Audit, Report, Scope};
use holdfast_saga::operations::audit_run;
use holdfast_saga::operations::dead_letter::DeadLetterAction;
use holdfast_saga::operations::dead_letter::resolve;
use holdfast_saga::operations::dead_letter::resolve::act;
use holdfast_saga::ports::{
    Channels, Fault, Gateways, Movement, NotificationChannel, PaymentProvider, ProviderAmounts, Providers,
    Store,
};
use holdfast_saga::records::audit_fact::{Fact, OrderFact};
use holdfast_saga::records::batch_rows::{Footprint, World, Writes};
use holdfast_saga::records::call::{Call, Outcome};
use holdfast_saga::records::context::{Notice, NoticeKind, Origin};
use holdfast_saga::records::history::Entry;
use holdfast_saga::records::saga::Saga;
use holdfast_saga::records::signal::{NewSignal, SignalBody};
use holdfast_saga::records::slot;
use holdfast_saga::records::view::{OrderView, SagaFilter};
use holdfast_saga::records::{Cart, CartItem, Product, Refund, StockAdjustment, StockMove};
use holdfast_saga::shop::answer::{Answered, Conflict};
use holdfast_saga::shop::checkout::{self, AcceptPolicy, CheckoutRequest, PaymentRoute, digest};
use holdfast_saga::shop::order::{self, Grant, Verb};
use holdfast_saga::shop::payment_event::payment_event;
use holdfast_sandbox::{MemorySandbox, SandboxControl};
use holdfast_shared::{
    Actor, Address, CartId, CartStatus, Clock, Contact, Currency, Ids, ManualClock, Money, OrderId,
    PaymentMethod, Queue, SagaId, SagaState, SeededIds, Sku, StepKey, Time,
};
use holdfast_test_bank::{Bank, BankProvider, LocalWire};

/// Longer than any call: half of it is the longest call timeout.
pub(crate) const LEASE: Duration = Duration::from_secs(30);
/// A loop that has not come to rest by now never will.
const ROUNDS_MAX: usize = 20_000;

/// The instant every test begins at.
pub(crate) fn noon() -> Time {
    Time::from_micros(1_700_000_000_000_000)
}

/// All four pools, in order.
pub(crate) const QUEUES: [Queue; 4] =
    [Queue::Checkout, Queue::Compensation, Queue::PaymentEvents, Queue::Notifications];

/// A channel that remembers what it sent, and fails on demand.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    sent: Mutex<Vec<(SagaId, NoticeKind)>>,
    faults: Mutex<Vec<Fault>>,
}

impl Notices {
    /// What was sent, in order.
    pub(crate) fn sent(&self) -> Vec<(SagaId, NoticeKind)> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The next sends fail with these, the last one first.
    pub(crate) fn fail_with(&self, faults: Vec<Fault>) {
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner) = faults;
    }
}

#[async_trait]
impl NotificationChannel for Notices {
    fn name(&self) -> &'static str {
        "log"
    }

    async fn send(&self, _key: &StepKey, id: SagaId, notice: &Notice) -> Result<(), Fault> {
        if let Some(fault) = self.faults.lock().unwrap_or_else(PoisonError::into_inner).pop() {
            return Err(fault);
        }
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).push((id, notice.notice));
        Ok(())
    }
}

/// What the shop is made of. Tests that break a rule swap a part.
pub(crate) struct Parts {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) memory: MemoryStore,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) sandbox: Arc<MemorySandbox>,
    /// The second provider, where the shop's money goes to that one.
    pub(crate) bank: Option<Arc<LocalWire>>,
    pub(crate) outside: Gateways,
    /// The providers as an auditor asks them, where that is another way than a worker's.
    pub(crate) auditors: Option<Providers>,
    pub(crate) notices: Arc<Notices>,
    pub(crate) registry: Registry,
}

/// The credentials of the shop at the bank.
pub(crate) const BANK_KEY: &str = "key_1";
/// How long the bank remembers a key.
pub(crate) const BANK_KEY_TTL: Duration = Duration::from_hours(24);

/// A bank that knows the shop.
pub(crate) fn bank() -> Bank {
    Bank::new(BANK_KEY_TTL).with_account(BANK_KEY, "acct_1", false)
}

/// The bank, as the shop asks it.
pub(crate) fn bank_provider(wire: &Arc<LocalWire>) -> Arc<dyn PaymentProvider> {
    Arc::new(BankProvider::new(Arc::clone(wire) as _, BANK_KEY, BANK_KEY_TTL))
}

impl Parts {
    /// An honest shop under a clear sky.
    pub(crate) fn honest() -> Self {
        let clock = Arc::new(ManualClock::new(noon()));
        let memory = MemoryStore::new(Arc::clone(&clock) as Arc<dyn Clock>);
        let sandbox = Arc::new(MemorySandbox::new(Arc::clone(&clock) as Arc<dyn Clock>));
        let notices = Arc::new(Notices::default());
        let payments = Arc::clone(&sandbox) as Arc<dyn PaymentProvider>;
        let channel = Arc::clone(&notices) as Arc<dyn NotificationChannel>;
        Self {
            store: Arc::new(memory.clone()),
            outside: Gateways::new(Providers::of(payments), Channels::of(channel)),
            clock,
            memory,
            sandbox,
            bank: None,
            auditors: None,
            notices,
            registry: flows::REGISTRY,
        }
    }

    /// The same, and this bank takes the money.
    pub(crate) fn banking(bank: impl FnOnce(Arc<dyn Clock>) -> LocalWire) -> Self {
        let mut parts = Self::honest();
        let wire = Arc::new(bank(Arc::clone(&parts.clock) as Arc<dyn Clock>));
        parts.outside.payments = Providers::of(bank_provider(&wire));
        parts.bank = Some(wire);
        parts
    }
}

/// The shop.
pub(crate) struct Shop {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) memory: MemoryStore,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) sandbox: Arc<MemorySandbox>,
    pub(crate) bank: Option<Arc<LocalWire>>,
    pub(crate) notices: Arc<Notices>,
    pub(crate) outside: Gateways,
    auditors: Providers,
    pub(crate) registry: Registry,
    pub(crate) policy: AcceptPolicy,
    pub(crate) commit_failures: CommitFailures,
    /// How many workers take turns.
    pub(crate) workers: usize,
    turns: AtomicUsize,
    ids: SeededIds,
    requests: u32,
}

impl Shop {
    /// A shop of these parts, with ten of `cd-1` and of `cd-2` on the shelf.
    pub(crate) async fn of(parts: Parts) -> Self {
        let Parts { clock, memory, store, sandbox, bank, outside, auditors, notices, registry } = parts;
        let route = if bank.is_some() { holdfast_test_bank::route() } else { PaymentRoute::new("sandbox") };
        let policy = AcceptPolicy { hint_ahead: Duration::ZERO, ..AcceptPolicy::routed(&route) };
        let mut shop = Self {
            auditors: auditors.unwrap_or_else(|| outside.payments.clone()),
            outside,
            clock,
            memory,
            store,
            sandbox,
            bank,
            notices,
            registry,
            policy,
            commit_failures: CommitFailures::default(),
            workers: 1,
            turns: AtomicUsize::new(0),
            ids: SeededIds::new(1),
            requests: 0,
        };
        shop.stock("cd-1", 10).await;
        shop.stock("cd-2", 10).await;
        shop
    }

    /// An honest one.
    pub(crate) async fn open() -> Self {
        Self::of(Parts::honest()).await
    }

    /// Puts `pieces` of a product on the shelf, at 10.00 EUR each.
    pub(crate) async fn stock(&mut self, name: &str, pieces: i64) {
        self.stock_at(name, pieces, Money::new(1_000, Currency::EUR)).await;
    }

    /// The same at another price.
    pub(crate) async fn stock_at(&mut self, name: &str, pieces: i64, price: Money) {
        let sku = sku(name);
        let mut tx = self.memory.begin().await.expect("memory opens");
        let mut world = World::default();
        tx.load(&Footprint::default(), &mut world).await.expect("loads");
        let mut writes = Writes { at: world.now, ..Writes::default() };
        writes.stock.insert(sku.clone(), StockMove { on_hand: pieces, reserved: 0 });
        writes.adjustments.push(StockAdjustment {
            sku,
            delta: pieces,
            reason: "delivery".to_owned(),
            actor: "test".to_owned(),
            at: world.now,
        });
        tx.save(&writes).await.expect("stock is saved");
        self.price(name, price).await;
    }

    /// Sells a product at another price.
    pub(crate) async fn price(&mut self, name: &str, price: Money) {
        let product = Product { sku: sku(name), name: name.to_owned(), price, active: true };
        let mut writes = Writes { at: self.clock.now(), ..Writes::default() };
        writes.put_products.insert(sku(name), product);
        self.memory.begin().await.expect("memory opens").save(&writes).await.expect("the product is saved");
    }

    /// A guest's cart with these items.
    pub(crate) async fn cart(&mut self, items: &[(&str, u32)]) -> CartId {
        let now = self.clock.now();
        let id = self.ids.cart(now);
        let items = items.iter().map(|(name, quantity)| CartItem { sku: sku(name), quantity: *quantity });
        let cart = Cart {
            id,
            owner: None,
            status: CartStatus::Open,
            order: None,
            items: items.collect(),
            updated_at: now,
        };
        let mut writes = Writes { at: now, ..Writes::default() };
        writes.put_carts.insert(id, cart);
        self.memory.begin().await.expect("memory opens").save(&writes).await.expect("cart is saved");
        id
    }

    /// A request for `cart`, by card with `token` or, without one, cash on delivery.
    pub(crate) fn request(&mut self, cart: CartId, token: Option<&str>) -> CheckoutRequest {
        self.requests += 1;
        let key = self.requests.to_string();
        CheckoutRequest {
            key: digest(&["guest", &key]),
            body: digest(&[&cart.to_string(), token.unwrap_or("cod")]),
            cart,
            customer: None,
            method: if token.is_some() { PaymentMethod::Card } else { PaymentMethod::Cod },
            token: token.map(str::to_owned),
            contact: Contact { email: "buyer@example.org".to_owned(), phone: None },
            shipping_address: Address {
                name: "A. Buyer".to_owned(),
                line1: "Way 1".to_owned(),
                line2: None,
                city: "Springfield".to_owned(),
                region: None,
                postal_code: "1".to_owned(),
                country: "DE".to_owned(),
            },
            expected_total: None,
            notes: None,
            origin: Origin::default(),
            may_place: true,
        }
    }

    /// An accepted order for these items.
    pub(crate) async fn order_of(&mut self, items: &[(&str, u32)], token: Option<&str>) -> OrderId {
        let cart = self.cart(items).await;
        let request = self.request(cart, token);
        let answers =
            checkout::accept(&*self.store, &self.policy, &[request]).await.expect("the store answers");
        answers[0].as_ref().expect("the checkout is accepted").order
    }

    /// An accepted order for two of `cd-1` and one of `cd-2`, paid with `token`: 30.00 EUR.
    pub(crate) async fn card(&mut self, token: &str) -> OrderId {
        self.order_of(&[("cd-1", 2), ("cd-2", 1)], Some(token)).await
    }

    /// The same, cash on delivery.
    pub(crate) async fn cod(&mut self) -> OrderId {
        self.order_of(&[("cd-1", 2), ("cd-2", 1)], None).await
    }

    pub(crate) fn engine(&self, worker: &str) -> Engine {
        Engine {
            store: Arc::clone(&self.store),
            registry: self.registry,
            worker: worker.to_owned(),
            lease: LEASE,
            queues: QUEUES.to_vec(),
        }
    }

    /// One batch of everything due, with these outcomes; it is expected to be committed.
    pub(crate) async fn batch(&self, outcomes: Vec<Outcome>) -> Committed {
        self.batch_of(work(outcomes)).await
    }

    /// One batch; it is expected to be committed at once.
    pub(crate) async fn batch_of(&self, work: BatchInput) -> Committed {
        let turn = 1 + self.turns.fetch_add(1, Ordering::Relaxed) % self.workers;
        let mut ran = self.engine(&format!("w{turn}")).run(work, &self.commit_failures).await;
        assert!(ran.error.is_none() && ran.not_committed.is_empty(), "{ran:?}");
        assert_eq!(ran.committed.len(), 1, "{ran:?}");
        ran.committed.remove(0)
    }

    /// Carries a call out.
    pub(crate) async fn execute(&self, call: &Call) -> Outcome {
        call.outcome(execute_call(call, &self.outside).await)
    }

    /// Runs batches, and moves the clock to whatever is due next, until nothing is. Returns what was logged.
    pub(crate) async fn rest(&self) -> Vec<Entry> {
        self.run_until(None).await
    }

    /// The same, but never past `end`: what is due later waits.
    pub(crate) async fn run_until(&self, end: Option<Time>) -> Vec<Entry> {
        let mut outcomes = Vec::new();
        let mut entries = Vec::new();
        for _ in 0..ROUNDS_MAX {
            let given = outcomes.len();
            let done = self.batch(std::mem::take(&mut outcomes)).await;
            for call in &done.calls {
                outcomes.push(self.execute(call).await);
            }
            let is_idle = done.moved.is_empty() && given == 0 && outcomes.is_empty();
            entries.extend(done.moved.into_iter().flat_map(|moved| moved.entries));
            if is_idle {
                match self.next_due().await.filter(|at| end.is_none_or(|end| *at < end)) {
                    Some(at) => self.clock.set(at),
                    None => return entries,
                }
            }
        }
        panic!("the shop does not come to rest: {:#?}", self.sagas().await);
    }

    /// Runs batches as long as something is due right now: up to where everything waits for something.
    pub(crate) async fn rest_until_sent(&self) -> Vec<Entry> {
        self.run_until(Some(self.clock.now())).await
    }

    /// When something is due next, leases and all.
    pub(crate) async fn next_due(&self) -> Option<Time> {
        let due = |saga: &Saga| saga.wake_at.map(|at| at.max(saga.leased_until.unwrap_or(at)));
        self.sagas().await.iter().filter_map(due).min()
    }

    /// All sagas, newest first.
    pub(crate) async fn sagas(&self) -> Vec<Saga> {
        let filter = SagaFilter { limit: u32::MAX, ..SagaFilter::default() };
        self.memory.sagas(&filter).await.expect("memory reads")
    }

    pub(crate) async fn saga(&self, id: SagaId) -> Saga {
        self.memory.saga(id).await.expect("memory reads").expect("the saga exists")
    }

    /// The key of the order's charge in this generation.
    pub(crate) async fn charge(&self, order: OrderId, generation: u32) -> StepKey {
        self.key(order, "take_payment", generation).await
    }

    /// The key of a call of the order's checkout.
    pub(crate) async fn key(&self, order: OrderId, step: &str, generation: u32) -> StepKey {
        StepKey::new(&self.checkout(order).await.key_prefix, step, generation)
    }

    pub(crate) async fn checkout(&self, order: OrderId) -> Saga {
        self.saga(order.saga(slot::CHECKOUT)).await
    }

    pub(crate) async fn view(&self, order: OrderId) -> OrderView {
        self.memory.order(order).await.expect("memory reads").expect("the order exists")
    }

    /// What the histories of all sagas of `order` say, saga by saga.
    pub(crate) async fn history(&self, order: OrderId) -> Vec<Entry> {
        let mut entries = Vec::new();
        for saga in self.memory.sagas_of(order).await.expect("memory reads") {
            let rows = self.memory.log(saga.id).await.expect("memory reads");
            entries.extend(rows.into_iter().flat_map(|row| row.entries));
        }
        entries
    }

    pub(crate) async fn level(&self, name: &str) -> (i64, i64) {
        let levels = self.memory.stock(Some(&sku(name)), 1).await.expect("memory reads");
        levels.first().map_or((0, 0), |(_, stock)| (stock.on_hand, stock.reserved))
    }

    /// Asks `verb`, as an answer to be looked at.
    pub(crate) async fn ask(&self, order: OrderId, verb: Verb, by: &Actor) -> Result<Answered, Conflict> {
        order::ask(&*self.store, order, verb, by).await.expect("the store answers")
    }

    /// Asks the admin for a refund of so much, or of all that is left.
    pub(crate) async fn grant(
        &self,
        order: OrderId,
        amount_minor: Option<i64>,
    ) -> Result<Answered, Conflict> {
        let amount = amount_minor.map(|amount_minor| Money::new(amount_minor, Currency::EUR));
        let grant = Grant { amount, reason: "damaged box".to_owned(), dedupe: None };
        order::refund(&*self.store, order, grant, &admin(), &ProviderAmounts::new())
            .await
            .expect("the store answers")
    }

    /// Asks for a refund and expects a promise.
    pub(crate) async fn granted(&self, order: OrderId, amount_minor: Option<i64>) {
        let answer = self.grant(order, amount_minor).await;
        assert!(matches!(answer, Ok(Answered::Accepted(_))), "{answer:?}");
    }

    /// Asks `verb` and expects it done.
    pub(crate) async fn done(&self, order: OrderId, verb: Verb) {
        let answer = self.ask(order, verb, &admin()).await;
        assert!(matches!(answer, Ok(Answered::Done(_))), "{answer:?}");
    }

    /// Asks `verb` and expects a promise.
    pub(crate) async fn accepted(&self, order: OrderId, verb: Verb, by: &Actor) {
        let answer = self.ask(order, verb, by).await;
        assert!(matches!(answer, Ok(Answered::Accepted(_))), "{answer:?}");
    }

    /// The refunds of an order, by slot.
    pub(crate) async fn refunds(&self, order: OrderId) -> Vec<Refund> {
        let footprint = Footprint { refunds: vec![order], ..Footprint::default() };
        let mut world = World::default();
        let mut tx = self.memory.begin().await.expect("memory opens");
        tx.load(&footprint, &mut world).await.expect("memory reads");
        world.refunds.into_values().collect()
    }

    /// Puts a signal into an inbox past all commands.
    pub(crate) async fn signal(&self, saga: SagaId, dedupe: &str, body: SignalBody) {
        let now = self.clock.now();
        let signals = vec![NewSignal { saga, dedupe: dedupe.to_owned(), body }];
        let writes = Writes { at: now, signals, ..Writes::default() };
        self.memory.begin().await.expect("memory opens").save(&writes).await.expect("the signal is saved");
    }

    /// The provider reports on a charge.
    pub(crate) async fn event(&self, charge: &StepKey, id: &str) -> Result<Answered, Conflict> {
        payment_event(&*self.store, charge, id).await.expect("the store answers")
    }

    /// The buyer of `charge` agrees to pay it.
    pub(crate) async fn buyer_pays(&self, charge: &StepKey) {
        self.sandbox.complete_action(charge, true).await.expect("the sandbox answers");
    }

    /// An operator sees to it that every dead saga can go on, and retries it. Returns how many there were.
    pub(crate) async fn revive_all(&self) -> usize {
        let dead: Vec<_> =
            self.sagas().await.into_iter().filter(|saga| saga.state == SagaState::Dead).collect();
        for line in self.statement().await {
            // A charge that holds no money has no refunds to allow.
            let _ = self.sandbox.allow_refunds(&line.charge).await;
        }
        for saga in &dead {
            let answer =
                resolve::retry(&*self.store, saga.id, None, &operator()).await.expect("the store answers");
            assert!(answer.is_ok(), "{answer:?}");
        }
        dead.len()
    }

    /// An operator takes what keeps failing off the hands of every dead saga, and retries those of which that
    /// cannot be done. Returns how many there were.
    pub(crate) async fn discard_all(&self) -> usize {
        let dead: Vec<_> =
            self.sagas().await.into_iter().filter(|saga| saga.state == SagaState::Dead).collect();
        for saga in &dead {
            let by_hand = DeadLetterAction::Discard { reason: "settled in person".to_owned() };
            let asked = [saga.id];
            let answers = act(&*self.store, &self.registry, &asked, &by_hand, &operator()).await;
            let (_, answer) = answers.expect("the store answers").remove(0);
            if answer.is_err() {
                let retried = resolve::retry(&*self.store, saga.id, None, &operator()).await;
                assert!(retried.is_ok_and(|answer| answer.is_ok()), "{answer:?}");
            }
        }
        dead.len()
    }

    pub(crate) async fn statement(&self) -> Vec<Movement> {
        let lists = audit_run::movements(&self.auditors).await.expect("the providers answer");
        lists.into_values().flatten().collect()
    }

    /// Every promise, recomputed, against the provider's own ledger.
    pub(crate) async fn audit(&self) -> Report {
        let audit = audit_run::read(&self.memory, self.registry).await.expect("memory reads");
        let statements = audit_run::statements(&audit, &self.auditors).await;
        audit.finish(&statements.expect("the providers answer"))
    }

    /// The same, were every order as `damage` leaves it; `meddle` changes what the provider says.
    pub(crate) async fn audit_damaged(
        &self,
        damage: impl Fn(&mut OrderFact),
        meddle: impl Fn(&mut Vec<Movement>),
    ) -> Report {
        let shop = self.memory.shop().await.expect("memory reads");
        let last_number = shop.last_number;
        let mut audit = Audit::new(Scope { shop, registry: self.registry, now: self.clock.now() });
        let mut facts = Vec::new();
        self.memory.facts(&mut |fact| facts.push(fact)).await.expect("memory reads");
        for mut fact in facts {
            if let Fact::Order(order) = &mut fact {
                damage(order);
            }
            audit.see(fact);
        }
        audit.see_last_number(last_number);
        let statements = audit_run::statements(&audit, &self.auditors).await;
        let mut statements = statements.expect("the providers answer");
        statements.movements.values_mut().for_each(meddle);
        audit.finish(&statements)
    }

    pub(crate) async fn assert_clean(&self, context: &str) {
        let report = self.audit().await;
        assert!(report.is_clean(), "{context}: {:#?}", report.violations);
    }
}

/// Everything due, with these outcomes and slots to spare.
pub(crate) fn work(outcomes: Vec<Outcome>) -> BatchInput {
    let slots = QUEUES.iter().map(|queue| (*queue, 256)).collect();
    BatchInput { outcomes, hints: Vec::new(), due_max: 512, slots }
}

pub(crate) fn sku(name: &str) -> Sku {
    name.parse().expect("a test's SKU is one")
}

pub(crate) fn admin() -> Actor {
    Actor::Admin("ada".to_owned())
}

pub(crate) fn operator() -> Actor {
    Actor::Operator("ole".to_owned())
}
