//! The stages that both checkouts share: they move the shop's own rows.

use holdfast_shared::{CancelReason, Money};

use crate::engine::definition::{Phrases, Refusal, Stage, local, spawn};
use crate::flows::notification;
use crate::records::change::Change;
use crate::records::context::{Checkout, Context, NoticeKind};
use crate::records::saga::{NewSaga, Saga};

type Changes = Result<Vec<Change>, Refusal>;

pub(in crate::flows) const VALIDATE_CART: Stage = local("validate_cart", validate_cart)
    .reads(Phrases::new("the check of the cart", "the cart adds up to {amount}"));

pub(in crate::flows) const RESERVE_STOCK: Stage = local("reserve_stock", reserve_stock)
    .reads(Phrases::new("the reservation of the stock", "stock reserved").buyer("goods reserved"))
    .undo("release_stock", release_stock, Phrases::new("the release of the stock", "stock released"));

pub(in crate::flows) const CONFIRM_ORDER: Stage = local("confirm_order", confirm_order)
    .reads(Phrases::new("the confirmation of the order", "order confirmed").buyer("order confirmed"));

pub(in crate::flows) const CONFIRM_RESERVATION: Stage = local("confirm_reservation", confirm_reservation)
    .reads(Phrases::new("taking the goods from stock", "goods taken from stock"));

pub(in crate::flows) const CLEAR_CART: Stage =
    local("clear_cart", clear_cart).reads(Phrases::new("clearing the cart", "cart cleared"));

pub(in crate::flows) const CANCEL_ORDER: Stage = local("cancel_order", cancel_order)
    .reads(Phrases::new("cancelling the order", "order cancelled").buyer("order cancelled"));

pub(in crate::flows) const REOPEN_CART: Stage = local("reopen_cart", reopen_cart).reads(
    Phrases::new("handing the cart back", "cart handed back to the customer")
        .buyer("the cart can be used again"),
);

pub(in crate::flows) const NOTIFY_CONFIRMED: Stage =
    spawn("notify", notify_confirmed).reads(Phrases::new("the message to the customer", ""));

pub(in crate::flows) const NOTIFY_CANCELLED: Stage =
    spawn("notify", notify_cancelled).reads(Phrases::new("the message to the customer", ""));

pub(in crate::flows) fn checkout(saga: &Saga) -> &Checkout {
    match &*saga.context {
        Context::Checkout(checkout) => checkout,
        Context::Notice(_)
        | Context::Cancellation(_)
        | Context::LateRefund(_)
        | Context::PartialRefund(_) => {
            panic!("saga {} runs a checkout without being one", saga.id)
        }
    }
}

/// Proves the frozen cart's arithmetic before money moves: the charge will be exactly the sum of the
/// lines. Whether the cart may be checked out at all was judged under its lock, at accept.
fn validate_cart(saga: &Saga) -> Changes {
    let checkout = checkout(saga);
    let mut sum = Money::new(0, checkout.currency);
    for line in &checkout.lines {
        let line_total = Money::new(line.unit_price_minor, checkout.currency).times(line.quantity);
        sum.amount_minor = line_total
            .ok()
            .and_then(|total| sum.amount_minor.checked_add(total.amount_minor))
            .ok_or_else(|| refused(saga, "the sum of the lines is too large to count"))?;
    }
    if checkout.lines.is_empty() || sum != checkout.total() {
        return Err(refused(
            saga,
            &format!("the lines add up to {sum}, the order says {}", checkout.total()),
        ));
    }
    Ok(vec![])
}

fn reserve_stock(saga: &Saga) -> Changes {
    Ok(vec![Change::ReserveStock { order: saga.order(), lines: checkout(saga).lines.clone() }])
}

fn release_stock(saga: &Saga) -> Changes {
    Ok(vec![Change::ReleaseStock { order: saga.order(), lines: checkout(saga).lines.clone() }])
}

fn confirm_order(saga: &Saga) -> Changes {
    Ok(vec![Change::ConfirmOrder { order: saga.order(), from: checkout(saga).method.first_status() }])
}

fn confirm_reservation(saga: &Saga) -> Changes {
    Ok(vec![Change::ConfirmReservation { order: saga.order(), lines: checkout(saga).lines.clone() }])
}

fn clear_cart(saga: &Saga) -> Changes {
    Ok(vec![Change::ClearCart { cart: checkout(saga).cart, order: saga.order() }])
}

fn cancel_order(saga: &Saga) -> Changes {
    let from = checkout(saga).method.first_status();
    Ok(vec![Change::CancelOrder { order: saga.order(), from, reason: cause(saga) }])
}

fn reopen_cart(saga: &Saga) -> Changes {
    Ok(vec![Change::ReopenCart { cart: checkout(saga).cart, order: saga.order() }])
}

fn notify_confirmed(saga: &Saga) -> NewSaga {
    let checkout = checkout(saga);
    notification::start(saga, NoticeKind::OrderConfirmed, checkout.total(), None)
}

fn notify_cancelled(saga: &Saga) -> NewSaga {
    let checkout = checkout(saga);
    notification::start(saga, NoticeKind::OrderCancelled, checkout.total(), Some(cause(saga)))
}

/// Every unwinding names its cause before it undoes anything.
fn cause(saga: &Saga) -> CancelReason {
    saga.progress.cause.unwrap_or(CancelReason::AdminRequest)
}

fn refused(saga: &Saga, why: &str) -> Refusal {
    Refusal {
        reason: CancelReason::AdminRequest,
        message: format!("order {}: {why}", saga.order()),
        short_of: None,
    }
}
