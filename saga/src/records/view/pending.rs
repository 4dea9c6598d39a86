//! What was asked of an order and accepted, and is not done yet.

use holdfast_shared::{Actor, CancelReason, OrderStatus, Time};

use crate::records::context::Context;
use crate::records::saga::Saga;
use crate::records::signal::{Signal, SignalBody};
use crate::records::slot;

/// Something that will be done with an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// The verb, such as `cancel`.
    pub verb: &'static str,
    /// Who asked for it.
    pub by: Actor,
    /// When it was accepted.
    pub at: Time,
}

impl Pending {
    /// The kinds of sagas that carry a request out, besides the checkout.
    pub const SAGAS: [&'static str; 2] = ["cancellation", "partial_refund"];

    /// What is pending of an order with this `status`: the last of its unread `signals`, or what one of its `sagas` carries
    /// out. A cancellation wins over everything else.
    pub fn of<'a>(
        status: OrderStatus,
        signals: impl DoubleEndedIterator<Item = &'a Signal>,
        mut sagas: impl DoubleEndedIterator<Item = &'a Saga>,
    ) -> Option<Self> {
        match status {
            OrderStatus::PendingPayment | OrderStatus::PendingConfirmation => {
                let mut of_checkout = signals.rev().filter(|signal| slot::is_checkout(signal.saga));
                of_checkout.find_map(decision)
            }
            OrderStatus::Cancelling => sagas.find_map(cancellation),
            OrderStatus::Confirmed
            | OrderStatus::Processing
            | OrderStatus::Shipped
            | OrderStatus::Delivered => sagas.rev().find_map(refund),
            OrderStatus::Cancelled => None,
        }
    }
}

fn decision(signal: &Signal) -> Option<Pending> {
    let (verb, by) = match &signal.body {
        SignalBody::Confirmation { confirmed: true, by } => ("confirm", by),
        SignalBody::Confirmation { confirmed: false, by } => ("reject", by),
        SignalBody::Cancel { by } => ("cancel", by),
        SignalBody::PaymentEvent { .. }
        | SignalBody::LateOutcome { .. }
        | SignalBody::Retry { .. }
        | SignalBody::Discard { .. } => return None,
    };
    Some(Pending { verb, by: by.clone(), at: signal.created_at })
}

/// Who asked for a cancellation is known as far as its saga says: the name of an admin is in the audit trail.
fn cancellation(saga: &Saga) -> Option<Pending> {
    let Context::Cancellation(cancellation) = &*saga.context else { return None };
    let by = if cancellation.reason == CancelReason::CustomerRequest {
        Actor::Customer
    } else {
        Actor::Admin(String::new())
    };
    Some(Pending { verb: "cancel", by, at: saga.created_at })
}

fn refund(saga: &Saga) -> Option<Pending> {
    let Context::PartialRefund(refund) = &*saga.context else { return None };
    let is_under_way = !saga.state.is_settled();
    is_under_way.then(|| Pending { verb: "refund", by: refund.by.clone(), at: saga.created_at })
}
