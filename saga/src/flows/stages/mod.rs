//! The stages that flows are made of.

pub(super) mod order;
pub mod participant;
pub(super) mod payment;
