//! The first way to a customer: a structured line in the log.

use async_trait::async_trait;
use holdfast_saga::ports::{Fault, Notifier};
use holdfast_saga::records::context::Notice;
use holdfast_shared::{SagaId, StepKey};

/// Writes messages to the log. Addresses are personal, so the line names the order alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct LogNotifier;

#[async_trait]
impl Notifier for LogNotifier {
    async fn send(&self, _key: &StepKey, id: SagaId, notice: &Notice) -> Result<(), Fault> {
        let order = id.order();
        let reason: &str = notice.reason.map_or("", Into::into);
        tracing::info!(
            saga.id = %id, order = %order, notice = %notice.notice, total = %notice.total, reason,
            "order {order}: {}", notice.notice
        );
        Ok(())
    }
}
