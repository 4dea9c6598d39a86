//! The stages that move money, and our own ledger rows for it.

mod charge;
mod ledger;

use std::time::Duration;

use holdfast_shared::{CancelReason, Money, PaymentEvent, PaymentStatus, RefundStatus, RetryPolicy, StepKey};

use self::charge::{CHARGE, OPEN};
use self::ledger::{
    Before, CALL_TIMEOUT, Changes, before, charge_to_undo, granted, mistaken, moved, owed_minor, payment,
    payment_at, step, terms,
};
pub(crate) use self::ledger::{owed, total};
use crate::engine::definition::{CallSpec, Discard, Event, Kind, Phrases, Stage, Unclear, call, local};
use crate::records::call::{Answer, CallResult};
use crate::records::change::Change;
use crate::records::context::Context;
use crate::records::request::{PaymentRequest, Request};
use crate::records::saga::Saga;
use crate::records::{Payment, Refund};

pub(in crate::flows) const OPEN_PAYMENT: Stage = call("open_payment", OPEN)
    .reads(Phrases::new("opening the payment", "payment of {amount} opened at the provider"))
    .undo_call(
        "close_payment",
        CLOSE,
        Phrases::new("closing the payment", "the payment is closed at the provider"),
    );

pub(in crate::flows) const TAKE_PAYMENT: Stage = call("take_payment", CHARGE)
    .reads(Phrases::new("the payment", "payment taken: {amount}").buyer("payment taken: {amount}"))
    .undo_call("refund_payment", UNDO_CHARGE, REFUND_PAYMENT.phrases);

pub(in crate::flows) const REFUND_PAYMENT: Stage = call("refund_payment", UNDO_CHARGE).reads(
    Phrases::new("the refund", "no money of this order is owed any more")
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

/// Giving money back is tried for longer: nobody waits in front of a screen, and giving up needs a person.
const UNDO_CHARGE: CallSpec = CallSpec {
    concerns: |_| true,
    request: |saga, key| {
        // All of it was given back or settled by hand before: there is nothing to ask for.
        let by_hand = before(saga).settled_manually_minor > 0 && owed_minor(saga) == 0;
        if by_hand || saga.payment_status() == Some(PaymentStatus::Refunded) {
            return None;
        }
        let charge = charge_to_undo(saga)?;
        let payment = payment_at(saga, terms(saga).0, &charge);
        let Before { refunded_minor, settled_manually_minor } = before(saga);
        Some(Request::Payment(PaymentRequest::UndoCharge {
            payment,
            key,
            refunded_minor,
            settled_manually_minor,
        }))
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
    unclear: Unclear::AskAgain,
    discard: Discard::SettledManually,
};

/// The same for a payment that was opened and whose money was never asked for: the buyer may have paid it meanwhile.
const CLOSE: CallSpec = CallSpec {
    request: |saga, key| {
        let charge = saga.progress.data.charge.as_ref()?;
        // Money that our ledger knows of was the undo's of taking it, which gave it back or left it to a person.
        let is_open = matches!(
            charge.status,
            PaymentStatus::Pending
                | PaymentStatus::RequiresAction
                | PaymentStatus::Processing
                | PaymentStatus::Unknown
        );
        if !is_open || charge.details.object.is_none() {
            return None;
        }
        (UNDO_CHARGE.request)(saga, key)
    },
    ..UNDO_CHARGE
};

/// The same for some of the money. It is all this saga does, so what is given up is a saga that died.
const PARTIAL_REFUND: CallSpec = CallSpec {
    request: |saga, key| {
        let granted = granted(saga);
        Some(Request::Payment(PaymentRequest::Refund {
            payment: payment_at(saga, &granted.provider, &granted.charge),
            key,
            amount: granted.amount,
            refunded_minor: granted.refunded_minor,
        }))
    },
    record: record_granted_refund,
    ..UNDO_CHARGE
};

/// Inserts the payment row of a cash-on-delivery order: the courier will collect the total.
fn due_on_delivery(saga: &Saga) -> Changes {
    Ok(vec![Change::RecordPayment { from: None, payment: payment(saga, PaymentStatus::DueOnDelivery) }])
}

/// Closes that row: the courier has nothing to collect any more.
pub(in crate::flows) fn drop_due_on_delivery(saga: &Saga) -> Change {
    let payment = payment(saga, PaymentStatus::Cancelled);
    Change::RecordPayment { from: Some(PaymentStatus::DueOnDelivery), payment }
}

/// The ledger rows of an undo: the refund, and the payment that it refunds.
fn record_undo(saga: &mut Saga, key: &StepKey, event: Event<'_>) -> Changes {
    if let Event::Discarded = event {
        return settle_manually(saga);
    }
    if let Event::Answered(Answer::Processing) = event {
        return moved(saga, PaymentEvent::Process);
    }
    let held_money =
        matches!(saga.payment_status(), Some(PaymentStatus::Captured | PaymentStatus::PartiallyRefunded));
    let captured_minor = match event {
        Event::Answered(Answer::Succeeded(CallResult::Undone { captured_minor })) => *captured_minor,
        Event::Answered(Answer::Succeeded(_)) => return Err(mistaken(key)),
        Event::Intent | Event::Answered(_) | Event::GaveUp | Event::Died | Event::Discarded => {
            // Before the look-up, only a capture that we know of is money owed.
            let owed_minor = owed_minor(saga);
            return Ok(if held_money { move_refund(saga, event, owed_minor) } else { vec![] });
        }
    };
    if captured_minor == 0 && !held_money {
        return moved(saga, PaymentEvent::Cancel);
    }
    // What a person saw to before is no refund of ours, whichever way the money went.
    let Before { refunded_minor: before, settled_manually_minor: by_hand } = before(saga);
    let mut changes = move_refund(saga, event, captured_minor - before - by_hand);
    let (from, to) = step(saga, PaymentEvent::RefundAll, |_| ())?;
    let refunded_minor = captured_minor - by_hand;
    let payment = Payment { captured_minor, refunded_minor, ..payment(saga, to) };
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
        Event::Answered(Answer::Succeeded(CallResult::Undone { captured_minor: 0 })) => Ok(vec![]),
        Event::Answered(Answer::Succeeded(CallResult::Undone { captured_minor })) => {
            Ok(move_refund(saga, event, *captured_minor))
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
        Event::Answered(Answer::Succeeded(_)) => Err(mistaken(key)),
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
        Event::Answered(Answer::Unknown { .. } | Answer::NotFound { .. } | Answer::Refused { .. }) => {
            RefundStatus::Unknown
        }
        Event::Died | Event::Discarded => RefundStatus::Failed,
        // The provider has it: whether it gives the money back is not in doubt, only when.
        Event::Answered(Answer::GivingBack) => RefundStatus::Pending,
        Event::Answered(
            Answer::NotSent
            | Answer::NotNow { .. }
            | Answer::NotHere { .. }
            | Answer::Parked { .. }
            | Answer::Pending { .. }
            | Answer::Processing,
        )
        | Event::GaveUp => {
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
