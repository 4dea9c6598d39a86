//! What happens to an order that stands: it is prepared, sent and delivered, one after the other.
//!
//! No saga does it: each is one move of the order's own row, done in the commit that answers.

use holdfast_shared::{Actor, OrderEvent, OrderStatus, PaymentEvent, PaymentMethod};

use super::state::{inconsistent, unsettled_checkout, was_cancelled};
use crate::records::batch_rows::{OrderMove, World};
use crate::records::{Order, Payment};
use crate::shop::answer::{Against, Answer, Answered, Conflict, against, already};

/// One step of a fulfilment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    event: OrderEvent,
    /// Where the order must stand.
    from: OrderStatus,
    /// As in "it can be shipped".
    participle: &'static str,
}

pub(super) const PROCESS: Step =
    Step { event: OrderEvent::Process, from: OrderStatus::Confirmed, participle: "prepared" };
pub(super) const SHIP: Step =
    Step { event: OrderEvent::Ship, from: OrderStatus::Processing, participle: "shipped" };
pub(super) const DELIVER: Step =
    Step { event: OrderEvent::Deliver, from: OrderStatus::Shipped, participle: "delivered" };

/// Moves `order` one step on, on behalf of `by`.
pub(super) fn fulfil(world: &mut World, order: &Order, step: Step, by: &Actor) -> Answer {
    let Step { event, from, participle } = step;
    let id = order.id;
    if *by == Actor::Customer {
        return against(Against::ShopOnly, format!("order {id} can only be {participle} by the shop"));
    }
    if let Ok(to) = order.status.after(event) {
        if let Some(message) = unsettled_checkout(world, id, by) {
            return against(Against::NeedsAttention, message);
        }
        if to == OrderStatus::Delivered && order.method == PaymentMethod::Cod {
            collect(world, order, by)?;
        }
        world.writes.orders.insert(id, OrderMove { from: order.status, to, reason: None });
        return Ok(Answered::Done(format!("order {id} is {to}")));
    }
    match order.status {
        OrderStatus::Cancelling => {
            let message = format!("order {id} is being cancelled; it cannot be {participle} any more");
            against(Against::BeingCancelled, message)
        }
        OrderStatus::Cancelled => against(Against::Cancelled, was_cancelled(order)),
        OrderStatus::Processing | OrderStatus::Shipped | OrderStatus::Delivered
            if is_behind(order.status, from) =>
        {
            already(format!("order {id} is {}", order.status))
        }
        OrderStatus::PendingPayment
        | OrderStatus::PendingConfirmation
        | OrderStatus::Confirmed
        | OrderStatus::Processing
        | OrderStatus::Shipped
        | OrderStatus::Delivered => {
            let message = format!("order {id} is {}; it can be {participle} once it is {from}", order.status);
            against(Against::NotReady, message)
        }
    }
}

/// Whether an order at `status` has left `from` behind on its way to the customer.
fn is_behind(status: OrderStatus, from: OrderStatus) -> bool {
    let way = [OrderStatus::Confirmed, OrderStatus::Processing, OrderStatus::Shipped, OrderStatus::Delivered];
    let at = |status| way.iter().position(|stop| *stop == status);
    at(status) > at(from)
}

/// The courier brings the cash. It never passed through a provider, so it counts as collected, not captured.
fn collect(world: &mut World, order: &Order, by: &Actor) -> Result<(), Conflict> {
    let id = order.id;
    let Some(payment) = world.payments.get(&id) else {
        return inconsistent(id, "it has no payment to collect", by);
    };
    let to = match payment.status.after(PaymentEvent::Collect) {
        Ok(to) => to,
        Err(illegal) => return inconsistent(id, &illegal.to_string(), by),
    };
    let collected = Payment { status: to, ..payment.clone() };
    world.writes.payments.insert(id, (Some(payment.status), collected));
    Ok(())
}
