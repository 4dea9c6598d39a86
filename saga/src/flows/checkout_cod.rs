//! A checkout paid in cash on delivery, once an admin has confirmed it.

use holdfast_shared::Queue;

use super::stages::order::{
    cancel_order, clear_cart, confirm_order, confirm_reservation, notify_cancelled, notify_confirmed,
    release_stock, reopen_cart, reserve_stock, validate_cart,
};
use super::stages::payment::due_on_delivery;
use crate::engine::definition::{Definition, confirmation, local, pivot, spawn};

/// Reserve, wait for the admin, confirm.
pub static V1: Definition = Definition {
    name: "checkout_cod",
    version: 1,
    queue: Queue::Checkout,
    forward: &[
        local("validate_cart", validate_cart),
        local("reserve_stock", reserve_stock).undo("release_stock", release_stock),
        confirmation("confirmation"),
        pivot(),
        local("confirm_order", confirm_order),
        local("due_on_delivery", due_on_delivery),
        local("confirm_reservation", confirm_reservation),
        local("clear_cart", clear_cart),
        spawn("notify", notify_confirmed),
    ],
    after_undo: &[
        local("cancel_order", cancel_order),
        local("reopen_cart", reopen_cart),
        spawn("notify", notify_cancelled),
    ],
    late_capture: None,
};
