//! What people ask of an order on its way, answered truthfully: under the saga's lock, with what
//! is true at that instant.

mod cancel;
mod fulfil;
mod refund;
mod state;

use holdfast_shared::{Actor, CancelReason, OrderId, OrderStatus, PaymentMethod, SagaState};

pub use refund::{GRANTS_MAX, Grant, REASON_MAX, refund};

use crate::ports::{Store, StoreError};
use crate::records::Order;
use crate::records::batch_rows::{Footprint, World};
use crate::records::saga::Phase;
use crate::records::signal::SignalBody;
use crate::records::slot;
use crate::shop::answer::{Against, Answer, Answered, Conflict, against, already};
use crate::shop::audit_trail::record_verb;
use state::{inconsistent, is_gone, needs_attention, pending_cancel, pending_decision, send, was_cancelled};

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verb {
    /// Let a cash-on-delivery order go on.
    Confirm,
    /// Refuse a cash-on-delivery order.
    Reject,
    /// Undo an order, before or after it was confirmed.
    Cancel,
    /// Begin to prepare a confirmed order.
    Process,
    /// Send a prepared order on its way.
    Ship,
    /// An order on its way has arrived; what was due on delivery was collected.
    Deliver,
}

impl Verb {
    /// The name in the audit trail.
    pub const fn action(&self) -> &'static str {
        match self {
            Self::Confirm => "order.confirm",
            Self::Reject => "order.reject",
            Self::Cancel => "order.cancel",
            Self::Process => "order.process",
            Self::Ship => "order.ship",
            Self::Deliver => "order.deliver",
        }
    }
}

/// A verb, and why it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// What is asked.
    pub verb: Verb,
    /// Why, for the audit trail and the timeline.
    pub reason: Option<String>,
}

impl From<Verb> for Asked {
    fn from(verb: Verb) -> Self {
        Self { verb, reason: None }
    }
}

/// Asks something of `order` on behalf of `by`.
///
/// Holds after `Accepted` and `Done`: the request is committed, with its trace in the audit trail where an
/// admin or an operator asked, or where there is a reason. An `Err` of the store means that nothing was written, except
/// [`StoreError::CommitUnknown`]: asking again then finds out.
pub async fn ask(
    store: &dyn Store,
    order: OrderId,
    asked: impl Into<Asked> + Send,
    by: &Actor,
) -> Result<Answer, StoreError> {
    let Asked { verb, reason } = asked.into();
    let keys = store.keys().await?;
    let mut tx = store.begin().await?;
    let mut world = World::default();
    let footprint = Footprint {
        sagas: vec![order.saga(slot::CHECKOUT)],
        orders: vec![order],
        payments: vec![order],
        refunds: vec![order],
        ..Footprint::default()
    };
    tx.load(&footprint, &mut world).await?;
    world.writes.at = world.now;
    let Some(found) = world.orders.get(&order).cloned() else {
        return Ok(Err(Conflict::UnknownOrder(order)));
    };
    let answer = match verb {
        Verb::Confirm => decide(&mut world, &found, true, by),
        Verb::Reject => decide(&mut world, &found, false, by),
        Verb::Cancel => cancel::cancel(&mut world, &keys, &found, by),
        Verb::Process => fulfil::fulfil(&mut world, &found, fulfil::PROCESS, by),
        Verb::Ship => fulfil::fulfil(&mut world, &found, fulfil::SHIP, by),
        Verb::Deliver => fulfil::fulfil(&mut world, &found, fulfil::DELIVER, by),
    };
    let came_of_it = match &answer {
        Ok(Answered::Accepted(_)) => "accepted",
        Ok(Answered::Done(message)) => message,
        Ok(Answered::Already(_)) | Err(_) => return Ok(answer),
    };
    record_verb(&mut world, by, verb.action(), order, came_of_it, reason.as_deref());
    tx.save(&world.writes).await?;
    Ok(answer)
}

fn decide(world: &mut World, order: &Order, confirmed: bool, by: &Actor) -> Answer {
    let id = order.id;
    match order.method {
        PaymentMethod::Cod => {}
        PaymentMethod::Card | PaymentMethod::Paypal => {
            let message =
                format!("order {id} is paid by {}; it confirms itself once the money is there", order.method);
            return against(Against::ConfirmsItself, message);
        }
        PaymentMethod::None => {
            return against(Against::ConfirmsItself, format!("order {id} costs nothing; it confirms itself"));
        }
    }
    match order.status {
        OrderStatus::PendingConfirmation => {}
        OrderStatus::Cancelled
            if !confirmed && order.cancel_reason == Some(CancelReason::RejectedByAdmin) =>
        {
            return already(was_cancelled(order));
        }
        OrderStatus::Cancelled => return against(Against::Cancelled, was_cancelled(order)),
        OrderStatus::Confirmed | OrderStatus::Processing | OrderStatus::Shipped | OrderStatus::Delivered
            if confirmed =>
        {
            return already(format!("order {id} is {}", order.status));
        }
        OrderStatus::Cancelling => {
            return against(Against::BeingCancelled, format!("order {id} is being cancelled already"));
        }
        OrderStatus::Shipped | OrderStatus::Delivered => {
            return against(Against::Gone, is_gone(order, by));
        }
        OrderStatus::PendingPayment | OrderStatus::Confirmed | OrderStatus::Processing => {
            let message = format!("order {id} is {} already; cancel it instead", order.status);
            return against(Against::Confirmed, message);
        }
    }
    let Some((saga, inbox)) = world.sagas.get(&id.saga(slot::CHECKOUT)) else {
        return inconsistent(id, "it has no saga", by);
    };
    if let Some(by) = pending_cancel(inbox) {
        return against(Against::BeingCancelled, format!("{by} cancelled order {id} a moment ago"));
    }
    if let Some(decided) = pending_decision(inbox) {
        let message =
            format!("order {id} was {} a moment ago", if decided { "confirmed" } else { "rejected" });
        return if decided == confirmed { already(message) } else { against(Against::Decided, message) };
    }
    if saga.progress.phase != Phase::Forward || saga.progress.pivoted {
        let cause = saga.progress.cause.map_or("its saga is ending", Into::into);
        return against(Against::BeingCancelled, format!("order {id} is being cancelled ({cause})"));
    }
    if saga.state == SagaState::Dead {
        return against(Against::NeedsAttention, needs_attention(id, by));
    }
    send(
        world,
        id.saga(slot::CHECKOUT),
        "confirmation",
        SignalBody::Confirmation { confirmed, by: by.clone() },
    )
}
