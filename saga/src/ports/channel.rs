//! A way to reach customers.

use std::fmt;

use async_trait::async_trait;
use holdfast_shared::{SagaId, StepKey};

use super::payments::Fault;
use crate::records::context::Notice;

/// A way to reach customers.
#[async_trait]
pub trait NotificationChannel: Send + Sync + fmt::Debug {
    /// The name stored with the notifications it sends.
    fn name(&self) -> &str;

    /// Whether it can be reached: one fixed, harmless request that names no order.
    async fn ping(&self) -> Result<(), Fault> {
        Ok(())
    }

    /// Sends one message, that of saga `id`. May be asked twice under the same `key`, which is how the outside knows it.
    async fn send(&self, key: &StepKey, id: SagaId, notice: &Notice) -> Result<(), Fault>;
}
