//! A shop on any store: stocked, with carts, taking orders, audited.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use holdfast_saga::flows;
use holdfast_saga::operations::audit::Report;
use holdfast_saga::operations::audit_run;
use holdfast_saga::ports::{Gateways, ProviderAmounts, Store};
use holdfast_saga::records::batch_rows::{Footprint, World, Writes};
use holdfast_saga::records::context::{Dedupe, Origin};
use holdfast_saga::records::saga::Saga;
use holdfast_saga::records::slot;
use holdfast_saga::records::view::{OrderFilter, OrderView, SagaFilter};
use holdfast_saga::records::{Cart, CartItem, Product, StockMove};
use holdfast_saga::shop::answer::{Answered, Conflict};
use holdfast_saga::shop::checkout::{self, AcceptPolicy, CheckoutRequest, Refused, digest};
use holdfast_saga::shop::order::{self, Grant, Verb};
use holdfast_saga::shop::stock_adjustment::{Adjust, adjust};
use holdfast_shared::{
    Actor, Address, CartId, CartStatus, Contact, Currency, Money, OrderId, PaymentMethod, SagaId,
};
use uuid::Uuid;

use crate::rows::sku;

/// Longer than anything here takes on a slow machine.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// A shop. Every product costs 10.00 EUR.
#[derive(Debug, Clone)]
pub struct Shop {
    /// Its store.
    pub store: Arc<dyn Store>,
    /// How it takes orders.
    pub policy: AcceptPolicy,
    requests: Arc<AtomicU32>,
}

/// An admin, as an actor.
pub fn admin() -> Actor {
    Actor::Admin("otto".to_owned())
}

impl Shop {
    /// An empty shop in `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        let policy = AcceptPolicy { hint_ahead: Duration::ZERO, ..AcceptPolicy::new("sandbox") };
        Self { store, policy, requests: Arc::default() }
    }

    /// The present, by the store's clock.
    pub async fn now(&self) -> holdfast_shared::Time {
        let mut world = World::default();
        let mut tx = self.store.begin().await.expect("begins");
        tx.load(&Footprint::default(), &mut world).await.expect("loads");
        world.now
    }

    /// Puts `pieces` of a new product on the shelf.
    pub async fn stock(&self, name: &str, pieces: i64) {
        self.stock_at(name, pieces, 1_000).await;
    }

    /// The same at another price, in cents.
    pub async fn stock_at(&self, name: &str, pieces: i64, price_minor: i64) {
        let price = Money::new(price_minor, Currency::EUR);
        let product = Product { sku: sku(name), name: name.to_owned(), price, active: true };
        let mut writes = Writes { at: self.now().await, ..Writes::default() };
        writes.put_products.insert(sku(name), product);
        writes.stock.insert(sku(name), StockMove::default());
        self.store.begin().await.expect("begins").save(&writes).await.expect("saves");
        let (reason, actor) = ("delivery".to_owned(), "otto".to_owned());
        let asked = Adjust { sku: sku(name), delta: pieces, reason, actor, expect: None, dedupe: None };
        adjust(&*self.store, &asked).await.expect("the store answers").expect("the level moves");
    }

    /// Guests' carts, each with these items.
    pub async fn carts(&self, count: usize, items: &[(&str, u32)]) -> Vec<CartId> {
        let now = self.now().await;
        let mut writes = Writes { at: now, ..Writes::default() };
        let items: Vec<_> =
            items.iter().map(|(name, quantity)| CartItem { sku: sku(name), quantity: *quantity }).collect();
        // Digests, because ids that grow with time would be sorted by chance (E4).
        let id = || CartId(digest(&[&Uuid::now_v7().to_string()]));
        let ids: Vec<_> = std::iter::repeat_with(id).take(count).collect();
        for id in &ids {
            let (status, items) = (CartStatus::Open, items.clone());
            let cart = Cart { id: *id, owner: None, status, order: None, items, updated_at: now };
            writes.put_carts.insert(*id, cart);
        }
        self.store.begin().await.expect("begins").save(&writes).await.expect("saves");
        ids
    }

    /// A request for `cart` under a key of its own: by card with `token`, or cash on delivery.
    pub fn request(&self, cart: CartId, token: Option<&str>) -> CheckoutRequest {
        let key = self.requests.fetch_add(1, Ordering::SeqCst).to_string();
        CheckoutRequest {
            key: digest(&[&cart.to_string(), &key]),
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

    /// Orders for these items, accepted in one commit.
    pub async fn orders(&self, count: usize, items: &[(&str, u32)], token: Option<&str>) -> Vec<OrderId> {
        let carts = self.carts(count, items).await;
        let requests: Vec<_> = carts.into_iter().map(|cart| self.request(cart, token)).collect();
        let answers =
            checkout::accept(&*self.store, &self.policy, &requests).await.expect("the store answers");
        answers.into_iter().map(|answer| answer.expect("is accepted").order).collect()
    }

    /// The same, of buyers who pay at the provider and bring no token.
    pub async fn buyers(&self, count: usize, items: &[(&str, u32)]) -> Vec<OrderId> {
        let carts = self.carts(count, items).await;
        let request = |cart| CheckoutRequest { token: None, ..self.request(cart, Some("")) };
        let requests: Vec<_> = carts.into_iter().map(request).collect();
        let answers =
            checkout::accept(&*self.store, &self.policy, &requests).await.expect("the store answers");
        answers.into_iter().map(|answer| answer.expect("is accepted").order).collect()
    }

    /// One order.
    pub async fn order(&self, items: &[(&str, u32)], token: Option<&str>) -> OrderId {
        self.orders(1, items, token).await[0]
    }

    /// Accepts one request.
    pub async fn accept(&self, request: &CheckoutRequest) -> Result<OrderId, Refused> {
        let requests = std::slice::from_ref(request);
        let mut answers =
            checkout::accept(&*self.store, &self.policy, requests).await.expect("the store answers");
        answers.remove(0).map(|accepted| accepted.order)
    }

    /// Asks `verb`.
    pub async fn ask(&self, order: OrderId, verb: Verb, by: &Actor) -> Result<Answered, Conflict> {
        order::ask(&*self.store, order, verb, by).await.expect("the store answers")
    }

    /// Asks the admin for a refund of so much, or of all that is left, under a key of its own.
    pub async fn grant(
        &self,
        order: OrderId,
        amount_minor: Option<i64>,
        key: &str,
    ) -> Result<Answered, Conflict> {
        let amount = amount_minor.map(|amount_minor| Money::new(amount_minor, Currency::EUR));
        let body = digest(&[&format!("{amount:?}")]);
        let dedupe = Some(Dedupe { key: digest(&["admin", key]), body });
        let grant = Grant { amount, reason: "damaged box".to_owned(), dedupe };
        order::refund(&*self.store, order, grant, &admin(), &ProviderAmounts::new())
            .await
            .expect("the store answers")
    }

    /// An order that exists.
    pub async fn view(&self, order: OrderId) -> OrderView {
        self.store.order(order).await.expect("reads").expect("the order exists")
    }

    /// A saga that exists.
    pub async fn saga(&self, id: SagaId) -> Saga {
        self.store.saga(id).await.expect("reads").expect("the saga exists")
    }

    /// The checkout of an order.
    pub async fn checkout(&self, order: OrderId) -> Saga {
        self.saga(order.saga(slot::CHECKOUT)).await
    }

    /// All sagas, newest first.
    pub async fn sagas(&self) -> Vec<Saga> {
        let filter = SagaFilter { limit: 1_000_000, ..SagaFilter::default() };
        self.store.sagas(&filter).await.expect("reads")
    }

    /// How many orders stand where, and why: `CONFIRMED`, `CANCELLED out_of_stock`.
    pub async fn stats(&self) -> std::collections::BTreeMap<String, usize> {
        let filter = OrderFilter { limit: 1_000_000, ..OrderFilter::default() };
        let mut stats = std::collections::BTreeMap::new();
        for view in self.store.orders(&filter).await.expect("reads") {
            let reason = view.order.cancel_reason.map_or(String::new(), |reason| format!(" {reason}"));
            *stats.entry(format!("{}{reason}", view.order.status)).or_default() += 1;
        }
        stats
    }

    /// On hand and reserved.
    pub async fn level(&self, name: &str) -> (i64, i64) {
        let levels = self.store.stock(Some(&sku(name)), 1).await.expect("reads");
        levels.first().map_or((0, 0), |(_, stock)| (stock.on_hand, stock.reserved))
    }

    /// Whether every saga has ended; dead is an end.
    pub async fn is_at_rest(&self) -> bool {
        // A database that restarts answers later.
        let saga_counts = self.store.saga_counts().await.unwrap_or_default();
        !saga_counts.is_empty() && saga_counts.iter().all(|row| row.state.is_settled() || is_dead(row.state))
    }

    /// Waits, in real time, until every saga has ended.
    pub async fn rest(&self) {
        self.until("every saga has ended", async || self.is_at_rest().await).await;
    }

    /// Waits, in real time, until `what` is so.
    pub async fn until(&self, what: &str, is_so: impl AsyncFn() -> bool) {
        let since = Instant::now();
        while !is_so().await {
            if since.elapsed() > PATIENCE {
                let open: Vec<_> =
                    self.sagas().await.into_iter().filter(|saga| !saga.state.is_settled()).take(5).collect();
                panic!("{PATIENCE:?} and it is not so that {what}; among those not settled: {open:#?}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Every promise, recomputed, against the provider's own ledger.
    pub async fn audit(&self, outside: &Gateways) -> Report {
        let audit = audit_run::read(&*self.store, flows::REGISTRY).await.expect("reads");
        let statements = audit_run::statements(&audit, &outside.payments).await;
        audit.finish(&statements.expect("the providers answer"))
    }

    /// The same, and nothing is broken or under way.
    pub async fn assert_clean(&self, outside: &Gateways) {
        let report = self.audit(outside).await;
        assert!(report.is_clean(), "{:#?}", report.violations);
        assert!(report.in_flight.iter().all(|order| order.dead), "{:#?}", report.in_flight);
    }
}

const fn is_dead(state: holdfast_shared::SagaState) -> bool {
    matches!(state, holdfast_shared::SagaState::Dead)
}
