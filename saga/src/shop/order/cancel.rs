//! Cancelling: who may still do it, and what it takes.

use holdfast_shared::{Actor, KeySource, OrderEvent, OrderStatus};

use super::refund;
use super::state::{inconsistent, is_gone, needs_attention, pending_cancel, send, was_cancelled};
use crate::flows::cancellation;
use crate::ports::Hint;
use crate::records::Order;
use crate::records::batch_rows::{OrderMove, World};
use crate::records::context::{Cancellation, Context};
use crate::records::saga::{Charge, Phase};
use crate::records::signal::SignalBody;
use crate::records::slot;
use crate::shop::answer::{Against, Answer, Answered, against, already};

/// Undoes `order` on behalf of `by`: by a signal to its checkout, or after the pivot by a saga of its own.
pub(super) fn cancel(world: &mut World, keys: &KeySource, order: &Order, by: &Actor) -> Answer {
    let id = order.id;
    match order.status {
        OrderStatus::PendingPayment | OrderStatus::PendingConfirmation => {}
        OrderStatus::Processing if *by == Actor::Customer => {
            let message = format!("order {id} is being prepared; only the shop can cancel it now");
            return against(Against::InPreparation, message);
        }
        OrderStatus::Confirmed | OrderStatus::Processing => return cancel_confirmed(world, keys, order, by),
        OrderStatus::Cancelling => return already(format!("order {id} is being cancelled")),
        OrderStatus::Cancelled => return already(was_cancelled(order)),
        OrderStatus::Shipped | OrderStatus::Delivered => {
            return against(Against::Gone, is_gone(order, by));
        }
    }
    let Some((saga, inbox)) = world.sagas.get(&id.saga(slot::CHECKOUT)) else {
        return inconsistent(id, "it has no saga", by);
    };
    if saga.progress.pivoted {
        return against(Against::NeedsAttention, needs_attention(id, by));
    }
    if pending_cancel(inbox).is_some() || saga.progress.phase != Phase::Forward {
        return already(format!("order {id} is being cancelled"));
    }
    send(world, id.saga(slot::CHECKOUT), "cancel", SignalBody::Cancel { by: by.clone() })
}

/// After the pivot a cancellation is its own saga; the order belongs to it from this commit on.
fn cancel_confirmed(world: &mut World, keys: &KeySource, order: &Order, by: &Actor) -> Answer {
    let id = order.id;
    let to = match order.status.after(OrderEvent::BeginCancel) {
        Ok(to) => to,
        Err(illegal) => return inconsistent(id, &illegal.to_string(), by),
    };
    if let Some(message) = refund::under_way(world, id, by) {
        let message = format!("{message}; cancel order {id} once it is back, then the rest is given back");
        return against(Against::RefundUnderWay, message);
    }
    let payment = world.payments.get(&id);
    let context = Cancellation {
        reason: by.cancel_reason(),
        lines: order.lines.clone(),
        charge: payment.and_then(|payment| payment.charge.clone()),
        provider: payment.map(|payment| payment.provider.clone()).unwrap_or_default(),
        method: order.method,
        total: order.total,
        refunded_minor: payment.map_or(0, |payment| payment.refunded_minor),
        settled_manually_minor: payment.map_or(0, |payment| payment.settled_manually_minor),
    };
    let charge = payment.and_then(Charge::of);
    let context = Context::Cancellation(context);
    let mut saga =
        cancellation::V1.start(id.saga(slot::CANCELLATION), context).begin(keys.draw(id), world.now);
    saga.progress.data.charge = charge;
    let hint = Hint { saga: saga.id, queue: saga.queue };
    world.writes.orders.insert(id, OrderMove { from: order.status, to, reason: None });
    world.writes.new_sagas.insert(saga.id, saga);
    Ok(Answered::Accepted(hint))
}
