//! The batch: many sagas locked, planned, applied and committed at once.
//!
//! This is the whole of the engine's policy about transactions. The worker around it decides only
//! when to run a batch and carries out the calls that come out of it.

mod call_permits;
mod failures;
mod input;
mod planning;
mod report;
mod run;

pub use call_permits::CallPermits;
pub use failures::CommitFailures;
pub use input::{BatchInput, Engine};
pub(crate) use planning::plan_catching_panics;
pub use report::{BatchOutcome, Committed, SagaTransition};
