//! An order: its status, its reservation, its cart and its messages follow from where its sagas stand.

use std::collections::BTreeSet;

use holdfast_shared::{
    CancelReason, CartStatus, Line, Money, OrderStatus, PaymentMethod, ReservationStatus, SagaState,
};

use super::finding::Findings;
use super::place::Place;
use super::report::{Invariant, Scope};
use crate::records::audit_fact::{OrderFact, SagaFact};
use crate::records::context::{Context, NoticeKind};
use crate::records::saga::Phase;
use crate::records::{Notification, NotificationStatus, Order, slot};

pub(super) fn judge(fact: &OrderFact, scope: &Scope, findings: &mut Findings<'_>) {
    total(&fact.order, findings);
    reason(fact, findings);
    let mut prefixes = BTreeSet::new();
    for saga in &fact.sagas {
        context(&fact.order, saga, findings);
        let prefix = saga.saga.key_prefix.as_str();
        findings.check(Invariant::Reference, prefix.is_empty() || prefixes.insert(prefix), || {
            format!("saga {} and another one have the same keys", saga.saga.id)
        });
    }
    // Nothing follows from where a saga of another release stands.
    let Ok(ways) = Ways::of(fact, scope) else { return };
    status(fact, &ways, findings);
    reservation(fact, &ways, findings);
    cart(fact, &ways, findings);
    messages(fact, &ways, scope, findings);
}

/// Where the two sagas stand that own an order, one after the other; `None`: there is none, or it was pruned.
struct Ways<'a> {
    checkout: Option<Place<'a>>,
    cancellation: Option<Place<'a>>,
}

/// One of them runs a definition of another release.
struct AnotherRelease;

impl<'a> Ways<'a> {
    fn of(fact: &'a OrderFact, scope: &Scope) -> Result<Self, AnotherRelease> {
        let place = |slot| {
            let saga = fact.saga_in(slot);
            saga.map(|saga| Place::of(saga, scope).ok_or(AnotherRelease)).transpose()
        };
        Ok(Self { checkout: place(slot::CHECKOUT)?, cancellation: place(slot::CANCELLATION)? })
    }
}

fn total(order: &Order, findings: &mut Findings<'_>) {
    let line = |line: &Line| line.unit_price_minor.checked_mul(i64::from(line.quantity));
    let lines = order.lines.iter().try_fold(0_i64, |sum, next| sum.checked_add(line(next)?));
    let Money { amount_minor: total, currency } = order.total;
    findings.check(
        Invariant::OrderTotal,
        lines == Some(total) && total >= 0 && !order.lines.is_empty(),
        || {
            let sum = |sum| Money::new(sum, currency).to_string();
            let lines = lines.map_or_else(|| "more than can be counted".to_owned(), sum);
            format!("total {}, its {} lines add up to {lines}", order.total, order.lines.len())
        },
    );
    // The first orders that cost nothing were paid by whatever the buyer chose.
    let fits = order.method != PaymentMethod::None || total == 0;
    findings.check(Invariant::OrderTotal, fits, || {
        format!("costs {}, and is paid by {}", order.total, order.method)
    });
}

/// The reason of a cancellation is one that such an order can have, and the one that its saga has.
fn reason(fact: &OrderFact, findings: &mut Findings<'_>) {
    let order = &fact.order;
    let is_cancelled = order.status == OrderStatus::Cancelled;
    let Some(reason) = order.cancel_reason.filter(|_| is_cancelled) else {
        findings.check(Invariant::OrderState, is_cancelled == order.cancel_reason.is_some(), || {
            let reason = order.cancel_reason.map_or("no reason", Into::into);
            format!("is {} with {reason}", order.status)
        });
        return;
    };
    let fits = match reason {
        CancelReason::OutOfStock | CancelReason::CustomerRequest | CancelReason::AdminRequest => true,
        CancelReason::PaymentDeclined | CancelReason::PaymentExpired => order.method.is_online(),
        CancelReason::RejectedByAdmin
        | CancelReason::ConfirmationExpired
        | CancelReason::RefusedOnDelivery => order.method == PaymentMethod::Cod,
    };
    findings.check(Invariant::OrderState, fits, || {
        format!("is paid by {}, and was cancelled as {reason}", order.method)
    });
    let of_saga = match (fact.saga_in(slot::CANCELLATION), fact.saga_in(slot::CHECKOUT)) {
        (Some(cancellation), _) => match &*cancellation.saga.context {
            Context::Cancellation(cancellation) => Some(cancellation.reason),
            Context::Checkout(_)
            | Context::Notice(_)
            | Context::LateRefund(_)
            | Context::PartialRefund(_) => None,
        },
        (None, Some(checkout)) => checkout.saga.progress.cause,
        (None, None) => return,
    };
    findings.check(Invariant::OrderState, of_saga == Some(reason), || {
        let of_saga = of_saga.map_or("nothing", Into::into);
        format!("was cancelled as {reason}, its saga says {of_saga}")
    });
}

/// What a saga was started with is what the order says.
fn context(order: &Order, fact: &SagaFact, findings: &mut Findings<'_>) {
    let same_lines = |lines: &[Line]| {
        let mut lines = lines.to_vec();
        lines.sort_by(|one, other| one.sku.cmp(&other.sku));
        lines == order.lines
    };
    let agrees = match &*fact.saga.context {
        Context::Checkout(checkout) => {
            checkout.cart == order.cart
                && checkout.method == order.method
                && checkout.total() == order.total
                && same_lines(&checkout.lines)
                && fact.saga.created_at == order.accepted_at
        }
        Context::Cancellation(cancellation) => {
            cancellation.method == order.method
                && cancellation.total == order.total
                && same_lines(&cancellation.lines)
        }
        Context::Notice(notice) => {
            let reason = match notice.notice {
                NoticeKind::OrderConfirmed => None,
                NoticeKind::OrderCancelled => order.cancel_reason,
            };
            notice.total == order.total && notice.reason == reason
        }
        Context::LateRefund(late) => late.order == order.id && late.total == order.total,
        Context::PartialRefund(granted) => granted.total == order.total,
    };
    findings.check(Invariant::OrderState, agrees, || {
        format!("saga {} was started with something else than the order says", fact.saga.id)
    });
}

fn status(fact: &OrderFact, ways: &Ways<'_>, findings: &mut Findings<'_>) {
    let (status, first) = (fact.order.status, fact.order.method.first_status());
    let (fits, expected) = match (ways.cancellation, ways.checkout) {
        (Some(cancellation), _) if cancellation.has_done("cancel_order") => {
            (status == OrderStatus::Cancelled, "its cancellation is done")
        }
        (Some(_), _) => (status == OrderStatus::Cancelling, "a saga is cancelling it"),
        (None, Some(checkout)) if checkout.has_done("cancel_order") => {
            (status == OrderStatus::Cancelled, "its checkout was undone")
        }
        (None, Some(checkout)) if checkout.is_forward() && checkout.has_done("confirm_order") => {
            (status.stands(), "its checkout confirmed it")
        }
        (None, Some(_)) => (status == first, "its checkout is not over"),
        (None, None) => (!status.is_pending() && status != OrderStatus::Cancelling, "no saga moves it"),
    };
    findings.check(Invariant::OrderState, fits, || format!("is {status} and {expected}"));
    let lives =
        |kind: u32| fact.sagas.iter().find(|saga| kind_of(saga) == kind && !saga.saga.state.is_settled());
    if lives(slot::PARTIAL_REFUND).is_some() {
        let alone = lives(slot::CHECKOUT).or_else(|| lives(slot::CANCELLATION)).is_none();
        findings.check(Invariant::OrderState, alone && status.stands(), || {
            format!("is {status} while a refund granted on it is under way")
        });
    }
}

fn kind_of(fact: &SagaFact) -> u32 {
    slot::kind_of(fact.saga.id).unwrap_or_default()
}

fn reservation(fact: &OrderFact, ways: &Ways<'_>, findings: &mut Findings<'_>) {
    use ReservationStatus::{Confirmed, Held, Released, Restocked};
    let found = fact.reservation;
    let fits = match (ways.cancellation, ways.checkout) {
        (Some(cancellation), _) if cancellation.has_done("restock") => found == Some(Restocked),
        (Some(_), _) => found == Some(Confirmed),
        (None, Some(checkout)) => {
            match (checkout.progress.phase, checkout.has_done("reserve_stock")) {
                (Phase::Forward, true) if checkout.has_done("confirm_reservation") => {
                    found == Some(Confirmed)
                }
                (Phase::Forward | Phase::Undo, true) => found == Some(Held),
                (Phase::Forward, false) => found.is_none(),
                // Undone, or short of something before it was held.
                (Phase::Undo | Phase::AfterUndo, _) => matches!(found, Some(Released) | None),
            }
        }
        (None, None) if fact.order.status.stands() => found == Some(Confirmed),
        (None, None) => matches!(found, Some(Released | Restocked) | None),
    };
    findings.check(Invariant::Reservation, fits, || {
        let reservation = found.map_or("none", Into::into);
        format!("is {}, reservation {reservation}", fact.order.status)
    });
}

fn cart(fact: &OrderFact, ways: &Ways<'_>, findings: &mut Findings<'_>) {
    let order = &fact.order;
    let ours = fact.cart.as_ref().filter(|cart| cart.order == Some(order.id));
    let status = ours.map(|cart| cart.status);
    let fits = match ways.checkout {
        Some(checkout) if checkout.is_forward() && checkout.has_done("clear_cart") => {
            status == Some(CartStatus::Cleared)
        }
        Some(checkout) if checkout.progress.phase == Phase::AfterUndo && checkout.has_done("reopen_cart") => {
            status.is_none()
        }
        Some(_) => status == Some(CartStatus::InCheckout),
        None if order.status.stands() => status == Some(CartStatus::Cleared),
        None => status != Some(CartStatus::InCheckout),
    };
    findings.check(Invariant::Cart, fits, || {
        let cart = match (&fact.cart, ours) {
            (None, _) => "gone".to_owned(),
            (Some(cart), None) => format!("{}, and not this order's", cart.status),
            (Some(_), Some(cart)) => cart.status.to_string(),
        };
        format!("is {}, its cart is {cart}", order.status)
    });
    let Some(cart) = ours else { return };
    findings.check(Invariant::Cart, cart.owner == order.customer, || {
        "its cart belongs to somebody else".to_owned()
    });
    let mut items: Vec<_> = cart.items.iter().map(|item| (&item.sku, item.quantity)).collect();
    items.sort_unstable();
    let lines = order.lines.iter().map(|line| (&line.sku, line.quantity));
    findings.check(Invariant::Cart, lines.eq(items), || "its cart holds other things".to_owned());
}

fn messages(fact: &OrderFact, ways: &Ways<'_>, scope: &Scope, findings: &mut Findings<'_>) {
    let status = fact.order.status;
    let confirmed = match ways.checkout {
        Some(checkout) => checkout.is_forward() && checkout.has_done("notify"),
        None => !status.is_pending() && fact.message_in(slot::CONFIRMED_NOTICE).is_some(),
    };
    let cancelled = match (ways.cancellation, ways.checkout) {
        (Some(cancellation), _) => cancellation.has_done("notify"),
        (None, Some(checkout)) => !checkout.is_forward() && checkout.has_done("notify"),
        (None, None) => status == OrderStatus::Cancelled,
    };
    let is_known = ways.checkout.is_some();
    for (slot, expected) in [
        (slot::CONFIRMED_NOTICE, confirmed || (!is_known && status.stands())),
        (slot::CANCELLED_NOTICE, cancelled),
    ] {
        let saved = fact.message_in(slot).is_some() || fact.saga_in(slot).is_some();
        findings.check(Invariant::Notification, saved == expected, || {
            let what = if saved { "a message says otherwise" } else { "no message was saved" };
            format!("is {status}, {what}")
        });
    }
    for saga in fact.sagas.iter().filter(|saga| matches!(&*saga.saga.context, Context::Notice(_))) {
        let saved = Place::of(saga, scope).is_none_or(|place| place.has_done("save"));
        let row = saga.saga.id.slot().and_then(|slot| fact.message_in(slot));
        findings.check(Invariant::Notification, saved == row.is_some(), || {
            format!("the message of saga {} is {}", saga.saga.id, if saved { "gone" } else { "not its own" })
        });
    }
    for message in &fact.notifications {
        let saga = message.saga.slot().and_then(|slot| fact.saga_in(slot));
        if let Some(why) = misfit(message, saga) {
            findings.broken(Invariant::Notification, format!("message {}: {why}", message.saga));
        }
    }
}

/// Why a message does not fit the saga that sends it.
fn misfit(message: &Notification, saga: Option<&SagaFact>) -> Option<String> {
    use NotificationStatus::{Failed, Pending, Sent};
    let status = message.status;
    let notice = match message.saga.slot() {
        Some(slot::CONFIRMED_NOTICE) => NoticeKind::OrderConfirmed,
        Some(slot::CANCELLED_NOTICE) => NoticeKind::OrderCancelled,
        Some(_) | None => return Some("no saga sends messages there".to_owned()),
    };
    if message.notice != notice {
        return Some(format!("is about {}, and its saga about {notice}", message.notice));
    }
    let Some(saga) = saga else {
        let is_over = status != Pending;
        return (!is_over).then(|| format!("is {status}, and no saga sends it"));
    };
    if let Context::Notice(context) = &*saga.saga.context
        && (context.channel != message.channel || context.notice != notice)
    {
        return Some(format!("goes by {}, its saga sends by {}", message.channel, context.channel));
    }
    let known = saga.saga.progress.data.notification.unwrap_or(Pending);
    let fits = match saga.saga.state {
        // One that was given up stays FAILED; one that died and was retried went out all the same.
        SagaState::Completed | SagaState::Compensated => {
            status == Sent || (status, known) == (Failed, Failed)
        }
        SagaState::Running | SagaState::Waiting | SagaState::Compensating | SagaState::Dead => {
            status == known
        }
    };
    (!fits).then(|| format!("is {status}, its saga is {}", saga.saga.state))
}

impl OrderFact {
    fn message_in(&self, slot: u32) -> Option<&Notification> {
        self.notifications.iter().find(|message| message.saga.slot() == Some(slot))
    }
}
