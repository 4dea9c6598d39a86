//! Undoing an order that was confirmed: money back, goods back, order cancelled.

use holdfast_shared::{OrderStatus, PaymentMethod, Queue};

use super::notification;
use super::stages::order::{CANCEL_ORDER, NOTIFY_CANCELLED};
use super::stages::payment::{REFUND_PAYMENT, drop_due_on_delivery};
use crate::engine::definition::{Definition, Kind, Phrases, Refusal, Stage, local, pivot};
use crate::records::change::Change;
use crate::records::context::{Cancellation, Context, NoticeKind};
use crate::records::saga::{NewSaga, Saga};

/// Decided from the start, so the pivot comes first: it only goes forward.
pub static V1: Definition = Definition {
    name: "cancellation",
    version: 1,
    queue: Queue::Compensation,
    forward: &[
        pivot(),
        REFUND_PAYMENT,
        RESTOCK,
        Stage { kind: Kind::Local(cancel_order), ..CANCEL_ORDER },
        Stage { kind: Kind::Spawn(notify_cancelled), ..NOTIFY_CANCELLED },
    ],
    after_undo: &[],
    late_capture: None,
};

const RESTOCK: Stage = local("restock", restock)
    .reads(Phrases::new("putting the goods back into stock", "goods put back into stock"));

fn restock(saga: &Saga) -> Result<Vec<Change>, Refusal> {
    Ok(vec![Change::Restock { order: saga.order(), lines: cancellation(saga).lines.clone() }])
}

fn cancel_order(saga: &Saga) -> Result<Vec<Change>, Refusal> {
    let cancellation = cancellation(saga);
    let order = saga.order();
    let mut changes =
        vec![Change::CancelOrder { order, from: OrderStatus::Cancelling, reason: cancellation.reason }];
    if cancellation.method == PaymentMethod::Cod {
        changes.push(drop_due_on_delivery(saga));
    }
    Ok(changes)
}

fn notify_cancelled(saga: &Saga) -> NewSaga {
    let cancellation = cancellation(saga);
    let reason = Some(cancellation.reason);
    notification::start(saga, NoticeKind::OrderCancelled, cancellation.total, reason)
}

fn cancellation(saga: &Saga) -> &Cancellation {
    match &*saga.context {
        Context::Cancellation(cancellation) => cancellation,
        Context::Checkout(_) | Context::Notice(_) | Context::LateRefund(_) | Context::PartialRefund(_) => {
            panic!("saga {} runs a cancellation without being one", saga.id)
        }
    }
}
