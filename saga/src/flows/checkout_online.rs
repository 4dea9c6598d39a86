//! A checkout paid online.

use holdfast_shared::Queue;

use super::late_refund;
use super::stages::order::{
    cancel_order, clear_cart, confirm_order, confirm_reservation, notify_cancelled, notify_confirmed,
    release_stock, reopen_cart, reserve_stock, validate_cart,
};
use super::stages::payment::{REFUND_PAYMENT, TAKE_PAYMENT};
use crate::engine::definition::{Definition, call, local, pivot, spawn};

/// Reserve, take the money, confirm. Until the money is ours, everything can be undone.
pub static V1: Definition = Definition {
    name: "checkout_online",
    version: 1,
    queue: Queue::Checkout,
    forward: &[
        local("validate_cart", validate_cart),
        local("reserve_stock", reserve_stock).undo("release_stock", release_stock),
        call("take_payment", TAKE_PAYMENT).undo_call("refund_payment", REFUND_PAYMENT),
        pivot(),
        local("confirm_order", confirm_order),
        local("confirm_reservation", confirm_reservation),
        local("clear_cart", clear_cart),
        spawn("notify", notify_confirmed),
    ],
    after_undo: &[
        local("cancel_order", cancel_order),
        local("reopen_cart", reopen_cart),
        spawn("notify", notify_cancelled),
    ],
    late_capture: Some(late_refund::start),
};
