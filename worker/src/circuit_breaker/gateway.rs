//! What a circuit breaker looks after.

use std::fmt;
use std::sync::Arc;

use holdfast_saga::ports::{Fault, NotificationChannel, PaymentProvider};
use holdfast_telemetry::Metrics;

use super::view::View;

/// A payment provider or a notification channel.
#[derive(Debug, Clone)]
pub enum Gateway {
    /// A payment provider.
    Provider(Arc<dyn PaymentProvider>),
    /// A notification channel.
    Channel(Arc<dyn NotificationChannel>),
}

impl Gateway {
    /// Its name among those of its kind.
    pub fn name(&self) -> &str {
        match self {
            Self::Provider(provider) => provider.name(),
            Self::Channel(channel) => channel.name(),
        }
    }

    /// What it is.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Provider(_) => "provider",
            Self::Channel(_) => "channel",
        }
    }

    /// Shows how its circuit breaker stands.
    pub(super) fn set_metric(&self, metrics: &Metrics, view: View) {
        match self {
            Self::Provider(provider) => metrics.set_breaker(provider.name(), view.name(), &View::NAMES),
            Self::Channel(channel) => metrics.set_channel_breaker(channel.name(), view.name(), &View::NAMES),
        }
    }

    pub(crate) async fn ping(&self) -> Result<(), Fault> {
        match self {
            Self::Provider(provider) => provider.ping().await.map(|_account| ()),
            Self::Channel(channel) => channel.ping().await,
        }
    }
}

impl fmt::Display for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind(), self.name())
    }
}
