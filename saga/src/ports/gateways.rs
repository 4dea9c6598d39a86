//! Everything outside the database that calls go to.

use std::sync::Arc;

use super::notifier::Notifier;
use super::payments::PaymentProvider;

/// Everything outside the database that calls go to.
#[derive(Debug, Clone)]
pub struct Gateways {
    /// The payment provider. Orders name it; another name is a fault of the configuration.
    pub payments: Arc<dyn PaymentProvider>,
    /// The customer's channel.
    pub notifier: Arc<dyn Notifier>,
}
