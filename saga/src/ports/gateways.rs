//! Everything outside the database that calls go to, by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::channel::NotificationChannel;
use super::participant::Participant;
use super::payments::PaymentProvider;

/// Everything outside the database that calls go to.
///
/// An order names the provider that takes its money and is refunded there, and a notification names its channel, whatever
/// is configured for new ones. A call whose gateway is not configured is held.
#[derive(Debug, Clone, Default)]
pub struct Gateways {
    /// The payment providers.
    pub payments: Providers,
    /// The notification channels.
    pub channels: Channels,
    /// The services of the shop's that take part in sagas.
    pub participants: Participants,
}

impl Gateways {
    /// These, and nobody takes part in sagas.
    pub fn new(payments: Providers, channels: Channels) -> Self {
        Self { payments, channels, ..Self::default() }
    }
}

/// Payment providers, each under its name.
pub type Providers = Named<dyn PaymentProvider>;
/// Notification channels, each under its name.
pub type Channels = Named<dyn NotificationChannel>;
/// Participants, each under its name.
pub type Participants = Named<dyn Participant>;

/// Gateways of one kind, each under its name.
#[derive(Debug)]
pub struct Named<T: ?Sized>(Arc<BTreeMap<String, Arc<T>>>);

impl<T: ?Sized> Named<T> {
    /// The one of this name, if it is configured here.
    pub fn get(&self, name: &str) -> Option<&Arc<T>> {
        self.0.get(name)
    }

    /// The names of all.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The only one.
    pub fn of(gateway: Arc<T>) -> Self
    where
        Self: FromIterator<Arc<T>>,
    {
        [gateway].into_iter().collect()
    }
}

impl<T: ?Sized> Clone for Named<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: ?Sized> Default for Named<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl FromIterator<Arc<dyn PaymentProvider>> for Providers {
    fn from_iter<I: IntoIterator<Item = Arc<dyn PaymentProvider>>>(providers: I) -> Self {
        let named = |provider: Arc<dyn PaymentProvider>| (provider.name().to_owned(), provider);
        Self(Arc::new(providers.into_iter().map(named).collect()))
    }
}

impl FromIterator<Arc<dyn NotificationChannel>> for Channels {
    fn from_iter<I: IntoIterator<Item = Arc<dyn NotificationChannel>>>(channels: I) -> Self {
        let named = |channel: Arc<dyn NotificationChannel>| (channel.name().to_owned(), channel);
        Self(Arc::new(channels.into_iter().map(named).collect()))
    }
}

impl FromIterator<Arc<dyn Participant>> for Participants {
    fn from_iter<I: IntoIterator<Item = Arc<dyn Participant>>>(participants: I) -> Self {
        let named = |participant: Arc<dyn Participant>| (participant.name().to_owned(), participant);
        Self(Arc::new(participants.into_iter().map(named).collect()))
    }
}
