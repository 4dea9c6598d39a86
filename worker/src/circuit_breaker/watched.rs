//! A provider whose answers are observed, whatever they mean for the order.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use holdfast_saga::ports::{AroundProvider, Fault, PaymentProvider};

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
            Ok(_) | Err(Fault::Refused(_) | Fault::Misconfigured { .. } | Fault::NotNow { .. }) => Health::Ok,
            Err(Fault::NotReached(_) | Fault::Unclear(_)) => Health::Failed,
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

impl AroundProvider for Watched {
    fn provider(&self) -> &dyn PaymentProvider {
        &*self.provider
    }

    fn around<'a, T: Send + 'a>(
        &'a self,
        request: BoxFuture<'a, Result<T, Fault>>,
    ) -> BoxFuture<'a, Result<T, Fault>> {
        Box::pin(self.observed.observe(request))
    }
}
