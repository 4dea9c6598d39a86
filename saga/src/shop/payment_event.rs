//! What a payment provider reports by itself.

use holdfast_shared::StepKey;

use crate::ports::{Hint, Store, StoreError};
use crate::records::batch_rows::{Footprint, World};
use crate::records::signal::{NewSignal, SignalBody};
use crate::records::slot;
use crate::shop::answer::{Answer, Answered, Conflict};

/// Tells the order's saga that the provider reported on `charge`. The saga asks the provider back.
///
/// Repeating an event, under the provider's own id for it, changes nothing.
pub async fn payment_event(
    store: &dyn Store,
    charge: &StepKey,
    event_id: &str,
) -> Result<Answer, StoreError> {
    let shop = store.keys().await?.shop();
    let Some((_, order)) = charge.owner().filter(|(owner, _)| *owner == shop) else {
        let instead = format!("{charge} was not charged by shop {shop}; the event was meant for another one");
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
