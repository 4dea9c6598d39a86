//! The log as a notification channel: one structured line for each notification.

use async_trait::async_trait;
use holdfast_saga::ports::{Fault, NotificationChannel};
use holdfast_saga::records::context::Notice;
use holdfast_shared::{OrderId, SagaId, StepKey};

/// The name of the channel, as notifications store it.
pub const NAME: &str = "log";

/// Writes notifications to the log. E-mail addresses are personal data, so the line names only the order.
#[derive(Debug, Clone, Copy, Default)]
pub struct LogChannel;

#[async_trait]
impl NotificationChannel for LogChannel {
    fn name(&self) -> &'static str {
        NAME
    }

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
