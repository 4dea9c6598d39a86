//! What customers, admins, operators and the provider do to a shop meanwhile.

use holdfast_saga::operations::dead_letter::DeadLetterAction;
use holdfast_saga::operations::dead_letter::resolve;
use holdfast_saga::operations::dead_letter::resolve::act;
use holdfast_saga::ports::{ProviderAmounts, Store};
use holdfast_saga::records::context::{Context, Dedupe};
use holdfast_saga::records::slot;
use holdfast_saga::shop::answer::Answered;
use holdfast_saga::shop::checkout;
use holdfast_saga::shop::order::{self, Grant, Verb};
use holdfast_saga::shop::payment_event::payment_event;
use holdfast_sandbox::SandboxControl;
use holdfast_shared::{Actor, Currency, Money, OrderId, SagaId, SagaState, StepKey};
use holdfast_test_bank::LocalWire;

use super::History;
use crate::shop::{admin, operator};

impl History {
    pub(super) async fn check_out(&mut self) {
        if self.orders.len() >= 6 {
            return;
        }
        let skus = ["cd-1", "cd-3"];
        let first = self.dice.below(2);
        let mut items = vec![(skus[first], 1 + u32::try_from(self.dice.below(3)).unwrap_or(0))];
        if self.dice.chance(40) {
            items.push((skus[1 - first], 1));
        }
        let tokens = [
            None,
            None,
            Some("tok_ok"),
            Some("tok_ok"),
            Some("tok_timeout"),
            Some("tok_declined"),
            Some("tok_flaky"),
            Some("tok_requires_action"),
            Some("tok_requires_action"),
            Some("tok_refund_fails"),
            Some("tok_down"),
        ];
        let at_the_bank =
            [None, Some(""), Some(""), Some("bank_pays"), Some("bank_declines"), Some("bank_debits")];
        let tokens = if self.rules.at_the_bank { &at_the_bank[..] } else { &tokens[..] };
        let token = tokens[self.dice.below(tokens.len())];
        let cart = self.shop.cart(&items).await;
        let mut requests = vec![self.shop.request(cart, token)];
        // A buyer who pays at the provider brings no token.
        requests[0].token = requests[0].token.take().filter(|token| !token.is_empty());
        if self.dice.chance(10) {
            requests.push(requests[0].clone());
        }
        if let (Some(old), true) = (self.dice.pick(&self.requests), self.dice.chance(20)) {
            requests.push(old.clone());
        }
        let answers = loop {
            match checkout::accept(&*self.shop.store, &self.shop.policy, &requests).await {
                Ok(answers) => break answers,
                // The customer asks again with the same key.
                Err(error) => self.tell(|| format!("checkout: {error}")),
            }
        };
        self.tell(|| format!("checkout of {items:?} with {token:?}: {answers:?}"));
        for answer in answers {
            match answer {
                Ok(accepted) if !self.orders.contains(&accepted.order) => self.orders.push(accepted.order),
                Ok(accepted) if accepted.replayed => {}
                answer => self.wrong.push(format!("checkout answered {answer:?}")),
            }
        }
        self.requests.push(requests.swap_remove(0));
    }

    pub(super) async fn ask(&mut self) {
        let Some(order) = self.dice.pick(&self.orders).copied() else { return };
        if self.dice.chance(30) {
            return self.fulfil(order).await;
        }
        let by = if self.dice.chance(50) { Actor::Customer } else { admin() };
        let verbs = [Verb::Confirm, Verb::Confirm, Verb::Reject, Verb::Cancel, Verb::Cancel, Verb::Ship];
        let verb = verbs[self.dice.below(verbs.len())].clone();
        self.ask_of(order, verb, &by).await;
    }

    /// The shop goes on with an order, by a step or more.
    async fn fulfil(&mut self, order: OrderId) {
        for verb in [Verb::Process, Verb::Ship, Verb::Deliver] {
            if self.dice.chance(80) {
                self.ask_of(order, verb, &admin()).await;
            }
        }
    }

    async fn ask_of(&mut self, order: OrderId, verb: Verb, by: &Actor) {
        let answer = order::ask(&*self.shop.store, order, verb.clone(), by).await;
        self.tell(|| format!("{by} asks {verb:?} of order {order}: {answer:?}"));
        if let Ok(Ok(Answered::Accepted(hint))) = answer {
            self.hints.push(hint.saga);
            self.promises.push((order, verb));
        }
    }

    /// An admin grants a refund, and asks until the answer is heard.
    pub(super) async fn give(&mut self) {
        let Some(order) = self.dice.pick(&self.orders).copied() else { return };
        let minor = [Some(300), Some(300), Some(1_100), None][self.dice.below(4)];
        let key = self.dice.below(1_000_000).to_string();
        let grant = Grant {
            amount: minor.map(|minor| Money::new(minor, Currency::EUR)),
            reason: "goodwill".to_owned(),
            dedupe: Some(Dedupe { key: checkout::digest(&["ada", &key]), body: checkout::digest(&[&key]) }),
        };
        let mut repeats = self.dice.below(2);
        let mut promised = false;
        for _ in 0..50 {
            let answer =
                order::refund(&*self.shop.store, order, grant.clone(), &admin(), &ProviderAmounts::new())
                    .await;
            self.tell(|| format!("admin grants {minor:?} of order {order}: {answer:?}"));
            match answer {
                Ok(Ok(Answered::Accepted(hint))) if !promised => {
                    self.hints.push(hint.saga);
                    promised = true;
                }
                Ok(Ok(Answered::Already(_))) => promised = true,
                Ok(Ok(answer)) => self.wrong.push(format!("a repeated grant is answered {answer:?}")),
                Ok(Err(_)) if !promised => return,
                Ok(Err(conflict)) => self.wrong.push(format!("a repeated grant: {conflict}")),
                Err(_) => continue,
            }
            if repeats == 0 {
                break;
            }
            repeats -= 1;
        }
        // They change their mind.
        if self.dice.chance(20) {
            self.ask_of(order, Verb::Cancel, &admin()).await;
        }
        for saga in self.shop.memory.sagas_of(order).await.expect("memory reads") {
            if let Context::PartialRefund(granted) = &*saga.context
                && granted.dedupe == grant.dedupe
            {
                self.gifts.push((order, granted.amount.amount_minor));
            }
        }
    }

    /// The buyer pays at the bank or cannot, or the bank settles a debit.
    async fn bank_acts(&mut self, wire: &LocalWire) {
        let references: Vec<String> = wire.bank().sums().into_keys().collect();
        let Some(reference) = self.dice.pick(&references) else { return };
        let yes = self.dice.chance(70);
        if self.dice.chance(60) {
            wire.bank().buyer(reference, yes);
        } else {
            wire.bank().settle(reference, yes);
        }
        self.tell(|| format!("something happens at the bank: {reference} {yes}"));
        for _ in 0..self.dice.below(3) {
            self.report(&StepKey::from_stored(reference.as_str()), "acted").await;
        }
    }

    pub(super) async fn buyer_acts(&mut self) {
        if let Some(wire) = self.shop.bank.clone() {
            return self.bank_acts(&wire).await;
        }
        let waiting = self.shop.sandbox.waiting_actions().await.expect("the sandbox answers");
        let Some(charge) = self.dice.pick(&waiting).cloned() else { return };
        let approved = self.dice.chance(70);
        let state = self.shop.sandbox.complete_action(&charge, approved).await;
        self.tell(|| format!("the buyer acts on {charge}: {state:?}"));
        for _ in 0..self.dice.below(3) {
            self.report(&charge, "acted").await;
        }
    }

    /// The provider reports on some charge: begun or not, for the first time or again.
    pub(super) async fn event(&mut self) {
        let Some(order) = self.dice.pick(&self.orders) else { return };
        let generation = 1 + u32::try_from(self.dice.below(3)).unwrap_or(0);
        // A saga that was pruned can be asked for nothing.
        let checkout = self.shop.memory.saga(order.saga(slot::CHECKOUT)).await.expect("memory reads");
        let Some(checkout) = checkout else { return };
        let step = if self.rules.at_the_bank { "open_payment" } else { "take_payment" };
        let charge = StepKey::new(&checkout.key_prefix, step, generation);
        let id = ["a", "b"][self.dice.below(2)];
        self.report(&charge, id).await;
    }

    pub(super) async fn report(&mut self, charge: &StepKey, id: &str) {
        let id = format!("{charge}/{id}");
        // A provider repeats an event until it is acknowledged.
        for _ in 0..10 {
            let answer = payment_event(&*self.shop.store, charge, &id).await;
            self.tell(|| format!("event {id}: {answer:?}"));
            if answer.is_ok() {
                return;
            }
        }
    }

    pub(super) async fn operate(&mut self) {
        let dead: Vec<_> =
            self.shop.sagas().await.into_iter().filter(|saga| saga.state == SagaState::Dead).collect();
        let Some(saga) = self.dice.pick(&dead).map(|saga| saga.id) else { return };
        if self.dice.chance(50) {
            self.allow_refunds().await;
        }
        if self.dice.chance(30) {
            return self.discard(saga).await;
        }
        let answer = resolve::retry(&*self.shop.store, saga, None, &operator()).await;
        self.tell(|| format!("operator retries {saga}: {answer:?}"));
    }

    /// Somebody settles what a saga died at in person, and says so once or twice.
    pub(super) async fn discard(&mut self, saga: SagaId) {
        let action = DeadLetterAction::Discard { reason: "settled in person".to_owned() };
        for _ in 0..=self.dice.below(2) {
            let answer = act(&*self.shop.store, &self.rules.registry, &[saga], &action, &operator()).await;
            self.tell(|| format!("operator discards {saga}: {answer:?}"));
        }
    }

    pub(super) async fn allow_refunds(&mut self) {
        if self.rules.at_the_bank {
            return;
        }
        for line in self.shop.statement().await {
            // A charge that holds no money has no refunds to allow.
            let _ = self.shop.sandbox.allow_refunds(&line.charge).await;
        }
    }

    pub(super) async fn restock(&mut self) {
        let pieces = i64::try_from(1 + self.dice.below(3)).unwrap_or(1);
        self.shop.stock("cd-3", pieces).await;
        self.tell(|| format!("{pieces} of cd-3 are delivered"));
    }
}
