//! The flows, one screen each.

pub mod cancellation;
pub mod checkout_cod;
pub mod checkout_online;
pub mod granted_refund;
pub mod late_refund;
pub mod notification;

mod order_stages;
mod payment_stages;

use crate::definition::Registry;

pub(crate) use payment_stages::{owed, total};

/// Every definition this binary knows.
pub static REGISTRY: Registry = Registry::new(&[
    &checkout_online::V1,
    &checkout_cod::V1,
    &notification::V1,
    &cancellation::V1,
    &late_refund::V1,
    &granted_refund::V1,
]);
