//! A provider whose answers are observed, whatever they mean for the order.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use holdfast_saga::ports::{ChargeState, Fault, NamedRefund, PaymentProvider, StatementLine};
use holdfast_shared::{Money, StepKey};

use super::health::Health;

/// Whether the provider answered last during one call; `None` until the first request.
#[derive(Debug, Clone, Default)]
pub(crate) struct ObservedHealth(Arc<Mutex<Option<Health>>>);

impl ObservedHealth {
    pub(crate) fn last(&self) -> Option<Health> {
        *self.lock()
    }

    /// Observes `request`. Until it is answered it counts as failed: a caller that drops it has waited long enough.
    pub(super) async fn observe<T>(
        &self,
        request: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        *self.lock() = Some(Health::Failed);
        let answer = request.await;
        *self.lock() = Some(match &answer {
            // A refusal is an answer, too.
            Ok(_) | Err(Fault::NotDone(_)) => Health::Ok,
            Err(Fault::Unavailable(_) | Fault::Unclear(_)) => Health::Failed,
        });
        answer
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Health>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Passes every request on.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) provider: Arc<dyn PaymentProvider>,
    pub(crate) observed: ObservedHealth,
}

#[async_trait]
impl PaymentProvider for Watched {
    fn name(&self) -> &str {
        self.provider.name()
    }

    fn key_ttl(&self) -> Duration {
        self.provider.key_ttl()
    }

    async fn charge(&self, key: &StepKey, amount: Money, token: &str) -> Result<ChargeState, Fault> {
        self.observed.observe(self.provider.charge(key, amount, token)).await
    }

    async fn look_up(&self, charge: &StepKey) -> Result<Option<ChargeState>, Fault> {
        self.observed.observe(self.provider.look_up(charge)).await
    }

    async fn void(&self, charge: &StepKey) -> Result<ChargeState, Fault> {
        self.observed.observe(self.provider.void(charge)).await
    }

    async fn refund(&self, key: &StepKey, charge: &StepKey, amount_minor: i64) -> Result<(), Fault> {
        self.observed.observe(self.provider.refund(key, charge, amount_minor)).await
    }

    async fn refunds(&self, charge: &StepKey) -> Result<Vec<NamedRefund>, Fault> {
        self.observed.observe(self.provider.refunds(charge)).await
    }

    async fn statement(&self) -> Result<Option<Vec<StatementLine>>, Fault> {
        self.provider.statement().await
    }
}
