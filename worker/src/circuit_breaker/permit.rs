//! The permission to send one call, and what the call says about its provider.

use std::sync::Arc;

use holdfast_saga::ports::PaymentProvider;

use super::health::Health;
use super::replica::Inner;
use super::watched::{ObservedHealth, Watched};

/// The permission to send one call. Dropping it without [`Permit::settle`] says nothing about the provider.
#[derive(Debug)]
pub(crate) struct Permit {
    inner: Arc<Inner>,
    pub(super) observed: ObservedHealth,
}

impl Permit {
    pub(super) fn new(inner: Arc<Inner>) -> Self {
        Self { inner, observed: ObservedHealth::default() }
    }

    /// The provider, with its answers observed.
    pub(crate) fn watch(&self, provider: Arc<dyn PaymentProvider>) -> Arc<dyn PaymentProvider> {
        Arc::new(Watched { provider, observed: self.observed.clone() })
    }

    /// Ends a call whose provider was watched. What it observed counts from now on.
    pub(crate) fn settle(self) {
        if let Some(health) = self.observed.last() {
            self.inner.saw(health);
        }
    }

    /// Ends a call of one request, which was answered or not.
    pub(crate) fn settle_as(self, health: Health) {
        self.inner.saw(health);
    }
}
