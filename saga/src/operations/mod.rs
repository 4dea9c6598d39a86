//! What operators do: dead dead_letters, queues, signals, and the audit.

pub mod audit;
pub mod dead_letter;
pub mod queue;
pub mod signal;
