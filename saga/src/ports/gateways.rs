//! Everything outside the database that calls go to.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::notifier::Notifier;
use super::payments::PaymentProvider;

/// Everything outside the database that calls go to.
#[derive(Debug, Clone)]
pub struct Gateways {
    /// The payment providers. An order names the one that takes its money, and is refunded there, whichever one takes the
    /// money of new orders.
    pub payments: Providers,
    /// The customer's channel.
    pub notifier: Arc<dyn Notifier>,
}

/// Payment providers, each under its name.
#[derive(Debug, Clone, Default)]
pub struct Providers(Arc<BTreeMap<String, Arc<dyn PaymentProvider>>>);

impl Providers {
    /// The only one.
    pub fn of(provider: Arc<dyn PaymentProvider>) -> Self {
        [provider].into_iter().collect()
    }

    /// The one of this name, if it is configured here.
    pub fn get(&self, name: &str) -> Option<&Arc<dyn PaymentProvider>> {
        self.0.get(name)
    }

    /// The names of all.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl FromIterator<Arc<dyn PaymentProvider>> for Providers {
    fn from_iter<I: IntoIterator<Item = Arc<dyn PaymentProvider>>>(providers: I) -> Self {
        let named = |provider: Arc<dyn PaymentProvider>| (provider.name().to_owned(), provider);
        Self(Arc::new(providers.into_iter().map(named).collect()))
    }
}
