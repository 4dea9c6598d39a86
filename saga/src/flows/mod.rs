//! The flows, one screen each.

pub mod cancellation;
pub mod checkout_cod;
pub mod checkout_free;
pub mod checkout_online;
pub mod late_refund;
pub mod notification;
pub mod partial_refund;
mod stages;

use holdfast_shared::PaymentMethod;

pub use stages::participant;
pub(crate) use stages::payment::{owed, total};

use crate::engine::definition::Definition;
use crate::engine::registry::Registry;
use crate::records::context::Context;

/// The definition that a checkout paid like this runs from now on.
pub const fn checkout(method: PaymentMethod) -> &'static Definition {
    match method {
        PaymentMethod::Card | PaymentMethod::Paypal => &checkout_online::V2,
        PaymentMethod::Cod => &checkout_cod::V1,
        PaymentMethod::None => &checkout_free::V1,
    }
}

/// The name of the flow that runs with such a context.
pub(crate) const fn name_for(context: &Context) -> &'static str {
    match context {
        Context::Checkout(of) => checkout(of.method).name,
        Context::Cancellation(_) => cancellation::V1.name,
        Context::Notice(_) => notification::V1.name,
        Context::LateRefund(_) => late_refund::V1.name,
        Context::PartialRefund(_) => partial_refund::V1.name,
    }
}

/// Every definition this binary knows.
pub static REGISTRY: Registry = Registry::new(&[
    &checkout_online::V2,
    &checkout_cod::V1,
    &checkout_free::V1,
    &notification::V1,
    &cancellation::V1,
    &late_refund::V1,
    &partial_refund::V1,
]);
