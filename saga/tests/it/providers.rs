//! More than one payment provider: each order is paid and refunded where its own money is, and a provider that is not
//! configured any more holds its sagas and kills none.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use holdfast_saga::ports::{ChargeState, Fault, NamedRefund, PaymentProvider, Providers, StatementLine};
use holdfast_saga::records::history::Entry;
use holdfast_saga::records::slot;
use holdfast_saga::shop::order::Verb;
use holdfast_saga::timeline::{self, Conditions, Story};
use holdfast_sandbox::MemorySandbox;
use holdfast_shared::{CancelReason, Clock, Money, OrderId, OrderStatus, PaymentStatus, SagaState, StepKey};

use crate::shop::{Shop, admin};

/// A sandbox under another name, with a ledger of its own.
#[derive(Debug)]
struct Second(MemorySandbox);

#[async_trait]
impl PaymentProvider for Second {
    fn name(&self) -> &'static str {
        "second"
    }
    fn key_ttl(&self) -> Duration {
        self.0.key_ttl()
    }
    async fn charge(&self, key: &StepKey, amount: Money, token: &str) -> Result<ChargeState, Fault> {
        self.0.charge(key, amount, token).await
    }
    async fn look_up(&self, charge: &StepKey) -> Result<Option<ChargeState>, Fault> {
        self.0.look_up(charge).await
    }
    async fn void(&self, charge: &StepKey) -> Result<ChargeState, Fault> {
        self.0.void(charge).await
    }
    async fn refund(&self, key: &StepKey, charge: &StepKey, amount_minor: i64) -> Result<(), Fault> {
        self.0.refund(key, charge, amount_minor).await
    }
    async fn refunds(&self, charge: &StepKey) -> Result<Vec<NamedRefund>, Fault> {
        self.0.refunds(charge).await
    }
    async fn statement(&self) -> Result<Option<Vec<StatementLine>>, Fault> {
        self.0.statement().await
    }
}

fn second(shop: &Shop) -> Arc<dyn PaymentProvider> {
    Arc::new(Second(MemorySandbox::new(Arc::clone(&shop.clock) as Arc<dyn Clock>)))
}

/// What a provider has taken and given back, of all orders.
async fn sums(provider: &dyn PaymentProvider) -> (i64, i64) {
    let lines = provider.statement().await.expect("answers").expect("keeps a ledger");
    let sum = |of: fn(&StatementLine) -> i64| lines.iter().map(of).sum();
    (sum(|line| line.captured_minor), sum(|line| line.refunded_minor))
}

/// Lets time pass until `until`, and everything that is due happen. Returns what was decided.
async fn pass(shop: &Shop, until: Duration) -> Vec<Entry> {
    let (mut outcomes, mut entries) = (Vec::new(), Vec::new());
    let end = shop.clock.now() + until;
    loop {
        let given = outcomes.len();
        let done = shop.batch(std::mem::take(&mut outcomes)).await;
        for call in &done.calls {
            outcomes.push(shop.execute(call).await);
        }
        let is_idle = done.moved.is_empty() && given == 0 && outcomes.is_empty();
        entries.extend(done.moved.into_iter().flat_map(|moved| moved.entries));
        if is_idle {
            match shop.next_due().await.filter(|at| *at < end) {
                Some(at) => shop.clock.set(at),
                None => return entries,
            }
        }
    }
}

async fn explained(shop: &Shop, order: OrderId) -> String {
    let story = Story::read(&*shop.store, order).await.expect("reads").expect("exists");
    let conditions = Conditions { now: shop.clock.now(), paused: [].into(), workers: vec![] };
    timeline::explain(&story, &shop.registry, &conditions).now
}

#[tokio::test]
async fn an_order_is_refunded_where_it_was_paid_whoever_takes_new_money() {
    let mut shop = Shop::open().await;
    let (sandbox, second) = (Arc::clone(&shop.sandbox) as Arc<dyn PaymentProvider>, second(&shop));
    shop.outside.payments = [Arc::clone(&sandbox), Arc::clone(&second)].into_iter().collect();
    let old = shop.card("tok_ok").await;
    shop.rest().await;
    shop.policy.provider = "second".to_owned();
    let new = shop.card("tok_ok").await;
    shop.rest().await;
    assert_eq!((sums(&*sandbox).await, sums(&*second).await), ((3_000, 0), (3_000, 0)));
    for (order, ends) in [(old, ((3_000, 3_000), (3_000, 0))), (new, ((3_000, 3_000), (3_000, 3_000)))] {
        shop.accepted(order, Verb::Cancel, &admin()).await;
        shop.rest().await;
        assert_eq!(shop.view(order).await.order.status, OrderStatus::Cancelled);
        assert_eq!((sums(&*sandbox).await, sums(&*second).await), ends);
    }
}

#[tokio::test]
async fn a_provider_that_was_removed_holds_its_sagas_and_kills_none() {
    let mut shop = Shop::open().await;
    let paid = shop.card("tok_ok").await;
    shop.rest().await;
    let configured = shop.outside.payments.clone();
    let second = second(&shop);
    shop.outside.payments = Providers::of(Arc::clone(&second));
    // One that is to be refunded there, and one that is to be paid there.
    shop.accepted(paid, Verb::Cancel, &admin()).await;
    let waiting = shop.card("tok_ok").await;
    let entries = pass(&shop, Duration::from_hours(72)).await;
    let is_trouble =
        |entry: &&Entry| matches!(entry, Entry::Failed { .. } | Entry::Unknown { .. } | Entry::Dead { .. });
    assert_eq!(entries.iter().find(is_trouble), None);
    // Nothing was ever sent for this one, so its window ends as any other's.
    let expired = shop.view(waiting).await;
    assert_eq!(expired.order.cancel_reason, Some(CancelReason::PaymentExpired));
    assert_eq!(expired.payment.map(|payment| payment.status), Some(PaymentStatus::Cancelled));
    let refunding = shop.saga(paid.saga(slot::CANCELLATION)).await;
    assert_eq!((refunding.state, refunding.progress.failures), (SagaState::Running, 0));
    let explained = explained(&shop, paid).await;
    assert!(explained.contains("no payment provider sandbox is configured here"), "{explained}");
    assert_eq!(sums(&*second).await, (0, 0), "nothing is asked of another provider");
    // Put back, it goes on.
    shop.outside.payments = configured;
    shop.rest().await;
    assert_eq!(shop.view(paid).await.order.status, OrderStatus::Cancelled);
    assert_eq!(sums(&*shop.sandbox).await, (3_000, 3_000));
    shop.assert_clean("put back").await;
}
