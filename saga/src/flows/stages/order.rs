//! The stages that both checkouts share: they move the shop's own rows.

use holdfast_shared::{CancelReason, Money};

use crate::engine::definition::Refusal;
use crate::flows::notification;
use crate::records::change::Change;
use crate::records::context::{Checkout, Context, NoticeKind};
use crate::records::saga::{NewSaga, Saga};

type Changes = Result<Vec<Change>, Refusal>;

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
pub(in crate::flows) fn validate_cart(saga: &Saga) -> Changes {
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

pub(in crate::flows) fn reserve_stock(saga: &Saga) -> Changes {
    Ok(vec![Change::ReserveStock { order: saga.id.order(), lines: checkout(saga).lines.clone() }])
}

pub(in crate::flows) fn release_stock(saga: &Saga) -> Changes {
    Ok(vec![Change::ReleaseStock { order: saga.id.order(), lines: checkout(saga).lines.clone() }])
}

pub(in crate::flows) fn confirm_order(saga: &Saga) -> Changes {
    Ok(vec![Change::ConfirmOrder { order: saga.id.order(), from: checkout(saga).method.first_status() }])
}

pub(in crate::flows) fn confirm_reservation(saga: &Saga) -> Changes {
    Ok(vec![Change::ConfirmReservation { order: saga.id.order(), lines: checkout(saga).lines.clone() }])
}

pub(in crate::flows) fn clear_cart(saga: &Saga) -> Changes {
    Ok(vec![Change::ClearCart { cart: checkout(saga).cart, order: saga.id.order() }])
}

pub(in crate::flows) fn cancel_order(saga: &Saga) -> Changes {
    let from = checkout(saga).method.first_status();
    Ok(vec![Change::CancelOrder { order: saga.id.order(), from, reason: cause(saga) }])
}

pub(in crate::flows) fn reopen_cart(saga: &Saga) -> Changes {
    Ok(vec![Change::ReopenCart { cart: checkout(saga).cart, order: saga.id.order() }])
}

pub(in crate::flows) fn notify_confirmed(saga: &Saga) -> NewSaga {
    let checkout = checkout(saga);
    notification::start(saga, NoticeKind::OrderConfirmed, &checkout.email, checkout.total(), None)
}

pub(in crate::flows) fn notify_cancelled(saga: &Saga) -> NewSaga {
    let checkout = checkout(saga);
    notification::start(
        saga,
        NoticeKind::OrderCancelled,
        &checkout.email,
        checkout.total(),
        Some(cause(saga)),
    )
}

/// Every unwinding names its cause before it undoes anything.
fn cause(saga: &Saga) -> CancelReason {
    saga.progress.cause.unwrap_or(CancelReason::AdminRequest)
}

fn refused(saga: &Saga, why: &str) -> Refusal {
    Refusal { reason: CancelReason::AdminRequest, words: format!("order {}: {why}", saga.id.order()) }
}
