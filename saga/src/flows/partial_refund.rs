//! Giving back money of an order that stands: for goodwill, or for a part of it.

use holdfast_shared::{KeyPrefix, Queue, RefundStatus, SagaId, Time};

use super::stages::payment::GIVE_BACK;
use crate::engine::definition::{Definition, pivot};
use crate::records::context::{Context, PartialRefund};
use crate::records::saga::{Charge, Saga};

/// Granted is granted, so the pivot comes first. The order keeps its status; only its money moves.
pub static V1: Definition = Definition {
    name: "partial_refund",
    version: 1,
    queue: Queue::Compensation,
    forward: &[pivot(), GIVE_BACK],
    after_undo: &[],
    late_capture: None,
};

/// The saga `id` that gives back what was `granted`, of the charge as our ledger has it.
///
/// Its refund row is inserted as PENDING in the same commit; the saga's data says so.
pub fn start(
    id: SagaId,
    key_prefix: KeyPrefix,
    granted: PartialRefund,
    charge: Charge,
    now: Time,
) -> Box<Saga> {
    let mut saga = V1.start(id, Context::PartialRefund(granted)).begin(key_prefix, now);
    saga.progress.data.charge = Some(charge);
    saga.progress.data.refund = Some(RefundStatus::Pending);
    saga
}
