//! What operators do: dead letters, queues, signals, and the audit.

pub mod audit;
pub mod audit_run;
pub mod dead_letter;
pub mod queue;
pub mod queue_list;
pub mod saga_list;
pub mod shop;
pub mod signal;
