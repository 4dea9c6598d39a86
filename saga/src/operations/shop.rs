//! What an operator answers for the database of a shop: that it replaces the one it comes from, or that it is a copy beside
//! it. Until then nobody outside is called in its name (O9).

use std::time::Duration;

use holdfast_shared::{Actor, OrderId, ShopId};
use tokio::time::sleep;

use super::dead_letter::DeadLetterAction;
use super::dead_letter::resolve::{BATCH, act};
use crate::engine::registry::Registry;
use crate::ports::{Store, StoreError};
use crate::records::Shop;
use crate::records::batch_rows::{Footprint, World};
use crate::shop::answer::{Answer, Answered, already, instead};
use crate::shop::audit_trail::record_action;

/// A worker commits what came of a call well within this.
const OUTCOMES_COMMITTED_WITHIN: Duration = Duration::from_secs(1);

/// The database replaces the one it comes from, which nobody uses any more: the shop goes on here.
///
/// No order gets a number up to that of an order that was missed. Calls that were held are tried at once.
pub async fn restored(
    store: &dyn Store,
    registry: &Registry,
    reason: &str,
    by: &Actor,
) -> Result<Answer, StoreError> {
    let shop = store.shop().await?;
    let Some(doubt) = shop.doubt() else {
        wake_parked(store, registry, by).await?;
        return Ok(already(format!("shop {} is where it was, and nothing is held for that", shop.id)));
    };
    let last_number = shop.last_number.max(shop.missing_order.map_or(0, OrderId::number));
    let after = Shop { last_number, ..shop.clone() };
    answer(store, &shop, after, ("shop.restored", &format!("{doubt} ({reason})")), by).await?;
    wake_parked(store, registry, by).await?;
    // What was refused just before this is written down as held only now.
    sleep(OUTCOMES_COMMITTED_WITHIN).await;
    wake_parked(store, registry, by).await?;
    Ok(Ok(Answered::Done(format!(
        "shop {} goes on in this database; what was held is tried again. Orders that it lost may have been paid: \
         `holdfast audit` compares it with the provider and names their money",
        shop.id
    ))))
}

/// The database is a copy, and the one it comes from is still in use: from now on it holds another shop. The orders in it
/// stay the other's, and nobody is called for them.
///
/// With `force` also where nothing shows that it is a copy.
pub async fn forked(store: &dyn Store, force: bool, reason: &str, by: &Actor) -> Result<Answer, StoreError> {
    let shop = store.shop().await?;
    if shop.doubt().is_none() && !force {
        return Ok(instead(format!(
            "nothing shows that this database is a copy: it is where shop {} was last. If it is one all the same, such \
             as a copy of the whole server's disk, --force makes it a shop of its own; the orders in it are then \
             nobody's here",
            shop.id
        )));
    }
    let now = store.now().await?;
    let alive: Vec<String> = store
        .workers()
        .await?
        .into_iter()
        .filter(|worker| worker.is_alive(now))
        .map(|worker| worker.heartbeat.name)
        .collect();
    if !alive.is_empty() {
        return Ok(instead(format!(
            "workers run on this database ({}): stop them and the API first, so that no order is accepted in the \
             name of shop {}",
            alive.join(", "),
            shop.id
        )));
    }
    let after = Shop {
        id: ShopId::random(),
        forked_from: Some(shop.id),
        first_order: OrderId::new(shop.last_number + 1),
        ..shop.clone()
    };
    let (id, first) = (after.id, after.first_order);
    answer(store, &shop, after, ("shop.forked", &format!("from shop {} ({reason})", shop.id)), by).await?;
    Ok(Ok(Answered::Done(format!(
        "this database holds shop {id} from now on, a copy of shop {}. Orders before {first} stay the other's: nobody is \
         called for them here",
        shop.id
    ))))
}

/// Notes that `order` was in this database and is not any more, unless an operator has answered for it since `shop` was read.
pub async fn note_missing(store: &dyn Store, shop: Shop, order: OrderId) -> Result<(), StoreError> {
    let epoch = shop.epoch;
    save(store, epoch, Shop { missing_order: Some(order), ..shop }, |_| ()).await
}

/// Writes down what `by` answers for `shop`.
async fn answer(
    store: &dyn Store,
    shop: &Shop,
    after: Shop,
    (action, detail): (&str, &str),
    by: &Actor,
) -> Result<(), StoreError> {
    let after = Shop { epoch: shop.epoch + 1, home: Some(shop.here.clone()), missing_order: None, ..after };
    let target = format!("shop {}", after.id);
    let record = |world: &mut World| record_action(world, by, action, None, &target, detail);
    save(store, shop.epoch, after, record).await
}

/// Writes the row, if it has this epoch, and what else belongs to it.
async fn save(
    store: &dyn Store,
    epoch: i64,
    after: Shop,
    record: impl FnOnce(&mut World),
) -> Result<(), StoreError> {
    let mut tx = store.begin().await?;
    let mut world = World::default();
    tx.load(&Footprint::default(), &mut world).await?;
    world.writes.at = world.now;
    record(&mut world);
    world.writes.shop = Some((epoch, after));
    tx.save(&world.writes).await
}

/// Lets every call that waits for settings be tried at once.
async fn wake_parked(store: &dyn Store, registry: &Registry, by: &Actor) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let parked = store.parked(after, u32::try_from(BATCH).unwrap_or(u32::MAX)).await?;
        let Some(last) = parked.last() else { return Ok(()) };
        after = Some(*last);
        act(store, registry, &parked, &DeadLetterAction::Retry { reason: None }, by).await?;
    }
}
