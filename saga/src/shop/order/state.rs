//! Where an order stands as far as its verbs are concerned, and the signals that they send.

use holdfast_shared::{Actor, OrderId, SagaId};

use crate::ports::Hint;
use crate::records::Order;
use crate::records::batch_rows::World;
use crate::records::signal::{NewSignal, Signal, SignalBody};
use crate::records::slot;
use crate::shop::answer::{Against, Answer, Answered, Conflict};
use crate::timeline::if_it_comes_back;

/// What stands in the way when the checkout of an order that stands stopped half way after its pivot.
pub(super) fn unsettled_checkout(world: &World, order: OrderId, by: &Actor) -> Option<String> {
    let (saga, _) = world.sagas.get(&order.saga(slot::CHECKOUT))?;
    let settled = saga.state.is_settled();
    (!settled).then(|| needs_attention(order, by))
}

/// An order that an operator has to look at. A buyer is shown no command.
pub(super) fn needs_attention(order: OrderId, by: &Actor) -> String {
    match by {
        Actor::Customer => format!("order {order} cannot be changed now: the shop has to look at it first"),
        Actor::Admin(_) | Actor::Operator(_) => {
            format!("order {order} needs attention first: see `holdfast order explain {order}`")
        }
    }
}

/// An order whose rows contradict each other.
pub(super) fn inconsistent<T>(order: OrderId, why: &str, by: &Actor) -> Result<T, Conflict> {
    let message = match by {
        Actor::Customer => format!("order {order} cannot be changed; ask the shop"),
        Actor::Admin(_) | Actor::Operator(_) => format!("order {order}: {why}; run `holdfast audit`"),
    };
    Err(Conflict::Order(Against::Inconsistent, message))
}

pub(super) fn was_cancelled(order: &Order) -> String {
    let reason = order.cancel_reason.map_or("unknown reason", Into::into);
    format!("order {} was cancelled at {} ({reason})", order.id, order.updated_at)
}

/// Why an order that has left the house cannot be undone, and what can be done instead.
pub(super) fn is_gone(order: &Order, by: &Actor) -> String {
    let instead = match by {
        Actor::Customer => "ask the shop how to send it back",
        Actor::Admin(_) | Actor::Operator(_) => if_it_comes_back(order),
    };
    format!("order {} is {} already and cannot be cancelled any more; {instead}", order.id, order.status)
}

pub(super) fn pending_cancel(inbox: &[Signal]) -> Option<&Actor> {
    inbox.iter().find_map(|signal| match &signal.body {
        SignalBody::Cancel { by } => Some(by),
        SignalBody::Confirmation { .. }
        | SignalBody::PaymentEvent { .. }
        | SignalBody::LateOutcome { .. }
        | SignalBody::Retry { .. }
        | SignalBody::Discard { .. } => None,
    })
}

pub(super) fn pending_decision(inbox: &[Signal]) -> Option<bool> {
    inbox.iter().find_map(|signal| match &signal.body {
        SignalBody::Confirmation { confirmed, .. } => Some(*confirmed),
        SignalBody::Cancel { .. }
        | SignalBody::PaymentEvent { .. }
        | SignalBody::LateOutcome { .. }
        | SignalBody::Retry { .. }
        | SignalBody::Discard { .. } => None,
    })
}

pub(super) fn send(world: &mut World, saga: SagaId, dedupe: &str, body: SignalBody) -> Answer {
    let Some((found, _)) = world.sagas.get(&saga) else {
        return Err(Conflict::UnknownSaga(saga));
    };
    let hint = Hint { saga, queue: found.queue };
    world.writes.signals.push(NewSignal { saga, dedupe: dedupe.to_owned(), body });
    Ok(Answered::Accepted(hint))
}
