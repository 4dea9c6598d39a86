//! One figure of one contender in one round.

use serde::Serialize;

use super::contender::{Contender, Work};
use super::figures::Figures;

/// One figure, or why there is none.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Sample {
    pub(super) contender: Contender,
    pub(super) work: Work,
    pub(super) round: u32,
    /// Whether others left the machine to us when it began.
    pub(super) was_idle: bool,
    pub(super) figures: Option<Figures>,
    pub(super) failure: Option<String>,
}
