//! The log as a notification channel: one structured line for each notification.

use async_trait::async_trait;
use holdfast_saga::ports::{Fault, Notifier};
use holdfast_saga::records::context::Notice;
use holdfast_shared::{OrderId, SagaId, StepKey};

/// Writes notifications to the log. E-mail addresses are personal data, so the line names only the order.
#[derive(Debug, Clone, Copy, Default)]
pub struct LogNotifier;

#[async_trait]
impl Notifier for LogNotifier {
    async fn send(&self, _key: &StepKey, id: SagaId, notice: &Notice) -> Result<(), Fault> {
        tracing::info!(
            target: "holdfast::notification",
            {
                order.id = id.order().map(OrderId::number),
                saga.id = %id,
                notice = %notice.notice,
                total = %notice.total,
                reason = notice.reason.map(display)
            },
            "notified"
        );
        Ok(())
    }
}
