//! What people ask of an order on its way, answered truthfully: under the saga's lock, with what
//! is true at that instant.

use holdfast_shared::{
    Actor, CancelReason, OrderEvent, OrderId, OrderStatus, PaymentMethod, SagaId, SagaState, StepKey,
};

use crate::context::{Cancellation, Context, slot};
use crate::flows::cancellation;
use crate::ports::{Hint, Store, StoreError};
use crate::rows::{AdminAction, Order};
use crate::saga::{Charge, Phase, Saga};
use crate::signal::{NewSignal, Signal, SignalBody};
use crate::world::{Footprint, OrderMove, World};

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verb {
    /// Let a cash-on-delivery order go on.
    Confirm,
    /// Refuse a cash-on-delivery order.
    Reject,
    /// Undo an order, before or after it was confirmed.
    Cancel,
}

impl Verb {
    /// The name in the audit trail.
    const fn action(&self) -> &'static str {
        match self {
            Self::Confirm => "order.confirm",
            Self::Reject => "order.reject",
            Self::Cancel => "order.cancel",
        }
    }
}

/// The answer, when nothing stands against it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered {
    /// It will be done; nothing that happens later undoes the promise. Wake this saga.
    Accepted(Hint),
    /// It is so already.
    Already(String),
}

/// Why it cannot be done, with what happened instead. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// No such order.
    #[error("order {0} does not exist; `holdfast order list` shows those that do")]
    UnknownOrder(OrderId),
    /// No such saga.
    #[error("saga {0} does not exist; `holdfast saga list` shows those that do")]
    UnknownSaga(SagaId),
    /// Something else happened.
    #[error("{0}")]
    Instead(String),
}

impl Conflict {
    /// Whether the thing itself is missing.
    pub const fn is_not_found(&self) -> bool {
        matches!(self, Self::UnknownOrder(_) | Self::UnknownSaga(_))
    }
}

type Answer = Result<Answered, Conflict>;

/// Asks `verb` of `order` on behalf of `by`.
///
/// Holds after `Accepted`: the wish is committed, with its trace in the audit trail where an admin or
/// an operator asked. An `Err` of the store means that nothing was written.
pub async fn ask(store: &dyn Store, order: OrderId, verb: Verb, by: &Actor) -> Result<Answer, StoreError> {
    let mut tx = store.begin().await?;
    let mut world = World::default();
    let footprint = Footprint {
        sagas: vec![order.saga(slot::CHECKOUT)],
        orders: vec![order],
        payments: vec![order],
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
        Verb::Cancel => cancel(&mut world, &found, by),
    };
    if let Ok(Answered::Accepted(_)) = &answer {
        trace(&mut world, by, verb.action(), order, &format!("order {order}"), "accepted");
        tx.save(&world.writes).await?;
    }
    Ok(answer)
}

/// Lets a dead saga go on. Settled sagas and living ones are left alone.
pub async fn retry(store: &dyn Store, saga: SagaId, by: &Actor) -> Result<Answer, StoreError> {
    let mut tx = store.begin().await?;
    let mut world = World::default();
    tx.load(&Footprint { sagas: vec![saga], ..Footprint::default() }, &mut world).await?;
    world.writes.at = world.now;
    let Some((found, signals)) = world.sagas.get(&saga).cloned() else {
        return Ok(Err(Conflict::UnknownSaga(saga)));
    };
    if found.state != SagaState::Dead {
        let instead = format!("saga {saga} is {}, only a dead one is retried", found.state);
        return Ok(Err(Conflict::Instead(instead)));
    }
    if signals.iter().any(|signal| matches!(signal.body, SignalBody::Retry { .. })) {
        return Ok(Ok(Answered::Already(format!("saga {saga} is about to go on"))));
    }
    world.writes.signals.push(NewSignal {
        saga,
        // Each death can be retried once: the fence tells one from the next.
        dedupe: format!("retry:{}", found.fence),
        body: SignalBody::Retry { by: by.clone() },
    });
    trace(
        &mut world,
        by,
        "saga.retry",
        saga.order(),
        &format!("saga {saga}"),
        found.progress.error.as_deref().unwrap_or(""),
    );
    tx.save(&world.writes).await?;
    Ok(Ok(Answered::Accepted(Hint { saga, queue: found.queue })))
}

/// Tells the order's saga that the provider reported on `charge`. The saga asks the provider back.
///
/// Repeating an event, under the provider's own id for it, changes nothing.
pub async fn payment_event(
    store: &dyn Store,
    charge: &StepKey,
    event_id: &str,
) -> Result<Answer, StoreError> {
    let Some(order) = charge.order() else {
        let instead = format!("{charge:?} is no reference of ours; the event was not meant for this shop");
        return Ok(Err(Conflict::Instead(instead)));
    };
    let saga = order.saga(slot::CHECKOUT);
    let mut tx = store.begin().await?;
    let mut world = World::default();
    tx.load(&Footprint { sagas: vec![saga], ..Footprint::default() }, &mut world).await?;
    world.writes.at = world.now;
    let Some((found, _)) = world.sagas.get(&saga) else {
        return Ok(Err(Conflict::UnknownOrder(order)));
    };
    let hint = Hint { saga, queue: found.queue };
    world.writes.signals.push(NewSignal {
        saga,
        dedupe: format!("event:{event_id}"),
        body: SignalBody::PaymentEvent { charge: charge.clone() },
    });
    tx.save(&world.writes).await?;
    Ok(Ok(Answered::Accepted(hint)))
}

fn trace(world: &mut World, by: &Actor, action: &str, order: OrderId, subject: &str, detail: &str) {
    let (Actor::Admin(name) | Actor::Operator(name)) = by else {
        return;
    };
    world.writes.admin_actions.push(AdminAction {
        at: world.now,
        actor: name.clone(),
        action: action.to_owned(),
        subject: subject.to_owned(),
        detail: detail.to_owned(),
        order: Some(order),
    });
}

fn instead(words: String) -> Answer {
    Err(Conflict::Instead(words))
}

fn already(words: String) -> Answer {
    Ok(Answered::Already(words))
}

fn was_cancelled(order: &Order) -> String {
    let reason = order.cancel_reason.map_or("unknown reason", Into::into);
    format!("order {} was cancelled at {} ({reason})", order.id, order.updated_at)
}

fn decide(world: &mut World, order: &Order, confirmed: bool, by: &Actor) -> Answer {
    let id = order.id;
    if order.method != PaymentMethod::Cod {
        return instead(format!(
            "order {id} is paid by {}; it confirms itself once the money is there",
            order.method
        ));
    }
    match order.status {
        OrderStatus::PendingConfirmation => {}
        OrderStatus::Cancelled
            if !confirmed && order.cancel_reason == Some(CancelReason::RejectedByAdmin) =>
        {
            return already(was_cancelled(order));
        }
        OrderStatus::Cancelled => return instead(was_cancelled(order)),
        OrderStatus::Confirmed | OrderStatus::Processing | OrderStatus::Shipped | OrderStatus::Delivered
            if confirmed =>
        {
            return already(format!("order {id} is {}", order.status));
        }
        OrderStatus::PendingPayment
        | OrderStatus::Confirmed
        | OrderStatus::Processing
        | OrderStatus::Shipped
        | OrderStatus::Delivered
        | OrderStatus::Cancelling => {
            return instead(format!("order {id} is {} already; cancel it instead", order.status));
        }
    }
    let Some((saga, inbox)) = world.sagas.get(&id.saga(slot::CHECKOUT)) else {
        return instead(format!("order {id} has no saga; run `holdfast audit`"));
    };
    if let Some(by) = pending_cancel(inbox) {
        return instead(format!("{by} cancelled order {id} a moment ago"));
    }
    if let Some(decided) = pending_decision(inbox) {
        let words = format!("order {id} was {} a moment ago", if decided { "confirmed" } else { "rejected" });
        return if decided == confirmed { already(words) } else { instead(words) };
    }
    if saga.progress.phase != Phase::Forward || saga.progress.pivoted {
        let cause = saga.progress.cause.map_or("its saga is ending", Into::into);
        return instead(format!("order {id} is being cancelled ({cause})"));
    }
    if saga.state == SagaState::Dead {
        return instead(format!("order {id} needs attention first: see `holdfast order explain {id}`"));
    }
    signal(
        world,
        id.saga(slot::CHECKOUT),
        "confirmation",
        SignalBody::Confirmation { confirmed, by: by.clone() },
    )
}

fn cancel(world: &mut World, order: &Order, by: &Actor) -> Answer {
    let id = order.id;
    match order.status {
        OrderStatus::PendingPayment | OrderStatus::PendingConfirmation => {}
        OrderStatus::Processing if *by == Actor::Customer => {
            return instead(format!("order {id} is being prepared; only the shop can cancel it now"));
        }
        OrderStatus::Confirmed | OrderStatus::Processing => return cancel_confirmed(world, order, by),
        OrderStatus::Cancelling => return already(format!("order {id} is being cancelled")),
        OrderStatus::Cancelled => return already(was_cancelled(order)),
        OrderStatus::Shipped | OrderStatus::Delivered => {
            return instead(format!(
                "order {id} is {} already; it can only come back as a return",
                order.status
            ));
        }
    }
    let Some((saga, inbox)) = world.sagas.get(&id.saga(slot::CHECKOUT)) else {
        return instead(format!("order {id} has no saga; run `holdfast audit`"));
    };
    if saga.progress.pivoted {
        return instead(format!("order {id} needs attention first: see `holdfast order explain {id}`"));
    }
    if pending_cancel(inbox).is_some() || saga.progress.phase != Phase::Forward {
        return already(format!("order {id} is being cancelled"));
    }
    signal(world, id.saga(slot::CHECKOUT), "cancel", SignalBody::Cancel { by: by.clone() })
}

/// After the pivot a cancellation is its own saga; the order belongs to it from this commit on.
fn cancel_confirmed(world: &mut World, order: &Order, by: &Actor) -> Answer {
    let id = order.id;
    let to = match order.status.after(OrderEvent::BeginCancel) {
        Ok(to) => to,
        Err(illegal) => return instead(illegal.to_string()),
    };
    let payment = world.payments.get(&id);
    let context = Cancellation {
        reason: by.cancel_reason(),
        lines: order.lines.clone(),
        charge: payment.and_then(|payment| payment.charge.clone()),
        provider: payment.map(|payment| payment.provider.clone()).unwrap_or_default(),
        method: order.method,
        total: order.total,
        email: order.contact.email.clone(),
    };
    let charge =
        payment.and_then(|payment| Some(Charge { key: payment.charge.clone()?, status: payment.status }));
    let context = Context::Cancellation(context);
    let mut saga = Saga::new(id.saga(slot::CANCELLATION), &cancellation::V1, context, world.now);
    saga.progress.memo.charge = charge;
    let hint = Hint { saga: saga.id, queue: saga.queue };
    world.writes.orders.insert(id, OrderMove { from: order.status, to, reason: None });
    world.writes.new_sagas.insert(saga.id, saga);
    Ok(Answered::Accepted(hint))
}

fn signal(world: &mut World, saga: SagaId, dedupe: &str, body: SignalBody) -> Answer {
    let Some((found, _)) = world.sagas.get(&saga) else {
        return Err(Conflict::UnknownSaga(saga));
    };
    let hint = Hint { saga, queue: found.queue };
    world.writes.signals.push(NewSignal { saga, dedupe: dedupe.to_owned(), body });
    Ok(Answered::Accepted(hint))
}

fn pending_cancel(inbox: &[Signal]) -> Option<&Actor> {
    inbox.iter().find_map(|signal| match &signal.body {
        SignalBody::Cancel { by } => Some(by),
        SignalBody::Confirmation { .. }
        | SignalBody::PaymentEvent { .. }
        | SignalBody::LateOutcome { .. }
        | SignalBody::Retry { .. } => None,
    })
}

fn pending_decision(inbox: &[Signal]) -> Option<bool> {
    inbox.iter().find_map(|signal| match &signal.body {
        SignalBody::Confirmation { confirmed, .. } => Some(*confirmed),
        SignalBody::Cancel { .. }
        | SignalBody::PaymentEvent { .. }
        | SignalBody::LateOutcome { .. }
        | SignalBody::Retry { .. } => None,
    })
}
