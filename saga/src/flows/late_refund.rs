//! Giving back money that was reported after its checkout had given it up.

use holdfast_shared::{Queue, SagaId, StepKey};

use super::payment_stages::{REFUND_PAYMENT, record_late_refund};
use crate::context::{Checkout, Context, LateRefund, slot};
use crate::definition::{CallSpec, Definition, call, pivot};
use crate::saga::NewSaga;

/// One report and one refund each; more than this many is a provider gone mad, and the audit shows it.
pub const MAX_PER_ORDER: usize = 64;

/// The charge is looked up first: a false report moves nothing.
pub static V1: Definition = Definition {
    name: "late_refund",
    version: 1,
    queue: Queue::Compensation,
    forward: &[pivot(), call("refund_payment", CallSpec { record: record_late_refund, ..REFUND_PAYMENT })],
    after_undo: &[],
};

/// The saga that gives back what `charge` took; number `nth` of its order.
pub fn start(parent: SagaId, checkout: &Checkout, charge: &StepKey, nth: usize) -> NewSaga {
    let order = parent.order();
    let nth = u8::try_from(nth.min(MAX_PER_ORDER)).unwrap_or(u8::MAX);
    let context = LateRefund {
        order,
        charge: charge.clone(),
        provider: checkout.provider.clone(),
        total: checkout.total(),
    };
    V1.start(order.saga(slot::LATE_REFUND + nth), Context::LateRefund(context))
}
