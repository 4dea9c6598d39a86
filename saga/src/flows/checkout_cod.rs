//! A checkout paid in cash on delivery, once an admin has confirmed it.

use holdfast_shared::Queue;

use super::stages::order::{
    CANCEL_ORDER, CLEAR_CART, CONFIRM_ORDER, CONFIRM_RESERVATION, NOTIFY_CANCELLED, NOTIFY_CONFIRMED,
    REOPEN_CART, RESERVE_STOCK, VALIDATE_CART,
};
use super::stages::payment::DUE_ON_DELIVERY;
use crate::engine::definition::{Definition, confirmation, pivot};

/// Reserve, wait for the admin, confirm.
pub static V1: Definition = Definition {
    name: "checkout_cod",
    version: 1,
    queue: Queue::Checkout,
    forward: &[
        VALIDATE_CART,
        RESERVE_STOCK,
        confirmation("confirmation"),
        pivot(),
        CONFIRM_ORDER,
        DUE_ON_DELIVERY,
        CONFIRM_RESERVATION,
        CLEAR_CART,
        NOTIFY_CONFIRMED,
    ],
    after_undo: &[CANCEL_ORDER, REOPEN_CART, NOTIFY_CANCELLED],
    late_capture: None,
};
