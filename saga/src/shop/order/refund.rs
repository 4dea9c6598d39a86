//! Granting a refund on an order that stands: judged under the order's lock, carried out by its own saga.
//!
//! One refund of an order is under way at a time, and none beside a cancellation: so each starts from
//! what the provider's ledger and ours agree on, and no money goes back twice.

use holdfast_shared::{
    Actor, KeyPrefix, Money, OrderId, OrderStatus, PaymentMethod, PaymentStatus, RefundStatus, SagaId,
};

use super::state::{unsettled_checkout, was_cancelled};
use crate::flows::partial_refund;
use crate::ports::{Hint, ProviderAmounts, Store, StoreError, Tx};
use crate::records::batch_rows::{Footprint, World};
use crate::records::context::{Context, Dedupe, PartialRefund};
use crate::records::saga::Charge;
use crate::records::slot;
use crate::records::{Order, Payment, Refund};
use crate::shop::answer::{Against, Answer, Answered, Conflict, already};
use crate::shop::audit_trail::record_action;

/// Enough for a sentence or three; it is stored with the saga and shown in the timeline.
pub const REASON_MAX: usize = 500;

/// Refunds of one order: each line of a large order given back piece by piece. All of them are locked at once.
pub const GRANTS_MAX: u32 = 500;

/// A refund that somebody wants to grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// How much goes back; `None`: all that is left.
    pub amount: Option<Money>,
    /// Why, for the timeline and the audit trail.
    pub reason: String,
    /// The key it is asked for under. Asked again under the same one, it is the same refund, as long as the
    /// saga of the first is kept.
    pub dedupe: Option<Dedupe>,
}

/// Grants a refund on `order` on behalf of `by`.
///
/// Holds after `Accepted`: the refund is committed as PENDING, with the saga that gives it back and its
/// trace in the audit trail. The order keeps its status. What is `Already` so was asked for before, under
/// the same digest. `amounts` says what the providers can give back; one that is not in it can give back every amount. An
/// `Err` of the store means that nothing was written, except
/// [`StoreError::CommitUnknown`]: asking again under the same digest then finds out.
pub async fn refund(
    store: &dyn Store,
    order: OrderId,
    grant: Grant,
    by: &Actor,
    amounts: &ProviderAmounts,
) -> Result<Answer, StoreError> {
    let grant = Grant { reason: grant.reason.trim().to_owned(), ..grant };
    let keys = store.keys().await?;
    let (tx, mut world) = look(store, order).await?;
    let Some(found) = world.orders.get(&order).cloned() else {
        return Ok(Err(Conflict::UnknownOrder(order)));
    };
    if let Some(answer) = asked_before(&world, &grant) {
        return Ok(answer);
    }
    let terms = match judge(&world, &found, &grant, by, amounts) {
        Ok(terms) => terms,
        Err(conflict) => return Ok(Err(conflict)),
    };
    let detail = format!("{}: {}", terms.amount, grant.reason);
    let hint = start(&mut world, &found, keys.draw(order), terms, grant, by);
    record_action(&mut world, by, "order.refund", Some(order), &format!("order {order}"), &detail);
    tx.save(&world.writes).await?;
    Ok(Ok(Answered::Accepted(hint)))
}

/// The slots that refunds of one order are started in.
fn refund_slots() -> impl Iterator<Item = u32> {
    (0..GRANTS_MAX).filter_map(|at| slot::nth(slot::PARTIAL_REFUND, at))
}

fn is_granted(saga: SagaId) -> bool {
    slot::kind_of(saga) == Some(slot::PARTIAL_REFUND)
}

/// What stands in the way of moving money of `order` otherwise: a granted refund that is not back yet.
pub(super) fn under_way(world: &World, order: OrderId, by: &Actor) -> Option<String> {
    let of_order = world.refunds.range(order.sagas()).map(|(_, refund)| refund);
    let mut granted = of_order.filter(|refund| is_granted(refund.saga));
    let refund =
        granted.find(|refund| refund.status != RefundStatus::Succeeded && !refund.settled_manually)?;
    let Refund { saga, amount, .. } = refund;
    Some(match refund.status {
        RefundStatus::Failed if *by == Actor::Customer => {
            format!("a refund of {amount} stopped half way, and the shop has to look at it first")
        }
        RefundStatus::Failed => {
            format!(
                "a refund of {amount} stopped half way: see `holdfast order explain {order}` (saga {saga})"
            )
        }
        RefundStatus::Pending | RefundStatus::Unknown | RefundStatus::Succeeded => {
            format!("a refund of {amount} is under way (saga {saga})")
        }
    })
}

/// Locks and reads all that the answer depends on.
///
/// A saga that was born while this waited for its lock is missing, although its refund is read: then this
/// looks again. One that is missing again was pruned.
async fn look(store: &dyn Store, order: OrderId) -> Result<(Box<dyn Tx>, World), StoreError> {
    let slots = std::iter::once(slot::CHECKOUT).chain(refund_slots());
    let footprint = Footprint {
        sagas: slots.map(|slot| order.saga(slot)).collect(),
        orders: vec![order],
        payments: vec![order],
        refunds: vec![order],
        ..Footprint::default()
    };
    let mut missing_before = Vec::new();
    loop {
        let mut tx = store.begin().await?;
        let mut world = World::default();
        tx.load(&footprint, &mut world).await?;
        world.writes.at = world.now;
        let is_missing = |saga: &SagaId| is_granted(*saga) && !world.sagas.contains_key(saga);
        let missing: Vec<SagaId> = world.refunds.keys().copied().filter(is_missing).collect();
        if missing == missing_before {
            return Ok((tx, world));
        }
        missing_before = missing;
    }
}

fn asked_before(world: &World, grant: &Grant) -> Option<Answer> {
    let dedupe = grant.dedupe?;
    world.sagas.values().find_map(|(saga, _)| match &*saga.context {
        Context::PartialRefund(granted) => {
            let known = granted.dedupe.filter(|known| known.key == dedupe.key)?;
            let PartialRefund { by, amount, .. } = granted;
            let message = format!("{by} granted a refund of {amount} at {} under this key", saga.created_at);
            Some(if known.body == dedupe.body {
                already(format!("{message} (saga {})", saga.id))
            } else {
                Err(Conflict::KeyReused(format!("{message}; use a new key for a new refund")))
            })
        }
        Context::Checkout(_) | Context::Notice(_) | Context::Cancellation(_) | Context::LateRefund(_) => None,
    })
}

/// A refund that nothing stands against.
struct Terms {
    saga: SagaId,
    amount: Money,
    charge: Charge,
    payment: Payment,
}

fn judge(
    world: &World,
    order: &Order,
    grant: &Grant,
    by: &Actor,
    amounts: &ProviderAmounts,
) -> Result<Terms, Conflict> {
    let id = order.id;
    let no = |what: Against, message: String| Err(Conflict::Order(what, message));
    if *by == Actor::Customer {
        return no(Against::ShopOnly, format!("a refund on order {id} can only be granted by the shop"));
    }
    if grant.reason.is_empty() || grant.reason.chars().count() > REASON_MAX {
        return no(Against::RefundReason, format!("a refund needs a reason of 1 to {REASON_MAX} characters"));
    }
    match order.status {
        OrderStatus::Confirmed | OrderStatus::Processing | OrderStatus::Shipped | OrderStatus::Delivered => {}
        OrderStatus::PendingPayment | OrderStatus::PendingConfirmation => {
            let message =
                format!("order {id} is {}; cancel it, then whatever was taken goes back", order.status);
            return no(Against::NotReady, message);
        }
        OrderStatus::Cancelling => {
            let message = format!("order {id} is being cancelled; that gives back all that is left");
            return no(Against::BeingCancelled, message);
        }
        OrderStatus::Cancelled => return no(Against::Cancelled, was_cancelled(order)),
    }
    match order.method {
        PaymentMethod::Card | PaymentMethod::Paypal => {}
        PaymentMethod::Cod => {
            let message =
                format!("order {id} is paid on delivery; no provider holds money that could go back");
            return no(Against::NothingToRefund, message);
        }
        PaymentMethod::None => {
            let message = format!("order {id} cost nothing; there is nothing to give back");
            return no(Against::NothingToRefund, message);
        }
    }
    if let Some(message) = unsettled_checkout(world, id, by) {
        return no(Against::NeedsAttention, message);
    }
    if let Some(message) = under_way(world, id, by) {
        return no(Against::RefundUnderWay, format!("{message}; ask again once it is back"));
    }
    let Some(payment) = world.payments.get(&id).cloned() else {
        let message = format!("order {id} stands without a payment; run `holdfast audit`");
        return no(Against::Inconsistent, message);
    };
    let (PaymentStatus::Captured | PaymentStatus::PartiallyRefunded, Some(charge)) =
        (payment.status, Charge::of(&payment))
    else {
        let message =
            format!("the payment of order {id} is {}; there is nothing to give back", payment.status);
        return no(Against::NothingToRefund, message);
    };
    if payment.settled_manually_minor > 0 {
        let message = format!(
            "a refund of order {id} was settled by hand, so our ledger no longer says what the provider has given \
             back; settle more with the customer in person"
        );
        return no(Against::SettledByHand, message);
    }
    let left = Money { amount_minor: payment.captured_minor - payment.refunded_minor, ..payment.amount };
    let amount = grant.amount.unwrap_or(left);
    if amount.currency != left.currency {
        let message = format!("order {id} was paid in {}, not in {}", left.currency, amount.currency);
        return no(Against::RefundCurrency, message);
    }
    if amount.amount_minor <= 0 && grant.amount.is_some() {
        let message = format!("{amount} cannot be given back; an amount above 0 is expected");
        return no(Against::RefundOfNothing, message);
    }
    if amount.amount_minor <= 0 || amount.amount_minor > left.amount_minor {
        let message = format!("{amount} cannot be given back; {left} of order {id} is left");
        return no(Against::RefundTooLarge, message);
    }
    if let Some(Err(why)) = amounts.get(&payment.provider).map(|amounts| amounts.can_give_back(amount)) {
        return no(Against::RefundNotPayable, format!("{} cannot give that back: {why}", payment.provider));
    }
    // A refund's row outlives its saga, so no slot, and no key made of it, is ever used again.
    let Some(saga) = refund_slots().map(|at| id.saga(at)).find(|saga| !world.refunds.contains_key(saga))
    else {
        let message =
            format!("order {id} was given its last refund; settle more with the customer in person");
        return no(Against::RefundsUsedUp, message);
    };
    Ok(Terms { saga, amount, charge, payment })
}

/// Inserts the refund's row and starts the saga that moves the money.
fn start(
    world: &mut World,
    order: &Order,
    key_prefix: KeyPrefix,
    terms: Terms,
    grant: Grant,
    by: &Actor,
) -> Hint {
    let Terms { saga, amount, charge, payment } = terms;
    let refund = Refund {
        saga,
        status: RefundStatus::Pending,
        amount,
        charge: charge.key.clone(),
        late: false,
        settled_manually: false,
    };
    let granted = PartialRefund {
        amount,
        charge: charge.key.clone(),
        provider: payment.provider,
        captured_minor: payment.captured_minor,
        refunded_minor: payment.refunded_minor,
        total: order.total,
        reason: grant.reason,
        by: by.clone(),
        dedupe: grant.dedupe,
    };
    let saga = partial_refund::start(saga, key_prefix, granted, charge, world.now);
    let hint = Hint { saga: saga.id, queue: saga.queue };
    world.writes.refunds.insert(saga.id, (None, refund));
    world.writes.new_sagas.insert(saga.id, saga);
    hint
}
