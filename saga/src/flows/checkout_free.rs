//! A checkout that costs nothing: nobody is asked for money, and nobody has to confirm it.

use holdfast_shared::Queue;

use super::stages::order::{
    CANCEL_ORDER, CLEAR_CART, CONFIRM_ORDER, CONFIRM_RESERVATION, NOTIFY_CANCELLED, NOTIFY_CONFIRMED,
    REOPEN_CART, RESERVE_STOCK, VALIDATE_CART,
};
use crate::engine::definition::{Definition, pivot};

/// Reserve, confirm.
pub static V1: Definition = Definition {
    name: "checkout_free",
    version: 1,
    queue: Queue::Checkout,
    forward: &[
        VALIDATE_CART,
        RESERVE_STOCK,
        pivot(),
        CONFIRM_ORDER,
        CONFIRM_RESERVATION,
        CLEAR_CART,
        NOTIFY_CONFIRMED,
    ],
    after_undo: &[CANCEL_ORDER, REOPEN_CART, NOTIFY_CANCELLED],
    late_capture: None,
};
