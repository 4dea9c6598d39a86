//! Giving back money that was reported after its checkout had given it up.

use holdfast_shared::{Queue, StepKey};

use super::stages::payment::REFUND_LATE_PAYMENT;
use crate::engine::definition::{Definition, pivot};
use crate::records::context::{Context, LateRefund};
use crate::records::saga::{NewSaga, Saga};
use crate::records::slot;

/// One report and one refund each; more than this many is a provider gone mad, and the audit shows it.
const MAX_PER_ORDER: u32 = 64;

/// The charge is looked up first: a false report moves nothing.
pub static V1: Definition = Definition {
    name: "late_refund",
    version: 1,
    queue: Queue::Compensation,
    forward: &[pivot(), REFUND_LATE_PAYMENT],
    after_undo: &[],
    late_capture: None,
};

/// The saga that gives back what `charge` took, unless that has happened too often.
pub fn start(parent: &Saga, charge: &StepKey, before: usize) -> Option<NewSaga> {
    let Context::Checkout(checkout) = &*parent.context else { return None };
    let known = parent.progress.data.charge.as_ref().filter(|known| known.key == *charge);
    let object = known.and_then(|known| known.details.object.clone());
    // Nobody can pay what was opened and never committed (M1).
    if checkout.opens && object.is_none() {
        return None;
    }
    let order = parent.order();
    let nth = u32::try_from(before).ok().filter(|nth| *nth < MAX_PER_ORDER)?;
    let slot = slot::nth(slot::LATE_REFUND, nth)?;
    let context = LateRefund {
        order,
        charge: charge.clone(),
        provider: checkout.provider.clone(),
        total: checkout.total(),
        object,
    };
    Some(V1.start(order.saga(slot), Context::LateRefund(context)))
}
