//! Wake-up notifications: who tells workers that a saga is due.

use std::fmt;

use holdfast_shared::{Queue, SagaId};

/// Says which sagas are due: a hint that may be dropped, doubled, late or lost. Nothing follows but latency.
pub trait Dispatch: Send + Sync + fmt::Debug {
    /// Passes the hints on, or drops them. Never blocks, never fails.
    fn wake(&self, hints: &[Hint]);
}

/// One saga that may be due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hint {
    /// The saga.
    pub saga: SagaId,
    /// In which pool.
    pub queue: Queue,
}
