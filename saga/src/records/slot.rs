//! Which of an order's sagas is which. A child's id follows from its parent's order and this slot.

/// The checkout itself.
pub const CHECKOUT: u8 = 0;
/// The message that the order stands.
pub const CONFIRMED_NOTICE: u8 = 1;
/// The message that the order was cancelled.
pub const CANCELLED_NOTICE: u8 = 2;
/// The cancellation after the pivot.
pub const CANCELLATION: u8 = 3;
/// The first refund granted while the order stands; the next ones follow.
pub const PARTIAL_REFUND: u8 = 32;
/// The last one there can be. More than sixteen gifts to one order are a mistake, not goodwill.
pub const PARTIAL_REFUND_LAST: u8 = 47;
/// The first refund of late money; the next ones follow.
pub const LATE_REFUND: u8 = 64;

/// Whether the saga in this slot is a refund that was granted.
pub fn is_partial_refund(slot: u8) -> bool {
    (PARTIAL_REFUND..=PARTIAL_REFUND_LAST).contains(&slot)
}
