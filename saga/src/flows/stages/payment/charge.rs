//! Opening a payment and taking its money.

use std::time::Duration;

use holdfast_shared::{CancelReason, PaymentEvent, PaymentStatus, RetryPolicy, StepKey};

use super::ledger::{CALL_TIMEOUT, Changes, mistaken, moved, payment, payment_at, refused, step};
use crate::engine::definition::{CallSpec, Discard, Event, Unclear};
use crate::flows::stages::order::checkout;
use crate::records::Payment;
use crate::records::call::{Answer, CallResult};
use crate::records::change::Change;
use crate::records::request::{PaymentRequest, Request};
use crate::records::saga::{Charge, Saga};

const FIND_OUT_INSTEAD: Discard =
    Discard::Never("cancel its order instead: that finds out whether money was taken, and gives it back");

/// A charge is tried for as long as a buyer would wait for it.
pub(super) const CHARGE: CallSpec = CallSpec {
    concerns: |_| true,
    request: |saga, key| {
        let checkout = checkout(saga);
        Some(Request::Payment(PaymentRequest::Charge {
            payment: payment_at(saga, &checkout.provider, &key),
            key,
            amount: checkout.total(),
            token: checkout.token.clone(),
        }))
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
    unclear: Unclear::AskAgain,
    discard: FIND_OUT_INSTEAD,
};

/// A provider that opens nothing has nothing to be asked for here.
pub(super) const OPEN: CallSpec = CallSpec {
    concerns: |saga| checkout(saga).opens,
    request: |saga, key| {
        let checkout = checkout(saga);
        let (provider, amount) = (checkout.provider.clone(), checkout.total());
        Some(Request::Payment(PaymentRequest::Open { key, provider, amount }))
    },
    record: record_open,
    unclear: Unclear::SendAnew,
    ..CHARGE
};

fn record_open(saga: &mut Saga, key: &StepKey, event: Event<'_>) -> Changes {
    match event {
        Event::Answered(Answer::Succeeded(CallResult::Opened(object))) => {
            let (from, to) = step(saga, PaymentEvent::TryAgain, |details| {
                details.object = Some(Box::new(object.clone()));
            })?;
            Ok(vec![Change::RecordPayment { from, payment: payment(saga, to) }])
        }
        Event::Answered(Answer::Succeeded(_)) => Err(mistaken(key)),
        // It is opened anew under another key; what may have been opened now, nobody will pay.
        Event::Answered(Answer::Unknown { .. }) => Ok(vec![]),
        Event::Intent | Event::Answered(_) | Event::GaveUp | Event::Died | Event::Discarded => {
            record_charge(saga, key, event)
        }
    }
}

fn record_charge(saga: &mut Saga, key: &StepKey, event: Event<'_>) -> Changes {
    match event {
        Event::Intent => {
            let before = saga.progress.data.charge.as_ref();
            // What the provider opened stands for all attempts.
            if before.is_some_and(|charge| charge.key == *key || charge.details.object.is_some()) {
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
        Event::Answered(Answer::Succeeded(_)) => Err(mistaken(key)),
        Event::Answered(Answer::Pending { next_action, .. }) => {
            let (from, to) = step(saga, PaymentEvent::RequireAction, |details| {
                details.next_action.clone_from(next_action);
            })?;
            Ok(vec![Change::RecordPayment { from, payment: payment(saga, to) }])
        }
        Event::Answered(Answer::Processing) => moved(saga, PaymentEvent::Process),
        Event::Answered(Answer::Rejected { .. }) => moved(saga, PaymentEvent::Decline),
        Event::Answered(Answer::Unknown { .. } | Answer::NotFound { .. } | Answer::Refused { .. }) => {
            // What the provider opened cannot be paid twice, so the next attempt has a key of its own: a 500 is repeated
            // under the present one for a day (M4).
            let charge = saga.progress.data.charge.as_ref();
            let is_opened = charge.is_some_and(|charge| charge.details.object.is_some());
            saga.progress.generation += u32::from(is_opened);
            moved(saga, PaymentEvent::LoseAnswer)
        }
        Event::Answered(Answer::Failed { .. }) => moved(saga, PaymentEvent::TryAgain),
        Event::GaveUp if is_still_open(saga) => moved(saga, PaymentEvent::Cancel),
        Event::GaveUp
        | Event::Answered(
            Answer::NotSent
            | Answer::NotNow { .. }
            | Answer::NotHere { .. }
            | Answer::Parked { .. }
            | Answer::GivingBack,
        )
        | Event::Died => Ok(vec![]),
        Event::Discarded => Err(refused(format!("{key}: whether money was taken has to be found out"))),
    }
}

/// Whether giving up is all there is to it. What the provider opened is closed first, and that may find money.
fn is_still_open(saga: &Saga) -> bool {
    let charge = saga.progress.data.charge.as_ref();
    charge.is_some_and(|charge| charge.status != PaymentStatus::Declined && charge.details.object.is_none())
}
