//! A payment provider with something around it.

use std::fmt;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use holdfast_shared::{Money, StepKey};

use super::payments::{
    Account, At, Attempt, Caps, Charge, Closed, Fault, Movement, NamedRefund, Page, PaymentProvider,
    RefundState,
};
use crate::records::PaymentObject;

/// Something around a payment provider that sees each request on its way there and back, but that for movements; such as one that observes it.
/// It is a payment provider itself.
pub trait AroundProvider: Send + Sync + fmt::Debug {
    /// The provider.
    fn provider(&self) -> &dyn PaymentProvider;

    /// Passes `request` on, or does not.
    fn around<'a, T: Send + 'a>(
        &'a self,
        request: BoxFuture<'a, Result<T, Fault>>,
    ) -> BoxFuture<'a, Result<T, Fault>>;
}

#[async_trait]
impl<A: AroundProvider> PaymentProvider for A {
    fn name(&self) -> &str {
        self.provider().name()
    }

    fn caps(&self) -> Caps {
        self.provider().caps()
    }

    fn account(&self) -> Option<String> {
        self.provider().account()
    }

    async fn ping(&self) -> Result<Account, Fault> {
        self.around(self.provider().ping()).await
    }

    async fn open(&self, key: &StepKey, amount: Money) -> Result<PaymentObject, Fault> {
        self.around(self.provider().open(key, amount)).await
    }

    async fn drive(&self, at: &At<'_>, attempt: &Attempt<'_>) -> Result<Charge, Fault> {
        self.around(self.provider().drive(at, attempt)).await
    }

    async fn look_up(&self, at: &At<'_>) -> Result<Charge, Fault> {
        self.around(self.provider().look_up(at)).await
    }

    async fn close(&self, at: &At<'_>) -> Result<Closed, Fault> {
        self.around(self.provider().close(at)).await
    }

    async fn refund(&self, at: &At<'_>, key: &StepKey, amount: Money) -> Result<RefundState, Fault> {
        self.around(self.provider().refund(at, key, amount)).await
    }

    async fn refunds(&self, at: &At<'_>) -> Result<Vec<NamedRefund>, Fault> {
        self.around(self.provider().refunds(at)).await
    }

    async fn movements(&self, cursor: &str) -> Result<Option<Page<Movement>>, Fault> {
        self.provider().movements(cursor).await
    }
}
