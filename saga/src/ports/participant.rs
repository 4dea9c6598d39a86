//! A service of the shop's that takes part in sagas.

use std::fmt;

use async_trait::async_trait;
use holdfast_shared::{Line, Money, StepKey};

use super::payments::Fault;

/// A service of the shop's that takes part in sagas: its inventory, its customer check, its shipping.
///
/// What is asked under one key is done once, however often it is asked for, and what was undone is never done again.
#[async_trait]
pub trait Participant: Send + Sync + fmt::Debug {
    /// The name that requests call it by.
    fn name(&self) -> &str;

    /// Does its part. Asked again under the same key, it gives the same answer. A key that was undone is
    /// [refused](Fault::Refused).
    async fn act(&self, key: &StepKey, task: &Task<'_>) -> Result<Decision, Fault>;

    /// What it did under this key; `None`: it has not heard of it, and may yet.
    async fn look_up(&self, key: &StepKey) -> Result<Option<Decision>, Fault>;

    /// Makes it as if nothing had been done under this key, and sees to it that nothing ever is. A key that it has not heard
    /// of is no fault: the request may still be on its way.
    async fn undo(&self, key: &StepKey) -> Result<(), Fault>;
}

/// What a participant is to act on. It knows the order by the key alone: numbers can repeat after a backup was restored.
#[derive(Debug, Clone, Copy)]
pub struct Task<'a> {
    /// The step, as the definition names it.
    pub step: &'static str,
    /// What was ordered.
    pub lines: &'a [Line],
    /// What all of it costs.
    pub total: Money,
}

/// The decision of a participant. It is final.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It did its part.
    Done,
    /// It did nothing, and never will under this key.
    Rejected {
        /// The reason, as it gave it.
        reason: String,
    },
}
