//! Whose calls they are: nobody outside is called for what belongs to another shop.

use holdfast_shared::{OrderId, StepKey};

use crate::records::Shop;
use crate::records::call::{Answer, Call};

/// Why `call` may not be sent in the name of `shop`; `None`: it may (O9, M42).
pub fn refusal(call: &Call, shop: &Shop) -> Option<Answer> {
    if let Some(doubt) = shop.doubt() {
        return Some(Answer::Parked { why: doubt.to_string() });
    }
    let foreign = |key: &&StepKey| key.owner().is_some_and(|(owner, _)| owner != shop.id);
    let is_foreign = call.saga.order().is_some_and(|order| order < shop.first_order);
    let key = call.request.keys().find(foreign);
    if key.is_none() && !is_foreign {
        return None;
    }
    let owner = key.and_then(StepKey::owner).map(|(owner, _)| owner).or(shop.forked_from);
    let owner = owner.map_or_else(|| "another shop".to_owned(), |owner| format!("shop {owner}"));
    let what = call
        .saga
        .order()
        .map(OrderId::number)
        .map_or_else(|| "this".to_owned(), |order| format!("order {order}"));
    Some(Answer::Parked { why: format!("{what} belongs to {owner}, and this is shop {}", shop.id) })
}
