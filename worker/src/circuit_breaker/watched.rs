//! A provider whose answers are noticed, whatever they mean to the order.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use holdfast_saga::ports::{ChargeState, Fault, NamedRefund, PaymentProvider, StatementLine};
use holdfast_shared::{Money, StepKey};

use super::health::Health;

/// The last sign of a provider during one call; `None` as long as it was not asked anything.
#[derive(Debug, Clone, Default)]
pub(crate) struct Signs(Arc<Mutex<Option<Health>>>);

impl Signs {
    pub(crate) fn last(&self) -> Option<Health> {
        *self.lock()
    }

    /// What `asked` tells. Until it is answered it is not: whoever drops the request has waited long enough.
    pub(super) async fn of<T>(&self, asked: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        *self.lock() = Some(Health::Failed);
        let answer = asked.await;
        *self.lock() = Some(match &answer {
            // A no is an answer.
            Ok(_) | Err(Fault::NotDone(_)) => Health::Ok,
            Err(Fault::Unavailable(_) | Fault::Unclear(_)) => Health::Failed,
        });
        answer
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Health>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Passes everything on.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) provider: Arc<dyn PaymentProvider>,
    pub(crate) signs: Signs,
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
        self.signs.of(self.provider.charge(key, amount, token)).await
    }

    async fn look_up(&self, charge: &StepKey) -> Result<Option<ChargeState>, Fault> {
        self.signs.of(self.provider.look_up(charge)).await
    }

    async fn void(&self, charge: &StepKey) -> Result<ChargeState, Fault> {
        self.signs.of(self.provider.void(charge)).await
    }

    async fn refund(&self, key: &StepKey, charge: &StepKey, amount_minor: i64) -> Result<(), Fault> {
        self.signs.of(self.provider.refund(key, charge, amount_minor)).await
    }

    async fn refunds(&self, charge: &StepKey) -> Result<Vec<NamedRefund>, Fault> {
        self.signs.of(self.provider.refunds(charge)).await
    }

    async fn statement(&self) -> Result<Option<Vec<StatementLine>>, Fault> {
        self.provider.statement().await
    }
}
