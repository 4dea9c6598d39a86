//! The permission to send one call, and what the call says about its provider.

use std::sync::Arc;

use holdfast_saga::ports::PaymentProvider;
use holdfast_shared::OrderId;

use super::health::Health;
use super::replica::Inner;
use super::state::Event;
use super::watched::{ObservedHealth, Watched};

/// The permission to send one call. Dropping it without [`Permit::settle`] says nothing about the provider.
#[derive(Debug)]
pub(crate) struct Permit {
    inner: Arc<Inner>,
    order: Option<OrderId>,
    /// The name of the probe, if this call is one.
    probe: Option<String>,
    /// How often the state had changed when the call was let through.
    changes: u64,
    pub(super) observed: ObservedHealth,
}

impl Permit {
    pub(super) fn new(inner: Arc<Inner>, order: Option<OrderId>, probe: Option<String>) -> Self {
        let changes = inner.known().changes;
        Self { inner, order, probe, changes, observed: ObservedHealth::default() }
    }

    /// The provider, with its answers observed.
    pub(crate) fn watch(&self, provider: Arc<dyn PaymentProvider>) -> Arc<dyn PaymentProvider> {
        Arc::new(Watched { provider, observed: self.observed.clone() })
    }

    /// The same call, with nothing observed.
    pub(crate) fn without_observation(self) -> Self {
        Self { observed: ObservedHealth::default(), ..self }
    }

    /// Ends the call. What it observed of the provider counts from now on.
    pub(crate) async fn settle(self) {
        let (inner, sign) = (&self.inner, self.observed.last());
        if let Some(by) = self.probe {
            let event = match sign {
                Some(Health::Ok) => Event::Answered { by },
                Some(Health::Failed) => Event::Unanswered { by },
                None => Event::Aborted { by },
            };
            inner.change(&event).await;
        } else if let Some(sign) = sign {
            let now = inner.now();
            let is_too_many = {
                let mut known = inner.known();
                known.changes == self.changes && known.health.saw(self.order, sign, now)
            };
            if is_too_many {
                inner.change(&Event::Tripped).await;
            }
        }
    }
}
