//! What was asked of an order and accepted, and is not done yet.

use holdfast_shared::{Actor, CancelReason, OrderStatus, Time};

use crate::ports::{Store, StoreError};
use crate::records::context::Context;
use crate::records::signal::{Signal, SignalBody};
use crate::records::slot;
use crate::records::view::OrderView;

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

/// The last decision about an order that its sagas have not carried out yet; a cancellation wins over a confirmation.
///
/// It costs one read by key, and none for an order that waits for no decision.
pub async fn pending(store: &dyn Store, view: &OrderView) -> Result<Option<Pending>, StoreError> {
    let id = view.order.id;
    match view.order.status {
        OrderStatus::PendingPayment | OrderStatus::PendingConfirmation => {
            Ok(store.inbox(id.saga(slot::CHECKOUT)).await?.iter().rev().find_map(decision))
        }
        OrderStatus::Cancelling => {
            let saga = store.saga(id.saga(slot::CANCELLATION)).await?;
            Ok(saga.map(|saga| Pending { verb: "cancel", by: canceller(&saga.context), at: saga.created_at }))
        }
        OrderStatus::Confirmed
        | OrderStatus::Processing
        | OrderStatus::Shipped
        | OrderStatus::Delivered
        | OrderStatus::Cancelled => Ok(None),
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

/// Who asked for a cancellation, as far as its saga says: the name of an admin is in the audit trail.
fn canceller(context: &Context) -> Actor {
    match context {
        Context::Cancellation(cancellation) if cancellation.reason == CancelReason::CustomerRequest => {
            Actor::Customer
        }
        _ => Actor::Admin(String::new()),
    }
}
