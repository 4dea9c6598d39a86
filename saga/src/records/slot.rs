//! Which of an order's sagas is which. A child's id follows from its parent's order and this slot.
//!
//! A slot is a kind and a number: of each kind there can be thousands. The first of a kind has the kind itself as its
//! slot, so that the usual ids stay short: the first refund of order 1042 is `1042.32`, the next one `1042.96`.

use holdfast_shared::{SLOT_MAX, SagaId};

/// Kinds of sagas that an order can have.
const KINDS: u32 = 64;

/// How many of each kind an order can have.
pub const PER_KIND: u32 = (SLOT_MAX + 1) / KINDS;

/// The checkout itself.
pub const CHECKOUT: u32 = 0;
/// The message that the order stands.
pub const CONFIRMED_NOTICE: u32 = 1;
/// The message that the order was cancelled.
pub const CANCELLED_NOTICE: u32 = 2;
/// The cancellation after the pivot.
pub const CANCELLATION: u32 = 3;
/// Refunds granted while the order stands.
pub const PARTIAL_REFUND: u32 = 32;
/// Refunds of late money.
pub const LATE_REFUND: u32 = 48;

/// The slot of the `nth` saga of `kind`, counted from 0; `None` if there can be no more.
pub fn nth(kind: u32, nth: u32) -> Option<u32> {
    (nth < PER_KIND).then_some(nth * KINDS + kind)
}

/// What kind of saga is in this slot.
pub const fn kind(slot: u32) -> u32 {
    slot % KINDS
}

/// What kind of saga of its order this is; `None` for one that serves no order.
pub fn kind_of(saga: SagaId) -> Option<u32> {
    saga.slot().map(kind)
}

/// Whether this is its order's checkout.
pub fn is_checkout(saga: SagaId) -> bool {
    saga.slot() == Some(CHECKOUT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_says_its_kind_however_many_there_are() {
        assert_eq!((nth(PARTIAL_REFUND, 0), nth(PARTIAL_REFUND, 1)), (Some(32), Some(96)));
        let last = nth(LATE_REFUND, PER_KIND - 1).expect("there is room");
        assert_eq!(kind(last), LATE_REFUND);
        assert!(last <= SLOT_MAX);
        assert_eq!(nth(LATE_REFUND, PER_KIND), None);
    }
}
