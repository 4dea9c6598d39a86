//! A checkout paid online.

use holdfast_shared::Queue;

use super::late_refund;
use super::stages::order::{
    CANCEL_ORDER, CLEAR_CART, CONFIRM_ORDER, CONFIRM_RESERVATION, NOTIFY_CANCELLED, NOTIFY_CONFIRMED,
    REOPEN_CART, RESERVE_STOCK, VALIDATE_CART,
};
use super::stages::payment::{OPEN_PAYMENT, TAKE_PAYMENT};
use crate::engine::definition::{Definition, pivot};

/// Reserve, open the payment, take the money, confirm. Until the money is ours, everything can be undone.
pub static V2: Definition = Definition {
    name: "checkout_online",
    version: 2,
    queue: Queue::Checkout,
    forward: &[
        VALIDATE_CART,
        RESERVE_STOCK,
        OPEN_PAYMENT,
        TAKE_PAYMENT,
        pivot(),
        CONFIRM_ORDER,
        CONFIRM_RESERVATION,
        CLEAR_CART,
        NOTIFY_CONFIRMED,
    ],
    after_undo: &[CANCEL_ORDER, REOPEN_CART, NOTIFY_CANCELLED],
    late_capture: Some(late_refund::start),
};
