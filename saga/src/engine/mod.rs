//! The engine: how any saga is planned, applied and committed. It knows no flow.

pub mod apply;
pub mod batch;
pub mod definition;
pub mod discard;
pub mod execute_call;
pub mod own_calls;
pub mod plan;
pub mod registry;
