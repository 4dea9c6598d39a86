//! A shop with an order in every state that it can be in.

use std::sync::Arc;

use holdfast_saga::engine::batch::Engine;
use holdfast_saga::operations::dead_letter::DeadLetterAction;
use holdfast_saga::operations::dead_letter::resolve::act;
use holdfast_saga::ports::Gateways;
use holdfast_saga::records::batch_rows::Writes;
use holdfast_saga::records::{Cart, CartItem, Identity, slot};
use holdfast_saga::shop::order::Verb;
use holdfast_shared::{Actor, CartId, CartStatus, CustomerId, ManualClock, OrderId, SagaId, SagaState};
use holdfast_testkit::database::Database;
use holdfast_testkit::driver::{answer, batch, engine, outside, rest, sweep};
use holdfast_testkit::rows::sku;
use holdfast_testkit::shop::{Shop, admin};
use uuid::Uuid;

pub(super) struct World {
    pub(super) database: Database,
    pub(super) shop: Shop,
    pub(super) outside: Gateways,
}

impl World {
    pub(super) async fn build(database: Database, clock: Arc<ManualClock>) -> Self {
        let shop = Shop::new(Arc::clone(&database.store));
        let (_, outside) = outside();
        let engine = engine(&shop.store, "w1");
        shop.stock("cd-1", 1_000).await;
        shop.stock("rare", 1).await;
        shop.stock_at("gift", 100, 0).await;
        let building = Building { shop: &shop, engine: &engine, clock: &clock, outside: &outside };
        building.ended().await;
        building.on_their_way().await;
        Self { database, shop, outside }
    }
}

struct Building<'a> {
    shop: &'a Shop,
    engine: &'a Engine,
    clock: &'a ManualClock,
    outside: &'a Gateways,
}

impl Building<'_> {
    async fn rest(&self) {
        rest(self.engine, self.shop, self.clock, self.outside).await;
    }

    async fn ask(&self, order: OrderId, verbs: &[Verb]) {
        for verb in verbs {
            let answer = self.shop.ask(order, verb.clone(), &admin()).await;
            assert!(answer.is_ok(), "{verb:?} of {order}: {answer:?}");
            self.rest().await;
        }
    }

    async fn card(&self, token: &str) -> OrderId {
        let order = self.shop.order(&[("cd-1", 2)], Some(token)).await;
        self.rest().await;
        order
    }

    /// One that waits for its confirmation: nobody rests before it was asked for.
    async fn cod(&self, verbs: &[Verb]) {
        let order = self.shop.order(&[("cd-1", 1)], None).await;
        batch(self.engine, sweep(vec![])).await;
        self.ask(order, verbs).await;
    }

    async fn discard(&self, saga: SagaId) {
        let action = DeadLetterAction::Discard { reason: "paid in cash".to_owned() };
        let operator = Actor::Operator("olga".to_owned());
        let answers = act(&*self.shop.store, &self.engine.registry, &[saga], &action, &operator).await;
        let (_, answer) = answers.expect("the store answers").remove(0);
        assert!(answer.is_ok(), "{answer:?}");
        self.rest().await;
    }

    async fn granted(&self, token: &str, amount_minor: i64) -> OrderId {
        let order = self.card(token).await;
        let answer = self.shop.grant(order, Some(amount_minor), &order.to_string()).await;
        assert!(answer.is_ok(), "{answer:?}");
        self.rest().await;
        order
    }

    async fn of_a_customer(&self) {
        let identity = Identity { issuer: "https://issuer.example".to_owned(), sub: "dora".to_owned() };
        let customer =
            self.shop.store.customer(&identity, CustomerId(Uuid::from_u128(7))).await.expect("is added");
        let mut writes = Writes { at: self.shop.now().await, ..Writes::default() };
        let items = vec![CartItem { sku: sku("cd-1"), quantity: 1 }];
        for nth in 0..2 {
            let cart = Cart {
                id: CartId(Uuid::from_u128(70 + nth)),
                owner: Some(customer),
                status: CartStatus::Open,
                order: None,
                items: items.clone(),
                updated_at: writes.at,
            };
            writes.put_carts.insert(cart.id, cart);
        }
        self.shop.store.begin().await.expect("begins").save(&writes).await.expect("saves");
        let mut request = self.shop.request(CartId(Uuid::from_u128(70)), Some("tok_ok"));
        request.customer = Some(customer);
        self.shop.accept(&request).await.expect("is accepted");
        self.rest().await;
    }

    /// Nothing moves these any more.
    async fn ended(&self) {
        for verbs in [&[][..], &[Verb::Process], &[Verb::Process, Verb::Ship], &[Verb::Cancel]] {
            let order = self.card("tok_ok").await;
            self.ask(order, verbs).await;
        }
        let order = self.card("tok_ok").await;
        self.ask(order, &[Verb::Process, Verb::Ship, Verb::Deliver]).await;
        self.card("tok_declined").await;
        self.shop.order(&[("rare", 2)], Some("tok_ok")).await;
        self.shop.order(&[("gift", 1)], Some("tok_ok")).await;
        self.rest().await;
        self.cod(&[Verb::Confirm]).await;
        self.cod(&[Verb::Confirm, Verb::Process, Verb::Ship, Verb::Deliver]).await;
        self.cod(&[Verb::Confirm, Verb::Cancel]).await;
        self.cod(&[Verb::Reject]).await;
        self.granted("tok_ok", 500).await;
        self.granted("tok_ok", 2_000).await;
        let partly = self.granted("tok_ok", 300).await;
        self.ask(partly, &[Verb::Cancel]).await;
        let by_hand = self.granted("tok_refund_fails", 300).await;
        self.discard(by_hand.saga(slot::PARTIAL_REFUND)).await;
        let all_by_hand = self.card("tok_refund_fails").await;
        self.ask(all_by_hand, &[Verb::Cancel]).await;
        self.discard(all_by_hand.saga(slot::CANCELLATION)).await;
        self.of_a_customer().await;
        // Dead, for an operator to see to.
        let dead = self.granted("tok_refund_fails", 400).await;
        assert_eq!(self.shop.saga(dead.saga(slot::PARTIAL_REFUND)).await.state, SagaState::Dead);
        let dead = self.card("tok_refund_fails").await;
        self.ask(dead, &[Verb::Cancel]).await;
    }

    /// These are under way, and nobody goes on with them.
    async fn on_their_way(&self) {
        let shop = self.shop;
        shop.order(&[("cd-1", 1)], None).await;
        for token in ["tok_requires_action", "tok_down"] {
            shop.order(&[("cd-1", 1)], Some(token)).await;
        }
        let done = batch(self.engine, sweep(vec![])).await;
        let mut outcomes = Vec::new();
        for call in &done.calls {
            outcomes.push(answer(call, self.outside).await);
        }
        batch(self.engine, sweep(outcomes)).await;
        // Called and not answered; being cancelled; asked to be cancelled; not planned yet.
        let cancelled = shop.order(&[("cd-1", 1)], Some("tok_ok")).await;
        self.pay(cancelled).await;
        let asked = shop.order(&[("cd-1", 1)], None).await;
        shop.order(&[("cd-1", 1)], Some("tok_ok")).await;
        assert!(shop.ask(cancelled, Verb::Cancel, &admin()).await.is_ok());
        batch(self.engine, sweep(vec![])).await;
        assert!(shop.ask(asked, Verb::Cancel, &admin()).await.is_ok());
        shop.order(&[("cd-1", 1)], Some("tok_ok")).await;
    }

    async fn pay(&self, order: OrderId) {
        for _ in 0..6 {
            let done = batch(self.engine, sweep(vec![])).await;
            let mut outcomes = Vec::new();
            for call in done.calls.iter().filter(|call| call.saga.order() == Some(order)) {
                outcomes.push(answer(call, self.outside).await);
            }
            batch(self.engine, sweep(outcomes)).await;
        }
    }
}
