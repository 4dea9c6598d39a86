//! The stages that move money, and our own ledger rows for it.

use std::time::Duration;

use holdfast_shared::{CancelReason, Money, PaymentEvent, PaymentStatus, RefundStatus, RetryPolicy, StepKey};

use super::order::checkout;
use crate::engine::definition::{CallSpec, Discard, Event, Kind, Phrases, Refusal, Stage, call, local};
use crate::records::call::{Answer, CallResult, Request};
use crate::records::change::Change;
use crate::records::context::{Context, PartialRefund};
use crate::records::saga::{Charge, Saga};
use crate::records::{Payment, PaymentDetails, Refund};

type Changes = Result<Vec<Change>, Refusal>;

pub(in crate::flows) const TAKE_PAYMENT: Stage = call("take_payment", CHARGE)
    .reads(Phrases::new("the payment", "payment taken: {amount}").buyer("payment taken: {amount}"))
    .undo_call("refund_payment", UNDO_CHARGE, REFUND_PAYMENT.phrases);

pub(in crate::flows) const REFUND_PAYMENT: Stage = call("refund_payment", UNDO_CHARGE).reads(
    Phrases::new("the refund", "the provider holds no money of this order any more")
        .buyer("nothing of the payment is kept"),
);

pub(in crate::flows) const REFUND_LATE_PAYMENT: Stage =
    Stage { kind: Kind::Call(CallSpec { record: record_late_refund, ..UNDO_CHARGE }), ..REFUND_PAYMENT };

pub(in crate::flows) const GIVE_BACK: Stage =
    call("give_back", PARTIAL_REFUND).reads(Phrases::new("giving the money back", "{amount} is back"));

pub(in crate::flows) const DUE_ON_DELIVERY: Stage = local("due_on_delivery", due_on_delivery).reads(
    Phrases::new("the note for the courier", "{amount} to be collected on delivery")
        .buyer("{amount} to be paid on delivery"),
);

/// A charge is tried for as long as a buyer would wait for it.
const CHARGE: CallSpec = CallSpec {
    request: |saga, key| {
        let checkout = checkout(saga);
        Some(Request::Charge {
            key,
            provider: checkout.provider.clone(),
            amount: checkout.total(),
            token: checkout.token.clone().unwrap_or_default(),
        })
    },
    record: record_charge,
    retry: RetryPolicy {
        failures_max: 6,
        backoff: Duration::from_millis(200),
        backoff_max: Duration::from_secs(30),
    },
    timeout: CALL_TIMEOUT,
    rejected_as: CancelReason::PaymentDeclined,
    gives_up_as: CancelReason::PaymentExpired,
    discard: Discard::Never(
        "cancel its order instead: that finds out whether money was taken, and gives it back",
    ),
};

/// Giving money back is tried for longer: nobody waits in front of a screen, and giving up needs a person.
const UNDO_CHARGE: CallSpec = CallSpec {
    request: |saga, key| {
        // All of it was given back or settled by hand before: there is nothing to ask for.
        let by_hand = before(saga).settled_manually_minor > 0 && owed_minor(saga) == 0;
        if by_hand || saga.payment_status() == Some(PaymentStatus::Refunded) {
            return None;
        }
        let charge = charge_to_undo(saga)?;
        Some(Request::UndoCharge { charge, key, provider: terms(saga).0.to_owned() })
    },
    record: record_undo,
    retry: RetryPolicy {
        failures_max: 8,
        backoff: Duration::from_millis(500),
        backoff_max: Duration::from_mins(1),
    },
    timeout: CALL_TIMEOUT,
    rejected_as: CancelReason::PaymentDeclined,
    gives_up_as: CancelReason::PaymentExpired,
    discard: Discard::SettledManually,
};

/// The same for some of the money. It is all this saga does, so what is given up is a saga that died.
const PARTIAL_REFUND: CallSpec = CallSpec {
    request: |saga, key| {
        let granted = granted(saga);
        Some(Request::Refund {
            charge: granted.charge.clone(),
            key,
            provider: granted.provider.clone(),
            amount_minor: granted.amount.amount_minor,
            refunded_minor: granted.refunded_minor,
        })
    },
    record: record_granted_refund,
    ..UNDO_CHARGE
};

/// Longer than a provider that is well ever takes; at most half of the lease.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Inserts the payment row of a cash-on-delivery order: the courier will collect the total.
fn due_on_delivery(saga: &Saga) -> Changes {
    Ok(vec![Change::RecordPayment { from: None, payment: payment(saga, PaymentStatus::DueOnDelivery) }])
}

/// Closes that row: the courier has nothing to collect any more.
pub(in crate::flows) fn drop_due_on_delivery(saga: &Saga) -> Change {
    let payment = payment(saga, PaymentStatus::Cancelled);
    Change::RecordPayment { from: Some(PaymentStatus::DueOnDelivery), payment }
}

fn record_charge(saga: &mut Saga, key: &StepKey, event: Event<'_>) -> Changes {
    match event {
        Event::Intent => {
            let before = saga.progress.data.charge.as_ref();
            if before.is_some_and(|charge| charge.key == *key) {
                return Ok(vec![]);
            }
            // The row is inserted once, and says which key counts from now on.
            let from = before.map(|charge| charge.status);
            let status = from.unwrap_or(PaymentStatus::Pending);
            saga.progress.data.charge = Some(Charge::begun(key.clone(), status));
            Ok(vec![Change::RecordPayment { from, payment: payment(saga, status) }])
        }
        Event::Answered(Answer::Succeeded(CallResult::Captured { amount, provider_ref })) => {
            let total = checkout(saga).total();
            if *amount != total {
                return Err(refused(format!("{key}: the provider took {amount}, the order costs {total}")));
            }
            let (from, to) = step(saga, PaymentEvent::Capture, |details| {
                details.provider_ref = Some(provider_ref.clone());
            })?;
            let payment = Payment { captured_minor: amount.amount_minor, ..payment(saga, to) };
            Ok(vec![Change::RecordPayment { from, payment }])
        }
        Event::Answered(Answer::Succeeded(
            CallResult::Undone { .. } | CallResult::Refunded | CallResult::Sent,
        )) => Err(refused(format!("{key}: the provider answered something else than was asked"))),
        Event::Answered(Answer::Pending { next_action }) => {
            let (from, to) = step(saga, PaymentEvent::RequireAction, |details| {
                details.next_action.clone_from(next_action);
            })?;
            Ok(vec![Change::RecordPayment { from, payment: payment(saga, to) }])
        }
        Event::Answered(Answer::Rejected { .. }) => moved(saga, PaymentEvent::Decline),
        Event::Answered(Answer::Unknown { .. }) => moved(saga, PaymentEvent::LoseAnswer),
        Event::Answered(Answer::Failed { .. }) => moved(saga, PaymentEvent::TryAgain),
        Event::GaveUp if saga.payment_status().is_some_and(|status| status != PaymentStatus::Declined) => {
            moved(saga, PaymentEvent::Cancel)
        }
        Event::GaveUp | Event::Answered(Answer::NotSent | Answer::NotNow { .. }) | Event::Died => Ok(vec![]),
        Event::Discarded => Err(refused(format!("{key}: whether money was taken has to be found out"))),
    }
}

/// The ledger rows of an undo: the refund, and the payment that it refunds.
fn record_undo(saga: &mut Saga, key: &StepKey, event: Event<'_>) -> Changes {
    if let Event::Answered(Answer::Succeeded(
        CallResult::Captured { .. } | CallResult::Refunded | CallResult::Sent,
    )) = event
    {
        return Err(refused(format!("{key}: the provider answered something else than was asked")));
    }
    if let Event::Discarded = event {
        return settle_manually(saga);
    }
    let held_money =
        matches!(saga.payment_status(), Some(PaymentStatus::Captured | PaymentStatus::PartiallyRefunded));
    let Event::Answered(Answer::Succeeded(CallResult::Undone { refunded_minor })) = event else {
        // Before the look-up, only a capture that we know of is money owed.
        let owed_minor = owed_minor(saga);
        return Ok(if held_money { move_refund(saga, event, owed_minor) } else { vec![] });
    };
    if *refunded_minor == 0 && !held_money {
        return moved(saga, PaymentEvent::Cancel);
    }
    // What a person saw to before is no refund of ours, whichever way the money went.
    let Before { refunded_minor: before, settled_manually_minor: by_hand } = before(saga);
    let mut changes = move_refund(saga, event, *refunded_minor - before - by_hand);
    let (from, to) = step(saga, PaymentEvent::RefundAll, |_| ())?;
    let payment = Payment {
        captured_minor: *refunded_minor,
        refunded_minor: *refunded_minor - by_hand,
        ..payment(saga, to)
    };
    changes.push(Change::RecordPayment { from, payment });
    Ok(changes)
}

/// A person saw to all that is left of the order's money. What nobody knows of counts as taken: the most
/// there can be.
fn settle_manually(saga: &mut Saga) -> Changes {
    let (captured_minor, owed_minor) = (terms(saga).1.amount_minor, owed_minor(saga));
    let Before { refunded_minor, settled_manually_minor } = before(saga);
    let (from, to) = step(saga, PaymentEvent::SettleManually, |_| ())?;
    let mut changes = move_refund(saga, Event::Discarded, owed_minor);
    let settled_manually_minor = settled_manually_minor + owed_minor;
    let payment = Payment { captured_minor, refunded_minor, settled_manually_minor, ..payment(saga, to) };
    changes.push(Change::RecordPayment { from, payment });
    Ok(changes)
}

/// The ledger row of a late capture: `payments` never counted it, so only the refund is kept.
fn record_late_refund(saga: &mut Saga, _key: &StepKey, event: Event<'_>) -> Changes {
    match event {
        Event::Answered(Answer::Succeeded(CallResult::Undone { refunded_minor: 0 })) => Ok(vec![]),
        Event::Answered(Answer::Succeeded(CallResult::Undone { refunded_minor })) => {
            Ok(move_refund(saga, event, *refunded_minor))
        }
        // What the report was worth nobody found out; it can have been no more than the order's total.
        Event::Discarded => Ok(move_refund(saga, event, terms(saga).1.amount_minor)),
        Event::Intent | Event::Answered(_) | Event::GaveUp | Event::Died => Ok(vec![]),
    }
}

/// The ledger rows of a partial refund. The commit that granted it inserted the refund's row.
fn record_granted_refund(saga: &mut Saga, key: &StepKey, event: Event<'_>) -> Changes {
    let granted = granted(saga);
    let (amount_minor, captured_minor) = (granted.amount.amount_minor, granted.captured_minor);
    let refunded_minor = granted.refunded_minor + amount_minor;
    match event {
        Event::Answered(Answer::Succeeded(CallResult::Refunded)) => {
            let mut changes = move_refund(saga, event, amount_minor);
            let all = refunded_minor == captured_minor;
            let event = if all { PaymentEvent::RefundAll } else { PaymentEvent::RefundPart };
            let (from, to) = step(saga, event, |_| ())?;
            let payment = Payment { captured_minor, refunded_minor, ..payment(saga, to) };
            changes.push(Change::RecordPayment { from, payment });
            Ok(changes)
        }
        Event::Discarded => {
            let (from, to) = step(saga, PaymentEvent::SettleManually, |_| ())?;
            let mut changes = move_refund(saga, event, amount_minor);
            let refunded_minor = refunded_minor - amount_minor;
            let settled_manually_minor = amount_minor;
            let payment =
                Payment { captured_minor, refunded_minor, settled_manually_minor, ..payment(saga, to) };
            changes.push(Change::RecordPayment { from, payment });
            Ok(changes)
        }
        Event::Answered(Answer::Succeeded(
            CallResult::Captured { .. } | CallResult::Undone { .. } | CallResult::Sent,
        )) => Err(refused(format!("{key}: the provider answered something else than was asked"))),
        Event::Intent | Event::Answered(_) | Event::GaveUp | Event::Died => {
            Ok(move_refund(saga, event, amount_minor))
        }
    }
}

/// Opens or moves this saga's refund row as `event` says.
fn move_refund(saga: &mut Saga, event: Event<'_>, amount_minor: i64) -> Vec<Change> {
    let Some(charge) = charge_to_undo(saga) else {
        return vec![];
    };
    let from = saga.progress.data.refund;
    let status = match event {
        Event::Intent | Event::Answered(Answer::Failed { .. } | Answer::Rejected { .. }) => {
            RefundStatus::Pending
        }
        Event::Answered(Answer::Succeeded(_)) => RefundStatus::Succeeded,
        Event::Answered(Answer::Unknown { .. }) => RefundStatus::Unknown,
        Event::Died | Event::Discarded => RefundStatus::Failed,
        Event::Answered(Answer::NotSent | Answer::NotNow { .. } | Answer::Pending { .. }) | Event::GaveUp => {
            return vec![];
        }
    };
    // An intent that follows a lost answer does not make the answer known.
    let still_unknown = matches!(event, Event::Intent) && from == Some(RefundStatus::Unknown);
    let settled_manually = matches!(event, Event::Discarded);
    if (from == Some(status) && !settled_manually) || still_unknown {
        return vec![];
    }
    saga.progress.data.refund = Some(status);
    let amount = Money { amount_minor, ..terms(saga).1 };
    let late = matches!(&*saga.context, Context::LateRefund(_));
    let refund = Refund { saga: saga.id, status, amount, charge, late, settled_manually };
    vec![Change::RecordRefund { from, refund }]
}

/// Moves our ledger row and the saga's copy of it together; `learn` adds what the provider said. What the buyer had to do
/// is over with any other event.
fn step(
    saga: &mut Saga,
    event: PaymentEvent,
    learn: impl FnOnce(&mut PaymentDetails),
) -> Result<(Option<PaymentStatus>, PaymentStatus), Refusal> {
    let Some(charge) = &mut saga.progress.data.charge else {
        return Err(refused(format!("saga {}: no charge was begun", saga.id)));
    };
    let from = charge.status;
    let to = from.after(event).map_err(|illegal| refused(format!("{}: {illegal}", charge.key)))?;
    charge.status = to;
    charge.details.next_action = None;
    learn(&mut charge.details);
    Ok((Some(from), to))
}

fn moved(saga: &mut Saga, event: PaymentEvent) -> Changes {
    let (from, to) = step(saga, event, |_| ())?;
    Ok(if from == Some(to) {
        vec![]
    } else {
        vec![Change::RecordPayment { from, payment: payment(saga, to) }]
    })
}

fn payment(saga: &Saga, status: PaymentStatus) -> Payment {
    let (provider, amount) = terms(saga);
    let charge = saga.progress.data.charge.as_ref();
    Payment {
        order: saga.order(),
        provider: provider.to_owned(),
        status,
        amount,
        captured_minor: 0,
        refunded_minor: 0,
        settled_manually_minor: before(saga).settled_manually_minor,
        charge: charge.map(|charge| charge.key.clone()),
        details: charge.map(|charge| charge.details.clone()).unwrap_or_default(),
    }
}

fn charge_to_undo(saga: &Saga) -> Option<StepKey> {
    match &*saga.context {
        Context::LateRefund(late) => Some(late.charge.clone()),
        Context::PartialRefund(granted) => Some(granted.charge.clone()),
        Context::Checkout(_) | Context::Cancellation(_) => {
            saga.progress.data.charge.as_ref().map(|charge| charge.key.clone())
        }
        Context::Notice(_) => None,
    }
}

/// Who takes the money, and how much of it there can be.
fn terms(saga: &Saga) -> (&str, Money) {
    match &*saga.context {
        Context::Checkout(checkout) => (&checkout.provider, checkout.total()),
        Context::Cancellation(cancellation) => (&cancellation.provider, cancellation.total),
        Context::LateRefund(late) => (&late.provider, late.total),
        Context::PartialRefund(granted) => (&granted.provider, granted.total),
        Context::Notice(_) => panic!("saga {} moves money without being about any", saga.id),
    }
}

/// What became of this order's granted refunds before this saga was started.
struct Before {
    refunded_minor: i64,
    settled_manually_minor: i64,
}

fn before(saga: &Saga) -> Before {
    match &*saga.context {
        Context::Cancellation(cancellation) => Before {
            refunded_minor: cancellation.refunded_minor,
            settled_manually_minor: cancellation.settled_manually_minor,
        },
        // A checkout is undone before anything can be granted; late money is nobody's gift.
        Context::Checkout(_) | Context::LateRefund(_) | Context::PartialRefund(_) | Context::Notice(_) => {
            Before { refunded_minor: 0, settled_manually_minor: 0 }
        }
    }
}

/// What the order costs, if the saga is about money.
pub(crate) fn total(saga: &Saga) -> Option<Money> {
    match &*saga.context {
        Context::Notice(_) => None,
        Context::Checkout(_)
        | Context::Cancellation(_)
        | Context::LateRefund(_)
        | Context::PartialRefund(_) => Some(terms(saga).1),
    }
}

/// What is left of it, by our ledger.
pub(crate) fn owed(saga: &Saga) -> Option<Money> {
    total(saga).map(|total| Money { amount_minor: owed_minor(saga), ..total })
}

/// What is left of the order's money, by our ledger.
fn owed_minor(saga: &Saga) -> i64 {
    let Before { refunded_minor, settled_manually_minor } = before(saga);
    terms(saga).1.amount_minor - refunded_minor - settled_manually_minor
}

fn granted(saga: &Saga) -> &PartialRefund {
    match &*saga.context {
        Context::PartialRefund(granted) => granted,
        Context::Checkout(_) | Context::Notice(_) | Context::Cancellation(_) | Context::LateRefund(_) => {
            panic!("saga {} gives money back without a grant", saga.id)
        }
    }
}

fn refused(message: String) -> Refusal {
    Refusal { reason: CancelReason::PaymentDeclined, message }
}
