//! Stock: the level of a SKU is what its movements add up to.

use holdfast_shared::Sku;

use super::finding::Findings;
use super::report::{Invariant, Violation};
use crate::records::audit_fact::StockFact;

pub(super) fn judge(fact: &StockFact, violations: &mut Vec<Violation>) {
    let subject = format!("sku {}", fact.sku.as_ref().map_or("?", Sku::as_str));
    let mut findings = Findings::about(subject, violations);
    let StockFact { on_hand, reserved, held, .. } = *fact;
    let moved = fact.adjusted - fact.confirmed + fact.restocked;
    findings.check(Invariant::StockOnHand, on_hand == moved, || {
        format!("{on_hand} on hand, the movements add up to {moved}")
    });
    findings.check(Invariant::StockReserved, reserved == held, || {
        format!("{reserved} reserved, {held} held by reservations")
    });
    findings.check(Invariant::StockBounds, (0..=on_hand).contains(&reserved), || {
        format!("{reserved} reserved of {on_hand} on hand")
    });
}
