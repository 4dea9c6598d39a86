//! What our own ledger rows say of a saga's money, and how they move.

use std::time::Duration;

use holdfast_shared::{CancelReason, Money, PaymentEvent, PaymentStatus, StepKey};

use crate::engine::definition::Refusal;
use crate::records::change::Change;
use crate::records::context::{Context, PartialRefund};
use crate::records::request::PaymentAt;
use crate::records::saga::Saga;
use crate::records::{Payment, PaymentDetails};

pub(super) type Changes = Result<Vec<Change>, Refusal>;

/// Longer than a provider that is well ever takes; at most half of the lease.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Moves our ledger row and the saga's copy of it together; `learn` adds what the provider said. What the buyer had to do
/// is over with any other event.
pub(super) fn step(
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

pub(super) fn moved(saga: &mut Saga, event: PaymentEvent) -> Changes {
    let (from, to) = step(saga, event, |_| ())?;
    Ok(if from == Some(to) {
        vec![]
    } else {
        vec![Change::RecordPayment { from, payment: payment(saga, to) }]
    })
}

pub(super) fn payment(saga: &Saga, status: PaymentStatus) -> Payment {
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

/// The payment at its provider, under the key of the charge that counts.
pub(super) fn payment_at(saga: &Saga, provider: &str, charge: &StepKey) -> PaymentAt {
    let known = saga.progress.data.charge.as_ref();
    let (object, charge) = match (&*saga.context, known.and_then(|known| known.details.object.as_ref())) {
        (Context::LateRefund(late), _) => (late.object.clone(), charge),
        // What the provider opened stands for all attempts.
        (_, Some(object)) => (Some(object.clone()), known.map_or(charge, |known| &known.key)),
        (_, None) => (None, charge),
    };
    PaymentAt { provider: provider.to_owned(), charge: charge.clone(), object }
}

pub(super) fn charge_to_undo(saga: &Saga) -> Option<StepKey> {
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
pub(super) fn terms(saga: &Saga) -> (&str, Money) {
    match &*saga.context {
        Context::Checkout(checkout) => (&checkout.provider, checkout.total()),
        Context::Cancellation(cancellation) => (&cancellation.provider, cancellation.total),
        Context::LateRefund(late) => (&late.provider, late.total),
        Context::PartialRefund(granted) => (&granted.provider, granted.total),
        Context::Notice(_) => panic!("saga {} moves money without being about any", saga.id),
    }
}

/// What became of this order's granted refunds before this saga was started.
pub(super) struct Before {
    pub(super) refunded_minor: i64,
    pub(super) settled_manually_minor: i64,
}

pub(super) fn before(saga: &Saga) -> Before {
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
pub(super) fn owed_minor(saga: &Saga) -> i64 {
    let Before { refunded_minor, settled_manually_minor } = before(saga);
    terms(saga).1.amount_minor - refunded_minor - settled_manually_minor
}

pub(super) fn granted(saga: &Saga) -> &PartialRefund {
    match &*saga.context {
        Context::PartialRefund(granted) => granted,
        Context::Checkout(_) | Context::Notice(_) | Context::Cancellation(_) | Context::LateRefund(_) => {
            panic!("saga {} gives money back without a grant", saga.id)
        }
    }
}

pub(super) fn mistaken(key: &StepKey) -> Refusal {
    refused(format!("{key}: the provider answered something else than was asked"))
}

pub(super) fn refused(message: String) -> Refusal {
    Refusal { reason: CancelReason::PaymentDeclined, message, short_of: None }
}
