//! The stages that flows are made of.

pub(super) mod order;
pub(super) mod payment;
