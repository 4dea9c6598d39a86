//! Telling a saga by hand what it waits for, answered by what is true under its lock.

use holdfast_shared::{Actor, PaymentStatus, SagaId, SagaState};
use strum::{Display, EnumIter, EnumString, IntoStaticStr};

use crate::ports::{Hint, Store, StoreError};
use crate::records::batch_rows::{Footprint, World};
use crate::records::saga::CallState;
use crate::records::signal::{NewSignal, SignalBody};
use crate::records::slot;
use crate::shop::answer::{Answer, Answered, Conflict, already, instead};
use crate::shop::audit_trail::record_action;
use crate::shop::order::{Verb, ask};

/// What can be signalled to a waiting saga.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, EnumString, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Sign {
    /// The order goes on.
    Confirmation,
    /// The order is refused.
    Rejection,
    /// The provider has news of the charge. It is asked before it is believed.
    PaymentEvent,
}

/// Tells `saga` what it waits for, on behalf of `by`. One that waits for something else is left alone.
pub async fn signal(store: &dyn Store, saga: SagaId, sign: Sign, by: &Actor) -> Result<Answer, StoreError> {
    let verb = match sign {
        Sign::Confirmation => Verb::Confirm,
        Sign::Rejection => Verb::Reject,
        Sign::PaymentEvent => return payment_event(store, saga, by).await,
    };
    if let Some(order) = saga.order().filter(|_| slot::is_checkout(saga)) {
        return of_saga(saga, ask(store, order, verb, by).await);
    }
    Ok(match store.saga(saga).await? {
        Some(_) => instead(format!("saga {saga} waits for no decision; only a checkout does")),
        None => Err(Conflict::UnknownSaga(saga)),
    })
}

/// Undoes the order of `saga`, before or after it was confirmed.
pub async fn cancel(store: &dyn Store, saga: SagaId, by: &Actor) -> Result<Answer, StoreError> {
    if !slot::is_checkout(saga) && store.saga(saga).await?.is_none() {
        return Ok(Err(Conflict::UnknownSaga(saga)));
    }
    match saga.order() {
        Some(order) => of_saga(saga, ask(store, order, Verb::Cancel, by).await),
        None => Ok(instead(format!("saga {saga} serves no order that could be cancelled"))),
    }
}

/// Who asked for a saga hears of the saga.
fn of_saga(saga: SagaId, answer: Result<Answer, StoreError>) -> Result<Answer, StoreError> {
    Ok(match answer? {
        Err(Conflict::UnknownOrder(_)) => Err(Conflict::UnknownSaga(saga)),
        answer => answer,
    })
}

async fn payment_event(store: &dyn Store, saga: SagaId, by: &Actor) -> Result<Answer, StoreError> {
    let mut tx = store.begin().await?;
    let mut world = World::default();
    tx.load(&Footprint { sagas: vec![saga], ..Footprint::default() }, &mut world).await?;
    world.writes.at = world.now;
    let Some((found, inbox)) = world.sagas.get(&saga) else {
        return Ok(Err(Conflict::UnknownSaga(saga)));
    };
    let progress = &found.progress;
    let charge = progress.data.charge.as_ref().filter(|charge| {
        matches!(
            charge.status,
            PaymentStatus::Pending
                | PaymentStatus::RequiresAction
                | PaymentStatus::Processing
                | PaymentStatus::Unknown
        )
    });
    let is_processing = found.payment_status() == Some(PaymentStatus::Processing);
    let listens = (matches!(found.state, SagaState::Running | SagaState::Waiting)
        || found.state == SagaState::Compensating && is_processing)
        && progress.call != CallState::Fresh
        && slot::is_checkout(saga);
    let Some(charge) = charge.filter(|_| listens) else {
        return Ok(instead(format!("saga {saga} is {} and waits for no news of a charge", found.state)));
    };
    if inbox.iter().any(|signal| matches!(signal.body, SignalBody::PaymentEvent { .. })) {
        return Ok(already(format!("saga {saga} is about to ask the provider")));
    }
    let hint = Hint { saga, queue: found.queue };
    let (detail, charge) = (charge.key.to_string(), charge.key.clone());
    world.writes.signals.push(NewSignal {
        saga,
        // One for each time that it waits anew.
        dedupe: format!("event by hand:{}", found.fence),
        body: SignalBody::PaymentEvent { charge },
    });
    record_action(
        &mut world,
        by,
        "saga.signal",
        saga.order(),
        &format!("saga {saga}"),
        &format!("news of {detail}"),
    );
    tx.save(&world.writes).await?;
    Ok(Ok(Answered::Accepted(hint)))
}
